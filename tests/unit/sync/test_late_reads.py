"""What was just written is read with patience, and never for longer than a quarter of a minute."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from orchestrator.errors import InterruptedRunError
from orchestrator.sync.late_reads import read_until
from orchestrator.system.parallel import RetryPolicy


@dataclass
class Clock:
    """Time that passes only while somebody waits."""

    now: float = 0.0
    ends_after: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> bool:
        self.now += seconds
        self.waits.append(seconds)
        return self.now > self.ends_after

    def policy(self, base: float = 1.0) -> RetryPolicy:
        return RetryPolicy(3, base, self.sleep, lambda _error, _delay: None)


@pytest.mark.parametrize(
    ("shown_after", "waits"),
    [
        pytest.param(0.0, [], id="at once"),
        pytest.param(0.4, [0.5], id="half a second"),
        pytest.param(4.0, [0.5, 1.0, 2.0, 4.0], id="as late as GHCR"),
        pytest.param(15.0, [0.5, 1.0, 2.0, 4.0, 7.5], id="at the last moment"),
    ],
)
def test_what_is_shown_late_is_waited_for(shown_after: float, waits: list[float]) -> None:
    clock = Clock()
    found = read_until(bool, lambda: clock.now >= shown_after, clock.policy())
    assert found is True
    assert clock.waits == waits


def test_what_never_comes_is_what_was_read_last() -> None:
    clock = Clock()
    assert read_until(lambda _: False, lambda: clock.now, clock.policy()) == 15.0


def test_a_run_that_is_told_to_wait_less_does() -> None:
    clock = Clock()
    read_until(lambda _: False, lambda: clock.now, clock.policy(base=0.1))
    assert clock.now == pytest.approx(1.5)


def test_a_run_that_ends_says_nothing_of_what_it_could_not_see() -> None:
    clock = Clock(ends_after=2.0)
    with pytest.raises(InterruptedRunError):
        read_until(lambda _: False, lambda: clock.now, clock.policy())
