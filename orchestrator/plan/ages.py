"""How long a tag's digest has been there: what is too young is held back.

A digest is as old as the registry says (HEAD's Last-Modified), else as old as our first sight of
it; never as its `created`, which whoever builds an image writes at will.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.errors import ImageError, Side
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.items import Item
from orchestrator.registry.reader import Reader
from orchestrator.system.parallel import FifoQueue, map_bounded

_MOST_SIGHTINGS = 64
"""Digests of one tag that are remembered; the oldest go first."""


@dataclass(frozen=True)
class Sighting:
    """A digest that a tag had.

    Attributes:
        first_seen: Seconds since the epoch: when we saw it first, or the registry says that it
            was there.
    """

    digest: Digest
    first_seen: float


@dataclass(frozen=True)
class HeldItem:
    """An item whose tag names nothing yet that is old enough.

    Attributes:
        digest: What it names.
        until: Seconds since the epoch: when that is old enough.
        is_new: Whether it is seen for the first time.
    """

    item: Item
    digest: Digest
    until: float
    is_new: bool


class Sightings(Protocol):
    """Remembers since when a tag's digests have been seen."""

    def sightings(self, source: str) -> tuple[Sighting, ...] | None:
        """The digests that a tag had, the first first."""
        ...

    def remember_sightings(self, source: str, seen: tuple[Sighting, ...]) -> None:
        """Keep them."""
        ...


@dataclass(frozen=True)
class _Seen:
    """The digests that a tag has had, the one of now last.

    Attributes:
        is_new: Whether that one is seen for the first time.
    """

    sightings: tuple[Sighting, ...]
    is_new: bool


@dataclass(frozen=True)
class Ages:
    """Holds back what has not been there for as long as its line wants.

    Attributes:
        reader: Tells digests; over HTTP each is asked for once in a run.
        since: Since when a registry says that it has shown what a tag names; None where it
            does not say.
        memory: What earlier runs saw.
        now: Seconds since the epoch.
        is_writing: Whether this run may remember what it saw.
    """

    reader: Reader
    since: Callable[[Reference], float | None]
    memory: Sightings
    now: float
    is_writing: bool

    def settle(self, items: Iterable[Item], *, jobs: int) -> tuple[Item | HeldItem, ...]:
        """Say of each item what is to be worked on in its place, or that it is held."""
        items = tuple(items)
        sources = dict.fromkeys(item.source for item in items if _waits(item))
        found = dict(map_bounded(self._seen, FifoQueue(sources), jobs=jobs))
        return tuple(
            self._settled(item, found[item.source]) if _waits(item) else item for item in items
        )

    def _seen(self, source: Reference) -> _Seen | None:
        """What a tag has named; None where it can't be told: the planner will say why."""
        try:
            digest = self.reader.read_digest(source, side=Side.SOURCE)
        except ImageError:
            digest = None
        if digest is None:
            return None
        before = self.memory.sightings(str(source)) or ()
        known = next((one for one in before if one.digest == digest), None)
        shown = self.since(source)
        first = min(self.now, self.now if shown is None else shown)
        first = min(first, known.first_seen) if known else first
        others = tuple(one for one in before if one.digest != digest)
        seen = (*others, Sighting(digest, first))[-_MOST_SIGHTINGS:]
        if self.is_writing and seen != before:
            self.memory.remember_sightings(str(source), seen)
        return _Seen(seen, is_new=known is None)

    def _settled(self, item: Item, seen: _Seen | None) -> Item | HeldItem:
        """What the tag names now, if that is old enough; else the newest that is, if any."""
        if seen is None:
            return item
        *_, now = seen.sightings
        if self._is_old(now, item):
            return item
        older = sorted(
            (one for one in seen.sightings if self._is_old(one, item)), key=_by_first_seen
        )
        for one in reversed(older):
            if self._is_there(item.source, one.digest):
                return replace(item, source=replace(item.source, digest=one.digest))
        until = now.first_seen + item.min_age
        return HeldItem(item, now.digest, until, seen.is_new)

    def _is_old(self, sighting: Sighting, item: Item) -> bool:
        return self.now - sighting.first_seen >= item.min_age

    def _is_there(self, source: Reference, digest: Digest) -> bool:
        try:
            found = self.reader.read_digest(source.at(digest), side=Side.SOURCE)
        except ImageError:
            return False
        return found is not None


def _waits(item: Item) -> bool:
    """Whether an item's tag has to have been there for some time; a digest does not change."""
    return bool(item.min_age) and item.source.digest is None


def _by_first_seen(sighting: Sighting) -> float:
    return sighting.first_seen
