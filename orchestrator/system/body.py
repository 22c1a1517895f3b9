"""Bytes that come by one connection and go out by another, a little of them held in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from queue import Empty, Full, Queue
from threading import Event
from typing import Protocol

_HELD = 4
"""Chunks between the two connections; more would be memory, and no faster."""

_POLL = 0.2
"""Seconds between looks whether the other end has given up."""


class ByteSource(Protocol):
    """Where the bytes of an answer come from: urllib3's response."""

    def read(self, size: int, *, decode_content: bool) -> bytes:
        """At most so many bytes; none at the end."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...

    def release_conn(self) -> None:
        """Let go of the connection."""
        ...


class OpenBody:
    """The body of an answer, as it comes.

    Args:
        source: Its bytes.
        faults: What the source raises where it breaks off.
    """

    def __init__(
        self, source: ByteSource, faults: tuple[type[Exception], ...] = (OSError,)
    ) -> None:
        self._source = source
        self._faults = faults

    def close(self) -> None:
        """Read no more of it."""
        self._source.close()
        self._source.release_conn()

    def chunks(self, size: int) -> Iterator[bytes]:
        """The bytes in parts of at most so many; once.

        Raises:
            ConnectionError: They broke off.
        """
        try:
            while chunk := self._source.read(size, decode_content=False):
                yield chunk
        except self._faults:
            is_broken = True
        else:
            is_broken = False
        if is_broken:  # not inside the except: the library's error holds the URL
            raise ConnectionError("the body broke off")


def _at_once(chunk: bytes) -> Iterable[bytes]:
    return (chunk,)


class BodyStream:
    """A body that one thread reads and another one sends.

    Attributes:
        size: In bytes; None where nobody has said.
        count: The bytes that came so far.
        pieces: Hands a chunk on to the sending thread, in parts and as fast as it may be sent.
        patience: Seconds that the sending thread may take nothing; then they break off for it.

    Args:
        chunks: The bytes as they come; `ConnectionError` where they break off.
        size: How many there will be.
    """

    def __init__(self, chunks: Iterator[bytes], size: int | None) -> None:
        self.size = size
        self.count = 0
        self.pieces: Callable[[bytes], Iterable[bytes]] = _at_once
        self._chunks = chunks
        self._held: Queue[bytes | None] = Queue(_HELD)
        self.patience = inf
        self._receivers: tuple[BodyStream, ...] = (self,)
        self._is_broken = Event()
        self._is_abandoned = Event()

    def shared(self, number: int) -> tuple[BodyStream, ...]:
        """The same bytes, so many times over, each to be sent by a thread of its own.

        Whoever reads them reads this one to its end, as fast as the slowest takes them.
        """
        self._receivers = tuple(BodyStream(iter(()), self.size) for _ in range(number))
        return self._receivers

    def read_to_end(self) -> None:
        """Read all that comes, whether or not it is still sent on; by the reading thread.

        Raises:
            ConnectionError: It broke off; whoever sends it on is told so, too.
        """
        try:
            for chunk in self._chunks:
                self.count += len(chunk)
                for one in self._receivers:
                    one.hold(chunk)
        except BaseException:
            for one in self._receivers:
                one.break_off()
            raise
        finally:
            for one in self._receivers:
                one.hold(None)

    def abandon(self) -> None:
        """Send no more of it: what still comes is read and dropped."""
        self._is_abandoned.set()

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, for the sending thread.

        Raises:
            ConnectionError: They broke off, so that what was sent is no whole body.
        """
        while (chunk := self._next()) is not None:
            yield from self.pieces(chunk)
        if self._is_broken.is_set():
            raise ConnectionError("the body broke off")

    def _next(self) -> bytes | None:
        while True:
            try:
                return self._held.get(timeout=_POLL)
            except Empty:
                if self._is_abandoned.is_set():
                    return None

    def break_off(self) -> None:
        """Tell whoever sends it that it is no whole body."""
        self._is_broken.set()

    def hold(self, chunk: bytes | None) -> None:
        """Take bytes, or their end (None), for the sending thread."""
        waited = 0.0
        while not self._is_abandoned.is_set():
            try:
                self._held.put(chunk, timeout=_POLL)
            except Full:
                waited += _POLL
                if waited >= self.patience:
                    self.break_off()
                    self.abandon()
                continue
            return
