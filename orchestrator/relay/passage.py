"""One copy through the relay: what skopeo may ask and bring, and what it is answered.

skopeo asks HEAD for a blob, then POST, PATCH and PUT to bring it, and the manifest last. All
blobs that are known beforehand were asked for at the target before skopeo was up, so that most
of this is answered at once. A PATCH does not say whose bytes it brings: where no other blob has
its size they go on at once, under their digest; else the PUT tells.

What skopeo hears is what the copy's own target answers. Others may be fed along the way.
"""

from __future__ import annotations

import json
import logging
import math
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field

from orchestrator.errors import ErrorKind, FormatError
from orchestrator.oci.reference import Digest, Reference, digest_of, parse_digest
from orchestrator.registry.responses import Inconclusive
from orchestrator.relay.awaited import AwaitedBlobs
from orchestrator.relay.blobs import Present, Refused, Upload
from orchestrator.relay.branch import Branch, is_written
from orchestrator.relay.server import Reply
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.system.body import BodyStream
from orchestrator.system.http import Response

_log = logging.getLogger(__name__)

_PATIENCE = 3600.0
"""Seconds for what another thread sends; a copy that moves nothing is ended by the watchdog."""

_NO_ANSWER = 502
_CHALLENGE = "www-authenticate"


@dataclass(eq=False)
class _Incoming:
    """An upload that skopeo has begun here.

    Attributes:
        digest: Whose bytes they are, as far as the size tells.
        uploads: Where they went, where only the PUT will tell.
    """

    digest: Digest | None = None
    uploads: Mapping[Branch, Upload] = field(default_factory=dict)


class Passage:
    """What one copy may do at the relay; its requests come by several threads.

    Attributes:
        key: Stands in the paths that skopeo asks for; nobody can guess it.
        destination: Where the manifest goes, by tag or digest.
        fault: Why the target gave no answer, where it gave none.
    """

    def __init__(
        self,
        request: CopyRequest,
        branch: Branch,
        others: Iterable[Branch] = (),
        *,
        patience_with_others: float = _PATIENCE,
    ) -> None:
        """Take no request yet.

        Args:
            request: The copy. Where it keeps digests, the tag gets no manifest but the source's;
                where it is of a whole index, manifests may be put by digest, too.
            branch: The target that it is for.
            others: Targets that are fed along the way.
            patience_with_others: Seconds that one of these may keep the target waiting.
        """
        self.key = secrets.token_hex(16)
        self.destination = request.destination
        self.fault: Inconclusive | None = None
        self._branch = branch
        self._others = tuple(others)
        self._patience = patience_with_others
        self._sizes = request.blobs
        self._with_children = request.platform is None
        self._expected = request.source.digest if request.keeps_digests else None
        self._lock = threading.Lock()
        self._awaited = AwaitedBlobs()
        self._incoming: dict[str, _Incoming] = {}
        self._refusals: list[Refused] = []

    def wait_for_others(self) -> None:
        """Until older copies have sent what this one needs, too.

        A skopeo that waited for it would move no byte, and be ended for that.
        """
        for branch in self._branches:
            branch.wait_for_others()

    def head_blob(self, digest: Digest) -> Reply:
        """Whether the target has a blob; a refusal is kept for the upload that follows."""
        begun = self._branch.begun(digest)
        if isinstance(begun, Refused):
            with self._lock:
                self._refusals.append(begun)
            return Reply(404)
        size = self._sizes.get(digest)
        if size is None:
            return Reply(404)
        wanted = [branch for branch in self._branches if self._wants(branch, digest, size)]
        if wanted:
            self._awaited.add(digest, size)
            return Reply(404)
        return Reply(200, {"Content-Length": str(size), "Docker-Content-Digest": digest})

    def begin_upload(self, mount: str) -> Reply:
        """An upload is begun here; or the blob is mounted, where the targets have it."""
        with self._lock:
            refused = self._refusals.pop(0) if self._refusals else None
        if refused is not None:
            return self._passed_on(refused.answer)
        is_there = mount in self._sizes and all(
            isinstance(branch.begun(Digest(mount)), Present) for branch in self._branches
        )
        if is_there:
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
        incoming.digest = self._awaited.take(body.size)
        if incoming.digest is None or body.size is None:
            return self._receive_unknown(name, incoming, body)
        lacking = [branch for branch in self._branches if branch.lacks(incoming.digest)]
        for branch, stream in self._streams(lacking, body):
            branch.send(incoming.digest, body.size, stream)
        body.read_to_end()
        return Reply(202, self._upload_headers(name, body.size))

    def end_upload(self, name: str, text: str) -> Reply:
        """The upload's digest is told: it is the one that its size promised, or it is refused."""
        incoming = self._incoming.get(name)
        try:
            digest = parse_digest(text)
        except FormatError:
            return _error(400, "DIGEST_INVALID", "not a digest")
        if incoming is None:
            return Reply(404)
        if incoming.digest not in (None, digest):
            return _error(400, "DIGEST_INVALID", "other bytes of the same size were expected")
        refused = self._end_unknown(incoming, digest) if incoming.digest is None else None
        if refused is not None:
            return self._passed_on(refused.answer)
        return Reply(
            201, {"Location": self._path(f"blobs/{digest}"), "Docker-Content-Digest": digest}
        )

    def put_manifest(self, reference: str, raw: bytes, media_type: str) -> Reply:
        """The manifest goes on once a target has confirmed every blob."""
        if not self._may_be_put(reference, raw):
            return _error(403, "DENIED", "this copy writes another tag")
        is_own = reference == _name_of(self.destination)
        if is_own and self._expected and digest_of(raw) != self._expected:
            return _error(400, "MANIFEST_INVALID", "the registry refused the one that was planned")

        def put(branch: Branch) -> Response | Inconclusive:
            place = branch.destination if is_own else branch.destination.at(digest_of(raw))
            patience = self._patience_with(branch, _PATIENCE)
            answer = branch.put_manifest(place, raw, media_type, patience=patience)
            if not is_written(answer):
                branch.let_go()
            return answer

        if len(self._branches) == 1:
            answer = put(self._branch)
        else:
            with ThreadPoolExecutor(len(self._branches)) as threads:
                answer, *_ = threads.map(put, self._branches)
        if is_written(answer):
            there = {"Docker-Content-Digest": digest_of(raw)}
            return Reply(201, {"Location": self._path(f"manifests/{digest_of(raw)}"), **there})
        return self._passed_on(answer)

    def close(self) -> None:
        """Skopeo has ended: what it left open is cancelled, and nobody waits for it any more."""
        for branch in (self._branch, *self._others):
            branch.close()

    @property
    def sent(self) -> int:
        """Bytes that have gone on to the target so far."""
        return self._branch.sent

    @property
    def uploaded(self) -> tuple[Digest, ...]:
        """The blobs that were sent and have arrived."""
        return self._branch.uploaded

    @property
    def _branches(self) -> list[Branch]:
        """The target, and the others that still take part."""
        return [self._branch, *(branch for branch in self._others if branch.takes_part)]

    def _patience_with(self, branch: Branch, own: float) -> float:
        """Seconds; whoever else is fed gets a copy of its own where it takes longer."""
        return own if branch is self._branch else self._patience

    def _wants(self, branch: Branch, digest: Digest, size: int) -> bool:
        """Whether a target is to be sent a blob, which it then expects."""
        begun = branch.begun(digest)
        if isinstance(begun, Upload):
            branch.expect(digest, size, begun)
        elif isinstance(begun, Refused):
            branch.let_go()
        return isinstance(begun, Upload)

    def _streams(
        self, branches: Sequence[Branch], body: BodyStream
    ) -> tuple[tuple[Branch, BodyStream], ...]:
        """The same bytes for each."""
        streams = tuple(zip(branches, body.shared(len(branches)), strict=True))
        for branch, stream in streams:
            stream.patience = self._patience_with(branch, math.inf)
        return streams

    def _receive_unknown(self, name: str, incoming: _Incoming, body: BodyStream) -> Reply:
        """Bytes whose digest only the PUT will tell.

        They are a conversion's, or of an unknown size, or of one that other blobs have, too.
        """
        streams = self._streams(self._branches, body)
        brought = {branch: branch.send_any(stream) for branch, stream in streams}
        body.read_to_end()
        uploads: dict[Branch, Upload] = {}
        for branch, one in brought.items():
            try:
                result = one.result(self._patience_with(branch, _PATIENCE))
            except FutureTimeoutError:
                result = Refused(Inconclusive("an upload did not end in time"))
            if isinstance(result, Upload):
                uploads[branch] = result
            elif branch is self._branch:
                return self._passed_on(result.answer)
            else:
                branch.let_go()
        incoming.uploads = uploads
        return Reply(202, self._upload_headers(name, body.count))

    def _end_unknown(self, incoming: _Incoming, digest: Digest) -> Refused | None:
        if self._branch not in incoming.uploads:
            return Refused(Inconclusive("an upload was ended that brought nothing"))
        self._awaited.brought(digest)
        ended: dict[Branch, Future[Refused | None]] = {
            branch: branch.end(upload, digest) for branch, upload in incoming.uploads.items()
        }
        return ended[self._branch].result(_PATIENCE)

    def _may_be_put(self, reference: str, raw: bytes) -> bool:
        """Whether it is this copy's tag, or a child of its index by its own digest."""
        is_child = self._with_children and reference == digest_of(raw)
        return is_child or reference == _name_of(self.destination)

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


def _name_of(destination: Reference) -> str:
    return str(destination.digest or destination.tag)


def _error(status: int, code: str, message: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)
