"""The chart of past runs: heights, and which runs stand in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from orchestrator.catalog.chart import MOST_BARS, chart_of
from orchestrator.report.history import PastRun
from orchestrator.report.result import Totals
from tests.support.reports import STARTED


def a_run(number: int, **totals: int) -> PastRun:
    started = STARTED + timedelta(days=number)
    return PastRun(
        f"run{number}", started, started, "0.1.0", "1.18", "aliyun", "", False, 0, Totals(**totals)
    )


def test_the_highest_bar_is_whole_and_the_others_are_in_proportion() -> None:
    chart = chart_of([a_run(2, copied=6, failed=2, bytes=50), a_run(1, copied=2, bytes=200)])
    first, second = chart.bars
    assert (chart.most_images, chart.most_bytes) == (8, 200)
    assert (first.copied_height, first.failed_height, first.bytes_height) == (25, 0, 100)
    assert (second.copied_height, second.failed_height, second.bytes_height) == (75, 25, 25)
    assert (chart.first, chart.last) == (first.run.started, second.run.started)
    assert second.x == chart.width - 10


def test_what_is_not_nothing_is_seen() -> None:
    (first, _) = chart_of([a_run(2, copied=10_000), a_run(1, copied=1)]).bars
    assert first.copied_height > 0


def test_bad_lines_are_failures() -> None:
    (bar,) = chart_of([a_run(1, failed=1, invalid=2)]).bars
    assert (bar.failed, bar.failed_height) == (3, 100)


def test_parts_of_the_list_and_dry_runs_are_left_out_and_so_are_the_oldest() -> None:
    runs = [a_run(number, copied=1) for number in range(MOST_BARS + 5, 0, -1)]
    runs[0] = replace(runs[0], shard="1/2")
    runs[1] = replace(runs[1], is_dry_run=True)
    chart = chart_of(runs)
    assert len(chart.bars) == MOST_BARS
    assert chart.bars[-1].run is runs[2]


def test_without_a_run_there_is_no_chart() -> None:
    chart = chart_of([])
    assert (chart.bars, chart.first, chart.last, chart.most_bytes) == ((), None, None, 0)
