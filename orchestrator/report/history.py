"""Past runs for eyes: one line a run, or what one of them changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from orchestrator.language import ENGLISH, Translations, gettext_noop
from orchestrator.oci.json_text import Json
from orchestrator.report.json_report import SCHEMA, as_document, as_rfc3339
from orchestrator.report.result import Totals
from orchestrator.report.tables import Columns, markdown_table, text_table
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
    (
        gettext_noop("run"),
        gettext_noop("started (UTC)"),
        gettext_noop("targets"),
        gettext_noop("copied"),
        gettext_noop("in sync"),
        gettext_noop("failed"),
        gettext_noop("moved"),
        gettext_noop("took"),
        gettext_noop("status"),
    ),
    right=frozenset({3, 4, 5, 6, 7, 8}),
    spare=(2, 7, 6),
)
_RESULTS = Columns(
    (
        gettext_noop("image"),
        gettext_noop("platform"),
        gettext_noop("target"),
        gettext_noop("outcome"),
        gettext_noop("why"),
        gettext_noop("before"),
        gettext_noop("now"),
        gettext_noop("size"),
    ),
    right=frozenset({7}),
    spare=(5, 7, 6, 1),
)
_SHORT = len("sha256:") + 12


def text_runs(
    runs: Iterable[PastRun], words: Translations = ENGLISH, *, width: int | None = None
) -> str:
    """A table of runs, as they come."""
    return text_table(_RUNS.translated(words), map(_run_row, runs), width=width) + "\n"


def markdown_runs(runs: Iterable[PastRun], words: Translations = ENGLISH) -> str:
    """The same for a page."""
    return markdown_table(_RUNS.translated(words), map(_run_row, runs)) + "\n"


def _run_row(run: PastRun) -> tuple[str, ...]:
    return (
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


def text_results(
    results: Iterable[PastResult], words: Translations = ENGLISH, *, width: int | None = None
) -> str:
    """A table of what a run copied, could not copy, or deferred."""
    return text_table(_RESULTS.translated(words), map(_result_row, results), width=width) + "\n"


def markdown_results(results: Iterable[PastResult], words: Translations = ENGLISH) -> str:
    """The same for a page."""
    return markdown_table(_RESULTS.translated(words), map(_result_row, results)) + "\n"


def _result_row(one: PastResult) -> tuple[str, ...]:
    return (
        one.source,
        one.platform,
        one.target,
        one.outcome,
        one.reason,
        one.digest_before[:_SHORT],
        one.digest[:_SHORT],
        human_bytes(one.bytes),
    )


def json_runs(runs: Iterable[PastRun]) -> str:
    """The same for programs."""
    return as_document({"schema": SCHEMA, "runs": [_run(run) for run in runs]})


def json_results(run_id: str, results: Iterable[PastResult]) -> str:
    """The same for programs; what is not known is null."""
    return as_document({"schema": SCHEMA, "run_id": run_id, "items": [*map(_result, results)]})


def _run(run: PastRun) -> dict[str, Json]:
    return {
        "run_id": run.run_id,
        "started": as_rfc3339(run.started),
        "finished": as_rfc3339(run.finished),
        "version": run.version,
        "tools": {"skopeo": run.skopeo_version or None},
        "mode": run.mode,
        "shard": run.shard or None,
        "is_dry_run": run.is_dry_run,
        "exit_status": run.exit_status,
        "totals": asdict(run.totals),
    }


def _result(one: PastResult) -> dict[str, Json]:
    return {
        "line": one.line or None,
        "source": one.source,
        "platform": one.platform,
        "delivered": one.delivered or None,
        "target": one.target,
        "destination": one.destination,
        "action": one.outcome,
        "reason": one.reason,
        "source_digest": one.source_digest or None,
        "destination_digest_before": one.digest_before or None,
        "destination_digest": one.digest or None,
        "created": one.created or None,
        "bytes": one.bytes,
        "seconds": round(one.seconds, 3),
        "attempts": one.attempts,
    }
