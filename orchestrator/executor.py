"""The executor: a verdict becomes a result. It copies, verifies, and tries again.

"Copied" is never said on skopeo's word alone: afterwards the destination is
asked again, and has the expected digest, or the item has failed.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.diagnosis import Side
from orchestrator.errors import ImageError, Kind, PutOffError
from orchestrator.manifest import Image, ImageConfig, parse_config, parse_manifest
from orchestrator.overlap import Overlap
from orchestrator.plan import Action, Item, PlannedItem, Reason, Upstream
from orchestrator.reference import Digest, Reference, digest_of
from orchestrator.result import Outcome, Result
from orchestrator.schedule import Task
from orchestrator.skopeo import Copied, CopyRequest
from orchestrator.subset import Subset
from orchestrator.work import RetryRule

_log = logging.getLogger(__name__)

INTERRUPTED = "interrupted"
FAIL_FAST = "fail-fast"

_CONVERTED = "converted to Docker's manifest types, since the registry refuses OCI's"


class Copier(Protocol):
    """What the executor asks of skopeo."""

    def copy(self, request: CopyRequest, *, stall_timeout: float) -> Copied:
        """Copy from registry to registry."""
        ...

    def push_index(self, raw: bytes, destination: Reference) -> None:
        """Push an index whose children are there already."""
        ...

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest; None where there is none."""
        ...

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
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
    """What a copy brought: blobs that travelled, and what the destination has now."""

    uploaded: tuple[Digest, ...]
    digest: Digest
    sizes: Mapping[Digest, int]
    is_converted: bool = False

    @property
    def moved(self) -> int:
        return sum(self.sizes.get(digest, 0) for digest in self.uploaded)


class Executor:
    """Carries verdicts out; safe to be asked by many threads.

    Args:
        copier: Copies, and asks destinations.
        retry: How a passing fault is tried again.
        conditions: How the run goes about its work.
        is_ending: Set once the run is to end.
        overlap: Notices other runs, where there may be some.
    """

    def __init__(
        self,
        copier: Copier,
        retry: RetryRule,
        conditions: Conditions,
        is_ending: threading.Event,
        *,
        overlap: Overlap | None = None,
    ) -> None:
        self._copier = copier
        self._retry = retry
        self._conditions = conditions
        self._is_ending = is_ending
        self._overlap = overlap
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
            if self._overlap:
                self._overlap.check(task.planned)
            return self._deliver(task.planned.item, upstream, feed)

        try:
            delivery = self._retry.run(attempt)
        except ImageError as error:
            return _failed(replace(result, attempts=attempts), error)
        except PutOffError as error:
            put_off = replace(result, attempts=attempts, reason=error.message)
            return replace(put_off, outcome=Outcome.DEFERRED)
        converted = _CONVERTED if delivery.is_converted else ""
        return replace(
            result,
            outcome=Outcome.COPIED,
            digest=delivery.digest,
            bytes=delivery.moved,
            attempts=attempts,
            note="; ".join(filter(None, (converted or result.note, self._overtaken(task.planned)))),
        )

    def _overtaken(self, planned: PlannedItem) -> str:
        """Say that the source has moved on while its copy was made, or just before."""
        now = self._overlap.moved_to(planned) if self._overlap else None
        if now is None:
            return ""
        _log.warning(
            "%s: its source has become %s meanwhile; the next run copies that",
            planned.item.destination.familiar,
            now,
        )
        return f"its source has become {now} meanwhile"

    def _deliver(self, item: Item, upstream: Upstream, feed: Reference | None) -> _Delivery:
        """Copy from the target before this one in the chain, or else from the source."""
        if feed is not None:
            try:
                return self._deliver_from(feed, item, upstream)
            except ImageError as error:
                if error.registry != feed.registry:
                    raise
                _log.info("%s; it is read from the source instead", error.message)
        return self._deliver_from(item.source, item, upstream)

    def _deliver_from(self, origin: Reference, item: Item, upstream: Upstream) -> _Delivery:
        request = CopyRequest(
            source=origin.at(upstream.expected),
            destination=item.destination,
            platform=item.choice.single,
            pulls=upstream.manifests,
            size=sum(blob.size for blob in upstream.blobs) or None,
        )
        if upstream.index and not upstream.index.is_whole:
            return self._assemble(origin, request, upstream.index)
        if item.target.profile.wants_docker_types:
            return self._converted(replace(request, format="v2s2"), upstream)
        try:
            copied = self._copier.copy(request, stall_timeout=self._conditions.stall_timeout)
        except ImageError as error:
            # The source's manifest was read and is good, so it is refused at the destination.
            if error.kind is not Kind.BAD_MANIFEST or item.choice.single is None:
                raise
            return self._converted(request, upstream)
        raw = self._asked_again(request)
        if digest_of(raw) != upstream.expected:
            raise _mismatch(request, upstream.expected, raw)
        return _Delivery(copied.uploaded, upstream.expected, self._sizes(request, raw))

    def _assemble(self, origin: Reference, request: CopyRequest, subset: Subset) -> _Delivery:
        """Copy the chosen children by digest, and then push the index that names them.

        The tag stays where it is until everything that it will name is there.
        """
        uploaded: list[Digest] = []
        for child in subset.children:
            part = replace(
                request,
                source=origin.at(child.digest),
                destination=request.destination.at(child.digest),
                pulls=1,
            )
            copied = self._copier.copy(part, stall_timeout=self._conditions.stall_timeout)
            uploaded += copied.uploaded
        self._copier.push_index(subset.raw, request.destination)
        raw = self._asked_again(request)
        if digest_of(raw) != subset.digest:
            raise _mismatch(request, subset.digest, raw)
        return _Delivery(tuple(uploaded), subset.digest, self._sizes(request, raw))

    def _converted(self, request: CopyRequest, upstream: Upstream) -> _Delivery:
        """Copy in a form that the registry takes; the content must come out the same."""
        request = replace(request, keeps_digests=False)
        copied = self._copier.copy(request, stall_timeout=self._conditions.stall_timeout)
        raw = self._asked_again(request)
        digest = digest_of(raw)
        if digest != upstream.expected and not self._is_same_content(request, upstream, raw):
            raise _mismatch(request, upstream.expected, raw)
        sizes = self._sizes(request, raw)
        is_converted = digest != upstream.expected
        return _Delivery(copied.uploaded, digest, sizes, is_converted=is_converted)

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
    single = planned.item.choice.single
    if single and upstream.delivered != str(single):
        notes.append(f"the image is for {upstream.delivered}, which serves {single}")
    if reason is Reason.CREATED_ONLY:
        notes.append("same date, other content")
    return "; ".join(notes)


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
