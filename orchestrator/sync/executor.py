"""The executor: a task becomes a result. It copies, tries again, and says how it went."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Protocol

from orchestrator.errors import DeferredError, ImageError
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.ages import HeldItem
from orchestrator.plan.decision import (
    Action,
    DeferredItem,
    FailedItem,
    Reason,
    Verdict,
    delivery_notes,
)
from orchestrator.plan.items import Item
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.conflict import ConflictCheck
from orchestrator.sync.copier import Copier, CopyOutcome, CopyTool, Forms
from orchestrator.sync.schedule import CopyTask
from orchestrator.system.parallel import RetryPolicy
from orchestrator.system.progress import Transfers

_log = logging.getLogger(__name__)

INTERRUPTED = "interrupted"
FAIL_FAST = "fail-fast"
TOO_YOUNG = "too-young"
"""Why an image is held back: --min-age."""


class PushWatcher(Protocol):
    """Learns what is pushed, while that goes on; safe to be used by many threads."""

    def expect(self, destination: Reference) -> None:
        """It is about to be pushed to."""
        ...

    def ask(self, destination: Reference) -> None:
        """It has been pushed to."""
        ...


@dataclass(frozen=True)
class Conditions:
    """How a run goes about carrying out.

    Attributes:
        is_dry_run: Whether nothing is written.
        fails_fast: Whether the first failure defers all that has not begun.
        transfers: Shows what is under way.
        kept: The result of what fails only since its source is gone; None of all else.
        pushes: Learns what is pushed, where somebody wants to know.
    """

    is_dry_run: bool = False
    fails_fast: bool = False
    transfers: Transfers = field(default_factory=Transfers)
    kept: Callable[[FailedItem], Result | None] = lambda _: None
    pushes: PushWatcher | None = None


class Executor:
    """Carries tasks out; safe to be asked by many threads.

    Args:
        tool: Copies, and reads destinations.
        forms: Knows other forms that a target may take.
        retry: How a passing fault is tried again.
        conditions: How the run goes about its work.
        is_stopping: Set once the run is to end.
        conflicts: Notices other runs, where there may be some.
    """

    def __init__(
        self,
        tool: CopyTool,
        forms: Forms,
        retry: RetryPolicy,
        conditions: Conditions,
        is_stopping: threading.Event,
        *,
        conflicts: ConflictCheck | None = None,
    ) -> None:
        self._copier = Copier(tool, forms, self._has_arrived, retry)
        self._retry = retry
        self._conditions = conditions
        self._is_stopping = is_stopping
        self._conflicts = conflicts
        self._has_failed = threading.Event()
        self._held: dict[int, Reference] = {}

    def execute(self, task: CopyTask) -> Result:
        """Carry a task out; what goes wrong is part of the result."""
        started = time.monotonic()
        planned = task.planned
        result = self._execute(task)
        if result.outcome is Outcome.FAILED:
            self._has_failed.set()
        if result.digest is not None:
            self._held[task.place] = planned.item.destination.at(result.digest)
        return replace(result, seconds=planned.seconds + time.monotonic() - started)

    def _execute(self, task: CopyTask) -> Result:
        match task.planned:
            case FailedItem(item, error) as failed:
                kept = self._conditions.kept(failed)
                return kept or _failed(Result(item, Outcome.FAILED, ""), error)
            case DeferredItem(item, reason):
                return Result(item, Outcome.DEFERRED, reason)
            case Verdict() as verdict:
                return self._carried_out(task, verdict)

    def _carried_out(self, task: CopyTask, verdict: Verdict) -> Result:
        result = _begun(verdict)
        if verdict.decision.action is Action.SKIP:
            return replace(result, outcome=self._skips_as, digest=verdict.found)
        if self._conditions.is_dry_run:
            layers = (one for image in verdict.upstream.layers.values() for one in image)
            planned = replace(result, bytes=task.moves, pulls=task.pulls, layers=tuple(layers))
            return replace(planned, outcome=Outcome.WOULD_COPY)
        deferred = self._deferral()
        if deferred:
            return replace(result, outcome=Outcome.DEFERRED, reason=deferred)
        return self._copied(result, task, verdict)

    @property
    def _skips_as(self) -> Outcome:
        return Outcome.WOULD_SKIP if self._conditions.is_dry_run else Outcome.SKIPPED

    def _deferral(self) -> str:
        """Why nothing new is begun any more; empty while it is."""
        if self._is_stopping.is_set():
            return INTERRUPTED
        return FAIL_FAST if self._conditions.fails_fast and self._has_failed.is_set() else ""

    def _copied(self, result: Result, task: CopyTask, verdict: Verdict) -> Result:
        attempts = 0
        previous = self._held.get(task.after) if task.after is not None else None
        if previous is not None and previous.digest != verdict.upstream.expected:
            previous = None  # its target wanted the index in another form

        destination, name = str(verdict.item.destination), verdict.item.source.familiar
        sizes = {str(blob.digest): blob.size for blob in verdict.upstream.blobs}

        def attempt() -> CopyOutcome:
            nonlocal attempts
            attempts += 1
            if self._conflicts:
                self._conflicts.check(verdict)
            if self._conditions.pushes:
                self._conditions.pushes.expect(verdict.item.destination)
            also = tuple(one.item.destination for one in task.feeds if self._may_be_fed(one))
            with self._conditions.transfers.begun(destination, name=name, sizes=sizes):
                return self._copier.copy(verdict, previous, also)

        try:
            outcome = self._retry.run(attempt)
        except ImageError as error:
            return _failed(replace(result, attempts=attempts), error)
        except DeferredError as error:
            deferred = replace(result, attempts=attempts, reason=error.message)
            return replace(deferred, outcome=Outcome.DEFERRED)
        return replace(
            result,
            outcome=Outcome.SKIPPED if outcome.was_there else Outcome.COPIED,
            reason=Reason.SAME_CONTENT.value if outcome.was_there else result.reason,
            digest=outcome.digest,
            bytes=outcome.moved,
            attempts=attempts,
            note="; ".join(filter(None, (result.note, outcome.note, self._overtaken(verdict)))),
        )

    def _has_arrived(self, item: Item, digest: Digest) -> bool:
        """After a copy: whether a HEAD tells that it is there."""
        if self._conditions.pushes:
            self._conditions.pushes.ask(item.destination)
        return bool(self._conflicts and self._conflicts.has_arrived(item, digest))

    def _may_be_fed(self, verdict: Verdict) -> bool:
        """Whether nothing speaks against writing what comes next in the chain along with this."""
        try:
            if self._conflicts:
                self._conflicts.check(verdict)
        except ImageError as error:
            _log.debug("%s", error.message)
            return False
        return True

    def _overtaken(self, verdict: Verdict) -> str:
        """Say that the source has moved on while its copy was made, or just before."""
        now = self._conflicts.new_source_digest(verdict) if self._conflicts else None
        if now is None:
            return ""
        _log.warning(
            "%s: its source has become %s meanwhile; the next run copies that",
            verdict.item.destination.familiar,
            now,
        )
        return f"its source has become {now} meanwhile"


def result_of(left_out: FailedItem | HeldItem) -> Result:
    """The result of an item that nothing is done for."""
    if isinstance(left_out, FailedItem):
        return _failed(Result(left_out.item, Outcome.FAILED, ""), left_out.error)
    until = datetime.fromtimestamp(left_out.until, timezone.utc)
    return Result(
        left_out.item,
        Outcome.HELD,
        TOO_YOUNG,
        source_digest=left_out.digest,
        note=f"until {until:%Y-%m-%d %H:%M} UTC",
        is_told=not left_out.is_new,
    )


def _begun(verdict: Verdict) -> Result:
    upstream = verdict.upstream
    is_whole = verdict.decision.reason is not Reason.INCOMPLETE
    return Result(
        item=verdict.item,
        outcome=Outcome.DEFERRED,
        reason=verdict.decision.reason.value,
        delivered=upstream.delivered,
        source_digest=upstream.digest,
        expected_digest=upstream.expected,
        digest_before=verdict.found,
        created=upstream.created,
        note=_note(verdict),
        platforms=upstream.platforms if is_whole else (),
        size=upstream.size if is_whole else 0,
    )


def _note(verdict: Verdict) -> str:
    notes = [verdict.note] if verdict.note else []
    notes += delivery_notes(verdict.item.choice, verdict.upstream.delivered)
    if verdict.decision.reason is Reason.CREATED_ONLY:
        notes.append("same date, other content")
    return "; ".join(notes)


def _failed(result: Result, error: ImageError) -> Result:
    return replace(result, outcome=Outcome.FAILED, reason=error.kind.value, error=error)
