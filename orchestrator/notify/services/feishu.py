"""Feishu and Lark: an interactive card, its colour the outcome.

https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot: a body of at most 20 KB,
5 messages a second and 100 a minute. Everything from upstream stands in `plain_text`, which
knows neither mentions nor links.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from orchestrator.notify.markup import PLAIN
from orchestrator.notify.message import Message, NotifyContext, Refusal, json_message
from orchestrator.notify.text import text_of, title_of, tone_of
from orchestrator.notify.verdict import Codes, verdict_by_code
from orchestrator.report.result import Report
from orchestrator.system.http import Response

_TEXT_BYTES = 17_000
"""Of 20,000: the card around it and the link need the rest."""

_CODES = Codes(
    number=("code", "StatusCode"),
    words=("msg", "StatusMessage"),
    transient=frozenset({11232}),
    hints={
        19001: "the token in WEBHOOK_URL is wrong",
        19021: "WEBHOOK_SECRET is not the bot's, or this machine's clock is off by an hour",
        19022: "the bot's IP allowlist does not know this machine",
        19024: "make 'Docker Image Syncer' one of the bot's keywords",
    },
)


def payload(report: Report, context: NotifyContext) -> Message:
    """A card; signed where the webhook has a secret."""
    elements: list[object] = [
        {"tag": "div", "text": _plain(text_of(report, PLAIN, context.words, limit=_TEXT_BYTES))}
    ]
    if context.run_url:
        button = {
            "tag": "button",
            "text": _plain(context.words.gettext("Open the run")),
            "url": context.run_url,
        }
        elements.append({"tag": "action", "actions": [{**button, "type": "default"}]})
    header = {"title": _plain(title_of(report, context.words)), "template": tone_of(report).colour}
    card = {"config": {"wide_screen_mode": True}, "header": header, "elements": elements}
    return json_message({**_signature(context), "msg_type": "interactive", "card": card})


def verdict(answer: Response) -> Refusal | None:
    """`code` 0 is success; older bots say `StatusCode` instead."""
    return verdict_by_code(answer, _CODES)


def sign(secret: str, seconds: int) -> str:
    """The timestamp and the secret are the key, and the message is empty."""
    key = f"{seconds}\n{secret}".encode("utf-8", "surrogateescape")
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


def _signature(context: NotifyContext) -> dict[str, str]:
    secret = context.webhook.secret
    if not secret:
        return {}
    return {"timestamp": str(context.seconds), "sign": sign(secret, context.seconds)}


def _plain(content: str) -> dict[str, str]:
    return {"tag": "plain_text", "content": content}
