"""The body of a request, as its head says that it comes: of a length, in chunks, or not at all.

Where a head says two things, whoever reads it otherwise than its sender takes a part of the body
for another request: it is refused (RFC 9112, sections 6.3 and 11.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from typing import Protocol

from orchestrator.errors import FormatError

_CHUNK = 64 * 1024
"""Bytes; larger ones cost more, as the memory for each is got from the system anew."""

_LONGEST_CHUNK_LINE = 64
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*(;[^\r\n]*)?\r\n")
_LINE_END = b"\r\n"


class Incoming(Protocol):
    """Where the bytes come from."""

    def read1(self, size: int, /) -> bytes:
        """What is there, at most so many bytes; none at the end."""
        ...

    def readline(self, size: int, /) -> bytes:
        """A line with its end, or its first bytes."""
        ...


class RequestBody:
    """One body, to be read once.

    Attributes:
        size: In bytes; None where it comes in chunks.
        is_read: Whether all of it was read, so that another request may follow.

    Args:
        headers: The request's head.
        connection: Stands where the body begins.

    Raises:
        FormatError: The head does not say, or says twice, how long the body is.
    """

    def __init__(self, headers: Message, connection: Incoming) -> None:
        lengths = headers.get_all("Content-Length", [])
        codings = headers.get_all("Transfer-Encoding", [])
        is_clear = not headers.defects and len(lengths) + len(codings) <= 1
        if not is_clear or not all(map(_LENGTH.fullmatch, lengths)):
            raise FormatError("the length of the body is not clear")
        if any(coding.strip().lower() != "chunked" for coding in codings):
            raise FormatError("the body comes in a coding that is not known")
        self.size = None if codings else int(lengths[0]) if lengths else 0
        self.is_read = self.size == 0
        self._connection = connection

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they come.

        Raises:
            ConnectionError: There are fewer than the head, or a chunk, has promised.
        """
        if self.size is None:
            while size := self._chunk_size():
                yield from self._bytes(size)
                self._end_line()
            self._end_line()
        else:
            yield from self._bytes(self.size)
        self.is_read = True

    def read(self, most: int) -> bytes | None:
        """All of it; None where it is longer, or where its length is not told.

        Raises:
            ConnectionError: It is shorter than its head has promised.
        """
        if self.size is None or self.size > most:
            return None
        return b"".join(self.chunks())

    def _bytes(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self._connection.read1(min(size, _CHUNK))
            if not chunk:
                raise ConnectionError
            size -= len(chunk)
            yield chunk

    def _chunk_size(self) -> int:
        found = _CHUNK_SIZE.fullmatch(self._connection.readline(_LONGEST_CHUNK_LINE))
        if found is None:
            raise ConnectionError
        return int(found[1], 16)

    def _end_line(self) -> None:
        """What ends a chunk; and a body, since nobody here sends trailers."""
        if self._connection.readline(_LONGEST_CHUNK_LINE) != _LINE_END:
            raise ConnectionError
