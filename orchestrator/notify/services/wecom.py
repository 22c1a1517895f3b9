"""WeCom (WeChat Work): Markdown of at most 4096 bytes, without a signature.

https://developer.work.weixin.qq.com/document/path/91770: 20 messages a minute. A mention is
written `<@userid>`.
"""

from __future__ import annotations

from orchestrator.notify.markup import MARKDOWN
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import Tone, text_of, title_of, tone_of
from orchestrator.notify.verdict import Codes, verdict_by_code
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 4096
_COLOURS = {Tone.FAILED: "warning", Tone.UNFINISHED: "warning", Tone.CHANGED: "info"}

_CODES = Codes(
    number=("errcode",),
    words=("errmsg",),
    transient=frozenset({-1, 45009, 45033}),
    hints={93000: "the key in WEBHOOK_URL is wrong, or the bot was removed"},
)


def payload(report: Report, context: NotifyContext) -> Message:
    """A Markdown message, its title in one of the three colours there are."""
    colour = _COLOURS.get(tone_of(report), "comment")
    head = f'### <font color="{colour}">{title_of(report, context.words)}</font>'
    link = (
        (MARKDOWN.link(context.words.gettext("Open the run"), context.run_url),)
        if context.run_url
        else ()
    )
    text = text_of(report, MARKDOWN, context.words, limit=_TEXT_BYTES, head=(head,), foot=link)
    return json_message({"msgtype": "markdown", "markdown": {"content": text}})


def verdict(answer: Response) -> Refusal | None:
    """`errcode` 0 is success, inside an HTTP 200 always."""
    return verdict_by_code(answer, _CODES)
