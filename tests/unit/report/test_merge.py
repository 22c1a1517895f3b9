"""Reports of shards become one, and what nobody reports is lost, not in sync."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.errors import ErrorKind, ExitStatus, FormatError, SyncerError
from orchestrator.plan.items import NamedItems
from orchestrator.plan.shard import Shard
from orchestrator.report.json_report import document
from orchestrator.report.merge import ShardReport, merged_report, read_report
from orchestrator.report.result import Outcome, Report, Result
from tests.support.reports import STARTED, a_count, a_report, an_item, bad_line, failed, skipped

ITEMS = tuple(an_item(f"image{number}:1", line=number) for number in range(1, 31))


def part(number: int, count: int = 3, **values: object) -> Report:
    shard = Shard(number, count)
    results = [
        replace(skipped(), item=item, bytes=item.line, note="it was there")
        for item in filter(shard.has, ITEMS)
    ]
    return replace(a_report(*results), shard=str(shard), pulls=number, **values)  # type: ignore[arg-type]


def merged(
    *reports: Report, count: int = 3, problems: bool = False, choosing: tuple[int, ...] = ()
) -> Report:
    read = [read_report(document(report).encode()) for report in reports]
    named = NamedItems(ITEMS, (bad_line(),) if problems else ())
    return merged_report(named, read, count=count, mode="aliyun", now=STARTED, choosing=choosing)


def test_a_report_is_read_as_it_was_written() -> None:
    told = replace(skipped(), platforms=("linux/amd64",), size=7, changed=STARTED, is_told=True)
    report = replace(part(2), results=(failed(), told), problems=(bad_line(),))
    found = read_report(document(report).encode())
    assert found.shard == Shard(2, 3)
    assert json.loads(document(found.report)) == json.loads(document(report)) | {
        "run_id": report.run_id
    }


def test_a_plans_counts_are_read_as_they_were_written() -> None:
    counts = (a_count(), a_count("ghcr", seconds=None, no_forecast="it is not known", unread=2))
    report = replace(part(2), counts=counts)
    assert read_report(document(report).encode()).report.counts == counts


def test_the_plans_of_all_shards_are_put_together() -> None:
    parts = [part(one, counts=(a_count(seconds=float(one)),)) for one in (1, 2, 3)]
    (found,) = merged(*parts).counts
    assert (found.repositories, found.tags, found.most_repositories) == (30, 30, 300)
    assert (found.copies, found.layers, found.pulls) == (9, 42, 9)
    assert (found.bytes, found.largest_layer) == (3 * 310 * 2**20, 120 * 2**20)
    assert found.seconds == 3.0


def test_one_shard_without_a_forecast_leaves_none() -> None:
    unknown = a_count(seconds=None, no_forecast="it is not known")
    parts = [part(1, counts=(unknown,)), part(2, counts=(a_count(),)), part(3)]
    (found,) = merged(*parts).counts
    assert (found.seconds, found.no_forecast) == (None, "it is not known")


def test_where_a_shard_is_missing_nothing_is_counted() -> None:
    assert merged(*(part(one, counts=(a_count(),)) for one in (1, 2))).counts == ()


def test_all_shards_together_are_the_list_in_its_order() -> None:
    report = merged(part(3), part(1), part(2))
    assert [result.item for result in report.results] == list(ITEMS)
    assert report.totals.skipped == 30
    assert (report.pulls, report.shard, report.exit_status) == (6, "", ExitStatus.OK)


def test_what_a_missing_shard_had_is_lost_and_the_shard_is_named() -> None:
    report = merged(part(1), part(3))
    lost = [result for result in report.results if result.outcome is Outcome.FAILED]
    assert {result.item for result in lost} == {item for item in ITEMS if Shard(2, 3).has(item)}
    assert {result.reason for result in lost} == {"lost"}
    assert "shard 2/3 left no report" in str(lost[0].error)
    assert report.exit_status is ExitStatus.FAILED


def test_where_there_is_no_report_all_is_lost() -> None:
    report = merged()
    assert report.totals.failed == 30
    assert report.exit_status is ExitStatus.FAILED


def test_a_shard_that_did_not_begin_says_why() -> None:
    nothing = replace(part(2), results=(), error=SyncerError("X is not set", hint="set it"))
    (error, *_) = [r.error for r in merged(part(1), nothing, part(3)).results if r.error]
    assert error.kind is ErrorKind.LOST
    assert error.message == "shard 2/3 did not begin: X is not set"


def test_an_item_that_a_report_leaves_out_is_lost() -> None:
    short = replace(part(1), results=part(1).results[1:])
    assert merged(short, part(2), part(3)).totals.failed == 1


def choosing_seven() -> list[Report]:
    """Line 7 chooses tags: its shard reports two, and not what stands for the line in the list."""
    reports = []
    for number in (1, 2, 3):
        one = part(number)
        kept = [result for result in one.results if result.item.line != 7]
        if Shard(number, 3).has(ITEMS[6]):
            chosen = [an_item(f"image7:1.{tag}", line=7) for tag in (2, 1)]
            kept += [replace(skipped(), item=item) for item in chosen]
        reports.append(replace(one, results=tuple(kept)))
    return reports


def test_what_a_line_chose_is_what_its_shard_says() -> None:
    report = merged(*choosing_seven(), choosing=(7,))
    assert report.exit_status is ExitStatus.OK
    assert report.totals.skipped == 31
    lines = [result.item.line for result in report.results]
    assert lines == sorted(lines)


def test_a_line_that_chooses_is_lost_with_its_shard() -> None:
    left = [one for one in choosing_seven() if not Shard.parse(one.shard).has(ITEMS[6])]
    report = merged(*left, choosing=(7,))
    assert ITEMS[6] in [one.item for one in report.results if one.outcome is Outcome.FAILED]


@pytest.mark.parametrize("is_missing", [True, False], ids=["no report", "did not begin"])
def test_a_shard_that_tells_nothing_fails_the_run_although_it_had_nothing_to_do(
    *, is_missing: bool
) -> None:
    parts = [part(number, count=40) for number in range(1, 41)]
    idle = next(number for number, one in enumerate(parts) if not one.results)
    if is_missing:
        del parts[idle]
    else:
        parts[idle] = replace(parts[idle], error=SyncerError("the login is refused"))
    report = merged(*parts, count=40)
    assert report.totals.failed == 0
    assert report.exit_status is ExitStatus.FAILED
    assert any(f"shard {idle + 1}/40" in warning for warning in report.warnings)


def test_what_is_deferred_fails_a_strict_run_of_many_shards_too() -> None:
    late = tuple(
        replace(result, outcome=Outcome.DEFERRED, reason="pull-limit") for result in part(1).results
    )
    for is_strict, status in ((False, ExitStatus.OK), (True, ExitStatus.FAILED)):
        report = merged(
            *(
                replace(one, is_strict=is_strict)
                for one in (replace(part(1), results=late), part(2), part(3))
            )
        )
        assert report.exit_status is status


def test_an_interrupted_shard_is_an_interrupted_run() -> None:
    late: list[Result] = [
        replace(result, outcome=Outcome.DEFERRED, reason="interrupted")
        for result in part(1).results
    ]
    report = merged(replace(part(1), results=tuple(late)), part(2), part(3))
    assert report.exit_status is ExitStatus.INTERRUPTED


def test_what_all_shards_say_of_the_list_is_said_once() -> None:
    reports = [part(n, problems=(bad_line(),), warnings=("twice",)) for n in (1, 2, 3)]
    report = merged(*reports, problems=True)
    assert (report.problems, report.warnings) == ((bad_line(),), ("twice",))


def test_what_the_list_no_longer_has_is_kept() -> None:
    gone = replace(skipped("gone:1"), item=an_item("gone:1"))
    report = merged(replace(part(1), results=(*part(1).results, gone)), part(2), part(3))
    assert report.results[-1].item.source == gone.item.source
    assert report.totals.items == 31


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"schema": 2}',
        document(part(1)).replace('"1/3"', '"4/3"').encode(),
        document(part(1)).replace('"skipped"', '"guessed"').encode(),
        document(part(1)).replace('"items": [', '"items": [7, ').encode(),
        document(part(1)).replace("2024-01-01T", "yesterday").encode(),
    ],
)
def test_what_is_no_report_is_refused(raw: bytes) -> None:
    with pytest.raises(FormatError):
        read_report(raw)


def test_a_run_without_shards_is_the_first_of_one() -> None:
    assert read_report(document(a_report(skipped())).encode()) == ShardReport(
        Shard(1, 1), read_report(document(a_report(skipped())).encode()).report
    )


def test_a_missing_shard_is_named_even_where_it_had_nothing_to_do() -> None:
    reports = [part(number, count=200) for number in range(2, 201)]
    empty = next(n for n in range(1, 201) if not any(Shard(n, 200).has(item) for item in ITEMS))
    kept = [one for one in (part(1, count=200), *reports) if one.shard != f"{empty}/200"]
    report = merged(*kept, count=200)
    assert report.warnings == (f"shard {empty}/200 left no report",)
    assert report.totals.skipped == 30
