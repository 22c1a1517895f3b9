"""Values are masked before they are rendered: no document breaks, and no secret gets through."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import pytest

from orchestrator.report.github import output_of_run
from orchestrator.report.json_report import document
from orchestrator.report.result import Report
from orchestrator.report.summary import markdown_summary, text_summary
from orchestrator.text import Redactor
from tests.support.reports import a_report, bad_line, copied, failed, skipped

SECRET = "p_a*s&s<w>o|r$d"
RENDERERS = (text_summary, markdown_summary, document)


def with_words(words: str) -> Report:
    return a_report(
        failed(message=f"the registry said {words}", hint=f"see {words}"),
        copied(note=f"note {words}"),
        problems=(bad_line(f"bad {words}"),),
        warnings=(f"warning {words}",),
    )


@pytest.mark.parametrize("render", RENDERERS)
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(str, id="as it is"),
        pytest.param(lambda text: quote(text, safe=""), id="URL"),
        pytest.param(lambda text: quote(text, safe="").lower(), id="URL in lower case"),
        pytest.param(lambda text: json.dumps(text)[1:-1], id="JSON"),
        pytest.param(lambda text: b64encode(text.encode()).decode(), id="base64"),
        pytest.param(lambda text: b64encode(text.encode()).decode().rstrip("="), id="unpadded"),
    ],
)
def test_words_of_others_are_masked_before_they_are_rendered(
    render: Callable[[Report], str], form: Callable[[str], str]
) -> None:
    told = with_words(form(SECRET)).redacted(Redactor([SECRET]))
    plain = render(with_words("***").redacted(Redactor(())))
    assert render(told) == plain


def without_words(report: Report) -> object:
    """The document without the sentences in it."""
    whole = json.loads(document(report))
    items = [{key: one[key] for key in one.keys() - {"note", "error"}} for one in whole["items"]]
    return {**whole, "items": items, "invalid": len(whole["invalid"])}


@pytest.mark.parametrize(
    "password",
    ["null", "items", "sync", "true", "run_id", "schema", "abc", "1.0", "error", "copied"],
)
def test_a_password_that_is_a_word_of_the_report_breaks_nothing(password: str) -> None:
    report = a_report(copied(), skipped(), failed(), problems=(bad_line(),))
    redact = Redactor([password])
    told = report.redacted(redact)
    assert without_words(told) == without_words(report)
    same = output_of_run(told, file="images.txt", written=None, badge=None).outputs
    assert same == output_of_run(report, file="images.txt", written=None, badge=None).outputs
    assert text_summary(told).splitlines()[0] == text_summary(report).splitlines()[0]


def test_what_is_told_stays_an_error_of_its_kind() -> None:
    before = failed(message="no")
    assert before.error is not None
    (after,) = a_report(replace(before)).redacted(Redactor(["other"])).results
    assert after.error is not None
    assert (after.error.kind, after.error.message) == (before.error.kind, "no")
