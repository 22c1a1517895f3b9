"""One copy through the relay: what skopeo may ask and bring, and what it is answered.

skopeo asks HEAD for a blob, then POST, PATCH and PUT to bring it, and the manifest last. All
blobs that are known beforehand were asked for at the target before skopeo was up, so that most
of this is answered at once. A PATCH does not say whose bytes it brings: where no other blob has
its size they go on at once, under their digest; else the PUT tells.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from orchestrator.errors import ErrorKind, FormatError
from orchestrator.oci.reference import Digest, Reference, digest_of, parse_digest
from orchestrator.registry.responses import Inconclusive
from orchestrator.relay.awaited import AwaitedBlobs
from orchestrator.relay.blobs import Begun, Present, Refused, TargetBlobs, Upload
from orchestrator.relay.pace import Pace
from orchestrator.relay.server import Reply
from orchestrator.relay.target import RelayTarget
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.system.body import BodyStream
from orchestrator.system.http import Response

_log = logging.getLogger(__name__)

_PATIENCE = 3600.0
"""Seconds; whoever waits for another copy's blob waits as long as that one moves, and a copy that
moves nothing is ended by the watchdog of programs."""

_MOST_BLOBS = 20_000
"""Blobs that one copy may name; an index of many platforms has some hundred."""

_LAST_WAIT = 5.0
"""Seconds for a sender to end once skopeo has."""

_NO_ANSWER = 502
_CHALLENGE = "www-authenticate"


@dataclass(eq=False)
class _Blob:
    """One blob of the copy.

    Attributes:
        size: In bytes; None where it is not known.
        begun: What the target said of it, once it has.
        sent: Whether it has arrived, once somebody sends it.
    """

    digest: Digest
    size: int | None
    begun: Future[Begun]
    sent: Future[Refused | None] | None = None


@dataclass(eq=False)
class _Incoming:
    """An upload that skopeo has begun here.

    Attributes:
        blob: Whose bytes they are, as far as the size tells.
        upload: Where they went, where only the PUT will tell.
    """

    blob: _Blob | None = None
    upload: Upload | None = None


class Passage:
    """What one copy may do at the relay; its requests come by several threads.

    Attributes:
        key: Stands in the paths that skopeo asks for; nobody can guess it.
        destination: Where the manifest goes, by tag or digest.
        fault: Why the target gave no answer, where it gave none.
        sent: Bytes that have gone on to the target so far.
    """

    def __init__(
        self,
        request: CopyRequest,
        target: RelayTarget,
        blobs: TargetBlobs,
        *,
        pace: Pace,
    ) -> None:
        """Ask for all blobs that are known.

        Args:
            request: The copy. Where it keeps digests, the tag gets no manifest but the source's;
                where it is of a whole index, manifests may be put by digest, too.
            target: Where they go.
            blobs: What is known of the target's blobs.
            pace: How fast bytes may go there.
        """
        self.key = secrets.token_hex(16)
        self.destination = request.destination
        self.fault: Inconclusive | None = None
        self.sent = 0
        self._pace = pace
        self._target = target
        self._known = blobs
        self._with_children = request.platform is None
        self._expected = request.source.digest if request.keeps_digests else None
        self._lock = threading.Lock()
        self._awaited = AwaitedBlobs()
        self._incoming: dict[str, _Incoming] = {}
        self._refusals: list[Refused] = []
        self._senders: list[threading.Thread] = []
        sizes = request.blobs
        self._number, asked, self._sending = blobs.begin_copy(request.destination, sizes)
        self._blobs = {one: _Blob(one, sizes[one], found) for one, found in asked.items()}

    def wait_for_others(self) -> None:
        """Until older copies have sent what this one needs, too.

        A skopeo that waited for it would move no byte, and be ended for that.
        """
        for sent in self._sending:
            sent.result()

    def head_blob(self, digest: Digest) -> Reply:
        """Whether the target has a blob; a refusal is kept for the upload that follows."""
        blob = self._blob(digest)
        if blob is None:
            return Reply(404)
        begun = self._begun(blob)
        if isinstance(begun, Present) and blob.size is not None:
            length = {"Content-Length": str(blob.size), "Docker-Content-Digest": digest}
            return Reply(200, length)
        if isinstance(begun, Refused):
            with self._lock:
                self._refusals.append(begun)
        elif isinstance(begun, Upload) and blob.size is not None:
            self._awaited.add(digest, blob.size, begun)
        return Reply(404)

    def begin_upload(self, mount: str) -> Reply:
        """An upload is begun here; or the blob is mounted, where the target has it."""
        with self._lock:
            refused = self._refusals.pop(0) if self._refusals else None
        if refused is not None:
            return self._passed_on(refused.answer)
        blob = self._blobs.get(Digest(mount)) if mount else None
        if blob is not None and isinstance(self._begun(blob), Present):
            return Reply(201, {"Location": self._path(f"blobs/{mount}")})
        name = secrets.token_hex(16)
        with self._lock:
            self._incoming[name] = _Incoming()
        return Reply(202, self._upload_headers(name, 0))

    def receive(self, name: str, body: BodyStream) -> Reply:
        """Bytes come: they are sent on as they come, to where their size says they belong."""
        incoming = self._incoming.get(name)
        if incoming is None:
            return Reply(404)
        body.pieces = self._paced
        digest, upload = self._awaited.take(body.size)
        blob = self._blobs.get(digest) if digest else None
        if blob is None or upload is None:
            begun = upload or self._target.begin_any(self.destination)
            return self._receive_unknown(name, incoming, body, begun)
        incoming.blob = blob
        self._send(blob, upload, body)
        return Reply(202, self._upload_headers(name, body.size or 0))

    def end_upload(self, name: str, text: str) -> Reply:
        """The upload's digest is told: it is the one that its size promised, or it is refused."""
        incoming = self._incoming.get(name)
        try:
            digest = parse_digest(text)
        except FormatError:
            return _error(400, "DIGEST_INVALID", "not a digest")
        if incoming is None:
            return Reply(404)
        if incoming.blob is not None and incoming.blob.digest != digest:
            return _error(400, "DIGEST_INVALID", "other bytes of the same size were expected")
        if incoming.blob is None:
            refused = self._end_unknown(incoming, digest)
            if refused is not None:
                return self._passed_on(refused.answer)
        return Reply(
            201, {"Location": self._path(f"blobs/{digest}"), "Docker-Content-Digest": digest}
        )

    def put_manifest(self, reference: str, raw: bytes, media_type: str) -> Reply:
        """The manifest goes on once the target has confirmed every blob."""
        destination = self._destination_of(reference, raw)
        if destination is None:
            return _error(403, "DENIED", "this copy writes another tag")
        is_tag = destination == self.destination
        if is_tag and self._expected and digest_of(raw) != self._expected:
            return _error(400, "MANIFEST_INVALID", "the registry refused the one that was planned")
        for blob in tuple(self._blobs.values()):
            refused = blob.sent.result(_PATIENCE) if blob.sent is not None else None
            if refused is not None:
                return self._passed_on(refused.answer)
        answer = self._target.put_manifest(destination, raw, media_type)
        if isinstance(answer, Response) and _is_written(answer):
            there = {"Docker-Content-Digest": digest_of(raw)}
            return Reply(201, {"Location": self._path(f"manifests/{digest_of(raw)}"), **there})
        return self._passed_on(answer)

    def close(self) -> None:
        """Skopeo has ended: what it left open is cancelled, and nobody waits for it any more."""
        self._known.give_up(self._number)
        for sender in self._senders:
            sender.join(_LAST_WAIT)
        for upload in (*self._awaited.unused(), *self._never_asked_for()):
            self._target.cancel(upload)

    def _never_asked_for(self) -> Iterator[Upload]:
        """The uploads that were begun, and skopeo never asked for the blob."""
        for blob in self._blobs.values():
            is_open = blob.sent is None and blob.begun.done() and not blob.begun.exception()
            begun = blob.begun.result() if is_open else None
            if isinstance(begun, Upload) and not self._awaited.has_seen(blob.digest):
                yield begun

    @property
    def uploaded(self) -> tuple[Digest, ...]:
        """The blobs that were sent and have arrived."""
        return tuple(
            blob.digest
            for blob in self._blobs.values()
            if blob.sent is not None and blob.sent.done() and blob.sent.result() is None
        )

    def _blob(self, digest: Digest) -> _Blob | None:
        """A blob of this copy; one that was not known before is asked for now."""
        with self._lock:
            blob = self._blobs.get(digest)
            if blob is None and len(self._blobs) < _MOST_BLOBS:
                found = self._known.ask_for(self._number, self.destination, [digest])[digest]
                blob = self._blobs[digest] = _Blob(digest, None, found)
        return blob

    def _begun(self, blob: _Blob) -> Begun:
        """What the target has of a blob, or how to send it; waits for who is sending it now.

        An index's images share blobs: an upload that has ended can't be used again.
        """
        if blob.sent is not None:
            return blob.sent.result(_PATIENCE) or Present()
        try:
            return blob.begun.result(_PATIENCE)
        except FutureTimeoutError:
            return Refused(Inconclusive("another copy did not send a blob in time"))

    def _paced(self, chunk: bytes) -> Iterator[bytes]:
        """Let bytes go on as fast as they may, and count them."""
        for piece in self._pace.pieces(chunk):
            with self._lock:
                self.sent += len(piece)
            yield piece

    def _send(self, blob: _Blob, upload: Upload, body: BodyStream) -> None:
        """Send a blob on by a thread of its own, while skopeo's bytes are read by this one."""
        sent = blob.sent = Future[Refused | None]()

        def send() -> None:
            refused: Refused | None = Refused(Inconclusive("the upload broke off"))
            try:
                refused = self._target.send(upload, blob.digest, body)
            finally:
                self._known.finish(
                    self._number, self.destination, blob.digest, arrived=refused is None
                )
                body.abandon()
                sent.set_result(refused)

        self._start(send)
        body.read_to_end()

    def _start(self, send: Callable[[], None]) -> None:
        sender = threading.Thread(target=send, name="relay-upload", daemon=True)
        self._senders.append(sender)
        sender.start()

    def _receive_unknown(
        self, name: str, incoming: _Incoming, body: BodyStream, begun: Begun
    ) -> Reply:
        """Bytes whose digest only the PUT will tell.

        They are a conversion's, or of an unknown size, or of one that other blobs have, too.
        """
        brought: Future[Upload | Refused] = Future()

        def send() -> None:
            result: Upload | Refused = Refused(Inconclusive("the upload broke off"))
            try:
                if isinstance(begun, Upload):
                    result = self._target.send_part(begun, body)
                elif isinstance(begun, Refused):
                    result = begun
            finally:
                body.abandon()
                brought.set_result(result)

        self._start(send)
        body.read_to_end()
        result = brought.result(_PATIENCE)
        if isinstance(result, Refused):
            return self._passed_on(result.answer)
        incoming.upload = result
        return Reply(202, self._upload_headers(name, body.count))

    def _end_unknown(self, incoming: _Incoming, digest: Digest) -> Refused | None:
        if incoming.upload is None:
            return Refused(Inconclusive("an upload was ended that brought nothing"))
        self._awaited.brought(digest)
        refused = self._target.end(incoming.upload, digest)
        blob = self._blob(digest)
        if blob is not None:
            blob.sent = Future()
            blob.sent.set_result(refused)
        self._known.finish(self._number, self.destination, digest, arrived=refused is None)
        return refused

    def _destination_of(self, reference: str, raw: bytes) -> Reference | None:
        """Where a manifest goes: this copy's tag; or a child of its index, by its own digest."""
        if reference == (self.destination.digest or self.destination.tag):
            return self.destination
        digest = digest_of(raw)
        return self.destination.at(digest) if self._with_children and reference == digest else None

    def _passed_on(self, answer: Response | Inconclusive) -> Reply:
        """The target's own answer, for skopeo to say; or none, which is kept in its place."""
        if isinstance(answer, Response) and answer.status < 400:
            registry = self.destination.registry
            answer = Inconclusive(f"{registry} answered {answer.status}, which is no answer")
        if isinstance(answer, Inconclusive) and answer.kind is ErrorKind.UNAUTHORIZED:
            return _error(401, "UNAUTHORIZED", answer.reason)
        if isinstance(answer, Inconclusive):
            self.fault = self.fault or answer
            return _error(_NO_ANSWER, "UNAVAILABLE", "the target gave no answer")
        kept = ("content-type", "retry-after")
        headers = {name: answer.headers[name] for name in kept if name in answer.headers}
        if answer.status == 401 and "insufficient_scope" in answer.headers.get(_CHALLENGE, ""):
            # The login is good, and may not do this: skopeo, asked itself, would say so, too.
            return _error(403, "DENIED", "requested access to the resource is denied")
        return Reply(answer.status, headers, answer.body)

    def _upload_headers(self, name: str, count: int) -> dict[str, str]:
        return {
            "Location": self._path(f"blobs/uploads/{name}"),
            "Docker-Upload-UUID": name,
            "Range": f"0-{max(count - 1, 0)}",
        }

    def _path(self, rest: str) -> str:
        return f"/v2/{self.key}/{self.destination.repository}/{rest}"


def _is_written(answer: Response) -> bool:
    """Whether a manifest was taken: some say 200 for 201, and so does the page of a login."""
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    return 200 <= answer.status < 300 and not is_page


def _error(status: int, code: str, message: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)
