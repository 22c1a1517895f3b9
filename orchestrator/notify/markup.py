"""Upstream's text made harmless: one line, no mention, no link, no markup of its own.

What registries say and what stands in a list may be hostile; in a chat it could call
everybody, or show a link that leads elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.text import one_line

WORD_JOINER = "\u2060"
"""Takes no room, and ends a mention before it has begun."""

_TWINS = str.maketrans("[]<>*`\\", "［］＜＞＊'＼")  # noqa: RUF001 - lookalikes on purpose


@dataclass(frozen=True)
class Markup:
    """How one service writes.

    Attributes:
        name: An image's name, or a target's, as it may be copied.
        words: A sentence that somebody else wrote.
        bold: Our own words, made bold.
        link: A label of ours and the address behind it.
    """

    name: Callable[[str], str]
    words: Callable[[str], str]
    bold: Callable[[str], str]
    link: Callable[[str, str], str]
    newline: str = "\n"


def short(text: str, limit: int) -> str:
    """The text on one line of at most `limit` bytes, with nothing in it that can't be seen."""
    return cut(one_line(text).strip(), limit)


def cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, never ending inside a character; "…" where it was cut."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return text
    return encoded[: max(0, limit - len("…".encode()))].decode(errors="ignore") + "…"


def without_mention(text: str) -> str:
    """No `@name` of the text is one any more."""
    return text.replace("@", f"@{WORD_JOINER}")


def with_twins(text: str) -> str:
    """Markup's characters become their full-width twins, where there is no escaping them.

    The Markdown of DingTalk and WeCom knows no backslash. None of these characters can
    stand in an image's name.
    """
    return text.translate(_TWINS)


def markdown_link(label: str, url: str) -> str:
    """A link in Markdown; the address can't end it early."""
    return f"[{label}]({safe_url(url)})"


def safe_url(url: str) -> str:
    """An address without the characters that end one in some markup."""
    return re.sub(r"[\s()<>|\"'\[\]\\`*]", lambda found: f"%{ord(found[0]):02X}", url)


def as_is(text: str) -> str:
    """For services that take a text for nothing but a text."""
    return text


MARKDOWN = Markup(
    name=with_twins,
    words=lambda text: without_mention(with_twins(text)),
    bold=lambda text: f"**{text}**",
    link=markdown_link,
)
"""Of the services that know no escaping."""

PLAIN = Markup(name=as_is, words=as_is, bold=as_is, link=lambda label, url: f"{label}: {url}")
