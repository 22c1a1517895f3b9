"""How many copies and questions there are at once: as many as keep the way, or us, busy.

A copy waits for answers most of the time where it is small or its registries are far, and others
may use the way meanwhile. One that moves much leaves no room on the way for many beside it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

FEWEST, MOST = 2, 16
"""Copies at once: two, so that one moves bytes while the other one begins; and no more than a small
machine has memory for (25 to 45 MB each)."""

_TRIPS = 16
"""Round trips that a copy waits for, one after the other: some ten at the source, and five at a
target behind the relay."""

_START = 0.25
"""Seconds that a program takes to be up."""

_ASSUMED = 100e6
"""Bytes a second that the way is believed to carry until that is seen: what is too many at first
does no harm, and a short list would be over before it had been found out."""

_SPAN = 2.0
"""Seconds that a rate is the mean of."""

_SPANS = 15
"""Rates that are remembered; so a way that has become slower is noticed."""

_PLENTY = 4
"""So many times as many as would just fill the way: copies don't wait evenly, and some of them for
layers that others bring (measured: at 25 ms and 40 MB/s, four at once take 1.07 of what sixteen
take)."""

_UNTIL_MORE = 30.0
"""Seconds without another refusal after which one more copy may run again."""


_FEWEST_QUESTIONS = 8
_QUESTIONS_A_SECOND = 3000.0
"""Far more than are asked, so that they keep us busy where some take longer than others."""


def copies_for(*, size: float, round_trip: float, rate: float) -> int:
    """Copies at once that keep a way busy.

    Args:
        size: Bytes that a copy moves, in the mean.
        round_trip: Seconds to the farthest registry and back.
        rate: Bytes a second that the way carries.
    """
    waiting = _TRIPS * round_trip + _START
    filling = waiting * rate / max(size, 1.0)
    return int(min(MOST, FEWEST + _PLENTY * filling))


def questions_for(*, round_trip: float, most: int) -> int:
    """Small questions at once that keep this program busy.

    It comes to some thousand a second; more threads than wait for answers only take the processor
    from one another (measured without a delay: 64 take a sixth more of it than 8).

    Args:
        round_trip: Seconds to the farthest registry and back; 0 where that is not known yet.
        most: As many as there ever are.
    """
    if not round_trip:
        return most
    return min(most, int(_FEWEST_QUESTIONS + _QUESTIONS_A_SECOND * round_trip))


class CopyLimit:
    """How many copies may run at once; safe to be asked by many threads.

    Attributes:
        most: As many as there ever are.

    Args:
        fixed: Their number, where the user says it; else it is found.
        round_trip: Seconds to the farthest registry and back, as far as is known by now.
        moved: Bytes that all copies have moved so far.
        clock: Seconds.
    """

    def __init__(
        self,
        fixed: int | None,
        *,
        round_trip: Callable[[], float] = lambda: 0.0,
        moved: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = fixed or MOST
        self._fixed = fixed
        self._round_trip = round_trip
        self._moved = moved
        self._clock = clock
        self._mark = clock(), 0
        self._rates: deque[float] = deque(maxlen=_SPANS)
        self._refused_at: float | None = None
        self._refused_limit = self.most
        self._last = self.most

    def __call__(self, size: float) -> int:
        """How many may run now.

        Args:
            size: Bytes that a copy moves, in the mean.
        """
        wanted = self._fixed or self._found(size)
        self._last = min(wanted, self._most_after_refusals())
        return self._last

    def slow_down(self) -> None:
        """A registry has refused to be asked so much: half as many from now on."""
        self._refused_limit = max(1, min(self._last, self._most_after_refusals()) // 2)
        self._refused_at = self._clock()

    def _found(self, size: float) -> int:
        rate = self._rate() or _ASSUMED
        return copies_for(size=size, round_trip=self._round_trip(), rate=rate)

    def _rate(self) -> float:
        """The highest rate seen of late; 0 where none was."""
        now, moved = self._clock(), self._moved()
        begun, before = self._mark
        if now - begun >= _SPAN:
            self._mark = now, moved
            if moved > before:
                self._rates.append((moved - before) / (now - begun))
        return max(self._rates, default=0.0)

    def _most_after_refusals(self) -> int:
        """As many as are left after the last refusal, and one more for each while without one."""
        if self._refused_at is None:
            return self.most
        regained = int((self._clock() - self._refused_at) / _UNTIL_MORE)
        return min(self.most, self._refused_limit + regained)


class RequestRate:
    """Lets requests to one host go so many a second, evenly; safe between threads.

    Args:
        per_second: How many.
        pause: Waits so many seconds, or less where nothing is to be asked any more.
        clock: Seconds.
    """

    def __init__(
        self,
        per_second: float,
        pause: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._between = 1 / per_second
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self) -> None:
        """Until it is this request's turn."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._between
        if turn > now:
            self._pause(turn - now)
