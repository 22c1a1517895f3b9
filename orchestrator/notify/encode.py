"""JSON as chat services take it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from orchestrator.notify.message import Message

JSON_TYPE: Mapping[str, str] = {"Content-Type": "application/json; charset=utf-8"}


def json_message(document: object, *, query: Mapping[str, str] | None = None) -> Message:
    """A message whose body is this document, as short as JSON gets."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Message(text.encode(errors="replace"), JSON_TYPE, query or {})
