"""The steps of a run: items are checked, inspected and copied side by side.

Each item goes through three steps: two HEADs may prove it in sync; else it is inspected;
then its task is carried out. Each step has its own bound, and none waits for another item's, with
two exceptions: a link of a chain waits for the one before it; and what Docker Hub counts waits
until it is certain that its pull limit will do.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

from orchestrator.oci.reference import Digest
from orchestrator.plan.decision import DeferredItem, FailedItem, PlannedItem, Verdict, is_copy
from orchestrator.plan.items import Item
from orchestrator.report.result import Result
from orchestrator.sync.pull_budget import PullBudget
from orchestrator.sync.schedule import Blob, CopyTask, CopyTaskFactory, Schedule

MOST_PULLS = 4
"""What one platform of one source takes at most: its index twice, where HTTP did not get
through with it, its manifest, and that again for the copy."""


@dataclass(frozen=True)
class HeadCheck:
    """The step that may prove an item in sync, by two HEADs.

    Attributes:
        place: The item's, in the order of the run.
    """

    place: int
    item: Item


@dataclass(frozen=True)
class Inspect:
    """The step that reaches a verdict: source and destination are read.

    Attributes:
        place: The item's, in the order of the run.
    """

    place: int
    item: Item


Step: TypeAlias = "HeadCheck | Inspect | CopyTask"

StepResult: TypeAlias = "PlannedItem | Result | None"
"""What a step comes to; None where two HEADs proved nothing."""


@dataclass(frozen=True)
class StepLimits:
    """How many of each step there may be at once; the schedule limits the copies.

    Attributes:
        checks: Items that HEADs are asked for.
        inspections: Items that are inspected, to begin with. Most lead to a copy, and then a few
            keep ahead of the copies; begun all together, they would keep the first copy waiting,
            and the copies would all be at the same stage at any time, now all talking, now all
            loading. Each one that leads to none makes room for one more.
        most_inspections: As many as there ever are.
    """

    checks: int
    inspections: int
    most_inspections: int


class StepQueue:
    """Hands out the steps that can be taken next; used by one thread, but for `arrived`.

    Args:
        items: In the list's order.
        before: For each item the place of the one whose task has to be made first, if any.
        limits: How many of each step at once.
        schedule: Orders the copies.
        factory: Makes tasks of planned items.
        budget: What Docker Hub leaves.
    """

    def __init__(
        self,
        items: Sequence[Item],
        before: Sequence[int | None],
        limits: StepLimits,
        schedule: Schedule,
        factory: CopyTaskFactory,
        budget: PullBudget,
    ) -> None:
        self._items = items
        self._before = before
        self._behind = {first: place for place, first in enumerate(before) if first is not None}
        self._unchecked = iter(range(len(items)))
        self._is_open: dict[int, bool] = {}
        self._next = 0
        self._unseen: deque[int] = deque()
        self._schedule = schedule
        self._factory = factory
        self._budget = budget
        self._room = {HeadCheck: limits.checks, Inspect: limits.inspections}
        self._more_inspections = limits.most_inspections - limits.inspections
        self._verdicts: dict[int, PlannedItem] = {}
        self._unmade = set(range(len(items)))
        self._held: list[CopyTask] = []
        self._arrivals: SimpleQueue[Blob] = SimpleQueue()
        hub = [item for item in items if item.source.is_docker_hub]
        self._counted = Counter(bool(item.choice.single) for item in hub)

    def take(self) -> Step | None:
        """The next step; None where there is none before something has ended."""
        while not self._arrivals.empty():
            self._schedule.arrive(self._arrivals.get())
        if (task := self._schedule.take()) is not None:
            return task
        if self._unseen and self._room[Inspect]:
            self._room[Inspect] -= 1
            place = self._unseen.popleft()
            return Inspect(place, self._items[place])
        if self._room[HeadCheck] and (unchecked := next(self._unchecked, None)) is not None:
            self._room[HeadCheck] -= 1
            return HeadCheck(unchecked, self._items[unchecked])
        return None

    def arrived(self, registry: str, digest: Digest) -> None:
        """A registry has got a blob; may be called by any thread."""
        self._arrivals.put((registry, digest))

    def finish(self, step: Step, result: StepResult) -> None:
        """A step has ended."""
        if isinstance(step, CopyTask):
            if isinstance(result, Result):
                self._schedule.finish(step, result)
            return
        self._room[type(step)] += 1
        if isinstance(step, HeadCheck):
            self._open(step.place, is_open=result is None)
        if isinstance(result, Verdict | FailedItem | DeferredItem):
            self._learn(step, result)

    def _learn(self, step: HeadCheck | Inspect, planned: PlannedItem) -> None:
        """An item is planned: all tasks are made that can be."""
        if isinstance(step, Inspect) and not is_copy(planned) and self._more_inspections > 0:
            self._more_inspections -= 1
            self._room[Inspect] += 1
        if step.item.source.is_docker_hub and not is_copy(planned):
            self._counted[bool(step.item.choice.single)] -= 1
        self._verdicts[step.place] = planned
        place: int | None = step.place
        while place in self._verdicts and self._before[place] not in self._unmade:
            self._make(place)
            place = self._behind.get(place)
        self._let_go()

    def _open(self, place: int, *, is_open: bool) -> None:
        """Line up for an inspection, in the list's order, what its check proved nothing of."""
        self._is_open[place] = is_open
        while (is_next_open := self._is_open.pop(self._next, None)) is not None:
            if is_next_open:
                self._unseen.append(self._next)
            self._next += 1

    def _make(self, place: int) -> None:
        planned = self._verdicts.pop(place)
        self._unmade.discard(place)
        task = self._factory.make(place, planned)
        if is_copy(planned) and planned.item.source.is_docker_hub:
            self._held.append(task)
        else:
            self._schedule.add(task)

    def _let_go(self) -> None:
        """Let what Docker Hub counts go on, once that is safe."""
        if self._unmade and not (self._held and self._is_safe()):
            return
        held, self._held = sorted(self._held, key=lambda task: task.place), []
        for task in held if self._unmade else self._budget.within(held):
            self._schedule.add(task)

    def _is_safe(self) -> bool:
        """Whether the limit will do, however the items without a verdict turn out."""
        left = self._budget.left()
        several, single = self._counted[False], self._counted[True]
        return left is None or (not several and left >= MOST_PULLS * single)
