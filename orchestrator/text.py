"""Text from others, made safe to show: no escape sequences, no invisible tricks."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Sequence

_LINE_BREAKS = re.compile(r"[\r\n\t]+")
HIDDEN = "***"
MOST_LINES = 100
_SHORTEST_SECRET = 4
"""A shorter secret would mask half of every message; it is too weak to be one."""
_SHORTEST_INNER = 8


def printable(text: str) -> str:
    """Escape what a terminal would obey or a reader would not see; line breaks stay."""
    return "\n".join(_printable_line(line) for line in text.split("\n"))


def _printable_line(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(character if _is_shown(character) else _escaped(character) for character in line)


def _is_shown(character: str) -> bool:
    return character.isprintable() or character in "\n\t"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def one_line(text: str) -> str:
    """The same on a single line, for table cells and log lines."""
    return printable(_LINE_BREAKS.sub(" ", text))


def display_width(text: str) -> int:
    """The columns that a text takes on a terminal: wide characters take two (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def cut_to_width(text: str, width: int) -> str:
    """The text in at most so many columns of a terminal; "…" where it was cut."""
    if display_width(text) <= width:
        return text
    kept, left = [], width - 1
    for character in text:
        left -= _character_width(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, limit: int = 100) -> str:
    """At most so many characters of a text; three dots say that it goes on."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def first_lines(lines: Sequence[object], *, of: str) -> tuple[str, ...]:
    """As many lines as people read; the last one says how many more there are.

    Args:
        lines: However many; each is shown as it says itself.
        of: What they are, in the plural.
    """
    left = len(lines) - MOST_LINES
    more = (f"and {left} more {of}",) if left > 0 else ()
    return (*map(str, lines[:MOST_LINES]), *more)


class Redactor:
    """Masks secrets in a text, in whatever form they may appear.

    It is the last line of defence: nothing should put a secret into a text at all.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        longest_first = sorted(set(secrets), key=len, reverse=True)
        forms = [
            form for one in longest_first if len(one) >= _SHORTEST_SECRET for form in _forms(one)
        ]
        self._pattern = re.compile("|".join(forms)) if forms else None

    def __call__(self, text: str) -> str:
        """The text, with `***` where a secret stood."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


def _forms(secret: str) -> Iterator[str]:
    """Patterns of a secret: letter by letter, each in any encoding, and in base64."""
    yield "".join(map(_letter_pattern, secret))
    raw = secret.encode("utf-8", "surrogateescape")
    whole = [encode(raw).decode() for encode in (b64encode, urlsafe_b64encode)]
    for text in (*whole, *(one.rstrip("=") for one in whole), *_inside_base64(raw)):
        yield re.escape(text)


def _letter_pattern(letter: str) -> str:
    """One letter in any form; nobody encodes ASCII's letters and digits."""
    is_plain = letter.isascii() and letter.isalnum()
    return letter if is_plain else f"(?:{'|'.join(_letter_forms(letter))})"


def _letter_forms(letter: str) -> Iterator[str]:
    """One letter as it is, and as URLs, JSON, HTML, Markdown and our own escaping write it."""
    in_url = "".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
    yield f"(?i:{in_url})"
    yield rf"\\?{re.escape(letter)}"
    in_json = json.dumps(letter, ensure_ascii=False)[1:-1]
    yield from map(re.escape, {printable(letter), in_json, html.escape(letter)} - {letter})
    code = ord(letter)
    yield rf"(?i:\\u{code:04x}|&\#0*{code};|&\#x0*{code:x};)"
    if letter == " ":
        yield r"\+"


def _inside_base64(raw: bytes) -> Iterator[str]:
    """What of a secret is certain to stand in the base64 of a longer text that holds it."""
    for before, first in enumerate((0, 2, 3)):
        for encode in (b64encode, urlsafe_b64encode):
            text = encode(bytes(before) + raw).decode().rstrip("=")
            inner = text[first : len(text) - ((before + len(raw)) % 3 != 0)]
            if len(inner) >= _SHORTEST_INNER:
                yield inner


def human_bytes(count: int) -> str:
    """A size for people, in powers of 1024 as registries show it: `13.2 MiB`."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if round(size, 1) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def human_share(part: int, whole: int) -> str:
    """How much of a size: `45 of 130 MiB`; a whole of 0 is one that nobody knows."""
    if not whole:
        return human_bytes(part)
    size, unit = human_bytes(whole).split()
    scale = whole / float(size) if float(size) else 1.0
    digits = 1 if float(size) < 10 and unit != "B" else 0
    return f"{part / scale:.{digits}f} of {float(size):.{digits}f} {unit}"


def human_rate(bytes_a_second: float) -> str:
    """A speed for people, in powers of 1000 as networks are measured: `3.1 MB/s`."""
    if bytes_a_second < 1e6:
        return f"{bytes_a_second / 1e3:.0f} kB/s"
    return f"{bytes_a_second / 1e6:.1f} MB/s"


def human_seconds(seconds: float, *, is_whole: bool = False) -> str:
    """A duration for people: `0.4 s`, `12 s`, `3 min 05 s`; `is_whole` leaves out tenths."""
    if round(seconds, 1) < 10 and not is_whole:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
