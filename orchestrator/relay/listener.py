"""HTTP servers on this machine: one thread a connection, bounded, and ended with the program."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

_log = logging.getLogger(__name__)

_TLS_HELLO = b"\x16"
_LAST_WAIT = 5.0
"""Seconds for a thread to end whose connection was closed."""


class BoundedServer(ThreadingHTTPServer):
    """Listens; each connection has a thread, and those beyond the bound are closed at once.

    Args:
        address: Host and port; port 0 for any that is free.
        handler: Serves a connection.
        most: Connections at once.
    """

    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[QuietHandler], most: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)
        self._room = threading.BoundedSemaphore(most)
        self._open: dict[socket.socket, threading.Thread] = {}

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
        if isinstance(request, tuple) or not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._open[request] = threading.current_thread()
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._open[request]
            self._room.release()

    def end_connections(self) -> None:
        """Close what is open, and wait for its threads: none is to be left when Python ends."""
        for connection, thread in tuple(self._open.items()):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_LAST_WAIT)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is the client's to notice."""
        del request, client_address
        _log.debug("a connection from this side's client broke off", exc_info=True)


class QuietHandler(BaseHTTPRequestHandler):
    """Serves a connection and writes nothing to stderr."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Close on a TLS hello at once: skopeo then goes on in plain HTTP."""
        with suppress(OSError):
            if self.connection.recv(1, socket.MSG_PEEK) == _TLS_HELLO:
                return
        with suppress(ConnectionError, TimeoutError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own word
        """Say nothing on stderr; paths may hold a key."""
