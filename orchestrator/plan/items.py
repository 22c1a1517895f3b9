"""Entries and targets become items: named, checked, and clashes found, without the network.

Whatever can't be named, or would land where another lands, is known before
anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from orchestrator.config.image_list import Entry, ImageList
from orchestrator.config.targets import PACKED, Target
from orchestrator.errors import FormatError, Problem, UsageError, did_you_mean
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Reference
from orchestrator.plan.naming import destination_of


@dataclass(frozen=True)
class Item:
    """One piece of work: one source, one platform choice, one destination.

    Attributes:
        line: The line of the list it comes from; 0 where it comes from the command line.
        min_age: Seconds that what the source names has to have been there.
    """

    line: int
    source: Reference
    choice: PlatformChoice
    target: Target
    destination: Reference
    min_age: int = 0


Tag: TypeAlias = tuple[str, str, str | None]
"""Host, repository and tag: the place that a copy writes to."""

_MOST_OTHERS = 3


@dataclass(frozen=True)
class NamedItems:
    """The list with names: what can be worked on, and what stands in the way of the rest."""

    items: tuple[Item, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Claim:
    """An entry's item, as it claims a destination."""

    entry: Entry
    item: Item


@dataclass(frozen=True)
class _NamedEntry:
    entry: Entry
    items: tuple[Item, ...]


def name_items(
    images: ImageList,
    *,
    targets: Mapping[str, Target],
    others: Mapping[str, Target],
    default_platform: PlatformChoice,
) -> NamedItems:
    """Name every entry in each of its targets.

    An item that stands twice runs once, with a warning. Entries that would land on one
    destination are errors naming each other's lines, and none of them runs; so is an entry
    that would write over what it, or another entry, is copied from. What goes over a limit of
    a target's account is an error, and not sent to that target.

    Args:
        images: The list as it was parsed; its problems are part of what is returned.
        targets: The run's targets in their order, by name.
        others: More targets that an entry may name with `--to`.
        default_platform: For entries that name none.

    Raises:
        UsageError: Something is wrong with images that were given on the command line.
    """
    named: list[_NamedEntry] = []
    problems = list(images.problems)
    for entry in images.entries:
        try:
            chosen = _chosen(entry, targets, others)
            items = tuple(_item(entry, target, default_platform) for target in chosen)
            named.append(_NamedEntry(entry, items))
        except FormatError as error:
            problems.append(_problem(images.file, entry, error.message, error.hint))
    clashes = tuple(_clashes(named))
    refused = {id(claim.entry) for clash in clashes for claim in clash}
    problems += _clash_problems(images.file, clashes)
    for entry, problem in _overwriting(images.file, named):
        refused.add(id(entry))
        problems.append(problem)
    unclashed = [one for one in named if id(one.entry) not in refused]
    claims, warnings = _without_duplicates(images.file, unclashed)
    over = _over_limits(images.file, claims)
    problems += over.values()
    if problems and not images.file:
        raise UsageError("\n".join(map(str, problems)))
    items = tuple(claim.item for place, claim in enumerate(claims) if place not in over)
    return NamedItems(items, tuple(sorted(problems, key=_place)), warnings)


def _chosen(
    entry: Entry, targets: Mapping[str, Target], others: Mapping[str, Target]
) -> tuple[Target, ...]:
    known = {**others, **targets}
    for name in entry.to:
        if name not in known:
            hint = did_you_mean(name, known) or "set it up in config.env or targets.toml"
            raise FormatError(f"there is no usable target '{name}'", hint=hint)
    return tuple(known[name] for name in entry.to or targets)


def _item(entry: Entry, target: Target, default_platform: PlatformChoice) -> Item:
    destination = destination_of(entry.source, target, platform=entry.platform, name=entry.name)
    choice = entry.platform or default_platform
    return Item(entry.line, entry.source, choice, target, destination, entry.min_age)


def _clashes(named: Iterable[_NamedEntry]) -> Iterator[tuple[_Claim, ...]]:
    """Find the claims of entries that would land where an entry of other work lands."""
    claims: dict[Tag, list[_Claim]] = {}
    for one in named:
        for item in one.items:
            claims.setdefault(_tag_at(item.destination), []).append(_Claim(one.entry, item))
    for of_one in claims.values():
        if len({(claim.item.source, claim.item.choice.in_any_order) for claim in of_one}) > 1:
            yield tuple(of_one)


def _clash_problems(file: str, clashes: Iterable[tuple[_Claim, ...]]) -> Iterator[Problem]:
    """Say of each clashing entry, once, which others it clashes with."""
    named: set[int] = set()
    for clash in clashes:
        for claim in clash:
            if id(claim.entry) in named:
                continue
            named.add(id(claim.entry))
            others = _others_of(claim, clash)
            message = f"it would be '{claim.item.destination}', and so would {others}"
            yield _problem(file, claim.entry, message, "give one of them another --name")


def _others_of(claim: _Claim, clash: tuple[_Claim, ...]) -> str:
    """The first few of those that a claim clashes with, and how many more there are."""
    others = islice((other for other in clash if other is not claim), _MOST_OTHERS)
    left = len(clash) - 1 - _MOST_OTHERS
    more = (f"and {left} more",) if left > 0 else ()
    return ", ".join((*(_named_at(other.entry) for other in others), *more))


def _named_at(entry: Entry) -> str:
    line = f"line {entry.line}, " if entry.line else ""
    return f"{line}'{entry.source.familiar}'"


def _overwriting(file: str, named: Sequence[_NamedEntry]) -> Iterator[tuple[Entry, Problem]]:
    """Find the entries that would write over a source; say it of each once."""
    sources = {_tag_at(one.entry.source): one.entry for one in reversed(named)}
    for one in named:
        own = _tag_at(one.entry.source)
        for item in one.items:
            written = _tag_at(item.destination)
            if written == own:
                message = f"it would be copied onto itself, '{item.destination}'"
            elif written in sources:
                other = _named_at(sources[written])
                message = f"it would be '{item.destination}', the source of {other}"
            else:
                continue
            hint = "give it another --name" + (", or another target with --to" if file else "")
            yield one.entry, _problem(file, one.entry, message, hint)
            break


def _tag_at(reference: Reference) -> Tag:
    """What is written where a reference is: a host and the same one at HTTPS's port are one."""
    return reference.registry.removesuffix(":443"), reference.repository, reference.tag


def _without_duplicates(
    file: str, named: Iterable[_NamedEntry]
) -> tuple[tuple[_Claim, ...], tuple[str, ...]]:
    first: dict[Tag, _Claim] = {}
    warnings: dict[str, None] = {}
    for one in named:
        for item in one.items:
            claim = _Claim(one.entry, item)
            earlier = first.setdefault(_tag_at(item.destination), claim)
            if earlier is not claim:
                warnings[str(_problem(file, one.entry, _again(earlier, claim)))] = None
    return tuple(first.values()), tuple(warnings)


def _over_limits(file: str, claims: Iterable[_Claim]) -> dict[int, Problem]:
    """Find, by their places, the claims that need more than an account may have.

    All of the list counts, whatever part of it is worked on here. What the account has beside
    the list is not known.
    """
    counted: dict[tuple[tuple[str, str], str], set[str]] = {}
    over: dict[int, Problem] = {}
    for place, claim in enumerate(claims):
        target, repository = claim.item.target, claim.item.destination.name
        for kind, name, most in (
            ("namespace", target.base, target.limits.namespaces),
            ("repository", repository, target.limits.repositories),
        ):
            names = counted.setdefault((target.account, kind), set())
            if most is not None and name not in names and len(names) >= most:
                over[place] = _problem(file, claim.entry, *_over(kind, name, most, target))
                break
        else:
            counted[target.account, "namespace"].add(target.base)
            counted[target.account, "repository"].add(repository)
    return over


def _over(kind: str, name: str, most: int, target: Target) -> tuple[str, str]:
    """What is wrong where an account has no place left for a name, and what helps."""
    message = f"{target.name}: '{name}' would be {kind} {most + 1}, and its account may have {most}"
    raised = f"set limits for [targets.{target.name}] in targets.toml if yours may have more"
    if kind == "repository" and target.naming != PACKED:
        return message, f"set NAMING=packed (many images in three repositories), or {raised}"
    return message, f"send it to another target with --to, or {raised}"


def _again(earlier: _Claim, claim: _Claim) -> str:
    if earlier.entry is claim.entry:
        names = f"{earlier.item.target.name} and {claim.item.target.name}"
        return f"targets {names} are one place, and it runs once"
    line = earlier.entry.line
    again = f"line {line}" if line else f"'{earlier.entry.source.familiar}'"
    return f"this is {again} again, and runs once"


def _problem(file: str, entry: Entry, message: str, hint: str = "") -> Problem:
    return Problem(file, entry.line, entry.column, entry.text, message, hint)


def _place(problem: Problem) -> tuple[int, int]:
    return problem.line, problem.column
