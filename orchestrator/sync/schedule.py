"""The order of copies: as many at once as may be, and no blob twice to one registry.

skopeo mounts a blob that it has seen finished at a registry, instead of
uploading it again. Two copies that start together have seen nothing: each
uploads what they share. So a copy waits while another one brings a blob that
it needs, no longer, and copies that share nothing fill the gap.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.config.settings import Settings
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.decision import PlannedItem, Verdict, is_copy
from orchestrator.plan.items import Item
from orchestrator.report.result import Outcome, Result

SMALLEST_SHARED = 32 * 1024
"""Bytes; waiting for a smaller blob would cost more than to send it twice."""

Blob = tuple[str, Digest]
"""A blob at a registry."""


@dataclass(frozen=True)
class CopyTask:
    """A planned item, and what has to be known to carry it out in its turn.

    Attributes:
        place: Where it stands in the run's order.
        brings: The blobs that it brings to its registry.
        after: The place of the task that has to end first: this one copies from its target.
        moves: Bytes that it has to move, as far as is known: what an earlier task brings
            to the registry does not count.
        pulls: Counted pulls that its copy takes.
        reads: The registry that it is copied from, whose limit counts, too; empty where the
            target before it feeds it.
        feeds: The verdicts of what comes after it in its chain and wants the same: a relay brings
            it there along the way.
    """

    place: int
    planned: PlannedItem
    brings: frozenset[Blob] = frozenset()
    after: int | None = None
    moves: int = 0
    pulls: int = 0
    reads: str = ""
    feeds: tuple[Verdict, ...] = ()

    @property
    def target(self) -> str:
        """The name of its target, whose own limit counts."""
        return self.planned.item.target.name


def chain_links(items: Iterable[Item]) -> tuple[int | None, ...]:
    """For each item the place of the one before it in its chain, from whose target it is copied."""
    last: dict[tuple[Reference, PlatformChoice], int] = {}
    links = []
    for place, item in enumerate(items):
        key = (item.source, item.choice)
        links.append(last.get(key))
        last[key] = place
    return tuple(links)


class CopyTaskFactory:
    """Makes tasks of planned items; that of a chain's link after that of the one before it.

    Args:
        links: From `chain_links`, or None for each item.
        is_relaying: Whether one copy may feed several targets.
    """

    def __init__(self, links: Sequence[int | None], *, is_relaying: bool = False) -> None:
        self._links = links
        self._chains = _chains(links) if is_relaying else {}
        self._feeding = set(links)
        self._made: dict[int, CopyTask] = {}
        self._on_the_way: set[Blob] = set()

    def chain_of(self, place: int) -> tuple[int, ...]:
        """The places whose verdicts have to be known before the task of the first can be made."""
        return self._chains.get(place, (place,))

    def make(
        self, place: int, planned: PlannedItem, following: Iterable[PlannedItem] = ()
    ) -> CopyTask:
        """The task of a verdict.

        Args:
            place: Where it stands in the run's order.
            planned: The verdict.
            following: Those of the rest of its chain, where it is the first of it.
        """
        link = self._links[place]
        before = self._made[link] if link is not None else None
        task = _task(place, planned, before, self._on_the_way)
        task = replace(task, feeds=tuple(_fed_by(planned, following)))
        if place in self._feeding:
            self._made[place] = task
        self._on_the_way |= _blobs(planned).keys()
        return task


def _chains(links: Sequence[int | None]) -> dict[int, tuple[int, ...]]:
    """For each place that is linked to another one, all places of its chain."""
    chains: dict[int, tuple[int, ...]] = {}
    for place, before in enumerate(links):
        if before is not None:
            chain = (*chains.get(before, (before,)), place)
            chains |= dict.fromkeys(chain, chain)
    return chains


def _fed_by(planned: PlannedItem, following: Iterable[PlannedItem]) -> Iterator[Verdict]:
    """Those that want the very same, and have room for it whenever it comes."""
    for one in following:
        if not (is_copy(planned) and is_copy(one)) or one.item.target.jobs is not None:
            continue
        is_same = planned.upstream.expected == one.upstream.expected
        if is_same and not planned.upstream.rewritten and not one.upstream.rewritten:
            yield one


def _task(
    place: int, planned: PlannedItem, before: CopyTask | None, on_the_way: Collection[Blob]
) -> CopyTask:
    after = before.place if before else None
    if not is_copy(planned):
        return CopyTask(place, planned, after=after)
    sizes = _blobs(planned)
    is_fed = before is not None and _will_have(before.planned, planned.upstream.expected)
    return CopyTask(
        place,
        planned,
        brings=frozenset(blob for blob, size in sizes.items() if size >= SMALLEST_SHARED),
        after=after,
        moves=sum(size for blob, size in sizes.items() if blob not in on_the_way),
        pulls=0 if is_fed else pulls_of(planned),
        reads="" if is_fed else planned.item.source.registry,
    )


def pulls_of(planned: PlannedItem) -> int:
    """What Docker Hub counts where a copy reads the source."""
    if is_copy(planned) and planned.item.source.is_docker_hub:
        return planned.upstream.manifests
    return 0


def _will_have(planned: PlannedItem, expected: Digest) -> bool:
    """Whether the target before this one in the chain has what this one wants."""
    if is_copy(planned):
        return planned.upstream.expected == expected
    return isinstance(planned, Verdict) and planned.found == expected


def _blobs(planned: PlannedItem) -> dict[Blob, int]:
    """The blobs that a copy needs at its registry, and their bytes."""
    if not is_copy(planned):
        return {}
    registry = planned.item.destination.registry
    return {(registry, blob.digest): blob.size for blob in planned.upstream.blobs}


def schedule_of(at_once: Callable[[float], int], settings: Settings) -> Schedule:
    """An empty schedule that keeps to the `jobs` of targets and of sources."""
    return Schedule(
        at_once,
        {name: one.jobs for name, one in settings.targets.items() if one.jobs},
        {name: one.jobs for name, one in settings.sources.items() if one.jobs},
    )


class Schedule:
    """Hands tasks out, each as soon as nothing stands in its way.

    What is no copy is done at once and counts nowhere. It is used by one thread.

    Args:
        at_once: How many copies may run at once, by the bytes that one moves in the mean.
        limits: How many of one target, for the targets that say so.
        source_limits: How many that read from one registry, for those that say so.
    """

    def __init__(
        self,
        at_once: Callable[[float], int],
        limits: Mapping[str, int] | None = None,
        source_limits: Mapping[str, int] | None = None,
    ) -> None:
        self._at_once = at_once
        self._copies = 0
        self._moves = 0
        self._limits = limits or {}
        self._source_limits = source_limits or {}
        self._settled: deque[CopyTask] = deque()
        self._waiting: dict[int, CopyTask] = {}
        self._unfinished: set[int] = set()
        self._running: Counter[str] = Counter()
        self._reading: Counter[str] = Counter()
        self._on_the_way: set[Blob] = set()
        self._arrived: set[Blob] = set()

    def add(self, task: CopyTask) -> None:
        """Another task; whoever it comes after was added before."""
        self._unfinished.add(task.place)
        if is_copy(task.planned):
            self._waiting[task.place] = task
            self._copies += 1
            self._moves += task.moves
        else:
            self._settled.append(task)

    def take(self) -> CopyTask | None:
        """The next task that may run now; None where all that wait have to wait on."""
        if self._settled:
            return self._settled.popleft()
        if not self._waiting or self._running.total() >= self._at_once(self._moves / self._copies):
            return None
        ready = next((task for task in self._waiting.values() if self._is_ready(task)), None)
        if ready is None:
            return None
        del self._waiting[ready.place]
        self._running[ready.target] += 1
        self._reading[ready.reads] += 1
        self._on_the_way |= ready.brings
        return ready

    def arrive(self, blob: Blob) -> None:
        """A blob has arrived, though the copy that brings it goes on: who needs it may begin."""
        self._on_the_way.discard(blob)
        self._arrived.add(blob)

    def finish(self, task: CopyTask, result: Result) -> None:
        """A task has ended; what a copy brought has arrived."""
        self._unfinished.discard(task.place)
        if not is_copy(task.planned):
            return
        self._running[task.target] -= 1
        self._reading[task.reads] -= 1
        self._on_the_way -= task.brings
        if result.outcome is Outcome.COPIED:
            self._arrived |= task.brings

    def _is_ready(self, task: CopyTask) -> bool:
        if task.after is not None and task.after in self._unfinished:
            return False
        limit = self._limits.get(task.target)
        if limit is not None and self._running[task.target] >= limit:
            return False
        limit = self._source_limits.get(task.reads)
        if limit is not None and self._reading[task.reads] >= limit:
            return False
        return not ((task.brings - self._arrived) & self._on_the_way)
