"""The steps of a run: items are checked, inspected and copied side by side.

Each item goes through three steps: two HEADs may prove it in sync; else it is inspected;
then its task is carried out. Each step has its own bound, and none waits for another item's, with
two exceptions: a link of a chain waits for the one before it; and what Docker Hub counts waits
until it is certain that its pull limit will do.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

from orchestrator.errors import SyncerError, image_fault
from orchestrator.oci.reference import Digest
from orchestrator.plan.decision import (
    Action,
    DeferredItem,
    FailedItem,
    PlannedItem,
    Verdict,
    is_copy,
)
from orchestrator.plan.items import Item
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.schedule import Blob, CopyTask, CopyTaskFactory, Schedule
from orchestrator.sync.upstream.pull_budget import PullBudget

_log = logging.getLogger(__name__)

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
        is_proven: Whether a registry has answered in this run; others get a small share.
        enough_checks: How many checks at once keep us busy; it may change as the run goes on.
    """

    checks: int
    inspections: int
    most_inspections: int
    is_proven: Callable[[str], bool] = lambda _: True
    enough_checks: Callable[[], int] | None = None


Hosts: TypeAlias = "tuple[str, str]"
"""The registries that an item is about: its source's and its destination's."""


def hosts_of(item: Item) -> Hosts:
    """The registries that are asked about an item."""
    return item.source.registry, item.destination.registry


class Lines:
    """Items that wait: a line for each pair of hosts, each in the list's order."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._lines: dict[Hosts, deque[int]] = {}

    def add(self, place: int) -> None:
        """One more, behind the others of its hosts."""
        self._lines.setdefault(hosts_of(self._items[place]), deque()).append(place)

    def first(self, hosts: Hosts) -> int | None:
        """Who is first in a line."""
        line = self._lines.get(hosts)
        return line[0] if line else None

    def drop(self, hosts: Hosts) -> None:
        """Take the first out of a line."""
        line = self._lines[hosts]
        line.popleft()
        if not line:
            del self._lines[hosts]

    def take(self, may_begin: Callable[[Hosts], bool]) -> int | None:
        """Take out the first in the list's order whose hosts may be asked."""
        heads = ((line[0], hosts) for hosts, line in self._lines.items() if may_begin(hosts))
        place, hosts = min(heads, default=(None, None))
        if hosts is not None:
            self.drop(hosts)
        return place


class HostShares:
    """How many of one kind of step a host may keep busy, so that a slow one leaves room for others.

    A host that has not answered yet gets an eighth, one that has gets three quarters; the only
    one on its side of the copies gets all.

    Args:
        items: Of the run.
        capacity: Steps of this kind at once.
        is_proven: Whether a registry has answered in this run.
    """

    def __init__(
        self, items: Sequence[Item], capacity: int, is_proven: Callable[[str], bool]
    ) -> None:
        self._is_proven = is_proven
        self._of_proven = max(1, capacity - max(1, capacity // 4))
        self._of_unproven = max(1, capacity // 8)
        sides = zip(*map(hosts_of, items), strict=True)
        self._is_shared = [len(set(hosts)) > 1 for hosts in sides]
        self._running: Counter[tuple[int, str]] = Counter()

    def may_begin(self, hosts: Hosts) -> bool:
        """Whether one more step of these hosts may begin."""
        return all(
            self._running[side, host]
            < (self._of_proven if self._is_proven(host) else self._of_unproven)
            for side, host in enumerate(hosts)
            if self._is_shared[side]
        )

    def begin(self, hosts: Hosts) -> None:
        """A step has begun."""
        self._running.update(enumerate(hosts))

    def end(self, hosts: Hosts) -> None:
        """A step has ended."""
        self._running.subtract(enumerate(hosts))


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
        self._shares = {
            HeadCheck: HostShares(items, limits.checks, limits.is_proven),
            Inspect: HostShares(items, limits.most_inspections, limits.is_proven),
        }
        self._unchecked = Lines(items)
        self._checked = Lines(items)
        self._is_open: dict[int, bool] = {}
        self._unseen = Lines(items)
        for place in range(len(items)):
            self._unchecked.add(place)
            self._checked.add(place)
        self._schedule = schedule
        self._factory = factory
        self._budget = budget
        self._checks = limits.checks
        self._enough_checks = limits.enough_checks or (lambda: limits.checks)
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
        if (place := self._next_of(Inspect, self._unseen)) is not None:
            return Inspect(place, self._items[place])
        if self._checks - self._room[HeadCheck] >= self._enough_checks():
            return None
        if (place := self._next_of(HeadCheck, self._unchecked)) is not None:
            return HeadCheck(place, self._items[place])
        return None

    def _next_of(self, kind: type[HeadCheck | Inspect], lines: Lines) -> int | None:
        """The first item in the list's order for which there is room, and its hosts have some."""
        if not self._room[kind]:
            return None
        shares = self._shares[kind]
        place = lines.take(shares.may_begin)
        if place is not None:
            self._room[kind] -= 1
            shares.begin(hosts_of(self._items[place]))
        return place

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
        self._shares[type(step)].end(hosts_of(step.item))
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
        chain = self._factory.chain_of(step.place)
        place: int | None = chain[0] if self._verdicts.keys() >= {*chain} else None
        while place in self._verdicts and self._before[place] not in self._unmade:
            self._make(place)
            place = self._behind.get(place)
        self._let_go()

    def _open(self, place: int, *, is_open: bool) -> None:
        """Line up for an inspection what its check proved nothing of.

        Among items of the same hosts that is in the list's order.
        """
        self._is_open[place] = is_open
        hosts = hosts_of(self._items[place])
        while (first := self._checked.first(hosts)) in self._is_open:
            self._checked.drop(hosts)
            if self._is_open.pop(first):
                self._unseen.add(first)

    def _make(self, place: int) -> None:
        planned = self._verdicts.pop(place)
        self._unmade.discard(place)
        first, *rest = self._factory.chain_of(place)
        following = (self._verdicts[one] for one in rest) if place == first else ()
        task = self._factory.make(place, planned, following)
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


def is_brief(step: Step) -> bool:
    """Whether a step waits for nothing: that nothing is to be done only has to be said."""
    return (
        isinstance(step, CopyTask)
        and isinstance(step.planned, Verdict)
        and step.planned.decision.action is Action.SKIP
    )


def guarded(step: Step, work: Callable[[Step], StepResult]) -> StepResult:
    """Take a step; what nobody foresaw, and what the machine lacks, is that item's fault alone."""
    item = step.planned.item if isinstance(step, CopyTask) else step.item
    try:
        return work(step)
    except SyncerError:
        raise  # the whole run's
    except Exception as error:  # noqa: BLE001 - one image never ends the run
        fault = image_fault(error, of=item.source.familiar)
        _log.debug("%s", fault.message, exc_info=True)
    match step:
        case HeadCheck():
            return None
        case Inspect():
            return FailedItem(item, fault)
        case CopyTask():
            return Result(item, Outcome.FAILED, fault.kind.value, error=fault)
