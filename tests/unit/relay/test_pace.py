"""How fast bytes may go to one registry."""

from __future__ import annotations

import pytest

from orchestrator.relay.pace import Pace


class Clock:
    """A clock that only sleepers move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paced(rate: int | None, clock: Clock) -> Pace:
    return Pace(rate, clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize(
    ("rate", "size", "seconds"),
    [
        pytest.param(None, 10_000_000, 0, id="no limit"),
        pytest.param(1_000_000, 10_000_000, 10, id="as long as it takes"),
        pytest.param(64_000, 256 * 1024, 4.1, id="one chunk at the least rate"),
        pytest.param(100_000_000, 1_000, 0, id="a few bytes"),
    ],
)
def test_bytes_take_as_long_as_the_rate_says(
    clock: Clock, rate: int | None, size: int, seconds: float
) -> None:
    content = bytes(range(250)) * (size // 250 + 1)
    assert b"".join(paced(rate, clock).pieces(content[:size])) == content[:size]
    assert clock.now - 100 == pytest.approx(seconds, abs=0.15)


def test_all_who_share_it_are_limited_together_and_take_turns(clock: Clock) -> None:
    pace = paced(800_000, clock)
    one, two = pace.pieces(bytes(400_000)), pace.pieces(bytes(400_000))
    sizes = [len(piece) for both in zip(one, two, strict=True) for piece in both]
    assert sizes == [100_000] * 8
    assert clock.now - 100 == pytest.approx(1, abs=0.15)


def test_there_is_no_burst_after_a_pause(clock: Clock) -> None:
    pace = paced(1_000_000, clock)
    list(pace.pieces(bytes(1_000_000)))
    clock.sleep(60)
    before = clock.now
    list(pace.pieces(bytes(2_000_000)))
    assert clock.now - before == pytest.approx(2, abs=0.15)
