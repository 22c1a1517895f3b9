"""Telegram: at most 4096 characters of its HTML, to the chat that the URL names.

https://core.telegram.org/bots/api#sendmessage. `@name` is a mention even inside a plain
text, but not inside `<code>`; a digest's `@sha256` would be one.
"""

from __future__ import annotations

import html
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from orchestrator.notify.markup import Markup, safe_url, without_mention
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import text_of, title_of
from orchestrator.notify.verdict import fields_of, is_success, text_in, verdict_in_words
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 4096

_HINT = "WEBHOOK_URL is https://api.telegram.org/bot<token>/sendMessage?chat_id=<chat>"


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


_MARKUP = Markup(
    name=lambda text: f"<code>{_escaped(text)}</code>",
    words=lambda text: without_mention(_escaped(text)),
    bold=lambda text: f"<b>{_escaped(text)}</b>",
    link=lambda label, url: f'<a href="{html.escape(safe_url(url))}">{label}</a>',
)


def payload(report: Report, context: NotifyContext) -> Message:
    """A text without previews; what else the URL's query says holds too."""
    link = (
        (_MARKUP.link(context.words.gettext("Open the run"), context.run_url),)
        if context.run_url
        else ()
    )
    head = (_MARKUP.bold(title_of(report, context.words)),)
    asked = dict(parse_qsl(urlsplit(context.webhook.url).query))
    chat = {"chat_id": asked["chat_id"]} if "chat_id" in asked else {}
    return json_message(
        {
            **chat,
            "text": text_of(
                report, _MARKUP, context.words, limit=_TEXT_BYTES, head=head, foot=link
            ),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
        }
    )


def verdict(answer: Response) -> Refusal | None:
    """`ok` is true, or there is a `description`."""
    fields = fields_of(answer)
    if is_success(answer):
        return None if fields.get("ok") is True else Refusal("the answer is not Telegram's")
    parameters = fields.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    refusal = verdict_in_words(answer, text_in(fields, "description"), retry_after=wait)
    is_ours = answer.status in {400, 401, 404}
    return refusal and replace(refusal, hint=_HINT if is_ours else refusal.hint)
