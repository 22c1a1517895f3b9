"""The order of copies: as many at once as may be, and no blob twice to one registry.

skopeo mounts a blob that it has seen finished at a registry, instead of
uploading it again. Two copies that start together have seen nothing: each
uploads what they share. So a copy waits while another one brings a blob that
it needs, and copies that share nothing fill the gap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.plan import Action, PlannedItem
from orchestrator.platforms import PlatformChoice
from orchestrator.reference import Digest, Reference
from orchestrator.result import Outcome, Result

SMALLEST_SHARED = 32 * 1024
"""Bytes; waiting for a smaller blob would cost more than to send it twice."""

Blob = tuple[str, Digest]
"""A blob at a registry."""


@dataclass(frozen=True)
class Task:
    """A verdict, and what stands between it and being carried out.

    Attributes:
        place: Where it stands in the run's order.
        brings: The blobs that it brings to its registry.
        after: The place of the task that has to end first; it feeds this one.
        target: The name of its target, whose own limit counts.
    """

    place: int
    planned: PlannedItem
    brings: frozenset[Blob]
    after: int | None
    target: str


def tasks_of(planned: Iterable[PlannedItem], *, chains: bool) -> tuple[Task, ...]:
    """Make tasks of verdicts, in their order.

    Args:
        planned: The verdicts.
        chains: Whether the targets of one image are fed one from another.
    """
    last: dict[tuple[Reference, PlatformChoice], int] = {}
    tasks = []
    for place, one in enumerate(planned):
        key = (one.item.source, one.item.choice)
        after = last.get(key) if chains else None
        last[key] = place
        tasks.append(Task(place, one, _brings(one), after, one.item.target.name))
    return tuple(tasks)


def _brings(planned: PlannedItem) -> frozenset[Blob]:
    copies = planned.decision is not None and planned.decision.action is Action.COPY
    if planned.upstream is None or not copies:
        return frozenset()
    registry = planned.item.destination.registry
    blobs = planned.upstream.blobs
    return frozenset((registry, blob.digest) for blob in blobs if blob.size >= SMALLEST_SHARED)


class Schedule:
    """Hands tasks out, each as soon as nothing stands in its way.

    It is asked and told by one thread.

    Args:
        tasks: In the order in which they are wanted.
        limits: How many tasks of a target may run at once, for the targets that say so.
    """

    def __init__(self, tasks: Iterable[Task], limits: Mapping[str, int] | None = None) -> None:
        self._waiting = {task.place: task for task in tasks}
        self._unfinished = set(self._waiting)
        self._limits = limits or {}
        self._running: Counter[str] = Counter()
        self._on_the_way: set[Blob] = set()
        self._arrived: set[Blob] = set()

    def take(self) -> Task | None:
        """The next task that may run now; None where all that wait have to wait on."""
        ready = next((task for task in self._waiting.values() if self._is_ready(task)), None)
        if ready is None:
            return None
        del self._waiting[ready.place]
        self._running[ready.target] += 1
        self._on_the_way |= ready.brings
        return ready

    def finish(self, task: Task, result: Result) -> None:
        """A task has ended; what a copy brought has arrived."""
        self._unfinished.discard(task.place)
        self._running[task.target] -= 1
        self._on_the_way -= task.brings
        if result.outcome is Outcome.COPIED:
            self._arrived |= task.brings

    def _is_ready(self, task: Task) -> bool:
        if task.after is not None and task.after in self._unfinished:
            return False
        limit = self._limits.get(task.target)
        if limit is not None and self._running[task.target] >= limit:
            return False
        return not ((task.brings - self._arrived) & self._on_the_way)
