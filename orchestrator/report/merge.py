"""Reports of shards become one: every item of the list once, those of a lost shard as `lost`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import TypeVar

from orchestrator import __version__
from orchestrator.config.targets import Target
from orchestrator.errors import ErrorKind, FormatError, ImageError, Problem, SyncerError
from orchestrator.oci.json_text import Json, parse_json
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.items import Item, NamedItems
from orchestrator.plan.shard import Shard, shard_number
from orchestrator.report.causes import REMEDIES
from orchestrator.report.json_report import SCHEMA
from orchestrator.report.result import Outcome, Report, Result, TargetCount, new_run_id

T = TypeVar("T")

_INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class ShardReport:
    """What one shard said of itself."""

    shard: Shard
    report: Report


def read_report(raw: bytes) -> ShardReport:
    """Read a report as `--report` wrote it.

    Raises:
        FormatError: It is no report of a shard.
    """
    try:
        whole = _table(parse_json(raw))
        if whole.get("schema") != SCHEMA:
            raise FormatError("it is no report of schema 1")
        return ShardReport(Shard.parse(_text(whole, "shard") or "1/1"), _report(whole))
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"it can't be read: {error}") from None


def merged_report(
    named: NamedItems,
    reports: Sequence[ShardReport],
    *,
    count: int,
    mode: str,
    now: datetime,
    choosing: Collection[int] = (),
) -> Report:
    """One report of a list from those of its shards.

    Args:
        named: The list; its order is the report's.
        reports: Those that there are.
        count: How many shards there were.
        mode: The names of the run's targets.
        now: When this is done; only told where no shard left a report.
        choosing: The lines that choose tags: which ones, only the shards know.
    """
    shards = {one.shard.number: one.report for one in reports}
    found = {_key(result.item): result for one in reports for result in one.report.results}
    silent = {
        number: told
        for number in range(1, count + 1)
        if (told := _silence(number, shards.get(number), count))
    }
    results = [
        replace(found.pop(_key(item)), item=item)
        if _key(item) in found
        else _lost(item, shard_number(item, count), silent, count)
        for item in named.items
        # Nobody but its shard knows what such a line has chosen.
        if item.line not in choosing or shard_number(item, count) in silent
    ]
    # What the list no longer has was done all the same.
    all_results = (*results, *found.values())
    whole = tuple(one.report for one in reports)
    started = min((one.started for one in whole), default=now)
    is_dry_run = any(one.is_dry_run for one in whole)
    return Report(
        run_id=new_run_id(started),
        version=__version__,
        mode=mode,
        started=started,
        finished=max((one.finished for one in whole), default=now),
        skopeo_version=next((one.skopeo_version for one in whole if one.skopeo_version), ""),
        results=tuple(sorted(all_results, key=_place)) if choosing else all_results,
        problems=_each_once(named.problems, *(one.problems for one in whole)),
        warnings=_each_once(
            tuple(silent.values()), named.warnings, *(one.warnings for one in whole)
        ),
        pulls=sum(one.pulls for one in whole),
        is_interrupted=any(one.is_interrupted for one in whole),
        is_dry_run=is_dry_run,
        is_strict=any(one.is_strict for one in whole),
        is_incomplete=bool(silent),
        counts=() if silent else tuple(_merged_counts(whole, all_results)),
    )


def _merged_counts(reports: Sequence[Report], results: Iterable[Result]) -> Iterator[TargetCount]:
    """What the plans of all shards come to, for each target."""
    places: dict[str, set[Reference]] = {}
    for result in results:
        places.setdefault(result.item.target.name, set()).add(result.item.destination)
    for target, of_target in places.items():
        counts = [one for report in reports for one in report.counts if one.target == target]
        if counts:
            repositories = len({one.name for one in of_target})
            yield replace(_together(counts), repositories=repositories, tags=len(of_target))


def _together(counts: Sequence[TargetCount]) -> TargetCount:
    """One target's, of shards that run at once: the slowest is the forecast."""
    reason = next((one.no_forecast for one in counts if one.no_forecast), "")
    return replace(
        counts[0],
        copies=sum(one.copies for one in counts),
        layers=sum(one.layers for one in counts),
        largest_layer=max(one.largest_layer for one in counts),
        bytes=sum(one.bytes for one in counts),
        pulls=sum(one.pulls for one in counts),
        unread=sum(one.unread for one in counts),
        seconds=None if reason else max(one.seconds or 0.0 for one in counts),
        no_forecast=reason,
    )


def _silence(number: int, report: Report | None, count: int) -> str:
    """Why a shard has nothing to tell of its items; empty where it has."""
    if report is None:
        return f"shard {number}/{count} left no report"
    return f"shard {number}/{count} did not begin: {report.error.message}" if report.error else ""


def _place(result: Result) -> int:
    return result.item.line


def _lost(item: Item, number: int, silent: Mapping[int, str], count: int) -> Result:
    """What is not known to be in sync, since nobody says so."""
    message = silent.get(number, f"the report of shard {number}/{count} does not have it")
    error = ImageError(ErrorKind.LOST, message, hint=REMEDIES[ErrorKind.LOST])
    return Result(item, Outcome.FAILED, ErrorKind.LOST.value, error=error)


def _key(item: Item) -> tuple[str, str]:
    return item.target.name, str(item.destination)


def _each_once(*groups: Iterable[T]) -> tuple[T, ...]:
    """What all shards say of the whole list, as their words have it."""
    said: dict[str, T] = {}
    for one in chain(*groups):
        said.setdefault(str(one), one)
    return tuple(said.values())


def _report(whole: Mapping[str, Json]) -> Report:
    results = tuple(_result(_table(item)) for item in _rows(whole, "items"))
    error = whole.get("error")
    return Report(
        run_id=_text(whole, "run_id"),
        version=_text(whole, "version"),
        mode=_text(whole, "mode"),
        started=_time(_text(whole, "started")),
        finished=_time(_text(whole, "finished")),
        skopeo_version=_text(_table(whole["tools"]), "skopeo"),
        results=results,
        problems=tuple(_problem(_table(one)) for one in _rows(whole, "invalid")),
        warnings=tuple(str(one) for one in _rows(whole, "warnings")),
        shard=_text(whole, "shard"),
        pulls=_number(_table(whole["totals"]), "pulls"),
        is_interrupted=any(result.reason == _INTERRUPTED for result in results),
        is_strict=whole.get("strict") is True,
        is_dry_run=any(
            result.outcome in (Outcome.WOULD_COPY, Outcome.WOULD_SKIP) for result in results
        ),
        error=_run_error(_table(error)) if error else None,
        counts=tuple(_count(_table(one)) for one in _rows(whole, "targets"))
        if "targets" in whole
        else (),
    )


def _count(row: Mapping[str, Json]) -> TargetCount:
    return TargetCount(
        target=_text(row, "target"),
        repositories=_number(row, "repositories"),
        most_repositories=_number(row, "most_repositories") or None,
        tags=_number(row, "tags"),
        copies=_number(row, "copies"),
        layers=_number(row, "layers"),
        largest_layer=_number(row, "largest_layer"),
        bytes=_number(row, "bytes"),
        pulls=_number(row, "pulls"),
        unread=_number(row, "unread"),
        seconds=float(_text(row, "seconds")) if _text(row, "seconds") else None,
        no_forecast=_text(row, "no_forecast"),
    )


def _run_error(table: Mapping[str, Json]) -> SyncerError:
    return SyncerError(_text(table, "message"), hint=_text(table, "hint"))


def _result(row: Mapping[str, Json]) -> Result:
    error = row.get("error")
    return Result(
        item=_item(row),
        outcome=Outcome(_text(row, "action")),
        reason=_text(row, "reason"),
        delivered=_text(row, "delivered"),
        source_digest=_digest(row, "source_digest"),
        expected_digest=_digest(row, "expected_digest"),
        digest_before=_digest(row, "destination_digest_before"),
        digest=_digest(row, "destination_digest"),
        created=_text(row, "created"),
        visibility=_text(row, "visibility"),
        bytes=_number(row, "bytes"),
        seconds=float(_text(row, "seconds") or 0),
        attempts=_number(row, "attempts"),
        note=_text(row, "note"),
        is_told=row.get("told") is True,
        error=_error(_table(error)) if error else None,
        platforms=tuple(map(str, _rows(row, "platforms"))) if row.get("platforms") else (),
        size=_number(row, "size"),
        changed=_time(_text(row, "changed")) if row.get("changed") else None,
    )


def _item(row: Mapping[str, Json]) -> Item:
    return Item(
        line=_number(row, "line"),
        source=Reference.parse(_text(row, "source")),
        choice=PlatformChoice.parse(_text(row, "platform")),
        target=Target(_text(row, "target"), ""),
        destination=Reference.parse(_text(row, "destination")),
    )


def _error(table: Mapping[str, Json]) -> ImageError:
    kind = ErrorKind(_text(table, "kind"))
    return ImageError(kind, _text(table, "message"), hint=_text(table, "hint"))


def _problem(row: Mapping[str, Json]) -> Problem:
    message, _, hint = _text(row, "message").partition("; ")
    place = (_number(row, "line"), _number(row, "column"))
    return Problem(_text(row, "file"), *place, _text(row, "text"), message, hint)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _table(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError("it is no object where there has to be one")
    return value


def _rows(table: Mapping[str, Json], key: str) -> Sequence[Json]:
    value = table[key]
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"'{key}' is no list")
    return value


def _text(table: Mapping[str, Json], key: str) -> str:
    value = table.get(key)
    return "" if value is None else str(value)


def _number(table: Mapping[str, Json], key: str) -> int:
    return int(_text(table, key) or 0)


def _digest(table: Mapping[str, Json], key: str) -> Digest | None:
    value = _text(table, key)
    return Digest(value) if value else None
