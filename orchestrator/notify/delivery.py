"""Sending one message: a few tries, redirects on the same host only, and no URL in any word."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from orchestrator.config.settings import Webhook
from orchestrator.hosts import host_of
from orchestrator.notify.markup import short
from orchestrator.notify.message import Format, Message, Refusal
from orchestrator.system.http import HttpError, Response, location_of
from orchestrator.text import Redactor

_WAITS = (2.0, 10.0)
"""Seconds after the first try, and after the second; the third one is the last."""
_LONGEST_WAIT = 60.0
_REDIRECTS = 3
_SEE_OTHER = 303
_WORD_BYTES = 300
_SHORTEST_SECRET = 6
"""Shorter parts of a URL are words such as `v2`, `bot` and `send`."""

_log = logging.getLogger(__name__)


class Poster(Protocol):
    """Sends HTTP POST requests: `system.http.HttpClient`."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send a body; HttpError where there is no answer."""


@dataclass(frozen=True)
class Sender:
    """What sending a message needs: HTTP, a clock, and a way to wait.

    Attributes:
        sleep: Takes seconds; true once no more is to be tried.
    """

    http: Poster
    clock: Callable[[], datetime]
    sleep: Callable[[float], object]


def send(
    webhook: Webhook, chat: Format, message: Callable[[], Message], *, by: Sender
) -> Refusal | None:
    """Send a message, again where the fault may pass; None where it was taken.

    Args:
        webhook: Where to.
        chat: Judges the answers.
        message: Makes it anew for each try, as signatures hold for a while only.
        by: How.
    """
    return tried(lambda: _attempt(webhook, chat, message(), by.http), webhook, by)


def send_once(webhook: Webhook, chat: Format, message: Message, *, by: Sender) -> Refusal | None:
    """Send what is not worth another try; None where it was taken."""
    return _attempt(webhook, chat, message, by.http)


def tried(attempt: Callable[[], Refusal | None], webhook: Webhook, by: Sender) -> Refusal | None:
    """Try, and again where the fault may pass; what the last try came to."""
    refusal = attempt()
    for wait in _WAITS:
        if refusal is None or not refusal.is_transient:
            break
        seconds = min(refusal.retry_after or wait, _LONGEST_WAIT)
        _log.info("%s did not take the message; again in %.0f s", place_of(webhook), seconds)
        if by.sleep(seconds):
            break
        refusal = attempt()
    return refusal


def place_of(webhook: Webhook) -> str:
    """The host that a message goes to."""
    return webhook.mail.host if webhook.mail else host_of(webhook.url)


def hidden(words: str, webhook: Webhook) -> str:
    """Words from outside on one line, without any part of the webhook's URL or its secret."""
    return short(Redactor(_secrets(webhook))(words), _WORD_BYTES)


def _attempt(webhook: Webhook, chat: Format, message: Message, http: Poster) -> Refusal | None:
    try:
        answer = _post(http, _address(webhook.url, message), message)
    except HttpError as error:
        words = error.message.replace(host_of(webhook.url), "it", 1)
        return Refusal(words, error.hint, is_transient=error.kind.is_transient)
    return chat.verdict(answer)


def _post(http: Poster, url: str, message: Message) -> Response:
    """Post, and follow the redirects that stay on the host."""
    answer = http.post(url, message.body, message.headers)
    for _ in range(_REDIRECTS):
        url = redirect_of(url, answer)
        if not url:
            break
        answer = http.post(url, message.body, message.headers)
    return answer


def _address(url: str, message: Message) -> str:
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(message.query)) if part)
    path = f"{parts.path.rstrip('/')}{message.path}" if message.path else parts.path
    return urlunsplit(parts._replace(path=path, query=query, fragment=""))


def _secrets(webhook: Webhook) -> Iterator[str]:
    parts = urlsplit(webhook.url)
    yield webhook.url
    if webhook.mail:
        yield from filter(None, (webhook.mail.password, webhook.mail.username))
    found = [webhook.secret, parts.path, parts.query, parts.username, parts.password]
    found += [*parts.path.split("/"), *(value for _, value in parse_qsl(parts.query))]
    for text in found:
        if text and len(text) >= _SHORTEST_SECRET:
            yield text
            yield unquote(text)


def redirect_of(url: str, answer: Response) -> str:
    """Where an answer sends the same request to, as long as it is the same host; else "".

    http may become https, https never http. See Other (303) asks for another request.
    """
    there = location_of(url, answer)
    if not there or answer.status == _SEE_OTHER:
        return ""
    old, new = urlsplit(url), urlsplit(there)
    is_same = old.netloc == new.netloc and old.scheme == new.scheme
    is_upgrade = (old.scheme, new.scheme) == ("http", "https") and (
        (old.hostname, old.port, new.port or 443) == (new.hostname, None, 443)
    )
    return there if is_same or is_upgrade else ""
