"""How many copies run at once, where nobody has said."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from orchestrator.system.concurrency import (
    FEWEST,
    MOST,
    CopyLimit,
    RequestRate,
    copies_for,
    questions_for,
)

MB = 1e6


@dataclass
class Way:
    """A way to registries, whose time goes on as it is used."""

    round_trip: float = 0.025
    now: float = 100.0
    total: int = 0

    def limit(self, fixed: int | None = None) -> CopyLimit:
        return CopyLimit(
            fixed,
            round_trip=lambda: self.round_trip,
            moved=lambda: self.total,
            clock=lambda: self.now,
        )

    def carry(self, rate: float, *, seconds: float = 2.0) -> None:
        self.now += seconds
        self.total += int(rate * seconds)


@pytest.mark.parametrize(
    ("size", "round_trip", "rate", "copies"),
    [
        pytest.param(1e6, 0.025, 100 * MB, MOST, id="small ones"),
        pytest.param(30e6, 0.25, 10 * MB, 7, id="a far target, and a slow way"),
        pytest.param(30e6, 0.25, 100 * MB, MOST, id="a far target, and a fast way"),
        pytest.param(30e6, 0.001, 100 * MB, 5, id="everything near"),
        pytest.param(30e6, 0.025, 40 * MB, 5, id="a way that is used up"),
        pytest.param(500e6, 0.02, 5 * MB, FEWEST, id="large ones"),
        pytest.param(0, 0.02, 5 * MB, MOST, id="nothing to move"),
    ],
)
def test_copies_fill_the_way(size: float, round_trip: float, rate: float, copies: int) -> None:
    assert copies_for(size=size, round_trip=round_trip, rate=rate) == copies


@pytest.mark.parametrize(
    ("round_trip", "questions"),
    [
        pytest.param(0.0, 64, id="nobody has been asked yet"),
        pytest.param(0.0005, 9, id="on this machine"),
        pytest.param(0.01, 38, id="near"),
        pytest.param(0.25, 64, id="far"),
    ],
)
def test_more_is_asked_at_once_the_farther_it_is(round_trip: float, questions: int) -> None:
    assert questions_for(round_trip=round_trip, most=64) == questions


def test_fewer_run_once_the_way_has_shown_what_it_carries() -> None:
    way = Way()
    limit = way.limit()
    begun = limit(30 * MB)
    for _ in range(3):
        way.carry(2 * MB)
        after = limit(30 * MB)
    assert (begun, after) == (10, FEWEST)


def test_more_run_while_that_makes_it_carry_more() -> None:
    """Each copy moves its bytes in a second: the way is far from used up by those that run."""
    way = Way(round_trip=0.06)
    limit, size = way.limit(), 2 * MB
    way.carry(2 * size)
    seen = [limit(size)]
    for _ in range(4):
        way.carry(seen[-1] * size)
        seen.append(limit(size))
    assert seen == sorted(seen)
    assert seen[0] < seen[-1] == MOST


def test_a_way_that_has_become_slower_is_noticed() -> None:
    way = Way()
    limit = way.limit()
    way.carry(200 * MB)
    fast = limit(30 * MB)
    for _ in range(20):
        way.carry(1 * MB)
        slow = limit(30 * MB)
    assert fast > slow == FEWEST


def test_a_pause_says_nothing_of_the_way() -> None:
    way = Way()
    limit = way.limit()
    way.carry(200 * MB)
    before = limit(30 * MB)
    for _ in range(20):
        way.carry(0)
        assert limit(30 * MB) == before


@pytest.mark.parametrize("fixed", [None, 8])
def test_a_refusal_halves_them_and_they_come_back_one_by_one(fixed: int | None) -> None:
    way = Way(round_trip=0.25)
    limit = way.limit(fixed)
    begun = limit(MB)
    limit.slow_down()
    halved = limit(MB)
    limit.slow_down()
    assert (halved, limit(MB)) == (begun // 2, begun // 4)
    way.now += 31
    assert limit(MB) == begun // 4 + 1
    way.now += 3600
    assert limit(MB) == begun


def test_one_always_runs() -> None:
    limit = Way().limit(1)
    limit(MB)
    for _ in range(3):
        limit.slow_down()
    assert limit(MB) == 1


@pytest.mark.parametrize("size", [0, 1.0, 1e12])
def test_a_number_is_kept_to(size: float) -> None:
    way = Way()
    limit = way.limit(7)
    way.carry(MB)
    assert (limit(size), limit.most) == (7, 7)


def test_requests_go_evenly_so_many_a_second() -> None:
    now, waited = [100.0], []

    def pause(seconds: float) -> None:
        waited.append(round(seconds, 3))
        now[0] += seconds

    rate = RequestRate(4, pause, clock=lambda: now[0])
    for _ in range(5):
        rate.wait()
    assert waited == [0.25] * 4
    now[0] += 10
    rate.wait()
    assert len(waited) == 4, "what was not asked in time is not made up for by a burst"
