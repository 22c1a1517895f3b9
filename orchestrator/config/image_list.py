"""The image list: text in, entries out, and every bad line at once.

A line is an image and its options in any order. Nothing of a line ever reaches
a shell or becomes an option of another program: it is parsed here into values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from orchestrator.errors import FormatError, Problem, did_you_mean
from orchestrator.oci.pasted import named_by_command
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference

OPTIONS = ("--platform", "--name", "--to")
_LONGEST_LINE = 4096
_SHOWN = 120
_SPACES = " \t\u3000"
"""What parts words: the space, the tab, and the wide space of Chinese keyboards."""
_COMMENT = re.compile(rf"(?:^|(?<=[{_SPACES}]))#.*")
_WORD = re.compile(rf"[^{_SPACES}]+")


@dataclass(frozen=True)
class Entry:
    """One line of the list, or one image given on the command line.

    Attributes:
        line: Counted from 1; 0 where the entry is not from a file.
        column: Where the image stands in the line, counted from 1.
        platform: As written; None where the line names none.
        name: The user's own name for the destination; empty where there is none.
        to: Names of the targets of this entry only; empty means the run's.
    """

    line: int
    column: int
    text: str
    source: Reference
    platform: PlatformChoice | None = None
    name: str = ""
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageList:
    """What a list holds: the entries that can be worked on, and what is wrong with the rest."""

    file: str
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Word:
    column: int
    text: str


@dataclass
class _Draft:
    """What is known of a line while it is being read."""

    images: list[_Word] = field(default_factory=list)
    options: dict[str, _Word] = field(default_factory=dict)


class _BadLineError(Exception):
    def __init__(self, column: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.column = column
        self.message = message
        self.hint = hint


def parse_list(content: bytes, *, file: str) -> ImageList:
    """Read a whole list; a bad line never hides the others.

    Args:
        content: UTF-8, with or without a byte order mark; lines end in LF, CRLF or CR.
        file: What messages call it.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines()
    for number, raw in enumerate(lines, start=1):
        try:
            entry = _parse_line(_decoded(raw), number)
        except _BadLineError as error:
            text = _shown(raw)
            problems.append(Problem(file, number, error.column, text, error.message, error.hint))
        else:
            if entry:
                entries.append(entry)
    return ImageList(file, tuple(entries), tuple(problems))


def parse_entry(image: str, *, platform: str = "", name: str = "") -> Entry:
    """Make an entry of an image given on the command line.

    Raises:
        FormatError: The image or the platform is not one.
    """
    choice = PlatformChoice.parse(platform) if platform else None
    return Entry(0, 0, image, Reference.parse(image), choice, name)


def _decoded(raw: bytes) -> str:
    if len(raw) > _LONGEST_LINE:
        raise _BadLineError(0, f"a line of {len(raw)} bytes is no entry")
    try:
        return raw.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError as error:
        column = len(raw[: error.start].decode("utf-8")) + 1
        raise _BadLineError(column, "this is not UTF-8 text", "save the file as UTF-8") from None


def _shown(raw: bytes) -> str:
    return raw[:_LONGEST_LINE].decode("utf-8", "replace").strip()[:_SHOWN]


def _parse_line(line: str, number: int) -> Entry | None:
    text = _COMMENT.sub("", line)
    _refuse_hidden(text)
    _refuse_command(text)
    draft = _draft(_words(text))
    if not draft.images and not draft.options:
        return None
    if not draft.images:
        first = min(word.column for word in draft.options.values())
        raise _BadLineError(first, "the line has options but no image", "write the image too")
    image = draft.images[0]
    try:
        entry = Entry(number, image.column, line.strip(), Reference.parse(image.text))
    except FormatError as error:
        raise _BadLineError(image.column, error.message, error.hint) from None
    entry = _with_options(entry, draft.options)
    if len(draft.images) > 1:
        second = draft.images[1]
        raise _BadLineError(
            second.column,
            f"a second image on one line: '{second.text}'",
            "give it a line of its own",
        )
    return entry


def _refuse_hidden(text: str) -> None:
    """Refuse what nobody sees: an option with a zero-width space in it looks like itself."""
    for column, character in enumerate(text, start=1):
        if character.isprintable() or character in _SPACES:
            continue
        what, hint = "an invisible character", "delete it"
        if character.isspace():
            what, hint = "a space that is not the plain one", "write a plain space"
        raise _BadLineError(column, f"{what} (U+{ord(character):04X})", hint)


def _refuse_command(text: str) -> None:
    meant = named_by_command(text)
    if meant:
        column = len(text) - len(text.lstrip()) + 1
        raise _BadLineError(column, "a line is an image and its options", f"write '{meant}'")


def _words(text: str) -> Iterator[_Word]:
    return (_Word(match.start() + 1, match[0]) for match in _WORD.finditer(text))


def _draft(words: Iterator[_Word]) -> _Draft:
    draft = _Draft()
    for word in words:
        if not word.text.startswith("-"):
            draft.images.append(word)
            continue
        option, equals, value = word.text.partition("=")
        if option not in OPTIONS:
            meant = did_you_mean(option, OPTIONS) if option.strip("-") else ""
            hint = meant or f"the options are {', '.join(OPTIONS)}"
            raise _BadLineError(word.column, f"unknown option '{option}'", hint)
        given = _Word(word.column + len(option) + 1, value) if equals else next(words, None)
        if given is None or not given.text or given.text.startswith("-"):
            raise _BadLineError(word.column, f"'{option}' needs a value", f"write {option}=VALUE")
        if option in draft.options:
            raise _BadLineError(word.column, f"'{option}' stands twice on one line")
        draft.options[option] = given
    return draft


def _with_options(entry: Entry, options: Mapping[str, _Word]) -> Entry:
    for option, value in options.items():
        try:
            entry = _with_option(entry, option, value.text)
        except FormatError as error:
            raise _BadLineError(value.column, error.message, error.hint) from None
    return entry


def _with_option(entry: Entry, option: str, value: str) -> Entry:
    if option == "--platform":
        return replace(entry, platform=PlatformChoice.parse(value))
    if option == "--name":
        return replace(entry, name=value)
    targets = tuple(dict.fromkeys(value.split(",")))
    if not all(targets):
        raise FormatError(f"'{value}' names no target", hint="write --to=aliyun,ghcr, no spaces")
    return replace(entry, to=targets)
