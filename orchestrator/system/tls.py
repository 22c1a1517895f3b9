"""Connections that share one TLS context, and so the certificates that they trust.

A connection that is left to itself reads all authorities anew, which takes 15 ms of processor
time; here they are read once. The authorities are certifi's and the system's, so that a
company's proxy is trusted wherever skopeo trusts it. Imported late: it brings urllib3 with it.

A time-out of a socket is for each wait for bytes, so that a server which sends a byte a second is
never late by it. So one thread looks after all exchanges, and shuts the connection of a late one
down, which wakes whoever waits for it.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies
from weakref import WeakSet

from certifi import where
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.util import make_headers, parse_url
from urllib3.util.ssl_ import create_urllib3_context

from orchestrator.hosts import is_loopback

_log = logging.getLogger(__name__)

_EVERY = 0.25
_TOLD_AFTER = 10.0
"""Seconds of waiting after which the log says what for."""


@dataclass(eq=False)
class Exchange:
    """One request and its answer.

    Attributes:
        host: Who is asked.
        longest: Seconds that it may take.
        is_late: Whether it was ended since it took too long.
    """

    host: str
    longest: float
    is_late: bool = False
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
    """Looks after the exchanges of any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[Exchange] = set()
        self._told: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def exchange(self, host: str, *, longest: float) -> Iterator[Exchange]:
        """An exchange of the calling thread with a host, looked after while the block lasts."""
        one = Exchange(host, longest)
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
        if one.age(now) >= one.longest:
            one.end()
        elif one.age(now) >= _TOLD_AFTER and now - self._told.get(one.host, 0.0) >= _TOLD_AFTER:
            self._told[one.host] = now
            _log.info("waiting for %s, which has been silent or slow for 10 s", one.host)


_HOSTS = 64
"""Hosts whose connections are kept."""


_sockets: WeakSet[socket.socket] = WeakSet()


class _Connection(HTTPConnection):
    def connect(self) -> None:
        _begin(self)
        super().connect()
        _put_to_use(self)

    def putrequest(self, method: str, url: str, *args: bool, **options: bool) -> None:
        _put_to_use(self)
        super().putrequest(method, url, *args, **options)


class _TlsConnection(HTTPSConnection):
    @property
    def is_connected(self) -> bool:
        """Whether it stands, and nobody has said anything unasked.

        TLS 1.3 brings tickets after the handshake: they are no answer, and are read away here.
        Without that a connection that has not been used yet counts as broken.
        """
        if super().is_connected or self.sock is None:
            return self.sock is not None
        before = self.sock.gettimeout()
        try:
            self.sock.settimeout(0)
            self.sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        finally:
            self.sock.settimeout(before)
        return False

    def connect(self) -> None:
        _begin(self)
        super().connect()
        _put_to_use(self)

    def putrequest(self, method: str, url: str, *args: bool, **options: bool) -> None:
        _put_to_use(self)
        super().putrequest(method, url, *args, **options)


def _begin(connection: HTTPConnection) -> None:
    """While it is being made, its socket may still change: a tunnel comes before TLS."""
    if exchange := current_exchange():
        exchange.use(lambda: _shut(connection.sock))


def _put_to_use(connection: HTTPConnection) -> None:
    """The socket itself is kept: a connection forgets it while an answer's end is still to come."""
    sock = connection.sock
    if sock is None:
        return
    _sockets.add(sock)
    if exchange := current_exchange():
        exchange.use(lambda: _shut(sock))


def _shut(sock: socket.socket | None) -> None:
    """Wake whoever waits for a socket, be it for the plain one's next bytes or for TLS's."""
    if sock is not None:
        with suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _OpensAhead(HTTPConnectionPool):
    """A pool whose connections may stand before they are needed."""

    def open_ahead(self, number: int, timeout: float) -> list[threading.Thread]:
        """Open some connections at once, by other threads, which end with it.

        Args:
            number: How many.
            timeout: Seconds that one may take.
        """
        threads = [
            threading.Thread(target=self._open, args=(timeout,), daemon=True, name="open-ahead")
            for _ in range(number)
        ]
        with suppress(RuntimeError):  # no more threads: then they are opened as they are needed
            for thread in threads:
                thread.start()
        return [one for one in threads if one.ident is not None]

    def _open(self, timeout: float) -> None:
        """Open one and keep it; what stands in the way is for whoever asks something to say."""
        connection = None
        try:
            connection = self._get_conn(timeout)
            if connection.is_closed:
                connection.timeout = timeout
                connection.connect()
        except (HTTPError, OSError, ValueError):
            if connection is not None:
                connection.close()
        finally:
            if connection is not None:
                self._put_conn(connection)


class _Pool(_OpensAhead):
    ConnectionCls = _Connection


class _TlsPool(_OpensAhead, HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


def open_ahead(pool: HTTPConnectionPool, number: int, timeout: float) -> list[threading.Thread]:
    """Open connections that will be needed; none is opened ahead through a proxy."""
    if pool.proxy is None and isinstance(pool, _OpensAhead):
        return pool.open_ahead(number, timeout)
    return []


def end_connections() -> None:
    """End every connection that stands, so that whoever waits for an answer wakes up."""
    for sock in tuple(_sockets):
        _shut(sock)


@dataclass(frozen=True)
class HostRoute:
    """How a host is reached: what `HTTPS_PROXY`, `NO_PROXY` and `REQUESTS_CA_BUNDLE` say.

    Attributes:
        pool: Its connections.
        names_host: Whether a request names the whole URL, as a proxy for plain HTTP wants it.
    """

    pool: HTTPConnectionPool
    names_host: bool


class HostRoutes:
    """The ways to hosts, each found once: looking through environ takes a while.

    Their connections share a TLS context where they trust the same, and can all be ended.

    Args:
        connections: At most so many to one host.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._managers: dict[tuple[bool | str, str], PoolManager] = {}
        self._found: dict[tuple[str, str, bool | str], HostRoute] = {}
        self._lock = threading.Lock()

    def find(self, url: str, host: str, verify: bool | str) -> HostRoute:  # noqa: FBT001 - as `trust`
        """The way to a host.

        Args:
            url: What is asked for there.
            host: Of the URL.
            verify: What is trusted: see `trust`.

        Raises:
            OSError: The authorities can't be read.
            ValueError: The URL, or the proxy's, is none.
        """
        scheme = urlsplit(url).scheme
        key = (scheme, host, verify)
        with self._lock:
            if key not in self._found:
                # As Go does, so that skopeo and we take the same route.
                proxy = "" if is_loopback(host) else _proxy_to(url)
                trusted = _trusted(verify) if scheme == "https" else False
                pool = self._manager(trusted, proxy).connection_from_url(url)
                self._found[key] = HostRoute(pool, bool(proxy) and scheme != "https")
            return self._found[key]

    def close(self) -> None:
        """Close every connection."""
        for manager in self._managers.values():
            manager.clear()

    def _manager(self, verify: bool | str, proxy: str) -> PoolManager:  # noqa: FBT001 - as `trust`
        key = (verify, proxy)
        if key not in self._managers:
            manager = _new_manager(proxy, self._connections, trust(verify))
            manager.pool_classes_by_scheme = _POOLS
            self._managers[key] = manager
        return self._managers[key]


def _new_manager(proxy: str, connections: int, context: ssl.SSLContext) -> PoolManager:
    if not proxy:
        return PoolManager(_HOSTS, maxsize=connections, block=True, ssl_context=context)
    parts = parse_url(proxy)
    if parts.scheme not in ("http", "https"):
        raise ValueError("only HTTP proxies can be spoken to")
    login = make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else None
    return ProxyManager(
        proxy, _HOSTS, proxy_headers=login, maxsize=connections, block=True, ssl_context=context
    )


def _proxy_to(url: str) -> str:
    """The proxy on the way to a URL; empty where there is none."""
    if not getproxies().keys() - {"no"}:
        return ""
    # Only now: it takes 30 ms to be imported, and most ways go by no proxy.
    from requests.utils import get_environ_proxies, select_proxy  # noqa: PLC0415

    proxy = select_proxy(url, get_environ_proxies(url)) or ""
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _trusted(verify: bool | str) -> bool | str:  # noqa: FBT001 - as `trust`
    """What a file of authorities in the environment adds, by the names that requests reads."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return named or True if verify is True else verify


def trust(verify: bool | str) -> ssl.SSLContext:  # noqa: FBT001 - three ways to trust
    """A TLS context that trusts what `verify` names.

    Args:
        verify: Everything (False), the usual authorities (True), or a PEM file's or folder's.

    Raises:
        OSError: The authorities can't be read.
    """
    if verify is False:
        return create_urllib3_context(cert_reqs=ssl.CERT_NONE)
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    if verify is True:
        context.load_default_certs()
        context.load_verify_locations(where())
    elif Path(verify).is_dir():
        context.load_verify_locations(capath=verify)
    else:
        context.load_verify_locations(verify)
    return context
