"""What is too young is held back, and a tag that is rebuilt each night still moves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.config.targets import Target
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.ages import Ages, HeldItem, Sighting
from orchestrator.plan.items import Item

if TYPE_CHECKING:
    from orchestrator.errors import Side

DAY = 86_400
SOURCE = Reference.parse("quay.io/a/b:1")
ITEM = Item(
    1,
    SOURCE,
    PlatformChoice(),
    Target("t", "mirror.example", "lab"),
    Reference.parse("mirror.example/lab/b:1"),
    min_age=3 * DAY,
)


def built(night: int) -> Digest:
    return digest_of(f"night {night}".encode())


@dataclass
class Upstream:
    """A registry with one tag, and what a state directory remembers of it."""

    shown: Digest | None = None
    gone: set[Digest] = field(default_factory=set)
    since: float | None = None
    is_down: bool = False
    memory: dict[str, tuple[Sighting, ...]] = field(default_factory=dict)

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        del side
        if self.is_down:
            raise ImageError(ErrorKind.UNREACHABLE, "it is down")
        if reference.digest:
            return None if reference.digest in self.gone else reference.digest
        return self.shown

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        raise NotImplementedError

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        raise NotImplementedError

    def read_referrers(self, reference: Reference, *, side: Side) -> tuple[bytes, ...] | None:
        raise NotImplementedError

    def sightings(self, source: str) -> tuple[Sighting, ...] | None:
        return self.memory.get(source)

    def remember_sightings(self, source: str, seen: tuple[Sighting, ...]) -> None:
        self.memory[source] = seen

    def at(self, day: float, item: Item = ITEM, *, is_writing: bool = True) -> Item | HeldItem:
        """What becomes of an item in a run on this day."""
        now = 1_000_000 + day * DAY
        ages = Ages(self, lambda _: self.since, self, now, is_writing=is_writing)
        (settled,) = ages.settle([item], jobs=1)
        return settled


def test_what_is_new_is_held_until_it_is_old_enough() -> None:
    upstream = Upstream(built(0))
    first, again = upstream.at(0), upstream.at(1)
    assert isinstance(first, HeldItem)
    assert isinstance(again, HeldItem)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.until == again.until == 1_000_000 + 3 * DAY
    assert upstream.at(3) == ITEM


def test_a_tag_that_is_rebuilt_each_night_follows_behind() -> None:
    upstream = Upstream()
    copied = []
    for night in range(8):
        upstream.shown = built(night)
        settled = upstream.at(night)
        copied.append(settled.source.digest if isinstance(settled, Item) else None)
    assert copied == [None] * 3 + [built(night) for night in range(5)]


def test_a_bad_build_that_is_taken_away_is_never_copied() -> None:
    upstream = Upstream(built(0))
    upstream.at(0)
    upstream.shown = built(1)
    assert isinstance(upstream.at(4), Item)
    upstream.shown, upstream.gone = built(2), {built(1)}
    settled = upstream.at(8)
    assert isinstance(settled, Item)
    assert settled.source == replace(SOURCE, digest=built(0))


def test_a_tag_that_goes_back_is_as_old_as_it_was() -> None:
    upstream = Upstream(built(0))
    upstream.at(0)
    upstream.shown = built(1)
    upstream.at(3)
    upstream.shown = built(0)
    assert upstream.at(4) == ITEM


@pytest.mark.parametrize(
    ("days_ago", "is_held"), [(10, False), (3, False), (2.9, True), (-5, True)]
)
def test_a_registry_may_know_better_than_our_first_sight(days_ago: float, is_held: bool) -> None:
    upstream = Upstream(built(0), since=1_000_000 - days_ago * DAY)
    assert isinstance(upstream.at(0), HeldItem) is is_held


@pytest.mark.parametrize(
    "item",
    [
        pytest.param(replace(ITEM, min_age=0), id="no age is wanted"),
        pytest.param(replace(ITEM, source=replace(SOURCE, digest=built(0))), id="it is pinned"),
    ],
)
def test_what_need_not_wait_is_not_asked_for(item: Item) -> None:
    assert Upstream(is_down=True).at(0, item) == item


@pytest.mark.parametrize(
    "upstream",
    [pytest.param(Upstream(), id="gone"), pytest.param(Upstream(is_down=True), id="down")],
)
def test_what_can_not_be_told_is_left_to_the_planner(upstream: Upstream) -> None:
    assert upstream.at(0) == ITEM
    assert upstream.memory == {}


def test_a_plan_remembers_nothing() -> None:
    upstream = Upstream(built(0))
    assert isinstance(upstream.at(0, is_writing=False), HeldItem)
    assert upstream.memory == {}
