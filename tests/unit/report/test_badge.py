"""The badge: state and moment in one line, and the colour that belongs to it."""

from __future__ import annotations

import json

import pytest

from orchestrator.report.badge import Badge, badge_document, badge_of, badge_picture
from orchestrator.report.result import Report
from tests.support.reports import a_report, bad_line, copied, deferred, failed, skipped

MOMENT = "2024-01-01 00:03 UTC"


@pytest.mark.parametrize(
    ("report", "message", "colour"),
    [
        pytest.param(a_report(), "0 in sync", "green", id="nothing"),
        pytest.param(a_report(copied(), skipped()), "2 in sync", "green", id="in sync"),
        pytest.param(a_report(copied(), failed()), "1 failed, 1 in sync", "red", id="a failure"),
        pytest.param(
            a_report(copied(), problems=(bad_line(),)),
            "1 bad line, 1 in sync",
            "red",
            id="a bad line",
        ),
        pytest.param(
            a_report(deferred(), copied()), "1 deferred, 1 in sync", "yellow", id="deferred"
        ),
        pytest.param(
            a_report(copied(), is_interrupted=True), "1 in sync", "yellow", id="interrupted"
        ),
    ],
)
def test_state_and_colour(report: Report, message: str, colour: str) -> None:
    assert badge_of(report) == Badge(f"{message} · {MOMENT}", colour)


def test_the_document_is_what_shields_io_reads() -> None:
    assert json.loads(badge_document(Badge("2 in sync", "green"))) == {
        "schemaVersion": 1,
        "label": "mirror",
        "message": "2 in sync",
        "color": "green",
    }


def test_the_picture_escapes_what_shields_io_takes_for_its_own() -> None:
    picture = badge_picture(Badge("a-b_c d/e", "red"))
    assert picture == (
        "![mirror: a-b_c d/e](https://img.shields.io/badge/mirror-a--b__c%20d%2Fe-red)"
    )
