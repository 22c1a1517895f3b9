"""The order of copies: as many at once as may be, and no blob twice to one registry.

skopeo mounts a blob that it has seen finished at a registry, instead of
uploading it again. Two copies that start together have seen nothing: each
uploads what they share. So a copy waits while another one brings a blob that
it needs, and copies that share nothing fill the gap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator.plan import Action, PlannedItem
from orchestrator.platforms import PlatformChoice
from orchestrator.reference import Digest, Reference
from orchestrator.result import Outcome, Result

SMALLEST_SHARED = 32 * 1024
"""Bytes; waiting for a smaller blob would cost more than to send it twice."""

OVER_BUDGET = "pull-budget"
"""Why a copy was put off: Docker Hub would not count so many pulls any more."""

Blob = tuple[str, Digest]
"""A blob at a registry."""


@dataclass(frozen=True)
class Task:
    """A verdict, and what stands between it and being carried out.

    Attributes:
        place: Where it stands in the run's order.
        brings: The blobs that it brings to its registry.
        after: The place of the task that has to end first; it feeds this one.
        moves: Bytes that it has to move, as far as is known: what an earlier task brings
            to the registry does not count.
        pulls: Counted pulls that its copy takes.
    """

    place: int
    planned: PlannedItem
    brings: frozenset[Blob] = frozenset()
    after: int | None = None
    moves: int = 0
    pulls: int = 0

    @property
    def target(self) -> str:
        """The name of its target, whose own limit counts."""
        return self.planned.item.target.name


def tasks_of(planned: Iterable[PlannedItem], *, chains: bool) -> tuple[Task, ...]:
    """Make tasks of verdicts, in their order.

    Args:
        planned: The verdicts.
        chains: Whether the targets of one image are fed one from another.
    """
    last: dict[tuple[Reference, PlatformChoice], Task] = {}
    on_the_way: set[Blob] = set()
    tasks = []
    for place, one in enumerate(planned):
        key = (one.item.source, one.item.choice)
        before = last.get(key) if chains else None
        task = _task(place, one, before, on_the_way)
        last[key] = task
        on_the_way |= set(_blobs(one))
        tasks.append(task)
    return tuple(tasks)


def within_budget(tasks: Iterable[Task], budget: int) -> tuple[Task, ...]:
    """Put off, in their order, the copies that would take more pulls than are left.

    A smaller one behind them still runs; so do all that take none.
    """
    kept: list[Task] = []
    without: set[int] = set()
    for task in tasks:
        # Whoever was to be fed by a task that is put off would have to read the source itself.
        need = _pulls(task.planned) if task.after in without else task.pulls
        if need <= budget:
            budget -= need
            kept.append(task)
            continue
        without.add(task.place)
        put_off = replace(task.planned, decision=None, put_off=OVER_BUDGET)
        kept.append(Task(task.place, put_off, after=task.after))
    return tuple(kept)


def _task(
    place: int, planned: PlannedItem, before: Task | None, on_the_way: Collection[Blob]
) -> Task:
    after = before.place if before else None
    sizes = _blobs(planned)
    if planned.upstream is None or not _is_copy(planned):
        return Task(place, planned, after=after)
    is_fed = before is not None and _will_have(before.planned, planned.upstream.expected)
    return Task(
        place,
        planned,
        brings=frozenset(blob for blob, size in sizes.items() if size >= SMALLEST_SHARED),
        after=after,
        moves=sum(size for blob, size in sizes.items() if blob not in on_the_way),
        pulls=0 if is_fed else _pulls(planned),
    )


def _pulls(planned: PlannedItem) -> int:
    """What Docker Hub counts where a copy reads it."""
    is_counted = _is_copy(planned) and planned.item.source.is_docker_hub
    return planned.upstream.manifests if planned.upstream and is_counted else 0


def _is_copy(planned: PlannedItem) -> bool:
    return planned.decision is not None and planned.decision.action is Action.COPY


def _will_have(planned: PlannedItem, expected: Digest) -> bool:
    """Whether the target before this one in the chain has what this one wants."""
    if _is_copy(planned):
        return planned.upstream is not None and planned.upstream.expected == expected
    return planned.found == expected


def _blobs(planned: PlannedItem) -> dict[Blob, int]:
    """What a copy needs at its registry, and how large it is."""
    if planned.upstream is None or not _is_copy(planned):
        return {}
    registry = planned.item.destination.registry
    return {(registry, blob.digest): blob.size for blob in planned.upstream.blobs}


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
