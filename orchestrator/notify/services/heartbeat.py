"""A monitor of jobs, which raises the alarm where a run fails, or does not come at all.

https://healthchecks.io/docs/http_api/: the check's own address means that it went well, `/fail`
that it did not, and `/start` that it has begun. Others take the same addresses.
"""

from __future__ import annotations

from orchestrator.errors import ExitStatus
from orchestrator.notify.markup import PLAIN
from orchestrator.notify.message import Message, NotifyContext, Refusal
from orchestrator.notify.text import text_of, title_of
from orchestrator.notify.verdict import is_success, verdict_by_status
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 10_000
"""What Healthchecks keeps of a body."""

_HEADERS = {"Content-Type": "text/plain; charset=utf-8"}


def payload(report: Report, context: NotifyContext) -> Message:
    """That a run has ended, and how; a check is failed by whatever has another status than 0."""
    title = title_of(report, context.words)
    foot = (context.run_url,) if context.run_url else ()
    text = text_of(report, PLAIN, context.words, limit=_TEXT_BYTES, head=(title,), foot=foot)
    path = "" if report.exit_status is ExitStatus.OK else "/fail"
    return Message(text.encode(errors="replace"), _HEADERS, path=path)


def begun() -> Message:
    """That a run has begun."""
    return Message(b"", _HEADERS, path="/start")


def verdict(answer: Response) -> Refusal | None:
    """By the status; Healthchecks answers 200 with a word to an address that it does not know."""
    if is_success(answer) and b"not found" in answer.body[:100]:
        return Refusal("there is no such check", "HEARTBEAT_URL is the check's ping address")
    return verdict_by_status(answer)
