"""Bark: a notification on an iPhone, to the device key that the URL names.

https://bark.day.app/#/en-us/tutorial: fields as JSON by POST to `/KEY`; Apple takes 4 KB in all.
"""

from __future__ import annotations

from orchestrator.notify.markup import PLAIN
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import PRODUCT, Tone, text_of, title_of, tone_of
from orchestrator.notify.verdict import Codes, verdict_by_code
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 3_000
"""Of 4,096: title, link and what Bark adds need the rest."""

_LONGEST_URL = 500

_CODES = Codes(
    number=("code",),
    words=("message",),
    success=200,
    hints={400: "the device key in WEBHOOK_URL is the one that the app shows"},
)


def payload(report: Report, context: NotifyContext) -> Message:
    """A notification; one of a failure is shown in a focus, too."""
    link = {"url": context.run_url} if 0 < len(context.run_url) <= _LONGEST_URL else {}
    return json_message(
        {
            "title": title_of(report, context.words),
            "body": text_of(report, PLAIN, context.words, limit=_TEXT_BYTES),
            "group": PRODUCT,
            "level": "timeSensitive" if tone_of(report) is Tone.FAILED else "active",
            **link,
        }
    )


def verdict(answer: Response) -> Refusal | None:
    """`code` 200 is success."""
    return verdict_by_code(answer, _CODES)
