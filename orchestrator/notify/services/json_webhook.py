"""Any other address: the JSON report itself, with an HMAC where there is a secret.

The header is made as GitHub makes its own `X-Hub-Signature-256`, so that receivers know it.
"""

from __future__ import annotations

import hashlib
import hmac

from orchestrator.notify.message import JSON_TYPE, Message, NotifyContext, Refusal
from orchestrator.notify.verdict import verdict_by_status
from orchestrator.report.result import Report
from orchestrator.system.http import Response

SIGNATURE = "X-Syncer-Signature-256"
TIMESTAMP = "X-Syncer-Timestamp"


def payload(report: Report, context: NotifyContext) -> Message:
    """The document as it is; `report` is in it already."""
    del report
    body = context.document.encode(errors="replace")
    secret = context.webhook.secret
    signature = {SIGNATURE: f"sha256={sign(secret, body)}"} if secret else {}
    return Message(body, {**JSON_TYPE, TIMESTAMP: str(context.seconds), **signature})


def verdict(answer: Response) -> Refusal | None:
    """Only the HTTP status means something to us; the body is the receiver's own."""
    return verdict_by_status(answer)


def sign(secret: str, body: bytes) -> str:
    """HMAC-SHA256 over the body's bytes, in hexadecimal."""
    return hmac.new(secret.encode("utf-8", "surrogateescape"), body, hashlib.sha256).hexdigest()
