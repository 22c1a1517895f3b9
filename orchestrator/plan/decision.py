"""Deciding: what to do with an item, and why. Values in, values out.

The digest decides. Where digests differ, the configs tell a recompressed or
converted image from another one; `created` alone proves nothing, since
reproducible builds all bear one date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, TypeGuard

from orchestrator.config.settings import CreatedCheck
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.conversion import ConvertedManifest
from orchestrator.oci.index import PushIndex
from orchestrator.oci.manifest import Descriptor, ImageConfig
from orchestrator.oci.platform import Platform, PlatformChoice
from orchestrator.oci.reference import Digest
from orchestrator.plan.items import Item
from orchestrator.text import human_bytes


@dataclass(frozen=True)
class KnownImage:
    """What is known of a source from its index's digest and a platform choice alone.

    Attributes:
        expected: The digest that a destination in sync has.
        delivered: The platform that a copy really is for.
        config_digest: The config's, where a copy is a single image.
        created: As the config says it; empty where it was not read.
    """

    expected: Digest
    delivered: str
    config_digest: Digest | None = None
    created: str = ""


class Action(str, Enum):
    """What is to be done with an item."""

    COPY = "copy"
    SKIP = "skip"


class Reason(str, Enum):
    """Why an action is taken; an item that failed has the `ErrorKind` of its error instead."""

    FORCED = "forced"
    MISSING = "missing"
    INCOMPLETE = "incomplete"
    SAME_DIGEST = "same-digest"
    SAME_CONTENT = "same-content"
    CREATED_ONLY = "created-only"
    INDEX_DIFFERS = "index-differs"
    CONTENT_DIFFERS = "content-differs"


@dataclass(frozen=True)
class Decision:
    """An action and its reason."""

    action: Action
    reason: Reason


@dataclass(frozen=True)
class Upstream:
    """A source as it was read once; what is copied is what was read, by digest.

    Attributes:
        digest: What the source's tag names: the index's where there is one.
        expected: What the destination has when it is in sync.
        delivered: The platform that the copy really is for; `all` for a whole index.
        config_digest: The config's, where the copy is a single image.
        created: As the config says it; empty where it was not read, or is not said.
        blobs: All that travels, as far as it is known.
        blobs_of: The same for each child of an index, by the child's digest.
        index: What is pushed after its children, where several platforms are wanted.
        rewritten: The images that go under other manifests than their source's.
    """

    digest: Digest
    expected: Digest
    delivered: str
    config_digest: Digest | None = None
    created: str = ""
    blobs: tuple[Descriptor, ...] = ()
    blobs_of: Mapping[Digest, tuple[Descriptor, ...]] = field(default_factory=dict, hash=False)
    index: PushIndex | None = None
    rewritten: tuple[ConvertedManifest, ...] = ()

    @property
    def origin(self) -> Digest:
        """The digest at the source of what is copied; for several images, of what is whole."""
        is_rewritten = self.index is None and self.rewritten
        return self.rewritten[0].origin if is_rewritten else self.expected

    @property
    def size(self) -> int:
        """Bytes of all that travels, compressed; 0 where that is not known."""
        return sum(blob.size for blob in self.blobs)

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platforms that it is for, one by one; empty where they are not known."""
        if self.index:
            return tuple(dict.fromkeys(map(str, self.index.platforms)))
        named = self.delivered.split(",") if self.delivered else []
        return tuple(one for one in named if one != "all")

    @property
    def layers(self) -> Mapping[str, tuple[Descriptor, ...]]:
        """The layers of each image that travels, by its platform, as far as they are known.

        The platform is empty where one image is all there is.
        """
        if self.index is None or not self.blobs_of:
            return {"": self.blobs[:-1]} if self.blobs else {}
        origins = {one.digest: one.origin for one in self.rewritten}
        found: dict[str, tuple[Descriptor, ...]] = {}
        for child in self.index.children:
            blobs = self.blobs_of.get(origins.get(child.digest, child.digest))
            if blobs and not child.is_attestation:
                found[str(child.platform or child.digest)] = blobs[:-1]
        return found

    @property
    def manifests(self) -> int:
        """How many manifests a copy reads at the source."""
        if self.index is None:
            return 1
        return len(self.index.children) + (1 if self.index.is_whole else 0)


@dataclass(frozen=True)
class Verdict:
    """What is to be done with an item, and why.

    Attributes:
        found: What the destination holds now; None where it holds nothing.
        note: What the reader should know of it.
        seconds: How long it took to reach the verdict.
    """

    item: Item
    upstream: Upstream
    decision: Decision
    found: Digest | None = None
    note: str = ""
    seconds: float = 0.0

    def has_already(self, other: Upstream) -> bool:
        """Whether the destination holds another form of what was planned, and that will do."""
        will_not_do = self.decision.reason in (Reason.FORCED, Reason.INCOMPLETE)
        is_planned = self.upstream.expected == other.expected
        return self.found == other.expected and not will_not_do and not is_planned


@dataclass(frozen=True)
class FailedItem:
    """An item for which no verdict could be reached.

    Attributes:
        error: What stood in the way.
        seconds: How long it took to fail.
    """

    item: Item
    error: ImageError
    seconds: float = 0.0


@dataclass(frozen=True)
class DeferredItem:
    """An item that this run leaves to the next, though nothing is wrong with it.

    Attributes:
        reason: Why, as the report has it.
        seconds: How long it took to find that out.
    """

    item: Item
    reason: str
    seconds: float = 0.0


PlannedItem: TypeAlias = "Verdict | FailedItem | DeferredItem"
"""What planning an item comes to."""


def is_copy(planned: PlannedItem) -> TypeGuard[Verdict]:
    """Whether an item is to be copied."""
    return isinstance(planned, Verdict) and planned.decision.action is Action.COPY


def decide_by_digest(
    expected: Digest, found: Digest | None, *, is_forced: bool = False
) -> Decision | None:
    """Decide as far as digests can; None where they differ, and the contents must tell."""
    if is_forced:
        return Decision(Action.COPY, Reason.FORCED)
    if found is None:
        return Decision(Action.COPY, Reason.MISSING)
    if found == expected:
        return Decision(Action.SKIP, Reason.SAME_DIGEST)
    return None


def decide_by_content(
    ours: ImageConfig,
    theirs: ImageConfig,
    *,
    check: CreatedCheck = CreatedCheck.VERIFY,
    is_converted: bool = False,
) -> Decision:
    """Decide between two images of different digests by their configs.

    Args:
        ours: The source's.
        theirs: The destination's.
        check: How far equal dates are believed.
        is_converted: Whether Docker's types may have become OCI's on the way.
    """
    if check is CreatedCheck.OFF:
        return Decision(Action.COPY, Reason.CONTENT_DIFFERS)
    if ours.is_same_image_as(theirs, is_converted=is_converted):
        return Decision(Action.SKIP, Reason.SAME_CONTENT)
    if ours.created != theirs.created:
        return Decision(Action.COPY, Reason.CONTENT_DIFFERS)
    is_believed = check is CreatedCheck.TRUST and not is_epoch(ours.created)
    return Decision(Action.SKIP if is_believed else Action.COPY, Reason.CREATED_ONLY)


def check_limits(item: Item, upstream: Upstream) -> None:
    """Refuse, before a byte is moved, what a target is known not to take.

    Raises:
        ImageError: `over-limit`; the message names the image's own number and the limit.
    """
    limits, images = item.target.limits, upstream.layers
    layers = {one: len(found) for one, found in images.items()}
    sizes = {one: max((layer.size for layer in found), default=0) for one, found in images.items()}
    for limit, most, numbers, words in (
        ("layers", limits.layers, layers, "{} layers"),
        ("layer_size", limits.layer_size, sizes, "a layer of {}"),
    ):
        over = {one: number for one, number in numbers.items() if most and number > most}
        if most and over:
            shown = human_bytes if limit == "layer_size" else str
            platform, number = max(over.items(), key=lambda pair: pair[1])
            which = f"its image for {platform}" if platform else "it"
            left_out = "leave that platform out with --platform, " * (len(over) < len(images))
            raise ImageError(
                ErrorKind.OVER_LIMIT,
                f"{item.source.familiar}: {which} has {words.format(shown(number))}, and "
                f"{item.target.name} takes {shown(most)}",
                hint=f"{left_out}send it to another target with --to, or set "
                f'limits = {{ {limit} = "unlimited" }} for [targets.{item.target.name}] in '
                "targets.toml if yours takes it",
            )


def is_epoch(created: str) -> bool:
    """Whether a date says nothing: unset, or one that reproducible builds are given.

    1970-01-01 is ko's, jib's and distroless's, 1980-01-01 the Cloud Native Buildpacks',
    0001-01-01 Go's zero time.
    """
    return not created or created[:10] in {"1970-01-01", "1980-01-01", "0001-01-01"}


def delivery_notes(choice: PlatformChoice, delivered: str) -> tuple[str, ...]:
    """What is delivered otherwise than it was asked for.

    Args:
        choice: What was asked for.
        delivered: What the copy is for, as `Upstream` has it.
    """
    if choice.is_all:
        return ()
    if choice.single:
        is_other = delivered != str(choice.single)
        return (f"the image is for {delivered}, which serves {choice.single}",) * is_other
    there = delivered.split(",")
    others = [
        f"{one} serves {asked}"
        for asked in choice.platforms
        if str(asked) not in there
        for one in there
        if asked.is_served_by(Platform.shown(one))
    ]
    return (*(f"without {platform}" for platform in choice.left_out_of(delivered)), *others)
