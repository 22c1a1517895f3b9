"""The front's HTTP: GET and HEAD of manifests and blobs, and nothing else.

Whoever reaches the port reads the mirror with its login, so a browser that was led here by
another name for this machine (DNS rebinding) is turned away while only this machine is served.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from orchestrator import __version__
from orchestrator.front.mirror import MirrorReader, Missing, Unavailable
from orchestrator.front.request import Wanted, parse_range, parse_wanted
from orchestrator.hosts import is_loopback
from orchestrator.relay.listener import BoundedServer, QuietHandler
from orchestrator.system.http import Response

_log = logging.getLogger(__name__)

MOST_CONNECTIONS = 256
_IDLE = 60.0
"""Seconds without a byte after which a connection is closed."""
_CHUNK = 64 * 1024
_PASSED_ON = (
    "content-type",
    "content-length",
    "content-range",
    "accept-ranges",
    "docker-content-digest",
)
_API = ("Docker-Distribution-Api-Version", "registry/2.0")


class FrontServer(BoundedServer):
    """Listens where it is told.

    Args:
        address: Host and port.
        mirror: Answers.

    Raises:
        OSError: The address can't be listened on.
    """

    def __init__(self, address: tuple[str, int], mirror: MirrorReader) -> None:
        super().__init__(address, _Handler, MOST_CONNECTIONS)
        self.mirror = mirror
        self.is_private = is_loopback(self.host)


class _Handler(QuietHandler):
    timeout = _IDLE
    server: FrontServer

    def _serve(self) -> None:
        """Answer; a body that came along is not read, and ends the connection."""
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self._refuse(400, "UNSUPPORTED", "a request has no body here")
        elif self.server.is_private and not is_loopback(self.headers.get("Host", "")):
            self._refuse(421, "DENIED", "this registry is 127.0.0.1, and no other name will do")
        else:
            self._answer(self.path)

    do_GET = do_HEAD = _serve  # noqa: N815 - its names

    def _refuse_method(self) -> None:
        """Nothing is written here."""
        self._refuse(405, "UNSUPPORTED", "this registry is read-only", {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse_method  # noqa: N815 - its names

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no HTTP we know, and close."""
        del message, explain
        self.request_version = "HTTP/1.1"  # whatever it claimed to be, it gets a status line
        if code == 501:
            self._refuse_method()
        else:
            self._refuse(code, "UNSUPPORTED", "this request can't be read")

    def _answer(self, target: str) -> None:
        path = target.partition("?")[0]
        if path in ("/v2", "/v2/"):
            self._write_json(200, {})
        elif path == "/healthz":
            health = {"status": "ok", "version": __version__, **self.server.mirror.health()}
            self._write_json(200, health)
        elif wanted := parse_wanted(target):
            self._pull(wanted)
        else:
            self._error(404, "NAME_UNKNOWN", "there are only manifests and blobs of images here")

    def _pull(self, wanted: Wanted) -> None:
        byte_range = parse_range(self.headers.get("Range", ""))
        found = self.server.mirror.ask(self.command, wanted, byte_range)
        said = found.status if isinstance(found, Response) else type(found).__name__.lower()
        _log.debug("%s %s %s: %s", self.command, wanted.noun, wanted.image, said)
        match found:
            case Missing():
                code = "BLOB_UNKNOWN" if wanted.noun == "blobs" else "MANIFEST_UNKNOWN"
                self._error(404, code, f"{wanted.image} is not mirrored")
            case Unavailable(reason):
                self._error(502, "UNAVAILABLE", f"the mirror can't be asked: {reason}")
            case Response(is_elsewhere=True, headers=headers, rest=None) if "location" in headers:
                self._head(307, {"Location": headers["location"], "Content-Length": "0"})
            case _:
                self._pass_on(found)

    def _pass_on(self, answer: Response) -> None:
        """Hand on the mirror's answer; one of unknown length ends with the connection."""
        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        if "content-length" not in headers:
            self.close_connection = True
        if answer.rest and answer.status == 416:
            answer.rest.close()
            headers = {name: headers[name] for name in ("content-range",) if name in headers}
            self._error(416, "RANGE_INVALID", "there is no such part of it", headers)
            return
        if answer.rest is None:
            self._head(answer.status, headers, body=answer.body)
            return
        try:
            self._head(answer.status, headers)
            for chunk in answer.rest.chunks(_CHUNK):
                self.wfile.write(chunk)
        except (OSError, TimeoutError):  # either end broke off: what was sent is not whole
            self.close_connection = True
        finally:
            answer.rest.close()

    def _refuse(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.close_connection = True
        self._error(status, code, message, headers)

    def _error(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._write_json(status, {"errors": [{"code": code, "message": message}]}, headers)

    def _write_json(
        self, status: int, document: object, headers: Mapping[str, str] | None = None
    ) -> None:
        body = json.dumps(document).encode()
        length = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._head(status, {**length, **(headers or {})}, body=body)

    def _head(self, status: int, headers: Mapping[str, str], *, body: bytes = b"") -> None:
        self.send_response_only(status)
        for name, value in {**headers, _API[0]: _API[1]}.items():
            self.send_header(name, "".join(value.splitlines()))  # the mirror may fold a line
        self.send_header("X-Content-Type-Options", "nosniff")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and body:
            self.wfile.write(body)
