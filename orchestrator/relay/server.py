"""The registry on loopback that skopeo pushes to: HTTP in, a copy's replies out.

Any user of this machine can connect, so each request is checked: the run's password first (skopeo
has it from its authfile, 0600), then the key of a copy in the path; the copy then checks that the
blob or the tag is one of that copy's. The key alone opens nothing: it stands in skopeo's command
line, which other users can read. A connection that has not shown the password makes room for
those that come after it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs

from orchestrator.errors import FormatError
from orchestrator.oci.reference import Digest, Reference, parse_digest
from orchestrator.relay.listener import BoundedServer, QuietHandler
from orchestrator.relay.request_body import RequestBody
from orchestrator.system.body import BodyStream

_LARGEST_MANIFEST = 4 * 1024 * 1024
_LARGEST_IGNORED = 64 * 1024
"""Bytes of a body that means nothing, and is read only so that the connection can go on."""

_MOST_CONNECTIONS = 512
_PATIENCE = 10.0
"""Seconds without a byte after which a connection is closed that has not shown the password."""

_IDLE = 900.0
"""The same of one that has; the watchdog of programs is faster."""

_PATH = re.compile(
    r"/v2/(?P<key>[0-9a-f]{32})/(?P<repository>[a-z0-9._/-]+)"
    r"/(?P<noun>blobs/uploads|blobs|manifests)/(?P<rest>[A-Za-z0-9._:-]*)"
)


@dataclass(frozen=True)
class Reply:
    """What skopeo is answered."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class OpenCopy(Protocol):
    """A copy under way, and what it answers to skopeo's requests."""

    destination: Reference

    def head_blob(self, digest: Digest) -> Reply:
        """HEAD of a blob."""
        ...

    def begin_upload(self, mount: str) -> Reply:
        """POST of an upload; `mount` is the digest that may be mounted, or empty."""
        ...

    def receive(self, name: str, body: BodyStream) -> Reply:
        """PATCH of an upload."""
        ...

    def end_upload(self, name: str, text: str) -> Reply:
        """PUT of an upload; `text` is its digest."""
        ...

    def put_manifest(self, reference: str, raw: bytes, media_type: str) -> Reply:
        """PUT of a manifest."""
        ...


class RelayServer(BoundedServer):
    """Listens on 127.0.0.1; each connection has a thread.

    Args:
        port: The port that is tried first; another one where it is taken.
        authorization: The value of the `Authorization` header that opens it.
        copies: The copies that are under way, by their keys.
    """

    def __init__(self, port: int, authorization: str, copies: Mapping[str, OpenCopy]) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Handler, _MOST_CONNECTIONS, has_strangers=True)
        except OSError:
            super().__init__(("127.0.0.1", 0), _Handler, _MOST_CONNECTIONS, has_strangers=True)
        self.authorization = authorization
        self.copies = copies


@dataclass(frozen=True)
class _Asked:
    """A request of a copy, behind the noun of its path.

    Attributes:
        rest: What stands there: a digest, a tag, or an upload's name.
    """

    rest: str
    query: Mapping[str, str]
    body: RequestBody


class _Handler(QuietHandler):
    timeout = _PATIENCE
    wbufsize = 64 * 1024
    server: RelayServer

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what is no HTTP we know, and close."""
        del message, explain
        self.close_connection = True
        self._write(Reply(code))

    def _serve(self) -> None:
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), self.server.authorization.encode()):
            self.close_connection = True
            self._write(Reply(401, {"WWW-Authenticate": 'Basic realm="relay"'}))
            return
        self.server.admit(self.connection)
        self.connection.settimeout(_IDLE)
        try:
            body = RequestBody(self.headers, self.rfile)
        except FormatError:
            self.close_connection = True
            self._write(Reply(400))
            return
        reply = self._reply(body)
        if not body.is_read:
            self.close_connection = True  # else what is left of it would be the next request
        self._write(reply)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - its names

    def _reply(self, body: RequestBody) -> Reply:
        if self.headers.get_all("Host") != [self.server.host]:
            return self._refuse(421)
        path, _, text = self.path.partition("?")
        if path == "/v2/":
            return Reply(200)
        found = _PATH.fullmatch(path)
        copy = self.server.copies.get(found["key"]) if found else None
        if found is None or copy is None or found["repository"] != copy.destination.repository:
            return self._refuse(404)
        action = _ACTIONS.get((self.command, found["noun"]))
        if action is None:
            return self._refuse(405 if self.command in ("DELETE", "GET") else 404)
        query = {name: values[0] for name, values in parse_qs(text).items()}
        return action(self, copy, _Asked(found["rest"], query, body))

    def _refuse(self, status: int) -> Reply:
        self.close_connection = True
        return Reply(status)

    def head_blob(self, copy: OpenCopy, asked: _Asked) -> Reply:
        """HEAD of a blob."""
        try:
            return copy.head_blob(parse_digest(asked.rest))
        except FormatError:
            return Reply(404)

    def head_manifest(self, copy: OpenCopy, asked: _Asked) -> Reply:
        """HEAD or GET of a manifest: there is none before it is put."""
        del copy, asked
        body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not put yet"}]}'
        return Reply(404, {"Content-Type": "application/json"}, body)

    def begin_upload(self, copy: OpenCopy, asked: _Asked) -> Reply:
        """POST that begins an upload."""
        asked.body.read(_LARGEST_IGNORED)
        return copy.begin_upload(asked.query.get("mount", ""))

    def receive(self, copy: OpenCopy, asked: _Asked) -> Reply:
        """PATCH that brings bytes."""
        return copy.receive(asked.rest, BodyStream(asked.body.chunks(), asked.body.size))

    def end_upload(self, copy: OpenCopy, asked: _Asked) -> Reply:
        """PUT that ends an upload."""
        asked.body.read(_LARGEST_IGNORED)
        return copy.end_upload(asked.rest, asked.query.get("digest", ""))

    def put_manifest(self, copy: OpenCopy, asked: _Asked) -> Reply:
        """PUT of a manifest."""
        raw = asked.body.read(_LARGEST_MANIFEST)
        if raw is None:
            return self._refuse(413)
        return copy.put_manifest(asked.rest, raw, self.headers.get("Content-Type", ""))

    def _write(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        length = {"Content-Length": str(len(reply.body))}
        version = {"Docker-Distribution-Api-Version": "registry/2.0"}
        for name, value in {**length, **version, **reply.headers}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()


_ACTIONS: Mapping[tuple[str, str], Callable[[_Handler, OpenCopy, _Asked], Reply]] = {
    ("HEAD", "blobs"): _Handler.head_blob,
    ("HEAD", "manifests"): _Handler.head_manifest,
    ("GET", "manifests"): _Handler.head_manifest,
    ("POST", "blobs/uploads"): _Handler.begin_upload,
    ("PATCH", "blobs/uploads"): _Handler.receive,
    ("PUT", "blobs/uploads"): _Handler.end_upload,
    ("PUT", "manifests"): _Handler.put_manifest,
}
