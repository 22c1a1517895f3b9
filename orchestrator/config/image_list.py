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
from orchestrator.oci.selection import TAG_FIELD, TAG_OPTIONS, Selection, age_in_seconds

MIN_AGE = "--min-age"
OPTIONS = ("--platform", "--name", "--to", *TAG_OPTIONS, MIN_AGE)
_LONGEST_LINE = 4096
_SHOWN = 120
_SPACES = " \t\u3000"
"""What parts words: the space, the tab, and the wide space of Chinese keyboards."""
_COMMENT = re.compile(rf"(?:^|(?<=[{_SPACES}]))#.*")
_WORD = re.compile(rf"""(?:"[^"]*"|'[^']*'|[^{_SPACES}])+""")
_QUOTED = re.compile(r"""(["'])(.*?)\1""")
_PLACEHOLDER = re.compile(r"chosen-tag-([0-9]{1,9})-of-many")
_NAMED_TAG = re.compile(r":[^/]*$|@.*$")


@dataclass(frozen=True)
class Entry:
    """One line of the list, or one image given on the command line.

    Attributes:
        line: Counted from 1; 0 where the entry is not from a file.
        column: Where the image stands in the line, counted from 1.
        platform: As written; None where the line names none.
        name: The user's own name for the destination; empty where there is none.
        to: Names of the targets of this entry only; empty means the run's.
        selection: Which tags are meant, where the source names a repository alone.
        min_age: Seconds that a digest has to have been there before it is copied.
    """

    line: int
    column: int
    text: str
    source: Reference
    platform: PlatformChoice | None = None
    name: str = ""
    to: tuple[str, ...] = ()
    selection: Selection | None = None
    min_age: int = 0

    def of_tag(self, tag: str) -> Entry:
        """The entry that names one of the tags that are meant."""
        source = replace(self.source, tag=tag)
        name = self.name.replace(TAG_FIELD, tag)
        return replace(self, source=source, name=name, selection=None)


@dataclass(frozen=True)
class ImageList:
    """What a list holds: the entries that can be worked on, and what is wrong with the rest."""

    file: str
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def selects(self) -> bool:
        """Whether an entry means tags that have to be asked for."""
        return any(entry.selection for entry in self.entries)

    def with_placeholders(self) -> ImageList:
        """The same, with something in the place of tags that have to be asked for."""
        entries = (
            entry.of_tag(f"chosen-tag-{place}-of-many") if entry.selection else entry
            for place, entry in enumerate(self.entries)
        )
        return replace(self, entries=tuple(entries))

    def chosen_by(self, source: Reference) -> Entry | None:
        """The entry in whose place a source with a placeholder stands."""
        found = _PLACEHOLDER.fullmatch(source.tag or "")
        place = int(found[1]) if found else len(self.entries)
        entry = self.entries[place] if place < len(self.entries) else None
        return entry if entry and entry.selection else None


def without_placeholder(text: str) -> str:
    """A name with the tag that is not known yet as it may be written."""
    return _PLACEHOLDER.sub(TAG_FIELD, text)


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


def parse_entry(image: str, options: Mapping[str, str] | None = None) -> Entry:
    """Make an entry of an image given on the command line.

    Args:
        image: As it was typed.
        options: Their values, by the names that they have in a list.

    Raises:
        FormatError: The image, or the value of an option, is not one.
    """
    entry = Entry(0, 0, image, Reference.parse(image))
    for option, value in (options or {}).items():
        entry = _with_option(entry, option, value)
    _check_choice(image, entry)
    return _without_tag(entry)


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
    try:
        _check_choice(image.text, entry)
    except FormatError as error:
        raise _BadLineError(image.column, error.message, error.hint) from None
    if len(draft.images) > 1:
        second = draft.images[1]
        raise _BadLineError(
            second.column,
            f"a second image on one line: '{second.text}'",
            "give it a line of its own",
        )
    return _without_tag(entry)


def _check_choice(image: str, entry: Entry) -> None:
    """Check that a line that chooses tags names none."""
    if entry.selection is None:
        return
    if _NAMED_TAG.search(image):
        raise FormatError(
            f"'{image}' names a tag, and the line chooses tags too",
            hint=f"write '{_NAMED_TAG.sub('', image)}'",
        )
    repository, colon, _ = entry.name.rpartition(":")
    if colon and TAG_FIELD not in entry.name:
        raise FormatError(
            f"'{entry.name}' is one name for all tags that the line chooses",
            hint=f"write --name={repository}:{TAG_FIELD}",
        )


def _without_tag(entry: Entry) -> Entry:
    """What chooses tags has a repository for its source."""
    return replace(entry, source=replace(entry.source, tag=None)) if entry.selection else entry


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
            entry = _with_option(entry, option, _QUOTED.sub(r"\2", value.text))
        except FormatError as error:
            raise _BadLineError(value.column, error.message, error.hint) from None
    return entry


def _with_option(entry: Entry, option: str, value: str) -> Entry:
    if option == "--platform":
        return replace(entry, platform=PlatformChoice.parse(value))
    if option == "--name":
        return replace(entry, name=value)
    if option == MIN_AGE:
        return replace(entry, min_age=age_in_seconds(value))
    if option in TAG_OPTIONS:
        chosen = (entry.selection or Selection()).with_option(option, value)
        return replace(entry, selection=chosen)
    targets = tuple(dict.fromkeys(value.split(",")))
    if not all(targets):
        raise FormatError(f"'{value}' names no target", hint="write --to=aliyun,ghcr, no spaces")
    return replace(entry, to=targets)
