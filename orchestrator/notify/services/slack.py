"""Slack: a text in mrkdwn, where only `&`, `<` and `>` mean something from outside.

https://docs.slack.dev/messaging/formatting-message-text: `<!channel>` and `<url|label>` are
written with angle brackets, so that escaping those three is all there is to do.
"""

from __future__ import annotations

import html
from dataclasses import replace

from orchestrator.notify.markup import Markup, safe_url
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import text_of, title_of
from orchestrator.notify.verdict import fields_of, is_success, verdict_in_words
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 4000
"""More is taken, but is cut or folded away on the screen."""

_HINTS = {
    "invalid_token": "the address in WEBHOOK_URL is wrong",
    "no_service": "the webhook was switched off or removed",
    "no_team": "the workspace in WEBHOOK_URL is wrong",
    "channel_is_archived": "the webhook's channel is archived",
    "channel_not_found": "the webhook's channel is gone",
    "action_prohibited": "the workspace's administrators forbid this webhook",
}


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


_MARKUP = Markup(
    name=_escaped,
    words=_escaped,
    bold=lambda text: f"*{text}*",
    link=lambda label, url: f"<{_escaped(safe_url(url))}|{label}>",
)


def payload(report: Report, context: NotifyContext) -> Message:
    """A text; addresses in it are not unfolded."""
    link = (
        (_MARKUP.link(context.words.gettext("Open the run"), context.run_url),)
        if context.run_url
        else ()
    )
    head = (_MARKUP.bold(title_of(report, context.words)),)
    text = text_of(report, _MARKUP, context.words, limit=_TEXT_BYTES, head=head, foot=link)
    return json_message({"text": text, "unfurl_links": False, "unfurl_media": False})


def verdict(answer: Response) -> Refusal | None:
    """`ok` is success; errors are real HTTP statuses with one word as their body."""
    word = answer.body[:200].decode(errors="replace").strip()
    if is_success(answer):
        is_taken = word == "ok" or fields_of(answer).get("ok") is True
        return None if is_taken else Refusal("the answer is not Slack's")
    refusal = verdict_in_words(answer, word)
    return refusal and replace(refusal, hint=_HINTS.get(word, refusal.hint))
