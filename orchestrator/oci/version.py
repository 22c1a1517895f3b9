"""Versions in tags, ordered as people mean them, and ranges of them.

A tag is a version where numbers with dots begin it: `1.27.3`, `v1.27`, `1.27.3-alpine3.20`. What
follows the numbers is a pre-release (`rc1`, `-beta.2`, `-nightly`), or names a family: the
numbers in it (`3.20`) order what else is the same. Dates in digits alone are no versions. Ranges
are npm's (github.com/npm/node-semver, "Ranges"), with commas for its blanks.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from orchestrator.errors import FormatError
from orchestrator.text import shortened

_LONGEST_RANGE = 256
_TAG = re.compile(r"[vV]?(?P<numbers>\d{1,5}(?:\.\d{1,18})*)(?P<rest>[-._+a-zA-Z].*|)", re.ASCII)
"""Six digits and more at the beginning are a date, or a commit that happens to have no letter."""

_SEPARATORS = re.compile(r"[-._+]+")
_WORD = re.compile(r"(?P<word>[A-Za-z]+)(?P<number>\d{0,18})", re.ASCII)
_STAGES: Mapping[str, int] = {
    **dict.fromkeys(("dev", "nightly", "snapshot", "canary", "edge", "unstable", "test"), 0),
    **dict.fromkeys(("alpha", "a"), 1),
    **dict.fromkeys(("beta", "b"), 2),
    **dict.fromkeys(("m", "milestone", "preview", "pre", "prerelease", "ea"), 3),
    **dict.fromkeys(("rc", "c", "cr"), 4),
}
_NEEDS_NUMBER = frozenset(("a", "b", "c", "m"))
"""Words that say a stage only with a number behind them: `3.14.0a2`."""

Numbers: TypeAlias = tuple[int, ...]
Order: TypeAlias = "tuple[Numbers, bool, tuple[int, Numbers]]"


@dataclass(frozen=True)
class Version:
    """What a tag says, if it says a version.

    Attributes:
        numbers: As they are written: `1.27` has two.
        stage: What of a pre-release comes later; None for a release.
        family: What stands behind, its numbers left out; empty for a plain version.
        family_numbers: The numbers left out of it.
    """

    tag: str
    numbers: Numbers
    stage: tuple[int, Numbers] | None = None
    family: str = ""
    family_numbers: Numbers = ()

    @classmethod
    def parse(cls, tag: str) -> Version | None:
        """Read a tag; None where it is no version."""
        found = _TAG.fullmatch(tag)
        if not found:
            return None
        numbers = tuple(map(int, found["numbers"].split(".")))
        words = list(filter(None, _SEPARATORS.split(found["rest"])))
        if len(numbers) == 1 and words and words[0].isdigit():
            return None  # 2024-01-15
        is_glued = bool(found["rest"]) and found["rest"][0].isalpha()
        if is_glued and _stage_of(words[0])[0] is None:
            return None  # 7d3f2a1
        stage: tuple[int, Numbers] | None = None
        family: list[str] = []
        behind: list[int] = []
        for place, word in enumerate(words):
            if word.isdigit():
                if stage and not family and _follows_stage(words[:place]):
                    stage = (stage[0], (*stage[1], int(word[:18])))
                else:
                    behind.append(int(word[:18]))
                continue
            rank, number = _stage_of(word)
            if rank is not None and stage is None:
                stage = (rank, number)
                continue
            named = _WORD.fullmatch(word)
            family.append((named["word"] if named else word).lower())
            behind += [int(named["number"])] if named and named["number"] else []
        name = "-".join(family) or ("#" if behind else "")
        return cls(tag, numbers, stage, name, tuple(behind))

    @property
    def order(self) -> Order:
        """What tells which of two is newer, whatever family they are of; `1.2` is `1.2.0`."""
        return _order(self.numbers, self.stage)

    @property
    def key(self) -> tuple[Order, Numbers, int, str]:
        """A total order: what else is alike is told apart by its family, and by its spelling."""
        return self.order, self.family_numbers, -len(self.tag), self.tag

    def is_alias_of(self, other: Version) -> bool:
        """Whether this one floats: `1.27` where there is a `1.27.3`."""
        length = len(self.numbers)
        return (
            self.family == other.family
            and self.stage is None
            and length < len(other.numbers)
            and other.numbers[:length] == self.numbers
        )


def _follows_stage(words: list[str]) -> bool:
    """Whether a number stands right behind the word of a stage, or its other numbers."""
    last = next((word for word in reversed(words) if not word.isdigit()), "")
    return _stage_of(last)[0] is not None


def _stage_of(word: str) -> tuple[int | None, Numbers]:
    found = _WORD.fullmatch(word)
    if not found or (found["word"].lower() in _NEEDS_NUMBER and not found["number"]):
        return None, ()
    number = (int(found["number"]),) if found["number"] else ()
    return _STAGES.get(found["word"].lower()), number


def _order(numbers: Numbers, stage: tuple[int, Numbers] | None) -> Order:
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    return numbers, stage is None, stage or (0, ())


_Comparator: TypeAlias = "tuple[Callable[[Order, Order], bool], Order]"

_OPERATORS: Mapping[str, Callable[[Order, Order], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
_TERM = re.compile(
    r"(?P<operator>>=|<=|>|<|=|\^|~>?|)"
    r"v?(?P<numbers>(?:\d{1,18}|[xX*])(?:\.(?:\d{1,18}|[xX*]))*)(?P<rest>-?[A-Za-z][A-Za-z0-9.-]*)?",
    re.ASCII,
)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")
_SPACED = re.compile(r"([<>=^~])\s+")


@dataclass(frozen=True)
class Range:
    """Versions between bounds: all comparators of one of its sets hold.

    Attributes:
        named: For each set, the numbers whose pre-releases it names.
    """

    text: str
    sets: tuple[tuple[_Comparator, ...], ...]
    named: tuple[frozenset[Numbers], ...]

    @classmethod
    def parse(cls, text: str) -> Range:
        """Read a range: `^1.25`, `~1.25`, `1.25.x`, `>=1.25,<2`, `1.2 - 1.4`, `a || b`.

        Raises:
            FormatError: It is none.
        """
        if len(text) > _LONGEST_RANGE:
            raise FormatError(f"a range of {len(text)} characters is too long")
        sets: list[tuple[_Comparator, ...]] = []
        named: list[frozenset[Numbers]] = []
        for alternative in text.split("||"):
            plain = _HYPHEN.sub(r">=\1 <=\2", _SPACED.sub(r"\1", alternative.strip()))
            terms = plain.replace(",", " ").split()
            if not terms:
                raise _refused(text, text)
            read = [_term(term, text) for term in terms]
            sets.append(tuple(one for comparators, _ in read for one in comparators))
            named.append(frozenset(numbers for _, numbers in read if numbers is not None))
        return cls(text, tuple(sets), tuple(named))

    def holds(self, version: Version) -> bool:
        """Whether a version is in it; a pre-release only where one of its numbers is named."""
        order = version.order
        return any(
            all(compare(order, bound) for compare, bound in comparators)
            and (version.stage is None or order[0] in named)
            for comparators, named in zip(self.sets, self.named, strict=True)
        )


def _term(term: str, text: str) -> tuple[tuple[_Comparator, ...], Numbers | None]:
    """The comparators of one term, and the numbers whose pre-release it names."""
    found = _TERM.fullmatch(term)
    if not found:
        raise _refused(term, text)
    given = found["numbers"].split(".")
    known = [part for part in given if part.isdigit()]
    if given[: len(known)] != known or (found["rest"] and len(known) < len(given)):
        raise _refused(term, text)
    numbers = tuple(map(int, known))
    stage = None
    if found["rest"]:
        spelled = Version.parse(f"{'.'.join(known)}-{found['rest'].lstrip('-')}")
        if spelled is None or spelled.stage is None or spelled.family:
            raise _refused(term, text)
        stage = spelled.stage
    pre = _order(numbers, None)[0] if stage else None
    return _comparators(found["operator"], numbers, stage), pre


def _comparators(
    sign: str, numbers: Numbers, stage: tuple[int, Numbers] | None
) -> tuple[_Comparator, ...]:
    exact = _order(numbers, stage)
    if not numbers:
        return () if sign not in ("<", ">") else ((operator.lt, _order((), (0, ()))),)
    if sign in ("^", "~", "~>"):
        return ((operator.ge, exact), (operator.lt, _below(numbers, sign)))
    next_one = _order((*numbers[:-1], numbers[-1] + 1), None)
    is_whole = stage is not None or len(numbers) >= _WHOLE
    if sign in ("", "="):
        last = (operator.le, exact) if stage is not None else (operator.lt, next_one)
        return ((operator.ge, exact), last)
    if sign == ">" and not is_whole:
        return ((operator.ge, next_one),)
    if sign == "<=" and not is_whole:
        return ((operator.lt, next_one),)
    return ((_OPERATORS[sign], exact),)


_WHOLE = 3
"""Numbers of a version that is written in full; fewer stand for all that begin so."""


def _below(numbers: Numbers, sign: str) -> Order:
    """The first version that is left out: the number that `^` or `~` keeps counts one up.

    `^` keeps all up to the first number that isn't 0, `~` the first two.
    """
    if sign == "^":
        place = next((n for n, number in enumerate(numbers) if number), len(numbers) - 1)
    else:
        place = min(1, len(numbers) - 1)
    return _order((*numbers[:place], numbers[place] + 1), None)


def _refused(term: str, text: str) -> FormatError:
    whole = f" in '{shortened(text)}'" if term != text else ""
    return FormatError(
        f"'{shortened(term)}'{whole} is not a range of versions",
        hint="write '>=1.25,<2', '^1.25', '~1.25' or '1.25.x'",
    )
