"""Entries that choose tags become entries that name them, before anything is named or planned.

A repository is listed once, over HTTP where that will do. What has no name of its own in
a selection has to be a plain version, and versions are compared within their family:
`1.27.3-alpine3.20` with other `-alpine`s.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.config.image_list import Entry, ImageList
from orchestrator.errors import ErrorKind, ImageError, Problem
from orchestrator.oci.reference import Reference
from orchestrator.oci.selection import Per, Selection
from orchestrator.oci.version import Version
from orchestrator.plan.decision import FailedItem
from orchestrator.plan.items import Item, NamedItems
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.system.parallel import FifoQueue, RetryPolicy, map_bounded

_log = logging.getLogger(__name__)

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""As the distribution specification has it; whatever else a registry lists is no tag."""


def choose(tags: Iterable[str], selection: Selection) -> tuple[str, ...]:
    """The tags that a selection means, versions the newest first.

    Args:
        tags: All of a repository's, in the registry's order.
        selection: What they have to be.
    """
    admitted = [tag for tag in dict.fromkeys(tags) if _TAG.fullmatch(tag) and selection.admits(tag)]
    if not selection.orders:
        return tuple(admitted)
    versions = [one for one in map(Version.parse, admitted) if one and _is_meant(one, selection)]
    if selection.latest is not None or selection.per is not None:
        versions = list(_newest(versions, selection.latest, selection.per))
    ordered = sorted(versions, key=lambda one: one.key, reverse=True)
    return tuple(version.tag for version in ordered)


def _is_meant(version: Version, selection: Selection) -> bool:
    if version.family and not selection.names_a_pattern:
        return False
    if selection.versions is None:
        return version.stage is None
    return selection.versions.holds(version)


def _newest(versions: Iterable[Version], most: int | None, per: Per | None) -> Iterator[Version]:
    """The newest of each family: one tag for a version, and one version for a group."""
    families: dict[str, list[Version]] = defaultdict(list)
    for version in versions:
        families[version.family].append(version)
    for family in families.values():
        family.sort(key=lambda one: one.key, reverse=True)
        groups: dict[object, Version] = {}
        for version in _without_aliases(family):
            group = _padded(version)[: per.value] if per else version.order
            groups.setdefault(group, version)
        yield from list(groups.values())[:most]


def _padded(version: Version) -> tuple[int, ...]:
    return (*version.numbers, 0, 0)


def _without_aliases(family: list[Version]) -> Iterator[Version]:
    """Leave out what floats: `1.27` is a `1.27.3` that is there too."""
    longer = {
        version.numbers[:length]
        for version in family
        if version.stage is None
        for length in range(1, len(version.numbers))
    }
    return (one for one in family if one.stage is not None or one.numbers not in longer)


class TagLister(Protocol):
    """Lists tags by HTTP."""

    def tags(self, reference: Reference) -> tuple[str, ...] | NotFound | Inconclusive:
        """All tags of a repository."""
        ...


class TagTool(Protocol):
    """Lists tags where HTTP can't, and says what is wrong."""

    def list_tags(self, repository: Reference) -> tuple[str, ...]:
        """All tags of a repository; an ImageError where they can't be had."""
        ...


@dataclass(frozen=True)
class Expanded:
    """The list with each tag by its name, named.

    Attributes:
        unlisted: What lines of repositories that can't be listed would have come to.
    """

    named: NamedItems
    unlisted: tuple[FailedItem, ...] = ()


class Expander:
    """Lists repositories.

    Args:
        lister: Is asked first.
        tool: Is asked where that comes to nothing.
        retry: How a passing fault is tried again.
        most: Tags that one line may choose (MAX_TAGS).
        jobs: Repositories that are listed at once.
    """

    def __init__(
        self, lister: TagLister, tool: TagTool, retry: RetryPolicy, *, most: int, jobs: int
    ) -> None:
        self._lister = lister
        self._tool = tool
        self._retry = retry
        self._most = most
        self._jobs = jobs

    def expand(self, images: ImageList, name: Callable[[ImageList], NamedItems]) -> Expanded:
        """Ask for the tags that entries choose among, choose, and name what is chosen."""
        repositories = dict.fromkeys(one.source for one in images.entries if one.selection)
        listed = dict(map_bounded(self._list, FifoQueue(repositories), jobs=self._jobs))
        entries: list[Entry] = []
        problems: list[Problem] = []
        warnings: list[str] = []
        unlisted: list[FailedItem] = []
        for entry in images.entries:
            tags = listed.get(entry.source, ()) if entry.selection else ()
            if entry.selection is None:
                entries.append(entry)
            elif isinstance(tags, ImageError):
                alone = replace(images, entries=(entry,), problems=()).with_placeholders()
                unlisted += (_failed(item, tags) for item in name(alone).items)
            else:
                chosen = choose(tags, entry.selection)
                if not chosen:
                    warnings.append(_nothing(images.file, entry, entry.selection, len(tags)))
                if len(chosen) > self._most:
                    problems.append(_too_many(images.file, entry, len(chosen), self._most))
                else:
                    entries += map(entry.of_tag, chosen)
        whole = replace(images, entries=tuple(entries), problems=(*images.problems, *problems))
        named = name(whole)
        return Expanded(replace(named, warnings=(*named.warnings, *warnings)), tuple(unlisted))

    def _list(self, repository: Reference) -> tuple[str, ...] | ImageError:
        try:
            return self._retry.run(lambda: self._listed(repository))
        except ImageError as error:
            return error

    def _listed(self, repository: Reference) -> tuple[str, ...]:
        found = self._lister.tags(repository)
        if isinstance(found, NotFound):
            raise ImageError(
                ErrorKind.NOT_FOUND,
                f"{repository.familiar}: there is no such repository",
                hint="check its name",
                registry=repository.registry,
            )
        if isinstance(found, Inconclusive):
            _log.debug("%s: no tags by HTTP: %s", repository.familiar, found.reason)
            return self._tool.list_tags(repository)
        return found


def _failed(item: Item, error: ImageError) -> FailedItem:
    """A repository, in the place of the tags that nobody knows."""
    source, destination = replace(item.source, tag=None), replace(item.destination, tag=None)
    return FailedItem(replace(item, source=source, destination=destination), error)


def _too_many(file: str, entry: Entry, count: int, most: int) -> Problem:
    return Problem(
        file,
        entry.line,
        entry.column,
        entry.text,
        f"it chooses {count} tags, and MAX_TAGS is {most}",
        f"set MAX_TAGS={count}, or choose fewer, as with --latest={most}",
    )


def _nothing(file: str, entry: Entry, selection: Selection, count: int) -> str:
    message = f"none of {count} tags is chosen by {selection}"
    return str(Problem(file, entry.line, entry.column, entry.text, message))
