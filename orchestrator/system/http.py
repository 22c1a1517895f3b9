"""The one door to HTTP: pooled connections, deadlines always, no redirects, no secrets in errors.

urllib3 asks. What requests has beyond it is left out on purpose: no ~/.netrc, no cookies, no
redirects; only a proxy is looked for by its rules (`tls.py`). urllib3's exceptions and its log
hold whole URLs, and a webhook's URL is a secret.
"""

from __future__ import annotations

import logging
import math
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from orchestrator import __version__
from orchestrator.errors import ErrorKind, SyncerError
from orchestrator.hosts import host_of
from orchestrator.system.body import BodyStream, OpenBody

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from orchestrator.system.tls import HostRoute

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 30.0
"""Seconds; the second one is for each wait for bytes, not for the whole answer."""

DEADLINE = 20.0
"""Seconds that a whole answer may take, from the request's first byte to the body's last."""

BODY_LIMIT = 4 * 1024 * 1024
"""Bytes read of an answer: registries must take manifests of 4 MiB (distribution spec)."""

_CHUNK = 64 * 1024
_SEE_OTHER = 303
_LEFT_OPEN = frozenset({200, 206, 416})
"""With the last one, some registries promise all of a blob, and send a few words."""
_REDIRECTS = frozenset({301, 302, _SEE_OTHER, 307, 308})

_STREAM_TIMEOUTS = (120.0, 600.0)
"""Seconds that a chunk of a stream may take, and the answer after it: a registry hashes all."""


@dataclass(frozen=True)
class Response:
    """An HTTP response.

    Attributes:
        headers: By their names in lower case.
        is_whole: Whether the body ended before the limit did.
        is_elsewhere: Whether another host said it, where a redirect led.
        rest: The body where it was left to be read; whoever asked closes it.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    is_whole: bool = True
    is_elsewhere: bool = False
    rest: OpenBody | None = field(default=None, repr=False)


class HttpError(SyncerError):
    """There was no response; the message names the host and nothing more of the URL.

    Attributes:
        kind: `unreachable`, `timeout` or `tls`.
    """

    def __init__(self, kind: ErrorKind, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class HttpClient:
    """An HTTP client with a pool of connections for each host; any number of threads may use it."""

    def __init__(
        self,
        connections: int = 8,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        deadline: float = DEADLINE,
    ) -> None:
        """Open nothing yet.

        Args:
            connections: At most so many to one host; a thread beyond them waits.
            connect_timeout: Seconds until a connection stands.
            read_timeout: Seconds until the next bytes come.
            deadline: Seconds until all of an answer is there.
        """
        # Imported here, as it takes a while and many commands need no HTTP.
        from urllib3.exceptions import InsecureRequestWarning  # noqa: PLC0415
        from urllib3.util import Retry, Timeout  # noqa: PLC0415

        from orchestrator.system.tls import Deadlines, HostRoutes  # noqa: PLC0415

        # Both speak of things the user decided or must not see: URLs stand in urllib3's log.
        logging.getLogger("urllib3").setLevel(logging.CRITICAL)
        warnings.simplefilter("ignore", InsecureRequestWarning)
        self._once = Retry(0, read=False)
        self._patience = Timeout(connect=connect_timeout, read=read_timeout)
        slow, slowest = _STREAM_TIMEOUTS
        self._patience_of_streams = Timeout(connect=slow, read=slowest)
        self._connect_timeout = connect_timeout
        self._longest = deadline
        self._deadlines = Deadlines()
        self._routes = HostRoutes(connections)
        self._is_ended = threading.Event()
        self.pause = self._is_ended.wait  # waits so many seconds, or until nothing is to be asked

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        """Send a body.

        Raises:
            HttpError: There was no answer.
        """
        return self.request("POST", url, headers=headers, body=body)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | BodyStream | None = None,
        limit: int | None = BODY_LIMIT,
        verify: bool | Path = True,
    ) -> Response:
        """Ask once. Redirects are answers like any other: see `location_of`.

        Args:
            method: `GET`, `HEAD`, `POST`, …
            url: http or https.
            headers: Ours come first; urllib3 adds what HTTP needs.
            body: What is sent; None for none. A stream may take as long as it moves.
            limit: Bytes of the answer's body that are read; None leaves the body of a good
                answer to be read as it comes.
            verify: Whether certificates are checked, or a PEM file to check them by.

        Raises:
            HttpError: There was no answer.
        """
        if self._is_ended.is_set():
            raise HttpError(
                ErrorKind.UNREACHABLE, f"{host_of(url)} was not asked: the run is to end"
            )
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        fault, host = None, host_of(url)
        allowed = math.inf if isinstance(body, BodyStream) else self._longest
        with self._deadlines.exchange(host, longest=allowed) as exchange:
            try:
                route = self._routes.find(url, host, _named(verify))
                response = self._sent(route, method, url, headers, body)
                with ExitStack() as stack:
                    stack.callback(OpenBody(response).close)
                    answer = _read(response, limit)
                    if answer.rest:
                        stack.pop_all()
            except (HTTPError, OSError, ValueError) as error:
                fault = _fault(error, url)
        if exchange.is_late:  # whatever it looked like to who was waiting
            fault = HttpError(ErrorKind.TIMEOUT, f"{host} did not answer in time")
        if fault is None:
            return answer
        # Not inside the except: even a suppressed context would carry the URL along.
        raise fault

    def open_ahead(
        self, url: str, number: int, *, verify: bool | Path = True
    ) -> list[threading.Thread]:
        """Open connections without a request, by threads that end once these stand."""
        from orchestrator.system.tls import open_ahead  # noqa: PLC0415

        try:
            pool = self._routes.find(url, host_of(url), _named(verify)).pool
        except (OSError, ValueError):  # which a request will say
            return []
        return open_ahead(pool, number, self._connect_timeout)

    def _sent(
        self,
        route: HostRoute,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | BodyStream | None,
    ) -> BaseHTTPResponse:
        """Send by the host's pool."""
        from urllib3.util import make_headers, parse_url  # noqa: PLC0415

        parts = parse_url(url)
        named = {"User-Agent": f"docker-image-syncer/{__version__}", **headers}
        if parts.auth and "Authorization" not in named:
            named["Authorization"] = make_headers(basic_auth=unquote(parts.auth))["authorization"]
        is_stream = isinstance(body, BodyStream)
        if isinstance(body, BodyStream) and body.size is not None:
            named["Content-Length"] = str(body.size)
        if route.names_host:
            path = parts._replace(auth=None, fragment=None).url
        else:
            path = parts.request_uri
        return route.pool.urlopen(
            method,
            path,
            body,
            headers=named,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            retries=self._once,
            timeout=self._patience_of_streams if is_stream else self._patience,
            chunked=isinstance(body, BodyStream) and body.size is None,
        )

    def end_all(self) -> None:
        """Wait for no answer any more, and ask nothing; safe in a signal handler."""
        from orchestrator.system.tls import end_connections  # noqa: PLC0415

        self._is_ended.set()
        end_connections()

    def close(self) -> None:
        """Close every connection; `contextlib.closing` does it at a block's end."""
        self._routes.close()


def location_of(url: str, answer: Response) -> str:
    """Where a redirect leads, as a whole URL; empty where an answer is none that can be read.

    Whether to go there is for whoever asked to decide.
    """
    location = answer.headers.get("location", "")
    if answer.status not in _REDIRECTS or not location:
        return ""
    try:
        there = urljoin(url, location)
        parts = urlsplit(there)
        is_readable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return ""
    return there if is_readable else ""


def _named(verify: bool | Path) -> bool | str:  # noqa: FBT001 - what is trusted, by its name
    return str(verify) if isinstance(verify, Path) else verify


def _read(response: BaseHTTPResponse, limit: int | None) -> Response:
    headers = {name.lower(): value for name, value in response.headers.items()}
    if limit is None and response.status in _LEFT_OPEN:
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        return Response(response.status, headers, rest=OpenBody(response, (HTTPError, OSError)))
    limit = BODY_LIMIT if limit is None else limit
    body = bytearray()
    if response.length_remaining == 0:  # as after each HEAD
        response.drain_conn()
        return Response(response.status, headers)
    for chunk in response.stream(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > limit:
            break
    return Response(response.status, headers, bytes(body[:limit]), len(body) <= limit)


def _fault(error: Exception, url: str) -> HttpError:
    """Say what went wrong without the words of the library, which hold the URL."""
    from urllib3 import exceptions as theirs  # noqa: PLC0415

    host = host_of(url)
    causes = tuple(_causes(error))
    # Those that could not connect are no time-outs, whatever their class says.
    late = theirs.ReadTimeoutError | theirs.ConnectTimeoutError
    if any(
        isinstance(one, late) and not isinstance(one, theirs.NewConnectionError) for one in causes
    ):
        return HttpError(ErrorKind.TIMEOUT, f"{host} did not answer in time")
    if any(isinstance(cause, theirs.SSLError) for cause in causes):
        return HttpError(
            ErrorKind.TLS,
            f"{host} can't be spoken to by TLS{_said(causes)}",
            hint="see that its certificate is valid and its authority is known here",
        )
    if isinstance(error, OSError):
        return HttpError(ErrorKind.TLS, f"the file of authorities for {host} can't be read")
    return HttpError(ErrorKind.UNREACHABLE, f"{host} can't be reached{_said(causes)}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that led to it: urllib3 keeps them in several places."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        reason = getattr(current, "reason", None)
        found = (*current.args, reason, current.__cause__, current.__context__)
        waiting += [cause for cause in found if isinstance(cause, BaseException)]


def _said(causes: tuple[BaseException, ...]) -> str:
    """The system's own short words, which know nothing of the URL."""
    for name in ("verify_message", "strerror"):
        for cause in causes:
            words = getattr(cause, name, None)
            if isinstance(words, str):
                return f": {words}"
    return ""
