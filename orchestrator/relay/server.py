"""The registry on loopback that skopeo pushes to: HTTP in, a copy's replies out.

Any user of this machine can connect, so each request is checked: the run's password first (skopeo
has it from its authfile, 0600), then the key of a copy in the path, which nobody can guess; the
copy then checks that the blob or the tag is one of that copy's.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from orchestrator.errors import FormatError
from orchestrator.oci.reference import Digest, Reference, parse_digest
from orchestrator.relay.listener import BoundedServer, QuietHandler
from orchestrator.system.body import BodyStream

_CHUNK = 256 * 1024
_LARGEST_MANIFEST = 4 * 1024 * 1024
_LONGEST_CHUNK_LINE = 64
_MOST_CONNECTIONS = 512
_IDLE = 900.0
"""Seconds without a byte after which a connection is closed; the watchdog of programs is faster."""

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
            super().__init__(("127.0.0.1", port), _Handler, _MOST_CONNECTIONS)
        except OSError:
            super().__init__(("127.0.0.1", 0), _Handler, _MOST_CONNECTIONS)
        self.authorization = authorization
        self.copies = copies


class _Handler(QuietHandler):
    timeout = _IDLE
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
        self._write(self._reply())

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - its names

    def _reply(self) -> Reply:
        parts = urlsplit(self.path)
        if parts.path == "/v2/":
            return Reply(200)
        found = _PATH.fullmatch(parts.path)
        copy = self.server.copies.get(found["key"]) if found else None
        if found is None or copy is None or found["repository"] != copy.destination.repository:
            self.close_connection = True
            return Reply(404)
        action = _ACTIONS.get((self.command, found["noun"]))
        if action is None:
            self.close_connection = True
            return Reply(405 if self.command in ("DELETE", "GET") else 404)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return action(self, copy, found["rest"], query)

    def head_blob(self, copy: OpenCopy, rest: str, query: Mapping[str, str]) -> Reply:
        """HEAD of a blob."""
        del query
        try:
            return copy.head_blob(parse_digest(rest))
        except FormatError:
            return Reply(404)

    def head_manifest(self, copy: OpenCopy, rest: str, query: Mapping[str, str]) -> Reply:
        """HEAD or GET of a manifest: there is none before it is put."""
        del copy, rest, query
        body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not put yet"}]}'
        return Reply(404, {"Content-Type": "application/json"}, body)

    def begin_upload(self, copy: OpenCopy, rest: str, query: Mapping[str, str]) -> Reply:
        """POST that begins an upload."""
        del rest
        self._read_small()
        return copy.begin_upload(query.get("mount", ""))

    def receive(self, copy: OpenCopy, rest: str, query: Mapping[str, str]) -> Reply:
        """PATCH that brings bytes."""
        del query
        size = self._length()
        return copy.receive(rest, BodyStream(self._chunks(size), size))

    def end_upload(self, copy: OpenCopy, rest: str, query: Mapping[str, str]) -> Reply:
        """PUT that ends an upload."""
        self._read_small()
        return copy.end_upload(rest, query.get("digest", ""))

    def put_manifest(self, copy: OpenCopy, rest: str, query: Mapping[str, str]) -> Reply:
        """PUT of a manifest."""
        del query
        size = self._length()
        if size is None or size > _LARGEST_MANIFEST:
            self.close_connection = True
            return Reply(413)
        raw = self.rfile.read(size)
        return copy.put_manifest(rest, raw, self.headers.get("Content-Type", ""))

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

    def _length(self) -> int | None:
        text = self.headers.get("Content-Length", "")
        return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else None

    def _read_small(self) -> None:
        """Read a body that has to be small, and drop it."""
        size = self._length() or 0
        if size > _CHUNK:
            self.close_connection = True
            return
        self.rfile.read(size)

    def _chunks(self, size: int | None) -> Iterator[bytes]:
        if size is None:
            yield from self._chunked()
            return
        while size:
            chunk = self.rfile.read1(min(size, _CHUNK))
            if not chunk:
                raise ConnectionError
            size -= len(chunk)
            yield chunk

    def _chunked(self) -> Iterator[bytes]:
        """A body whose length nobody told (RFC 9112, section 7.1)."""
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return
        while size := self._chunk_size():
            while size:
                chunk = self.rfile.read1(min(size, _CHUNK))
                if not chunk:
                    raise ConnectionError
                size -= len(chunk)
                yield chunk
            self.rfile.readline(_LONGEST_CHUNK_LINE)
        self.rfile.readline(_LONGEST_CHUNK_LINE)

    def _chunk_size(self) -> int:
        line = self.rfile.readline(_LONGEST_CHUNK_LINE).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", line):
            raise ConnectionError
        return int(line, 16)


_ACTIONS: Mapping[
    tuple[str, str], Callable[[_Handler, OpenCopy, str, Mapping[str, str]], Reply]
] = {
    ("HEAD", "blobs"): _Handler.head_blob,
    ("HEAD", "manifests"): _Handler.head_manifest,
    ("GET", "manifests"): _Handler.head_manifest,
    ("POST", "blobs/uploads"): _Handler.begin_upload,
    ("PATCH", "blobs/uploads"): _Handler.receive,
    ("PUT", "blobs/uploads"): _Handler.end_upload,
    ("PUT", "manifests"): _Handler.put_manifest,
}
