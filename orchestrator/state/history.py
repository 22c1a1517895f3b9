"""Past runs as values, and as the rows that the state database keeps of them. No I/O.

Only what was not simply in sync is kept of a run's items: a run that changed nothing is one
row, however long its list. Error messages are left out, since they may quote a registry.
"""

from __future__ import annotations

from datetime import datetime, timezone

from orchestrator.report.history import PastResult, PastRun
from orchestrator.report.result import Outcome, Report, Result, Totals
from orchestrator.state.database import Cell, DamagedError, Row, Table

RUNS = Table(
    "runs",
    tuple(
        "run_id started finished version skopeo_version mode shard is_dry_run exit_status "
        "items copied skipped failed deferred invalid bytes pulls".split()
    ),
    key=("run_id",),
)
RESULTS = Table(
    "results",
    tuple(
        "run_id position line source platform target destination outcome reason delivered "
        "source_digest digest_before digest created bytes milliseconds attempts".split()
    ),
    key=("run_id", "position"),
)

_IN_SYNC = frozenset({Outcome.SKIPPED, Outcome.WOULD_SKIP})


def run_row(report: Report) -> Row:
    """A run as a row of `RUNS`."""
    totals = report.totals
    return (
        report.run_id,
        _utc(report.started),
        _utc(report.finished),
        report.version,
        report.skopeo_version,
        report.mode,
        report.shard,
        int(report.is_dry_run),
        int(report.exit_status),
        totals.items,
        totals.copied,
        totals.skipped,
        totals.failed,
        totals.deferred,
        totals.invalid,
        totals.bytes,
        totals.pulls,
    )


def result_rows(report: Report) -> tuple[Row, ...]:
    """What a run changed or could not do, as rows of `RESULTS`."""
    kept = (
        result for result in report.results if result.outcome not in _IN_SYNC and not result.is_told
    )
    return tuple((report.run_id, at, *_cells(result)) for at, result in enumerate(kept))


def past_run(row: Row) -> PastRun:
    """The run that a row of `RUNS` tells of.

    Raises:
        DamagedError: It was never written so.
    """
    run_id, started, finished, version, skopeo_version, mode, shard = map(str, row[:7])
    is_dry_run, exit_status, *totals = map(_whole, row[7:])
    return PastRun(
        run_id=run_id,
        started=_time(started),
        finished=_time(finished),
        version=version,
        skopeo_version=skopeo_version,
        mode=mode,
        shard=shard,
        is_dry_run=bool(is_dry_run),
        exit_status=exit_status,
        totals=Totals(*totals),
    )


def past_result(row: Row) -> PastResult:
    """The item that a row of `RESULTS` tells of.

    Raises:
        DamagedError: It was never written so.
    """
    _, _, line, *texts, size, milliseconds, attempts = row
    source, platform, target, destination, outcome, reason, *rest = map(str, texts)
    delivered, source_digest, digest_before, digest, created = rest
    return PastResult(
        line=_whole(line),
        source=source,
        platform=platform,
        target=target,
        destination=destination,
        outcome=outcome,
        reason=reason,
        delivered=delivered,
        source_digest=source_digest,
        digest_before=digest_before,
        digest=digest,
        created=created,
        bytes=_whole(size),
        seconds=_whole(milliseconds) / 1000,
        attempts=_whole(attempts),
    )


def _cells(result: Result) -> Row:
    item = result.item
    return (
        item.line,
        str(item.source),
        str(item.choice),
        item.target.name,
        str(item.destination),
        result.outcome.value,
        result.reason,
        result.delivered,
        result.source_digest or "",
        result.digest_before or "",
        result.digest or "",
        result.created,
        result.bytes,
        round(result.seconds * 1000),
        result.attempts,
    )


def _utc(moment: datetime) -> str:
    """One form for all times, so that texts sort as times do."""
    return moment.astimezone(timezone.utc).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise DamagedError from None


def _whole(cell: Cell) -> int:
    if not isinstance(cell, int):
        raise DamagedError
    return cell
