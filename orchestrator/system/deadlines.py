"""Every exchange over HTTP ends in time: status line, headers, interim answers and body together.

A time-out of a socket is for each wait for bytes, so that a server which sends a byte a second is
never late by it. One thread looks after all exchanges, and shuts the connection of a late one down,
which wakes whoever waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_log = logging.getLogger(__name__)

_EVERY = 0.25
_TOLD_AFTER = 10.0
"""Seconds of waiting after which the log says what for."""


@dataclass(eq=False)
class Exchange:
    """One request and its answer.

    Attributes:
        host: Who is asked.
        is_late: Whether it was ended since it took too long.
        is_endless: Whether it may take as long as it moves.
    """

    host: str
    is_late: bool = False
    is_endless: bool = False
    _started: float | None = field(default=None, init=False)
    _end: Callable[[], None] | None = field(default=None, init=False)

    def use(self, end: Callable[[], None]) -> None:
        """A connection has been found for it: now its time runs.

        Args:
            end: Ends what is waited for on the connection.
        """
        self._end = end
        self._started = time.monotonic() if self._started is None else self._started

    def age(self, now: float) -> float:
        """Seconds since it has had a connection."""
        return 0.0 if self._started is None else now - self._started

    def end(self) -> None:
        """End it; whoever waits for it finds it late."""
        self.is_late = True
        if self._end:
            with suppress(OSError):
                self._end()


_of_thread = threading.local()


def current_exchange() -> Exchange | None:
    """What the calling thread has in hand."""
    return getattr(_of_thread, "exchange", None)


class Deadlines:
    """Looks after the exchanges of any number of threads.

    Args:
        longest: Seconds that one may take.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._lock = threading.Lock()
        self._running: set[Exchange] = set()
        self._told: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def exchange(self, host: str, *, is_endless: bool = False) -> Iterator[Exchange]:
        """An exchange of the calling thread with a host, looked after while the block lasts."""
        one = Exchange(host, is_endless=is_endless)
        with self._lock:
            self._running.add(one)
            self._watch()
        _of_thread.exchange = one
        try:
            yield one
        finally:
            _of_thread.exchange = None
            with self._lock:
                self._running.discard(one)

    def _watch(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._watch_all, daemon=True, name="deadlines")
        with suppress(RuntimeError):  # no more threads: each wait for bytes still has its end
            thread.start()
            self._thread = thread

    def _watch_all(self) -> None:
        while True:
            time.sleep(_EVERY)
            now = time.monotonic()
            with self._lock:
                if not self._running:
                    self._thread = None
                    return
                for one in self._running:
                    self._look_at(one, now)

    def _look_at(self, one: Exchange, now: float) -> None:
        if one.is_endless:
            return
        if one.age(now) >= self._longest:
            one.end()
        elif one.age(now) >= _TOLD_AFTER and now - self._told.get(one.host, 0.0) >= _TOLD_AFTER:
            self._told[one.host] = now
            _log.info("waiting for %s, which has been silent or slow for 10 s", one.host)
