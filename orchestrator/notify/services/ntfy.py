"""ntfy: a plain text, posted to the topic that the URL names; a token where the topic wants one.

https://docs.ntfy.sh/publish/: the other fields may stand in the query, which takes any letters
where a header does not; a text of more than 4096 bytes would become an attachment.
"""

from __future__ import annotations

from orchestrator.notify.markup import PLAIN
from orchestrator.notify.message import Message, NotifyContext, Refusal
from orchestrator.notify.text import Tone, text_of, title_of, tone_of
from orchestrator.notify.verdict import fields_of, is_success, text_in, verdict_in_words
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 4096
_DEFAULT, _HIGH = "3", "4"


def payload(report: Report, context: NotifyContext) -> Message:
    """A text with a title; what failed comes with a high priority."""
    query = {
        "title": title_of(report, context.words),
        "priority": _HIGH if tone_of(report) is Tone.FAILED else _DEFAULT,
    }
    if context.run_url:
        query["click"] = context.run_url
    secret = context.webhook.secret
    login = {"Authorization": f"Bearer {secret}"} if secret else {}
    text = text_of(report, PLAIN, context.words, limit=_TEXT_BYTES)
    headers = {"Content-Type": "text/plain; charset=utf-8", **login}
    return Message(text.encode(errors="replace"), headers, query)


def verdict(answer: Response) -> Refusal | None:
    """What was taken is answered as an event; a refusal has an `error`."""
    fields = fields_of(answer)
    if is_success(answer):
        is_taken = text_in(fields, "event") == "message"
        return None if is_taken else Refusal("the answer is not ntfy's")
    return verdict_in_words(answer, text_in(fields, "error"))
