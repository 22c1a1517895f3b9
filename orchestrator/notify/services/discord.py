"""Discord: at most 2000 characters of its Markdown, and nobody is mentioned.

https://discord.com/developers/docs/resources/webhook#execute-webhook
"""

from __future__ import annotations

import re

from orchestrator.notify.markup import Markup, markdown_link
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import text_of, title_of
from orchestrator.notify.verdict import fields_of, text_in, verdict_in_words
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 2000
_NO_PREVIEWS = 1 << 2
"""The message flag SUPPRESS_EMBEDS."""

_SPECIAL = re.compile(r"([\\*_~`|<>\[\]()#@])")


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


_MARKUP = Markup(name=_escaped, words=_escaped, bold=lambda text: f"**{text}**", link=markdown_link)


def payload(report: Report, context: NotifyContext) -> Message:
    """A text message in which no mention notifies anybody."""
    link = (
        (_MARKUP.link(context.words.gettext("Open the run"), context.run_url),)
        if context.run_url
        else ()
    )
    head = (_MARKUP.bold(title_of(report, context.words)),)
    content = text_of(report, _MARKUP, context.words, limit=_TEXT_BYTES, head=head, foot=link)
    mentions: dict[str, list[str]] = {"parse": []}
    return json_message({"content": content, "allowed_mentions": mentions, "flags": _NO_PREVIEWS})


def verdict(answer: Response) -> Refusal | None:
    """204 is success, 200 with `?wait=true`; 429 says in its body how long to wait."""
    fields = fields_of(answer)
    return verdict_in_words(
        answer, text_in(fields, "message"), retry_after=fields.get("retry_after")
    )
