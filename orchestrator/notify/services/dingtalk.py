"""DingTalk: Markdown, signed in the URL.

https://open.dingtalk.com/document/robots/custom-robot-access: 20 messages a minute and a
body of about 20 KB. Lines end in two spaces, or they run together.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import replace

from orchestrator.notify.markup import MARKDOWN
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import text_of, title_of
from orchestrator.notify.verdict import Codes, verdict_by_code
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 15_000
_MARKUP = replace(MARKDOWN, newline="  \n")

_CODES = Codes(
    number=("errcode",),
    words=("errmsg",),
    transient=frozenset({-1, 130101, 410100}),
    hints={
        300001: "the access_token in WEBHOOK_URL is wrong",
        310000: "see the bot's security settings: make 'Docker Image Syncer' a keyword, give "
        "its secret as WEBHOOK_SECRET, or allow this machine's address",
    },
)


def payload(report: Report, context: NotifyContext) -> Message:
    """A Markdown message; nobody is mentioned."""
    title = title_of(report, context.words)
    link = (
        (_MARKUP.link(context.words.gettext("Open the run"), context.run_url),)
        if context.run_url
        else ()
    )
    text = text_of(
        report, _MARKUP, context.words, limit=_TEXT_BYTES, head=(f"#### {title}",), foot=link
    )
    document = {
        "msgtype": "markdown",
        "markdown": {"title": title, "text": text},
        "at": {"isAtAll": False},
    }
    return json_message(document, query=_signature(context))


def verdict(answer: Response) -> Refusal | None:
    """`errcode` 0 is success, inside an HTTP 200 always."""
    return verdict_by_code(answer, _CODES)


def sign(secret: str, milliseconds: int) -> str:
    """The secret is the key; timestamp and secret are the message."""
    key = secret.encode("utf-8", "surrogateescape")
    message = f"{milliseconds}\n{secret}".encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def _signature(context: NotifyContext) -> dict[str, str]:
    secret = context.webhook.secret
    if not secret:
        return {}
    milliseconds = context.seconds * 1000
    return {"timestamp": str(milliseconds), "sign": sign(secret, milliseconds)}
