"""Which tags of a repository an entry means, where it names none: patterns, a range, the newest.

Values only: what the words of a line say. The tags themselves are chosen in `plan/tags.py`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from fnmatch import translate
from typing import Protocol, cast

from orchestrator.errors import FormatError, did_you_mean
from orchestrator.oci.version import Range

TAG_OPTIONS = ("--tags", "--tags-regex", "--exclude", "--semver", "--latest", "--per")
"""The options that choose tags; with any of them, the image names a repository."""

TAG_FIELD = "{tag}"
"""What stands for the tag in the --name of a line that chooses tags."""

_LONGEST_PATTERN = 256
_MOST_NEWEST = 10_000
_GLOB = re.compile(r"[A-Za-z0-9_.*?!\[\]-]+")
_REPEATED_STARS = re.compile(r"\*{2,}")


class Per(Enum):
    """Of what the newest is wanted: how many of a version's numbers tell groups apart."""

    MAJOR = 1
    MINOR = 2


class _Pattern(Protocol):
    def fullmatch(self, text: str) -> object | None:
        """Something, where all of the text matches."""
        ...


@dataclass(frozen=True)
class Selection:
    """What tags have to be to be meant; several conditions hold together.

    Attributes:
        globs: One of them matches; empty means any.
        regex: Matches as a whole; empty means any.
        excluded: Globs of which none matches.
        versions: They are versions in this range.
        latest: So many of the newest; None means all.
        per: The newest of each of the newest groups.
    """

    globs: tuple[str, ...] = ()
    regex: str = ""
    excluded: tuple[str, ...] = ()
    versions: Range | None = None
    latest: int | None = None
    per: Per | None = None
    _matches: _Pattern | None = field(default=None, repr=False, compare=False)

    def with_option(self, option: str, value: str) -> Selection:
        """The same with one more condition, as a line or the command line writes it.

        Raises:
            FormatError: The value is none of this option's.
        """
        return _READERS[option](self, value)

    @property
    def names_a_pattern(self) -> bool:
        """Whether tags are chosen by their spelling; else only plain versions are versions."""
        return bool(self.globs or self.regex)

    @property
    def orders(self) -> bool:
        """Whether tags have to be versions to be chosen."""
        return self.versions is not None or self.latest is not None or self.per is not None

    def admits(self, tag: str) -> bool:
        """Whether the spelling of a tag is one that is meant."""
        if self.globs and not any(_compiled(glob).fullmatch(tag) for glob in self.globs):
            return False
        if self._matches is not None and not self._matches.fullmatch(tag):
            return False
        return not any(_compiled(glob).fullmatch(tag) for glob in self.excluded)

    def __str__(self) -> str:
        """The options, as they may be written again."""
        parts = [f"--tags={','.join(self.globs)}"] if self.globs else []
        parts += [f"--tags-regex={self.regex}"] if self.regex else []
        parts += [f"--exclude={','.join(self.excluded)}"] if self.excluded else []
        parts += [f"--semver={self.versions.text}"] if self.versions else []
        parts += [f"--latest={self.latest}"] if self.latest else []
        parts += [f"--per={self.per.name.lower()}"] if self.per else []
        return " ".join(parts)


def _globs(text: str) -> tuple[str, ...]:
    globs = tuple(dict.fromkeys(text.split(",")))
    if len(text) > _LONGEST_PATTERN:
        raise FormatError(f"a pattern of {len(text)} characters is too long")
    for glob in globs:
        if not _GLOB.fullmatch(glob):
            raise FormatError(
                f"'{glob}' is no pattern of tags",
                hint="write it as '1.27*' or '*-alpine', several with commas between",
            )
    return globs


_CACHE: dict[str, re.Pattern[str]] = {}


def _compiled(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression; `*` matches as little as will do, without going back."""
    if glob not in _CACHE:
        _CACHE[glob] = re.compile(translate(_REPEATED_STARS.sub("*", glob)))
    return _CACHE[glob]


def _with_regex(selection: Selection, text: str) -> Selection:
    """RE2 matches in linear time, whatever a pattern is made of (github.com/google/re2)."""
    if len(text) > _LONGEST_PATTERN:
        raise FormatError(f"a pattern of {len(text)} characters is too long")
    try:
        engine = importlib.import_module("re2")
    except ImportError:
        raise FormatError(
            "regular expressions need google-re2, and it is not installed",
            hint="choose the tags with --tags='1.27*'",
        ) from None
    options = engine.Options()
    options.log_errors = False
    options.max_mem = 8 << 20
    try:
        pattern = engine.compile(text, options)
    except engine.error as error:
        why = error.args[0] if error.args else ""
        why = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise FormatError(
            f"'{text}' is no regular expression: {why}", hint="it is RE2's syntax, as in 'v1[.].*'"
        ) from None
    return replace(selection, regex=text, _matches=cast("_Pattern", pattern))


def _with_latest(selection: Selection, text: str) -> Selection:
    is_short = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_NEWEST))
    if not is_short or not 1 <= int(text) <= _MOST_NEWEST:
        raise FormatError(f"'{text[:20]}' is not a number from 1 to {_MOST_NEWEST:,}")
    return replace(selection, latest=int(text))


def _with_per(selection: Selection, text: str) -> Selection:
    names = [per.name.lower() for per in Per]
    if text not in names:
        hint = did_you_mean(text, names) or "write --per=major or --per=minor"
        raise FormatError(f"'{text[:20]}' is no part of a version", hint=hint)
    return replace(selection, per=Per[text.upper()])


_READERS: Mapping[str, Callable[[Selection, str], Selection]] = {
    "--tags": lambda selection, text: replace(selection, globs=_globs(text)),
    "--tags-regex": _with_regex,
    "--exclude": lambda selection, text: replace(selection, excluded=_globs(text)),
    "--semver": lambda selection, text: replace(selection, versions=Range.parse(text)),
    "--latest": _with_latest,
    "--per": _with_per,
}


_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_AGE = re.compile(r"([0-9]{1,4})([mhdw])")


def age_in_seconds(text: str) -> int:
    """Read `3d`: minutes, hours, days or weeks.

    Raises:
        FormatError: It is no such time.
    """
    found = _AGE.fullmatch(text)
    if not found:
        raise FormatError(f"'{text[:20]}' is no time", hint="write '3d', '12h' or '2w'")
    return int(found[1]) * _UNITS[found[2]]
