"""The report as JSON: what programs read, whole and as it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import Digest
from orchestrator.report.json_report import document
from orchestrator.report.result import Outcome, Report, Result
from tests.support.reports import a_report, an_item, bad_line
from tests.support.schema import faults_of

DIGEST = Digest(f"sha256:{'1' * 64}")
COPIED = Result(
    an_item(),
    Outcome.COPIED,
    "missing",
    delivered="linux/amd64",
    source_digest=DIGEST,
    expected_digest=DIGEST,
    digest=DIGEST,
    bytes=10,
    seconds=1.23456,
    attempts=1,
)
SKIPPED = replace(
    COPIED, outcome=Outcome.SKIPPED, reason="same-digest", digest_before=DIGEST, bytes=0, attempts=0
)
FAILED = Result(
    an_item(line=0),
    Outcome.FAILED,
    ErrorKind.DENIED.value,
    error=ImageError(ErrorKind.DENIED, "it is denied", hint="ask"),
)
DEFERRED = Result(an_item(), Outcome.DEFERRED, "interrupted")


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(a_report(), id="nothing"),
        pytest.param(a_report(COPIED, SKIPPED, FAILED, DEFERRED), id="one of each"),
        pytest.param(
            a_report(
                replace(COPIED, outcome=Outcome.WOULD_COPY),
                replace(SKIPPED, outcome=Outcome.WOULD_SKIP),
                is_dry_run=True,
            ),
            id="dry run",
        ),
        pytest.param(a_report(problems=(bad_line(),), warnings=("mind the gap",)), id="problems"),
        pytest.param(replace(a_report(COPIED), shard="1/3", skopeo_version=""), id="a shard"),
    ],
)
def test_a_report_is_as_the_schema_says(report: Report) -> None:
    assert faults_of(document(report)) == []


def test_times_are_rfc_3339_and_seconds_are_rounded() -> None:
    whole = json.loads(document(a_report(COPIED, seconds=1.5)))
    assert whole["started"] == "2024-01-01T00:00:00.000Z"
    assert whole["finished"] == "2024-01-01T00:00:01.500Z"
    assert (whole["seconds"], whole["items"][0]["seconds"]) == (1.5, 1.235)


def test_what_is_not_known_is_null() -> None:
    item = json.loads(document(a_report(FAILED)))["items"][0]
    unknown = {name for name, value in item.items() if value is None}
    digests = {"source_digest", "expected_digest", "destination_digest"}
    assert unknown == {
        "line", "pull", "delivered", "note", "created", "destination_digest_before",
        "platforms", "size", "changed", "visibility", *digests
    }  # fmt: skip


def test_an_error_is_its_kind_message_and_hint() -> None:
    item = json.loads(document(a_report(FAILED)))["items"][0]
    assert item["error"] == {"kind": "denied", "message": "it is denied", "hint": "ask"}
    assert item["reason"] == "denied"


def test_a_bad_line_says_where_it_stands_and_what_to_do() -> None:
    (problem,) = json.loads(document(a_report(problems=(bad_line(),))))["invalid"]
    assert problem == {
        "file": "images.txt",
        "line": 14,
        "column": 1,
        "text": "--platfrom=x nginx",
        "message": "unknown option '--platfrom'; did you mean '--platform'?",
    }


def test_totals_are_the_items_counted() -> None:
    report = a_report(COPIED, COPIED, SKIPPED, FAILED, DEFERRED, problems=(bad_line(),))
    assert json.loads(document(report))["totals"] == {
        "items": 5,
        "copied": 2,
        "skipped": 1,
        "failed": 1,
        "deferred": 1,
        "invalid": 1,
        "bytes": 20,
        "pulls": 0,
        "held": 0,
        "kept": 0,
    }


def test_text_of_others_stays_as_it_is() -> None:
    odd = '一\u202e"\\\n\x1b[31m'
    problem = replace(bad_line(), text=odd)
    written = document(a_report(problems=(problem,)))
    assert json.loads(written)["invalid"][0]["text"] == odd
    assert "\x1b" not in written
    assert written.endswith("}\n")
