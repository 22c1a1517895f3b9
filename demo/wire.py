"""HTTP/1.1 messages on a socket, as a proxy needs them: heads parsed, bodies in pieces.

Framing is RFC 9112's: a length, chunks, or the end of the connection.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_HANDSHAKE = b"\x16"
_PATIENCE = 2.0


class ConnectionEndedError(Exception):
    """The other side went away in the middle of a message."""


class TlsNotSpokenError(Exception):
    """The other side wants to shake hands where plain HTTP is spoken."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line and the header fields of a request or an answer."""

    words: tuple[str, str, str]
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, head: bytes) -> Head:
        """Reads a head without the empty line at its end."""
        first, *lines = head.decode("latin-1").split("\r\n")
        one, two, three = (*first.split(" ", 2), "", "")[:3]
        fields = (line.partition(":") for line in lines)
        return cls((one, two, three), tuple((name, value.strip()) for name, _, value in fields))

    def encode(self) -> bytes:
        """The head as it travels, the empty line included."""
        lines = (" ".join(self.words), *(f"{name}: {value}" for name, value in self.fields))
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    def get(self, wanted: str) -> str:
        """A field's value, lower-cased names compared; empty where there is none."""
        return next((value for name, value in self.fields if name.lower() == wanted), "")

    def without(self, unwanted: str) -> Head:
        """The same head less one field."""
        kept = ((name, value) for name, value in self.fields if name.lower() != unwanted)
        return replace(self, fields=tuple(kept))

    @property
    def status(self) -> int:
        """An answer's status."""
        return int(self.words[1])

    @property
    def is_chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return "chunked" in self.get("transfer-encoding").lower()

    @property
    def is_last(self) -> bool:
        """Whether the sender closes the connection after this message."""
        return "close" in self.get("connection").lower() or "HTTP/1.0" in self.words


def request_length(head: Head) -> int | None:
    """The length of a request's body; None where only its end will tell."""
    return None if head.is_chunked else int(head.get("content-length") or 0)


def answer_length(head: Head, method: str) -> int | None:
    """The length of the body of an answer to `method`; None where only its end will tell."""
    if method == "HEAD" or head.status < 200 or head.status in (204, 304):
        return 0
    length = head.get("content-length")
    return int(length) if length and not head.is_chunked else None


class Stream:
    """One connection, read and written message by message."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._buffer = bytearray()

    def read_head(self) -> Head | None:
        """The next message's head; None where the other side has closed in good order."""
        while (end := self._buffer.find(_END_OF_HEAD)) < 0:
            received = self._receive()
            if not received and not self._buffer:
                return None
            if not received:
                raise ConnectionEndedError
            self._buffer += received
            if self._buffer.startswith(_HANDSHAKE):
                raise TlsNotSpokenError
        head = Head.parse(bytes(self._buffer[:end]))
        del self._buffer[: end + len(_END_OF_HEAD)]
        return head

    def read_body(self, head: Head, length: int | None) -> Iterator[bytes]:
        """The body in pieces, as they come; chunks lose their framing."""
        if length is not None:
            return self._read_exactly(length)
        return self._read_chunks() if head.is_chunked else self._read_rest()

    def send_message(self, head: Head, length: int | None, pieces: Iterable[bytes]) -> None:
        """Sends a head and its body; an empty piece sends what is there so far."""
        is_chunked = length is None and head.is_chunked
        waiting = head.encode()
        for piece in pieces:
            self.send(waiting + (_chunk(piece) if is_chunked else piece))
            waiting = b""
        waiting += _LAST_CHUNK if is_chunked else b""
        if waiting:
            self.send(waiting)

    def send(self, content: bytes) -> None:
        """Sends all of the content."""
        try:
            self._socket.sendall(content)
        except OSError as error:
            raise ConnectionEndedError from error

    def discard(self, pieces: Iterable[bytes]) -> None:
        """Reads what a client still sends, so that an early answer reaches it; not for ever."""
        self._socket.settimeout(_PATIENCE)
        with suppress(ConnectionEndedError):
            for _ in pieces:
                pass

    def has_something(self) -> bool:
        """Whether content has come, or the end; TLS's own talk is neither."""
        if self._buffer or not self._is_readable():
            return bool(self._buffer)
        self._socket.settimeout(0)
        try:
            self._buffer += self._socket.recv(PIECE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            self._socket.settimeout(None)
        return True

    def _is_readable(self) -> bool:
        is_pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        return is_pending or _has_come(self._socket)

    def end(self) -> None:
        """Ends the connection from another thread: who reads it wakes up, and closes it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection in good order."""
        self.end()
        self._socket.close()

    def reset(self) -> None:
        """Breaks the connection: the other side sees "connection reset by peer"."""
        with suppress(OSError):
            linger_not = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not)
        self._socket.close()

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(PIECE)
        except OSError as error:
            raise ConnectionEndedError from error

    def _receive_more(self) -> bytes:
        if self._buffer:
            received = bytes(self._buffer)
            self._buffer.clear()
            return received
        if not (received := self._receive()):
            raise ConnectionEndedError
        return received

    def _read_exactly(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self._receive_more()
            self._buffer += piece[length:]
            length -= min(length, len(piece))
            yield piece[: len(piece) - len(self._buffer)] if self._buffer else piece

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self._read_line().partition(b";")[0], 16):
            yield from self._read_exactly(size)
            self._read_line()
        while self._read_line():
            pass

    def _read_rest(self) -> Iterator[bytes]:
        with suppress(ConnectionEndedError):
            while True:
                yield self._receive_more()

    def _read_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            received = self._receive()
            if not received:
                raise ConnectionEndedError
            self._buffer += received
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""


def _has_come(connected: socket.socket) -> bool:
    """Whether something can be read now; `select` itself knows no more than 1024 connections."""
    poll = select.poll()
    poll.register(connected, select.POLLIN)
    return bool(poll.poll(0))
