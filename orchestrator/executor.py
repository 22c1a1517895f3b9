"""The executor: a verdict becomes a result. It copies, verifies, and tries again.

"Copied" is never said on skopeo's word alone: afterwards the destination is
asked again, and has the expected digest, or the item has failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from orchestrator.diagnosis import Side
from orchestrator.docker_types import CONVERTED
from orchestrator.errors import ImageError, Kind, PutOffError
from orchestrator.manifest import Image, ImageConfig, parse_config, parse_manifest
from orchestrator.plan import Action, Item, PlannedItem, Reason, Upstream, delivery_notes
from orchestrator.reference import Digest, Reference, digest_of
from orchestrator.result import Outcome, Result
from orchestrator.schedule import Task
from orchestrator.skopeo import Copied, CopyRequest
from orchestrator.subset import Subset
from orchestrator.work import RetryRule

_log = logging.getLogger(__name__)

_BY_SKOPEO = "converted to other manifest types, since the registry refuses its own"

INTERRUPTED = "interrupted"
FAIL_FAST = "fail-fast"


class Copier(Protocol):
    """What the executor asks of skopeo."""

    def copy(self, request: CopyRequest, *, stall_timeout: float) -> Copied:
        """Copy from registry to registry."""
        ...

    def copy_blobs(self, request: CopyRequest, *, stall_timeout: float) -> Copied:
        """Copy what an image is made of, whether or not its manifest is taken."""
        ...

    def push_manifest(self, raw: bytes, destination: Reference, *, config: bytes = b"") -> None:
        """Push a manifest of what is there already."""
        ...

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest; None where there is none."""
        ...

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        ...


class Forms(Protocol):
    """Who knows what else would do."""

    def other_forms(self, item: Item) -> Iterator[tuple[str, Upstream]]:
        """What may be copied where a registry refuses what was planned, and the words for it."""
        ...


@dataclass(frozen=True)
class Conditions:
    """How the run goes about its work.

    Attributes:
        is_dry_run: Whether nothing is written.
        fails_fast: Whether the first failure puts off all that has not begun.
        stall_timeout: Seconds without a byte moved before a copy is ended.
    """

    is_dry_run: bool = False
    fails_fast: bool = False
    stall_timeout: float = 120.0


@dataclass(frozen=True)
class _Delivery:
    """What a copy brought: blobs that travelled, and what the destination has now.

    Attributes:
        note: In which form it is there, if not as its source has it.
        was_there: Whether it was there in that form before.
    """

    digest: Digest
    uploaded: tuple[Digest, ...] = ()
    sizes: Mapping[Digest, int] = field(default_factory=dict)
    note: str = ""
    was_there: bool = False

    @property
    def moved(self) -> int:
        return sum(self.sizes.get(digest, 0) for digest in self.uploaded)


class Executor:
    """Carries verdicts out; safe to be asked by many threads.

    Args:
        copier: Copies, and asks destinations.
        forms: Knows what else would do.
        retry: How a passing fault is tried again.
        conditions: How the run goes about its work.
        is_ending: Set once the run is to end.
    """

    def __init__(
        self,
        copier: Copier,
        forms: Forms,
        retry: RetryRule,
        conditions: Conditions,
        is_ending: threading.Event,
    ) -> None:
        self._copier = copier
        self._forms = forms
        self._retry = retry
        self._conditions = conditions
        self._is_ending = is_ending
        self._has_failed = threading.Event()
        self._held: dict[int, Reference] = {}

    def execute(self, task: Task) -> Result:
        """Make a result of a verdict; what goes wrong is part of it."""
        started = time.monotonic()
        planned = task.planned
        result = self._execute(task)
        if result.outcome is Outcome.FAILED:
            self._has_failed.set()
        if result.digest is not None and result.digest == result.expected_digest:
            self._held[task.place] = planned.item.destination.at(result.digest)
        return replace(result, seconds=planned.seconds + time.monotonic() - started)

    def _execute(self, task: Task) -> Result:
        planned = task.planned
        if planned.error:
            return _failed(Result(planned.item, Outcome.FAILED, ""), planned.error)
        upstream, decision = planned.upstream, planned.decision
        if upstream is None or decision is None:
            return Result(planned.item, Outcome.DEFERRED, planned.put_off)
        result = _begun(planned, upstream, decision.reason)
        if decision.action is Action.SKIP:
            return replace(result, outcome=self._skips_as, digest=planned.found)
        if self._conditions.is_dry_run:
            return replace(result, outcome=Outcome.WOULD_COPY, bytes=task.moves, pulls=task.pulls)
        put_off = self._put_off()
        if put_off:
            return replace(result, outcome=Outcome.DEFERRED, reason=put_off)
        return self._copied(result, task, upstream)

    @property
    def _skips_as(self) -> Outcome:
        return Outcome.WOULD_SKIP if self._conditions.is_dry_run else Outcome.SKIPPED

    def _put_off(self) -> str:
        """Why nothing new is begun any more; empty while it is."""
        if self._is_ending.is_set():
            return INTERRUPTED
        return FAIL_FAST if self._conditions.fails_fast and self._has_failed.is_set() else ""

    def _copied(self, result: Result, task: Task, upstream: Upstream) -> Result:
        attempts = 0
        feed = self._held.get(task.after) if task.after is not None else None
        if feed is not None and feed.digest != upstream.expected:
            feed = None  # its target wanted the index in another form

        def attempt() -> _Delivery:
            nonlocal attempts
            attempts += 1
            return self._deliver_in_some_form(task.planned, upstream, feed)

        try:
            delivery = self._retry.run(attempt)
        except ImageError as error:
            return _failed(replace(result, attempts=attempts), error)
        except PutOffError as error:
            put_off = replace(result, attempts=attempts, reason=error.message)
            return replace(put_off, outcome=Outcome.DEFERRED)
        return replace(
            result,
            outcome=Outcome.SKIPPED if delivery.was_there else Outcome.COPIED,
            reason=Reason.SAME_CONTENT.value if delivery.was_there else result.reason,
            digest=delivery.digest,
            bytes=delivery.moved,
            attempts=attempts,
            note="; ".join(note for note in (result.note, delivery.note) if note),
        )

    def _deliver_in_some_form(
        self, planned: PlannedItem, upstream: Upstream, feed: Reference | None
    ) -> _Delivery:
        """Copy as planned; where the registry refuses that, in the next best form."""
        item = planned.item
        try:
            return self._deliver(item, upstream, feed)
        except ImageError as error:
            refusal = _refusal(error, item)
        for note, other in self._next_best(item, upstream):
            if planned.has_already(other):
                return _Delivery(other.expected, note=note, was_there=True)
            try:
                return replace(self._deliver_from(item.source, item, other), note=note)
            except ImageError as error:
                refusal = _refusal(error, item)
        return self._as_skopeo_converts(item, upstream, refusal)

    def _next_best(self, item: Item, upstream: Upstream) -> Iterator[tuple[str, Upstream]]:
        """What to try, in this order, where a registry refuses what was planned.

        A whole index goes in pieces first: some versions of skopeo would add annotations of
        their own to it, or can't write all of its keys (skopeo#2627, skopeo#2778).
        """
        if upstream.index and upstream.index.is_whole:
            yield "", replace(upstream, index=replace(upstream.index, is_whole=False))
        tried = {upstream.expected}
        for note, other in self._forms.other_forms(item):
            if other.expected not in tried:
                tried.add(other.expected)
                yield note, other

    def _deliver(self, item: Item, upstream: Upstream, feed: Reference | None) -> _Delivery:
        """Copy from the target before this one in the chain, or else from the source."""
        if feed is not None:
            try:
                return self._deliver_from(feed, item, replace(upstream, rewritten=()))
            except ImageError as error:
                if error.registry != feed.registry:
                    raise
                _log.info("%s; it is read from the source instead", error.message)
        return self._deliver_from(item.source, item, upstream)

    def _deliver_from(self, origin: Reference, item: Item, upstream: Upstream) -> _Delivery:
        """Copy from one place, and ask the destination what it has."""
        request = _request(origin, item, upstream)
        subset = upstream.index
        if subset is None or subset.is_whole:
            uploaded = self._bring(request, upstream)
        else:
            uploaded = self._assemble(request, upstream, subset)
        raw = self._asked_again(request)
        if digest_of(raw) != upstream.expected:
            raise _mismatch(request, upstream.expected, raw)
        note = CONVERTED if upstream.rewritten else ""
        return _Delivery(upstream.expected, uploaded, self._sizes(request, raw), note)

    def _assemble(
        self, request: CopyRequest, upstream: Upstream, subset: Subset
    ) -> tuple[Digest, ...]:
        """Copy the children by digest, and then push the index that names them.

        The tag stays where it is until everything that it will name is there.
        """
        uploaded: list[Digest] = []
        for child in subset.children:
            part = replace(
                request,
                source=request.source.at(child.digest),
                destination=request.destination.at(child.digest),
                pulls=1,
            )
            uploaded += self._bring(part, upstream)
        self._copier.push_manifest(subset.raw, request.destination)
        return tuple(uploaded)

    def _bring(self, request: CopyRequest, upstream: Upstream) -> tuple[Digest, ...]:
        """Copy one part as it is, or under the manifest that it is rewritten to."""
        stall_timeout = self._conditions.stall_timeout
        digest = request.source.digest
        became = next((one for one in upstream.rewritten if one.digest == digest), None)
        if became is None:
            return self._copier.copy(request, stall_timeout=stall_timeout).uploaded
        source = request.source.at(became.origin)
        blobs = replace(request, source=source, destination=request.destination.at(became.origin))
        uploaded = self._copier.copy_blobs(blobs, stall_timeout=stall_timeout).uploaded
        self._copier.push_manifest(became.raw, request.destination, config=became.config)
        return uploaded

    def _as_skopeo_converts(self, item: Item, upstream: Upstream, refusal: ImageError) -> _Delivery:
        """Let skopeo find a form of one image; the content must come out the same."""
        if item.choice.single is None:
            raise refusal
        request = replace(
            _request(item.source, item, upstream),
            source=item.source.at(upstream.origin),
            keeps_digests=False,
        )
        copied = self._copier.copy(request, stall_timeout=self._conditions.stall_timeout)
        raw = self._asked_again(request)
        if not self._is_same_content(request, upstream, raw):
            raise _mismatch(request, upstream.expected, raw)
        return _Delivery(digest_of(raw), copied.uploaded, self._sizes(request, raw), _BY_SKOPEO)

    def _asked_again(self, request: CopyRequest) -> bytes:
        raw = self._copier.read_manifest(request.destination, side=Side.DESTINATION)
        if raw is None:
            raise ImageError(
                Kind.DIGEST_MISMATCH,
                f"{request.destination.familiar}: it is not there after the copy",
                hint="the registry says it took it; ask its operator",
            )
        return raw

    def _is_same_content(self, request: CopyRequest, upstream: Upstream, raw: bytes) -> bool:
        if digest_of(raw) == upstream.expected:
            return True
        manifest = parse_manifest(raw, of=request.destination.familiar)
        if not isinstance(manifest, Image):
            return False
        if manifest.config.digest == upstream.config_digest:
            return True
        ours = self._config(request.source, Side.SOURCE)
        return ours.is_same_image_as(self._config(request.destination, Side.DESTINATION))

    def _config(self, reference: Reference, side: Side) -> ImageConfig:
        raw = self._copier.read_config(reference, side=side)
        return parse_config(raw, of=reference.familiar)

    def _sizes(self, request: CopyRequest, raw: bytes) -> dict[Digest, int]:
        """The sizes of the blobs that a destination has, the children of an index included.

        They are asked there and not at the source, where each question may be a counted pull.
        """
        manifest = parse_manifest(raw, of=request.destination.familiar)
        if isinstance(manifest, Image):
            return {blob.digest: blob.size for blob in manifest.blobs}
        sizes: dict[Digest, int] = {}
        for child in manifest.manifests:
            reference = request.destination.at(child.digest)
            found = self._copier.read_manifest(reference, side=Side.DESTINATION)
            if found is None:
                raise _lost_child(request, child.digest)
            sizes |= self._sizes(replace(request, destination=reference), found)
        return sizes


def _begun(planned: PlannedItem, upstream: Upstream, reason: Reason) -> Result:
    return Result(
        item=planned.item,
        outcome=Outcome.DEFERRED,
        reason=reason.value,
        delivered=upstream.delivered,
        source_digest=upstream.digest,
        expected_digest=upstream.expected,
        digest_before=planned.found,
        created=upstream.created,
        note=_note(planned, upstream, reason),
    )


def _note(planned: PlannedItem, upstream: Upstream, reason: Reason) -> str:
    notes = [planned.note] if planned.note else []
    notes += delivery_notes(planned.item.choice, upstream.delivered)
    if reason is Reason.CREATED_ONLY:
        notes.append("same date, other content")
    return "; ".join(notes)


def _request(origin: Reference, item: Item, upstream: Upstream) -> CopyRequest:
    return CopyRequest(
        source=origin.at(upstream.expected),
        destination=item.destination,
        platform=item.choice.single,
        pulls=upstream.manifests,
    )


def _refusal(error: ImageError, item: Item) -> ImageError:
    """The error, where it says that the destination does not take the form; else it is raised.

    What was read of the source is good, so a bad manifest is one that is refused.
    """
    if error.kind is not Kind.BAD_MANIFEST or error.registry != item.destination.registry:
        raise error
    return error


def _failed(result: Result, error: ImageError) -> Result:
    return replace(result, outcome=Outcome.FAILED, reason=error.kind.value, error=error)


def _mismatch(request: CopyRequest, expected: Digest, raw: bytes) -> ImageError:
    return ImageError(
        Kind.DIGEST_MISMATCH,
        f"{request.destination.familiar}: after the copy it has {digest_of(raw)}, not {expected}",
        hint="another program may write to the same tag; the next run tries again",
    )


def _lost_child(request: CopyRequest, digest: Digest) -> ImageError:
    return ImageError(
        Kind.DIGEST_MISMATCH,
        f"{request.destination.familiar}: its index is there, but {digest} is not",
        hint="the registry lost a part of it; use --force to copy it again",
    )
