"""The report: its numbers, and the exit status that follows from them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from orchestrator.config.targets import Target
from orchestrator.errors import ExitStatus, Problem
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.items import Item
from orchestrator.report.result import Outcome, Report, Result, Totals, of_outcome

ITEM = Item(
    line=3,
    source=Reference.parse("nginx:1"),
    choice=PlatformChoice.parse("linux/amd64"),
    target=Target("mirror", "mirror.example", "lab"),
    destination=Reference.parse("mirror.example/lab/nginx:1"),
)
STARTED = datetime(2024, 5, 1, 10, tzinfo=timezone.utc)
EMPTY = Report(
    run_id="r",
    version="0",
    skopeo_version="1.9.3",
    mode="mirror",
    started=STARTED,
    finished=STARTED + timedelta(seconds=90.5),
)
PROBLEM = Problem("images.txt", 1, 1, "x y", "a second image")

COPIED, SKIPPED, FAILED, DEFERRED, WOULD_COPY, WOULD_SKIP, HELD, KEPT = (
    Result(ITEM, outcome, "why", bytes=size) for size, outcome in enumerate(Outcome)
)


@pytest.mark.parametrize(
    ("report", "status"),
    [
        pytest.param(EMPTY, 0, id="nothing to do"),
        pytest.param(replace(EMPTY, results=(COPIED, SKIPPED)), 0, id="in sync"),
        pytest.param(replace(EMPTY, results=(WOULD_COPY, WOULD_SKIP)), 0, id="dry run"),
        pytest.param(replace(EMPTY, results=(COPIED, DEFERRED)), 0, id="deferred"),
        pytest.param(replace(EMPTY, results=(HELD,), is_strict=True), 0, id="held back, strict"),
        pytest.param(replace(EMPTY, results=(KEPT,), is_strict=True), 0, id="kept, strict"),
        pytest.param(replace(EMPTY, results=(DEFERRED,), is_strict=True), 1, id="deferred, strict"),
        pytest.param(replace(EMPTY, results=(COPIED,), is_strict=True), 0, id="in sync, strict"),
        pytest.param(replace(EMPTY, results=(COPIED, FAILED)), 1, id="one failed"),
        pytest.param(replace(EMPTY, results=(COPIED,), problems=(PROBLEM,)), 1, id="a bad line"),
        pytest.param(replace(EMPTY, warnings=("twice",)), 0, id="a warning"),
        pytest.param(replace(EMPTY, is_interrupted=True), 130, id="interrupted"),
        pytest.param(
            replace(EMPTY, results=(FAILED,), problems=(PROBLEM,), is_interrupted=True),
            130,
            id="interrupted, whatever else",
        ),
    ],
)
def test_the_exit_status_follows_from_the_report(report: Report, status: int) -> None:
    assert report.exit_status == ExitStatus(status)


@pytest.mark.parametrize(
    ("report", "totals"),
    [
        pytest.param(EMPTY, Totals(), id="nothing"),
        pytest.param(
            replace(EMPTY, results=(COPIED, SKIPPED, SKIPPED, FAILED, DEFERRED)),
            Totals(items=5, copied=1, skipped=2, failed=1, deferred=1, bytes=7),
            id="a run",
        ),
        pytest.param(
            replace(EMPTY, results=(WOULD_COPY, WOULD_SKIP, WOULD_SKIP), is_dry_run=True),
            Totals(items=3, copied=1, skipped=2, bytes=14),
            id="a dry run counts what there would be",
        ),
        pytest.param(
            replace(EMPTY, problems=(PROBLEM, PROBLEM)), Totals(invalid=2), id="bad lines"
        ),
    ],
)
def test_totals_count_each_item_once(report: Report, totals: Totals) -> None:
    assert report.totals == totals


def test_outcomes_are_the_words_of_the_contract() -> None:
    assert [outcome.value for outcome in Outcome] == [
        "copied",
        "skipped",
        "failed",
        "deferred",
        "would-copy",
        "would-skip",
        "held",
        "kept",
    ]


def test_a_report_knows_how_long_its_run_took() -> None:
    assert EMPTY.seconds == 90.5


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        pytest.param((), (), id="none asked for"),
        pytest.param((Outcome.FAILED,), (FAILED,), id="one"),
        pytest.param((Outcome.FAILED, Outcome.COPIED), (COPIED, FAILED), id="two, in their order"),
        pytest.param((Outcome.DEFERRED,), (), id="none there"),
    ],
)
def test_results_are_picked_by_outcome(
    outcomes: tuple[Outcome, ...], found: tuple[Result, ...]
) -> None:
    assert of_outcome((COPIED, SKIPPED, FAILED), *outcomes) == found
