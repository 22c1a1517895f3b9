"""The pull budget: what Docker Hub's limit leaves, and who goes without."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.plan.decision import DeferredItem
from orchestrator.registry.pull_limit import PullCounter, PullLimit
from orchestrator.sync.schedule import CopyTask, pulls_of

_log = logging.getLogger(__name__)

OVER_BUDGET = "pull-budget"
"""Why a copy was deferred: Docker Hub would not count so many pulls any more."""


@dataclass(frozen=True)
class PullBudget:
    """What Docker Hub leaves to this run.

    Attributes:
        limit: What Docker Hub told first.
        pulls: What it has counted since.
    """

    limit: Callable[[], PullLimit | None]
    pulls: PullCounter

    def left(self) -> int | None:
        """Pulls that are left; None where no limit was told."""
        limit = self.limit()
        return None if limit is None else max(0, limit.remaining - self.pulls.count)

    def within(self, tasks: Sequence[CopyTask]) -> tuple[CopyTask, ...]:
        """The same tasks, those deferred for which there is no room; a log line says so."""
        limit, left = self.limit(), self.left()
        needed = sum(task.pulls for task in tasks)
        if limit is None or left is None or needed <= left:
            return tuple(tasks)
        _log.warning(
            "Docker Hub counts %d pulls for this, and %d of %d are left: the rest is deferred",
            needed,
            left,
            limit.limit,
        )
        return within_budget(tasks, left)


def within_budget(tasks: Iterable[CopyTask], budget: int) -> tuple[CopyTask, ...]:
    """Defer, in their order, the copies that would take more pulls than are left.

    A smaller one behind them still runs; so do all that take none.
    """
    kept: list[CopyTask] = []
    without: set[int] = set()
    for task in tasks:
        # Whoever was to be fed by a task that is deferred would have to read the source itself.
        need = pulls_of(task.planned) if task.after in without else task.pulls
        if need <= budget:
            budget -= need
            kept.append(task)
            continue
        without.add(task.place)
        deferred = DeferredItem(task.planned.item, OVER_BUDGET, task.planned.seconds)
        kept.append(CopyTask(task.place, deferred, after=task.after))
    return tuple(kept)
