"""The pull budget: what copies take of Docker Hub's pull limit, and which are deferred for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.errors import ImageError, Side
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.decision import DeferredItem
from orchestrator.plan.shard import Shard
from orchestrator.registry.pull_limit import PullCounter, PullLimit
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.copier import CopyTool
from orchestrator.sync.schedule import CopyTask, pulls_of

_log = logging.getLogger(__name__)

T = TypeVar("T")

OVER_BUDGET = "pull-budget"
"""Why a copy was deferred: Docker Hub would not count so many pulls any more."""


@dataclass(frozen=True)
class PullBudget:
    """The pulls that Docker Hub's limit leaves to this run.

    Attributes:
        limit: What Docker Hub's first answer named.
        pulls: What it has counted since.
        shard: Which part of the list this run has; the others need their share of the limit.
    """

    limit: Callable[[], PullLimit | None]
    pulls: PullCounter
    shard: Shard | None = None

    def left(self) -> int | None:
        """Pulls that are left; None where none was named."""
        limit = self.limit()
        if limit is None:
            return None
        remaining = self.shard.share(limit.remaining) if self.shard else limit.remaining
        return max(0, remaining - self.pulls.count)

    def within(self, tasks: Sequence[CopyTask]) -> tuple[CopyTask, ...]:
        """The same tasks, those deferred for which there is no room; a log line says so."""
        left = self.left()
        needed = sum(task.pulls for task in tasks)
        if left is None or needed <= left:
            return tuple(tasks)
        _log.warning(
            "Docker Hub counts %d pulls for this, and %d are left: the rest is deferred",
            needed,
            left,
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


class CountedTool:
    """A tool that copies, whose pulls are counted; none are made past Docker Hub's limit.

    Args:
        tool: Copies and reads.
        pulls: Counts what Docker Hub counts.
    """

    def __init__(self, tool: CopyTool, pulls: PullCounter) -> None:
        self._tool = tool
        self._pulls = pulls

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        """The digest of what a reference names; None where there is nothing."""
        return self._read(reference, lambda: self._tool.read_digest(reference, side=side))

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest or index; None where there is none."""
        return self._read(reference, lambda: self._tool.read_manifest(reference, side=side))

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image; its manifest is read for it."""
        return self._read(reference, lambda: self._tool.read_config(reference, side=side))

    def read_referrers(self, reference: Reference, *, side: Side) -> tuple[bytes, ...] | None:
        """What refers to a digest, which Docker Hub does not count."""
        return self._tool.read_referrers(reference, side=side)

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy from registry to registry; the blobs that travelled."""
        return self._copied(request, self._tool.copy)

    def copy_blobs(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy what an image is made of, whether or not its manifest is taken."""
        return self._copied(request, self._tool.copy_blobs)

    def push_manifest(self, raw: bytes, destination: Reference, *, config: bytes = b"") -> None:
        """Push a manifest of what is there already, which takes no pull."""
        self._tool.push_manifest(raw, destination, config=config)

    def _read(self, reference: Reference, read: Callable[[], T]) -> T:
        self._pulls.check(reference)
        try:
            found = read()
        except ImageError as error:
            self._pulls.note_refusal(error)
            raise
        if found is not None:
            self._pulls.add(reference)
        return found

    def _copied(
        self, request: CopyRequest, copy: Callable[[CopyRequest], tuple[Digest, ...]]
    ) -> tuple[Digest, ...]:
        """Copy, and count the manifests that were read; a refused push comes after that."""
        self._pulls.check(request.source)
        try:
            uploaded = copy(request)
        except ImageError as error:
            self._pulls.note_refusal(error)
            if error.registry == request.destination.registry:
                self._pulls.add(request.source, request.pulls)
            raise
        self._pulls.add(request.source, request.pulls)
        return uploaded
