"""Past runs for eyes: one line a run, or what one of them changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from orchestrator.report.result import Totals
from orchestrator.report.tables import Columns, text_table
from orchestrator.text import human_bytes, human_seconds


@dataclass(frozen=True)
class PastRun:
    """A run that has ended.

    Attributes:
        mode: The names of its targets.
        exit_status: What the program ended with.
    """

    run_id: str
    started: datetime
    finished: datetime
    version: str
    skopeo_version: str
    mode: str
    shard: str
    is_dry_run: bool
    exit_status: int
    totals: Totals


@dataclass(frozen=True)
class PastResult:
    """An item of a past run that was copied, failed or was deferred.

    Attributes:
        digest_before: What the destination had; empty where it had nothing.
        digest: What it had afterwards.
    """

    line: int
    source: str
    platform: str
    target: str
    destination: str
    outcome: str
    reason: str
    delivered: str
    source_digest: str
    digest_before: str
    digest: str
    created: str
    bytes: int
    seconds: float
    attempts: int


_RUNS = Columns(
    ("run", "started (UTC)", "targets", "copied", "in sync", "failed", "moved", "took", "status"),
    right=frozenset({3, 4, 5, 6, 7, 8}),
    spare=(2, 7, 6),
)
_RESULTS = Columns(
    ("image", "platform", "target", "outcome", "why", "before", "now", "size"),
    right=frozenset({7}),
    spare=(5, 7, 6, 1),
)
_SHORT = len("sha256:") + 12


def text_runs(runs: Iterable[PastRun], *, width: int | None = None) -> str:
    """A table of runs, as they come."""
    rows = [
        (
            run.run_id,
            f"{run.started:%Y-%m-%d %H:%MZ}",
            run.mode,
            str(run.totals.copied),
            str(run.totals.skipped),
            str(run.totals.failed + run.totals.invalid),
            human_bytes(run.totals.bytes),
            human_seconds((run.finished - run.started).total_seconds()),
            str(run.exit_status),
        )
        for run in runs
    ]
    return text_table(_RUNS, rows, width=width) + "\n"


def text_results(results: Iterable[PastResult], *, width: int | None = None) -> str:
    """A table of what a run copied, could not copy, or deferred."""
    rows = [
        (
            one.source,
            one.platform,
            one.target,
            one.outcome,
            one.reason,
            one.digest_before[:_SHORT],
            one.digest[:_SHORT],
            human_bytes(one.bytes),
        )
        for one in results
    ]
    return text_table(_RESULTS, rows, width=width) + "\n"
