"""`KEY=value` lines, read as `sh` reads them where nothing is expanded.

A value that begins with a quote is a shell's word (POSIX, Shell Command Language, 2.2): quotes
may change within it and stand over several lines. Any other value is taken as it stands, up to
a `#` after a blank, as a shell and `docker --env-file` agree: what they read differently, a
backslash or a quote within, is kept, so that no password is changed in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<key>[^\s=#'\"]+)[ \t]*=")
_EMPTY = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_BLANKS = re.compile(r"[ \t]*")
_COMMENT = re.compile(r"(?<=[ \t])#.*")
_ESCAPED = frozenset('$`"\\')
"""What a backslash takes its meaning from within double quotes (POSIX 2.2.3)."""


@dataclass(frozen=True)
class Assignment:
    """One key and its value.

    Attributes:
        line: Where it begins, counted from 1.
        is_cut: Whether a comment stands behind a value that has no quotes, so that it may
            have been meant as a part of it.
    """

    line: int
    key: str
    value: str = field(repr=False)
    is_cut: bool = False


@dataclass(frozen=True)
class BadLine:
    """A line that is no assignment; nothing of it is shown, since it may be a secret."""

    line: int
    message: str
    hint: str


class _UnfinishedError(Exception):
    """A quote is opened and not closed."""


def read_assignments(text: str) -> Iterator[Assignment | BadLine]:
    """Read all lines; a bad one does not hide the others.

    Args:
        text: Lines end in LF.
    """
    place, line = 0, 1
    while place < len(text):
        empty = _EMPTY.match(text, place)
        end = empty.end() if empty else _end_of_line(text, place)
        if not empty:
            found, end = _read(text, place, line)
            yield found
        line += text.count("\n", place, end)
        place = end


def _read(text: str, place: int, line: int) -> tuple[Assignment | BadLine, int]:
    """One assignment, and where the next line begins."""
    found = _ASSIGNMENT.match(text, place)
    if not found:
        bad = BadLine(line, "this is not KEY=value", "write KEY=value, or # before it")
        return bad, _end_of_line(text, place)
    key, start = found["key"], found.end()
    blanks = _BLANKS.match(text, start)
    quoted = blanks.end() if blanks else start
    if text[quoted : quoted + 1] not in ("'", '"'):
        end = _end_of_line(text, start)
        given = text[start:end].rstrip("\n")
        comment = _COMMENT.search(given)
        value = given[: comment.start()] if comment else given
        return Assignment(line, key, value.strip(), is_cut=bool(comment)), end
    try:
        value, end = _word(text, quoted)
    except _UnfinishedError:
        bad = BadLine(line, f"the quote of {key} is not closed", "write KEY='value'")
        return bad, _end_of_line(text, place)
    rest = text[end : _end_of_line(text, end)].strip()
    if rest and not rest.startswith("#"):
        bad = BadLine(
            line, f"more stands behind the quote of {key}", "put all of the value in quotes"
        )
        return bad, _end_of_line(text, end)
    return Assignment(line, key, value), _end_of_line(text, end)


def _end_of_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end + 1


def _word(text: str, place: int) -> tuple[str, int]:
    """A shell's word, and where it ends."""
    parts: list[str] = []
    while place < len(text) and text[place] not in " \t\n":
        read = {"'": _single_quoted, '"': _double_quoted, "\\": _escaped}.get(text[place])
        part, place = read(text, place + 1) if read else (text[place], place + 1)
        parts.append(part)
    return "".join(parts), place


def _single_quoted(text: str, place: int) -> tuple[str, int]:
    end = text.find("'", place)
    if end < 0:
        raise _UnfinishedError
    return text[place:end], end + 1


def _double_quoted(text: str, place: int) -> tuple[str, int]:
    parts: list[str] = []
    while place < len(text):
        character = text[place]
        if character == '"':
            return "".join(parts), place + 1
        if character == "\\" and text[place + 1 : place + 2] in _ESCAPED:
            character, place = text[place + 1], place + 1
        elif text.startswith("\\\n", place):
            character, place = "", place + 1
        parts.append(character)
        place += 1
    raise _UnfinishedError


def _escaped(text: str, place: int) -> tuple[str, int]:
    if place >= len(text):
        return "\\", place
    return text[place].replace("\n", ""), place + 1
