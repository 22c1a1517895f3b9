"""The values that pass between the run, a chat's format and the one that sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orchestrator.config.settings import Webhook
from orchestrator.language import ENGLISH, Translations
from orchestrator.report.result import Report
from orchestrator.system.http import Response

JSON_TYPE: Mapping[str, str] = {"Content-Type": "application/json; charset=utf-8"}


def json_message(document: object, *, query: Mapping[str, str] | None = None) -> Message:
    """A message whose body is this document, as short as JSON gets."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return Message(text.encode(errors="replace"), JSON_TYPE, query or {})


@dataclass(frozen=True)
class NotifyContext:
    """What a message needs beside the report.

    Attributes:
        run_url: Where the run's log is to be read; empty where there is none.
        words: The readers' language.
        document: The report as JSON, for those who read no prose.
        now: When it is sent; signatures hold for an hour.
    """

    webhook: Webhook
    now: datetime
    run_url: str = ""
    words: Translations = ENGLISH
    document: str = field(default="", repr=False)

    @property
    def seconds(self) -> int:
        """Now, as Unix counts it."""
        return int(self.now.timestamp())


@dataclass(frozen=True)
class Message:
    """What is posted.

    Attributes:
        query: What is added to the webhook's URL; encoded by the one who sends.
        path: What is added to the path of it.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why a service did not take a message.

    Attributes:
        words: The service's own, not to be trusted.
        hint: What the user can do about it.
        is_transient: Whether another try may help.
        retry_after: Seconds the service asked us to wait; 0 where it did not.
    """

    words: str
    hint: str = ""
    is_transient: bool = False
    retry_after: float = 0.0


class Format(Protocol):
    """A service's way of writing and answering: a module with these two functions."""

    def payload(self, report: Report, context: NotifyContext) -> Message:
        """The message for a report."""

    def verdict(self, answer: Response) -> Refusal | None:
        """Why the message was not taken; None where it was."""
