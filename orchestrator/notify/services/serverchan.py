"""ServerChan: a title and Markdown, to WeChat or its own app, by the SendKey that the URL names.

https://sct.ftqq.com and https://sc3.ft07.com: a title of at most 32 characters, a text of at most
32 KB. Lines run together unless an empty one is between them.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.notify.markup import MARKDOWN
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import text_of, title_of
from orchestrator.notify.verdict import Codes, verdict_by_code
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TITLE_LETTERS = 32
_TEXT_BYTES = 15_000
"""More is not read on a telephone."""
_MARKUP = replace(MARKDOWN, newline="\n\n")

_CODES = Codes(
    number=("code",),
    words=("message",),
    hints={40001: "the SendKey in WEBHOOK_URL is wrong, or the messages of today are used up"},
)


def payload(report: Report, context: NotifyContext) -> Message:
    """A message in Markdown; the whole title stands in it, too."""
    title = title_of(report, context.words)
    label = context.words.gettext("Open the run")
    link = (_MARKUP.link(label, context.run_url),) if context.run_url else ()
    head = (_MARKUP.bold(title),)
    text = text_of(report, _MARKUP, context.words, limit=_TEXT_BYTES, head=head, foot=link)
    is_short = len(title) <= _TITLE_LETTERS
    return json_message(
        {"title": title if is_short else f"{title[: _TITLE_LETTERS - 1]}…", "desp": text}
    )


def verdict(answer: Response) -> Refusal | None:
    """`code` 0 is success."""
    return verdict_by_code(answer, _CODES)
