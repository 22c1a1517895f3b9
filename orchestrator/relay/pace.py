"""How fast bytes may go to one registry: all copies of the run together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

_PIECES_A_SECOND = 8
"""What is let go at once is no more than this part of a second's bytes, so that copies that share
a slow way take short turns, and none looks stalled."""

_SMALLEST_PIECE = 4 * 1024


class Pace:
    """Lets so many bytes a second go on; safe to be used by many threads.

    Args:
        rate: Bytes a second; None lets them go as they come.
        clock: Seconds.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        rate: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = 0.0

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """A chunk in parts, each as soon as it may go."""
        if self._rate is None:
            yield chunk
            return
        size = max(self._rate // _PIECES_A_SECOND, _SMALLEST_PIECE)
        for begin in range(0, len(chunk), size):
            piece = chunk[begin : begin + size]
            self._wait(len(piece) / self._rate)
            yield piece

    def _wait(self, seconds: float) -> None:
        """Take the next free time of this length, and wait until it begins.

        Time that nobody has used is lost: there is no burst after a pause.
        """
        with self._lock:
            now = self._clock()
            begin = max(now, self._free_at)
            self._free_at = begin + seconds
        if begin > now:
            self._sleep(begin - now)
