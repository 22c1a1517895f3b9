"""A bad network between a client and one registry, on loopback.

The proxy passes every request on as it is, writes down what went by, and misbehaves as its rules
say. It keeps the Host header, so upload Locations lead back through it.
"""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, final
from urllib.parse import urlsplit

from demo.faults import (
    Call,
    CutError,
    Fault,
    Hang,
    Pace,
    Refuse,
    Reset,
    Response,
    Rule,
    Rules,
    bend_body,
    bend_head,
    wait,
)
from demo.wire import (
    ConnectionEndedError,
    Head,
    Stream,
    TlsNotSpokenError,
    answer_length,
    request_length,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from demo.registry import Certificate


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer as they went by: the bytes are those of the two bodies.

    The status is 0 where the client got no answer.
    """

    method: str
    path: str
    status: int
    sent_bytes: int
    received_bytes: int


@final
class FaultProxy:
    """A proxy in front of one registry, as long as its `with` lasts.

    Attributes:
        delay: seconds that each request waits before anything else.
        host: its address and port.
    """

    def __init__(
        self,
        registry_url: str,
        *,
        certificate: Certificate | None = None,
        authority: Path | None = None,
        seed: int = 0,
    ) -> None:
        """Takes note; it listens from the `with` on.

        Args:
            registry_url: where requests go.
            certificate: speaks TLS to clients, with this.
            authority: trusts this, where the registry speaks TLS.
            seed: of the rules that have a chance.
        """
        self.delay = 0.0
        self.host = ""
        self._upstream = _Upstream.parse(registry_url, authority)
        self._tls = _server_tls(certificate) if certificate else None
        self._rules = Rules(seed)
        self._pace: Pace | None = None
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []
        self._links: dict[threading.Thread, _Link] = {}
        self._listener = socket.socket()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> FaultProxy:
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        with self._lock:
            links = tuple(self._links.items())
        for thread, link in links:
            link.end()
            thread.join()

    @property
    def url(self) -> str:
        """The address with its scheme, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self.host}"

    def add(self, rule: Rule) -> None:
        """Puts a rule after the others; of those that match, the first strikes, alone."""
        self._rules.add(rule)

    def clear(self) -> None:
        """Forgets all rules."""
        self._rules.clear()

    def struck(self, rule: Rule) -> int:
        """How often the rule struck."""
        return self._rules.struck(rule)

    def limit(self, rate: int | None) -> None:
        """Bytes a second of all bodies together, from now on; None lifts the limit."""
        self._pace = Pace(rate, self._stopped) if rate else None

    def exchanges(self) -> tuple[Exchange, ...]:
        """What went by so far; an exchange is here before its last byte is with the client."""
        with self._lock:
            return tuple(self._exchanges)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                self._stopped.wait(0.01)
                continue
            link = _Link(Stream(_secure(accepted, self._tls)), self._upstream)
            thread = threading.Thread(target=self._serve, args=(link,), daemon=True)
            with self._lock:
                self._links[thread] = link
            thread.start()

    def _serve(self, link: _Link) -> None:
        try:
            while (head := link.client.read_head()) and self._exchange(link, head):
                pass
        except CutError as cut:
            if cut.is_reset:
                link.client.reset()
        except TlsNotSpokenError:
            link.refuse_tls()
        except ConnectionEndedError:
            pass
        finally:
            link.close()
            with self._lock:
                del self._links[threading.current_thread()]

    def _exchange(self, link: _Link, head: Head) -> bool:
        """Carries one request out; whether the connection goes on."""
        method, path, _ = head.words
        seen = _Seen(method, path)
        try:
            wait(self._stopped, self.delay)
            return self._carry_out(link, head, seen, self._rules.pick(head))
        finally:
            self._record(seen)

    def _carry_out(self, link: _Link, head: Head, seen: _Seen, fault: Fault | None) -> bool:
        match fault:
            case Refuse():
                raise CutError(is_reset=False)
            case Reset(after=None):
                raise CutError(is_reset=True)
            case Hang():
                self._record(seen)
                wait(self._stopped, None)
            case Response():
                return self._answer(link, head, seen, fault)
            case Call(function=function):
                function()
            case _:
                pass
        return self._forward(link, head, seen, fault)

    def _answer(self, link: _Link, head: Head, seen: _Seen, answer: Response) -> bool:
        for piece in link.client.read_body(head, request_length(head)):
            seen.sent_bytes += len(piece)
        length = str(len(answer.body))
        words = ("HTTP/1.1", str(answer.status), HTTPStatus(answer.status).phrase)
        reply = Head(words, (*answer.headers.items(), ("Content-Length", length)))
        bodies = iter(()) if seen.method == "HEAD" else iter((answer.body,))
        self._deliver(link, reply, seen, bodies)
        return not head.is_last

    def _forward(self, link: _Link, head: Head, seen: _Seen, fault: Fault | None) -> bool:
        length = request_length(head)
        body = link.client.read_body(head, length)
        upstream = link.upstream()
        sending = _until_answered(body, upstream, seen)
        bent = bend_body(fault, "request", sending, self._stopped)
        upstream.send_message(head, length, self._paced(bent))
        answer = bend_head(fault, _read_answer(upstream))
        content = upstream.read_body(answer, answer_length(answer, seen.method))
        self._deliver(link, answer, seen, bend_body(fault, "answer", content, self._stopped))
        if seen.is_answered_early:
            link.client.discard(body)
        return not (seen.is_answered_early or head.is_last or answer.is_last)

    def _deliver(self, link: _Link, answer: Head, seen: _Seen, pieces: Iterator[bytes]) -> None:
        length = answer_length(answer, seen.method)
        seen.status = answer.status
        link.client.send_message(answer, length, self._watched(self._paced(pieces), length, seen))

    def _watched(self, pieces: Iterator[bytes], length: int | None, seen: _Seen) -> Iterator[bytes]:
        for piece in pieces:
            seen.received_bytes += len(piece)
            if seen.received_bytes == length:
                self._record(seen)
            yield piece
        self._record(seen)

    def _paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        return self._pace.let_through(pieces) if self._pace else pieces

    def _record(self, seen: _Seen) -> None:
        with self._lock:
            if not seen.is_recorded:
                self._exchanges.append(seen.exchange())
            seen.is_recorded = True


@dataclass(slots=True)
class _Seen:
    """An exchange while it goes by."""

    method: str
    path: str
    status: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    is_answered_early: bool = False
    is_recorded: bool = False

    def exchange(self) -> Exchange:
        return Exchange(self.method, self.path, self.status, self.sent_bytes, self.received_bytes)


@dataclass(frozen=True, slots=True)
class _Upstream:
    """Where the registry is, and how to speak to it."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    @classmethod
    def parse(cls, url: str, authority: Path | None) -> _Upstream:
        parts = urlsplit(url)
        tls = ssl.create_default_context(cafile=authority) if parts.scheme == "https" else None
        return cls(parts.hostname or "", parts.port or 0, tls)

    def connect(self) -> Stream:
        try:
            connected = socket.create_connection((self.host, self.port))
            return Stream(
                self.tls.wrap_socket(connected, server_hostname=self.host)
                if self.tls
                else connected
            )
        except OSError as error:
            raise ConnectionEndedError from error


class _Link:
    """A client's connection and, from its first request on, its own one to the registry."""

    def __init__(self, client: Stream, registry: _Upstream) -> None:
        self.client = client
        self._registry = registry
        self._upstream: Stream | None = None
        self._is_ended = False

    def upstream(self) -> Stream:
        if self._upstream is None:
            self._upstream = self._registry.connect()
        if self._is_ended:
            raise ConnectionEndedError
        return self._upstream

    def refuse_tls(self) -> None:
        """Answers as a plain HTTP server does, for clients try TLS first."""
        with suppress(ConnectionEndedError):
            self.client.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    def end(self) -> None:
        """Wakes the thread that serves the link, for its end."""
        self._is_ended = True
        self.client.end()
        if self._upstream:
            self._upstream.end()

    def close(self) -> None:
        self.client.close()
        if self._upstream:
            self._upstream.close()


def _server_tls(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def _secure(accepted: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    """The same socket under TLS; its first read shakes hands, in the thread that serves it."""
    if tls is None:
        return accepted
    return tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)


def _until_answered(pieces: Iterator[bytes], upstream: Stream, seen: _Seen) -> Iterator[bytes]:
    """The body, as long as the registry still wants it: a 401 comes before its end."""
    for piece in pieces:
        seen.sent_bytes += len(piece)
        if upstream.has_something():
            seen.is_answered_early = True
            return
        yield piece


def _read_answer(upstream: Stream) -> Head:
    while answer := upstream.read_head():
        if answer.status >= 200:
            return answer
    raise ConnectionEndedError
