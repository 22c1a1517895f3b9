"""An HTTP server on this machine that answers as a test tells it, and remembers what it was asked.

Every test has its own, on a free port, so that tests may run side by side.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, cycle
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asked; header names in lower case, the query as it was written."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What it is told.

    Attributes:
        promised: The Content-Length, where it is not the body's.
        is_silent: Say nothing at all until the server is closed.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None
    is_silent: bool = False


Handle = Callable[[Request], Reply]


class Loopback:
    """The server; `serving` runs it."""

    def __init__(self, handle: Handle, *, certificate: tuple[Path, Path] | None = None) -> None:
        self.handle = handle
        self.requests: list[Request] = []
        self.connections = 0
        self.closing = threading.Event()
        self._server = _Server(self)
        self._scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self._scheme}://{self.host}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def serving(handle: Handle, *, certificate: tuple[Path, Path] | None = None) -> Iterator[Loopback]:
    """A server that runs while the block does."""
    server = Loopback(handle, certificate=certificate)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def dead_url() -> Iterator[str]:
    """The address of a port that is taken, so that nobody else can listen, and that nobody does."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def answering(*replies: Reply) -> Handle:
    """Answer with these, one after the other, and with the last one ever after."""
    waiting = list(replies)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def loopback(self) -> Loopback:
        assert isinstance(self.server, _Server)
        return self.server.loopback

    def setup(self) -> None:
        self.loopback.connections += 1
        super().setup()

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, parts.path, parts.query, headers, self.rfile.read(length))
        self.loopback.requests.append(request)
        self._send(self.loopback.handle(request))

    def _send(self, reply: Reply) -> None:
        if reply.is_silent:
            self.loopback.closing.wait(60)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            length = len(reply.body) if reply.promised is None else reply.promised
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.close_connection = reply.promised is not None

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing: a test looks at `requests`."""


class _Server(ThreadingHTTPServer):
    block_on_close = False

    def __init__(self, loopback: Loopback) -> None:
        self.loopback = loopback
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients that go away in the middle are part of the tests."""


@contextmanager
def dripping(answer: bytes, *, after: int = 0, pause: float = 0.05) -> Iterator[str]:
    """The address of a server that sends the beginning of its answer at once, then byte by byte.

    When it has sent all, it goes on with the answer's last line, for ever.
    """
    stopped = threading.Event()

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            client.sendall(answer[:after])
            last = answer.rsplit(b"\n", 2)[-2:]
            for byte in chain(answer[after:], cycle(b"\n".join(last) or b"x")):
                if stopped.wait(pause):
                    return
                client.sendall(bytes([byte]))

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            listener.shutdown(socket.SHUT_RDWR)
