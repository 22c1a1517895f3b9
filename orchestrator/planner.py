"""The planner: items become verdicts.

Each source is read once in a run, and what was read is what is copied, by
digest. Each destination is asked what it holds; where digests differ, the
configs tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from orchestrator.diagnosis import Side
from orchestrator.errors import ImageError, InterruptedRunError, Kind
from orchestrator.manifest import (
    Descriptor,
    Image,
    ImageConfig,
    Index,
    Manifest,
    parse_config,
    parse_manifest,
)
from orchestrator.plan import (
    Action,
    CreatedCheck,
    Decision,
    Item,
    PlannedItem,
    Reason,
    Upstream,
    decide_by_content,
    decide_by_digest,
)
from orchestrator.platforms import Platform, PlatformChoice
from orchestrator.reference import Digest, Reference, digest_of
from orchestrator.work import Once, RetryRule

T = TypeVar("T")

ALL = "all"


class Reader(Protocol):
    """What the planner asks of registries."""

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest; None where there is none."""
        ...

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        ...


@dataclass(frozen=True)
class Wishes:
    """How the user wants verdicts to be reached."""

    created_check: CreatedCheck = CreatedCheck.VERIFY
    is_forced: bool = False


class Planner:
    """Reaches the verdict of each item; safe to be asked by many threads.

    Args:
        reader: Asks registries.
        retry: How a passing fault is tried again.
        wishes: How verdicts are reached.
    """

    def __init__(self, reader: Reader, retry: RetryRule, wishes: Wishes) -> None:
        self._reader = reader
        self._retry = retry
        self._wishes = wishes
        self._source_manifest = Once(self._read_source_manifest)
        self._config = Once(self._read_source_config)

    def plan(self, item: Item) -> PlannedItem:
        """Reach one item's verdict; what stands in its way is part of the value."""
        started = time.monotonic()
        try:
            planned = self._plan(item)
        except ImageError as error:
            planned = PlannedItem(item, error=error)
        except InterruptedRunError:
            planned = PlannedItem(item)
        return replace(planned, seconds=time.monotonic() - started)

    def _plan(self, item: Item) -> PlannedItem:
        upstream = self._read_upstream(item.source, item.choice)
        raw = self._read(item.destination, Side.DESTINATION)
        found = digest_of(raw) if raw is not None else None
        decision = decide_by_digest(upstream.expected, found, is_forced=self._wishes.is_forced)
        if decision is None and raw is not None:
            decision = self._decide_by_content(item, upstream, raw)
        if decision and decision.action is Action.COPY:
            upstream = self._read_whole(item, upstream)
        return PlannedItem(item, upstream, found, decision)

    def _read_upstream(self, source: Reference, choice: PlatformChoice) -> Upstream:
        manifest = self._source_manifest(source)
        platform = choice.single
        if choice.is_all:
            return Upstream(manifest.digest, manifest.digest, ALL)
        if platform is None:
            raise ImageError(
                Kind.NO_SUCH_PLATFORM,
                f"{source.familiar}: several platforms under one tag are not supported yet",
                hint="write --platform=all, or a line for each platform",
            )
        if isinstance(manifest, Image):
            config = self._config(source.at(manifest.digest))
            _check_single(source, config, platform)
            return _upstream(manifest.digest, manifest, config, platform)
        child = _select(manifest, platform, source)
        return Upstream(manifest.digest, child.digest, str(child.platform or platform))

    def _decide_by_content(self, item: Item, upstream: Upstream, raw: bytes) -> Decision:
        """Tell a recompressed or converted image from another one."""
        differs = Decision(Action.COPY, Reason.CONTENT_DIFFERS)
        if self._wishes.created_check is CreatedCheck.OFF or not item.choice.single:
            return differs
        theirs = _image_or_none(raw, item.destination)
        if theirs is None:
            return differs
        ours = self._config(item.source.at(upstream.expected))
        destination = item.destination.at(theirs.digest)
        if ours.diff_ids and theirs.config.digest == ours.digest:
            return Decision(Action.SKIP, Reason.SAME_CONTENT)
        config = self._retried(lambda: self._reader.read_config(destination, side=Side.DESTINATION))
        found = parse_config(config, of=destination.familiar)
        return decide_by_content(ours, found, check=self._wishes.created_check)

    def _read_whole(self, item: Item, upstream: Upstream) -> Upstream:
        """Read all that a copy needs to know: the layers, and what the image really is for."""
        platform = item.choice.single
        if platform is None or upstream.blobs:
            return upstream
        child = item.source.at(upstream.expected)
        manifest = self._source_manifest(child)
        if isinstance(manifest, Index):
            raise ImageError(
                Kind.BAD_MANIFEST,
                f"{item.source.familiar}: its index holds another index for {platform}",
                hint="name the digest of the inner one, or use --platform=all",
            )
        config = self._config(child)
        _check_child(item.source, config, platform)
        return _upstream(upstream.digest, manifest, config, platform)

    def _read_source_manifest(self, reference: Reference) -> Manifest:
        raw = self._read(reference, Side.SOURCE)
        if raw is None:
            hint = "check the name and the tag"
            message = f"{reference.familiar}: it is not there"
            raise ImageError(Kind.NOT_FOUND, message, hint=hint)
        return parse_manifest(raw, of=reference.familiar)

    def _read_source_config(self, reference: Reference) -> ImageConfig:
        raw = self._retried(lambda: self._reader.read_config(reference, side=Side.SOURCE))
        return parse_config(raw, of=reference.familiar)

    def _read(self, reference: Reference, side: Side) -> bytes | None:
        return self._retried(lambda: self._reader.read_manifest(reference, side=side))

    def _retried(self, work: Callable[[], T]) -> T:
        return self._retry.run(work)


def _image_or_none(raw: bytes, reference: Reference) -> Image | None:
    """What stands at a destination, if it is an image; an oddity there is overwritten."""
    try:
        manifest = parse_manifest(raw, of=reference.familiar)
    except ImageError:
        return None
    return manifest if isinstance(manifest, Image) else None


def _upstream(digest: Digest, image: Image, config: ImageConfig, platform: Platform) -> Upstream:
    real = config.platform if config.platform.architecture else platform
    return Upstream(
        digest=digest,
        expected=image.digest,
        delivered=str(real),
        config_digest=config.digest,
        created=config.created,
        blobs=image.blobs,
    )


def _select(index: Index, platform: Platform, source: Reference) -> Descriptor:
    child = index.select(platform)
    if child is None:
        offered = ", ".join(map(str, index.platforms)) or "none"
        raise ImageError(
            Kind.NO_SUCH_PLATFORM,
            f"{source.familiar}: it has no {platform}; it has {offered}",
            hint="choose another with --platform",
        )
    return child


def _check_single(source: Reference, config: ImageConfig, platform: Platform) -> None:
    """Refuse a single image of another platform: skopeo would copy it without a word."""
    if platform.is_served_by(config.platform):
        return
    real = str(config.platform) if config.platform.architecture else "a platform it does not name"
    raise ImageError(
        Kind.PLATFORM_MISMATCH,
        f"{source.familiar}: it is one image for {real}, and {platform} was asked for",
        hint=f"write --platform={real}"
        if config.platform.architecture
        else "--platform=all takes it as it is",
    )


def _check_child(source: Reference, config: ImageConfig, platform: Platform) -> None:
    """Refuse a child that is not what its index says, as far as its config tells."""
    if not config.platform.architecture or platform.is_served_by(config.platform):
        return
    raise ImageError(
        Kind.PLATFORM_MISMATCH,
        f"{source.familiar}: its index says {platform}, but that image is for {config.platform}",
        hint="tell its maintainer; no other image was copied instead",
    )
