"""The executor: a verdict becomes a result. It delivers, tries again, and says how it went."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace

from orchestrator.delivery import Copier, Courier, Delivery, Forms
from orchestrator.errors import ImageError, PutOffError
from orchestrator.overlap import Overlap
from orchestrator.plan import Action, PlannedItem, Reason, Upstream, delivery_notes
from orchestrator.reference import Reference
from orchestrator.result import Outcome, Result
from orchestrator.schedule import Task
from orchestrator.work import RetryRule

_log = logging.getLogger(__name__)

INTERRUPTED = "interrupted"
FAIL_FAST = "fail-fast"


@dataclass(frozen=True)
class Conditions:
    """How the run goes about its work.

    Attributes:
        is_dry_run: Whether nothing is written.
        fails_fast: Whether the first failure puts off all that has not begun.
    """

    is_dry_run: bool = False
    fails_fast: bool = False


class Executor:
    """Carries verdicts out; safe to be asked by many threads.

    Args:
        copier: Copies, and asks destinations.
        forms: Knows what else would do.
        retry: How a passing fault is tried again.
        conditions: How the run goes about its work.
        is_ending: Set once the run is to end.
        overlap: Notices other runs, where there may be some.
    """

    def __init__(
        self,
        copier: Copier,
        forms: Forms,
        retry: RetryRule,
        conditions: Conditions,
        is_ending: threading.Event,
        *,
        overlap: Overlap | None = None,
    ) -> None:
        self._courier = Courier(
            copier,
            forms,
            overlap.has if overlap else lambda _destination, _digest: False,
        )
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

        def attempt() -> Delivery:
            nonlocal attempts
            attempts += 1
            if self._overlap:
                self._overlap.check(task.planned)
            return self._courier.deliver(task.planned, upstream, feed)

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
            note="; ".join(
                filter(None, (result.note, delivery.note, self._overtaken(task.planned)))
            ),
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


def _failed(result: Result, error: ImageError) -> Result:
    return replace(result, outcome=Outcome.FAILED, reason=error.kind.value, error=error)
