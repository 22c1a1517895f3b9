"""HTTP servers on this machine: one thread a connection, bounded, and ended with the program."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from socketserver import TCPServer

_log = logging.getLogger(__name__)

_TLS_HELLO = b"\x16"
_LONGEST_HEAD = 64 * 1024
"""Bytes of a request's headers; http.client alone bounds each line and their number (6 MB)."""

_LAST_WAIT = 5.0
"""Seconds for a thread to end whose connection was closed."""


class BoundedServer(ThreadingHTTPServer):
    """Listens; each connection has a thread, and those beyond the bound are closed at once.

    Args:
        address: Host and port; port 0 for any that is free.
        handler: Serves a connection.
        most: Connections at once.
        has_strangers: Whether connections are strangers until they are admitted: of those, the
            oldest is closed when there are too many connections, so that nobody who may not come
            in keeps anybody out who may.
    """

    daemon_threads = True
    request_queue_size = 1024
    block_on_close = False

    def __init__(
        self,
        address: tuple[str, int],
        handler: type[QuietHandler],
        most: int,
        *,
        has_strangers: bool = False,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)
        self._free = most
        self._open: dict[socket.socket, threading.Thread] = {}
        self._has_strangers = has_strangers
        self._strangers: dict[socket.socket, None] = {}
        self._sent_away: set[socket.socket] = set()
        self._lock = threading.Lock()

    def server_bind(self) -> None:
        """Bind, without asking DNS for a name as http.server does."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    @property
    def host(self) -> str:
        """Host and port, as they stand in a reference or a URL."""
        name = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"{name}:{self.server_port}"

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve a connection, unless there are too many."""
        if isinstance(request, tuple) or not self._enter(request):
            self.shutdown_request(request)
            return
        self._open[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._open[request]
            self._leave(request)

    def admit(self, connection: socket.socket) -> None:
        """A connection has shown that it may be here: it is a stranger no more."""
        with self._lock:
            self._strangers.pop(connection, None)

    def _enter(self, connection: socket.socket) -> bool:
        """Take a place: a free one, or the oldest stranger's, who has to go."""
        with self._lock:
            oldest = None if self._free else next(iter(self._strangers), None)
            if oldest is not None:
                del self._strangers[oldest]
                self._sent_away.add(oldest)
                _end(oldest)
            elif self._free:
                self._free -= 1
            else:
                return False
            if self._has_strangers:
                self._strangers[connection] = None
            return True

    def _leave(self, connection: socket.socket) -> None:
        """Give a place back, unless somebody has taken it."""
        with self._lock:
            self._strangers.pop(connection, None)
            if connection in self._sent_away:
                self._sent_away.remove(connection)
            else:
                self._free += 1

    def end_connections(self) -> None:
        """Close what is open, and wait for its threads: none is to be left when Python ends."""
        open_now = tuple(self._open.items())
        for connection, _ in open_now:
            _end(connection)
        for _, thread in open_now:
            thread.join(_LAST_WAIT)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is the client's to notice."""
        del request, client_address
        _log.debug("a connection from this side's client broke off", exc_info=True)


def _end(connection: socket.socket) -> None:
    """Wake the thread that serves a connection, for its end."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _TooLongError(Exception):
    """A head has more bytes than it may."""


class _Reader(BufferedReader):
    """Reads a connection.

    Attributes:
        room: Bytes that a head may still have; None outside of heads.
    """

    room: int | None = None

    def readline(self, size: int | None = -1, /) -> bytes:
        """A line, which has to fit into the head that it is in."""
        line = super().readline(size)
        if self.room is not None:
            self.room -= len(line)
            if self.room < 0:
                raise _TooLongError
        return line


class QuietHandler(BaseHTTPRequestHandler):
    """Serves a connection and writes nothing to stderr."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rfile: _Reader

    def setup(self) -> None:
        """Read by what bounds a head."""
        super().setup()
        self.rfile = _Reader(self.connection.makefile("rb", buffering=0))

    def parse_request(self) -> bool:
        """Read a head; one that is too long is answered by 431."""
        self.rfile.room = _LONGEST_HEAD
        try:
            return super().parse_request()
        except _TooLongError:
            self.send_error(431)
            return False
        finally:
            self.rfile.room = None

    def handle(self) -> None:
        """Close on a TLS hello at once: skopeo then goes on in plain HTTP."""
        with suppress(OSError):
            if self.connection.recv(1, socket.MSG_PEEK) == _TLS_HELLO:
                return
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own word
        """Say nothing on stderr; paths may hold a key."""
