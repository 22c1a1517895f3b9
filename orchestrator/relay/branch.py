"""One target's side of a copy: what it has, what is sent to it, and whether it still takes part.

A copy has one target that it is for, and may feed others on the way: skopeo then reads the source
once for all of them. Whatever stands in the way of one of these ends its part and nobody
else's; it gets its own copy afterwards.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.responses import Inconclusive
from orchestrator.relay.blobs import Begun, Present, Refused, TargetBlobs, Upload
from orchestrator.relay.pace import Pace
from orchestrator.system.body import BodyStream
from orchestrator.system.http import Response

T = TypeVar("T")

_PATIENCE = 3600.0
"""Seconds; whoever waits for another copy's blob waits as long as that one moves, and a copy that
moves nothing is ended by the watchdog of programs."""

_MOST_BLOBS = 20_000
"""Blobs that one copy may name; an index of many platforms has some hundred."""

_LAST_WAIT = 2.0
"""Seconds for all senders to end once skopeo has: one that waits for an answer gets none."""


class PushTarget(Protocol):
    """A target registry that is pushed to; safe to be used by many threads."""

    def begin_any(self, repository: Reference) -> Begun:
        """Begin an upload of whatever comes."""
        ...

    def send(self, upload: Upload, digest: Digest, body: BodyStream) -> Refused | None:
        """Send a whole blob; None where the target has it now."""
        ...

    def send_part(self, upload: Upload, body: BodyStream) -> Upload | Refused:
        """Send bytes whose digest is not known yet; what comes back goes on with the upload."""
        ...

    def end(self, upload: Upload, digest: Digest) -> Refused | None:
        """End an upload whose bytes were sent; None where the target has the blob now."""
        ...

    def cancel(self, upload: Upload) -> None:
        """Have an upload forgotten."""
        ...

    def put_manifest(
        self, destination: Reference, raw: bytes, media_type: str
    ) -> Response | Inconclusive:
        """Write a manifest or an index."""
        ...


@dataclass(eq=False)
class _Blob:
    """One blob of the copy, at one target.

    Attributes:
        begun: What the target said of it, once it has.
        sent: Whether it has arrived, once somebody sends it.
    """

    digest: Digest
    begun: Future[Begun]
    sent: Future[Refused | None] | None = None


class Branch:
    """What one copy does at one target; its requests come by several threads.

    Attributes:
        destination: Where the manifest goes, by tag or digest.
        sent: Bytes that have gone on to the target so far.
        written: The digest of the last manifest that was written under the destination's own
            name; None before one was.
    """

    def __init__(
        self,
        destination: Reference,
        sizes: Mapping[Digest, int],
        target: PushTarget,
        known: TargetBlobs,
        pace: Pace,
    ) -> None:
        """Ask for all blobs that are known.

        Args:
            destination: Where the manifest goes.
            sizes: The blobs, and their bytes.
            target: Where they go.
            known: What is known of the target's blobs.
            pace: How fast bytes may go there.
        """
        self.destination = destination
        self.sent = 0
        self.written: Digest | None = None
        self._target = target
        self._known = known
        self._pace = pace
        self._lock = threading.Lock()
        self._is_let_go = threading.Event()
        self._senders: list[threading.Thread] = []
        self._uploads: dict[int, list[Upload]] = {}
        self._pooled: set[Digest] = set()
        self._number, asked, self._sending = known.begin_copy(destination, sizes)
        self._blobs = {one: _Blob(one, found) for one, found in asked.items()}

    @property
    def takes_part(self) -> bool:
        """Whether it has not been let go."""
        return not self._is_let_go.is_set()

    def let_go(self) -> None:
        """Take no more part; what was begun is cancelled in the end."""
        self._is_let_go.set()

    def wait_for_others(self) -> None:
        """Until older copies have sent what this one needs, too."""
        for sent in self._sending:
            sent.result()

    def begun(self, digest: Digest) -> Begun:
        """What the target has of a blob, or how to send it; waits for who is sending it now.

        An index's images share blobs: an upload that has ended can't be used again.
        """
        blob = self._blob(digest)
        if blob is None:
            return Refused(Inconclusive("the image has too many blobs"))
        if blob.sent is not None:
            return blob.sent.result(_PATIENCE) or Present()
        try:
            return blob.begun.result(_PATIENCE)
        except FutureTimeoutError:
            return Refused(Inconclusive("another copy did not send a blob in time"))

    def lacks(self, digest: Digest) -> bool:
        """Whether a blob is expected, and nobody has begun to send it."""
        with self._lock:
            return digest in self._pooled and self._blobs[digest].sent is None

    def expect(self, digest: Digest, size: int, upload: Upload) -> None:
        """Bytes of this size will come: any upload that was begun will do to send them by."""
        with self._lock:
            if digest not in self._pooled:
                self._pooled.add(digest)
                self._uploads.setdefault(size, []).append(upload)

    def send(self, digest: Digest, size: int, body: BodyStream) -> None:
        """Send a blob on by a thread of its own, while skopeo's bytes are read by another."""
        blob, begun = self._blob(digest), self._upload(size)
        body.pieces = self._paced
        sent: Future[Refused | None] = Future()
        if blob is not None:
            blob.sent = sent

        def send() -> None:
            refused: Refused | None = Refused(Inconclusive("the upload broke off"))
            try:
                if isinstance(begun, Upload):
                    refused = self._target.send(begun, digest, body)
                elif isinstance(begun, Refused):
                    refused = begun
            finally:
                self._known.finish(
                    self._number,
                    self.destination,
                    digest,
                    arrived=refused is None,
                    size=size,
                )
                body.abandon()
                _settle(sent, refused)

        self._start(send)

    def send_any(self, body: BodyStream) -> Future[Upload | Refused]:
        """Send bytes whose digest only the PUT will tell; what comes back goes on with them."""
        begun = self._upload(body.size)
        body.pieces = self._paced
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
                _settle(brought, result)

        self._start(send)
        return brought

    def end(self, upload: Upload, digest: Digest) -> Future[Refused | None]:
        """End an upload whose digest has been told."""
        ended: Future[Refused | None] = Future()
        blob = self._blob(digest)
        if blob is not None:
            blob.sent = ended

        def end() -> None:
            refused: Refused | None = Refused(Inconclusive("the upload broke off"))
            try:
                refused = self._target.end(upload, digest)
            finally:
                self._known.finish(self._number, self.destination, digest, arrived=refused is None)
                _settle(ended, refused)

        self._start(end)
        return ended

    def put_manifest(
        self, destination: Reference, raw: bytes, media_type: str, *, patience: float
    ) -> Response | Inconclusive:
        """Write a manifest once the target has confirmed every blob.

        Args:
            destination: Where it goes.
            raw: The manifest; the bytes stay as they are.
            media_type: Its type.
            patience: Seconds that are waited for all uploads to end.
        """
        deadline = time.monotonic() + patience
        for blob in tuple(self._blobs.values()):
            left = max(0.0, deadline - time.monotonic())
            try:
                refused = blob.sent.result(left) if blob.sent is not None else None
            except FutureTimeoutError:
                return Inconclusive("an upload did not end in time")
            if refused is not None:
                return refused.answer
        answer = self._target.put_manifest(destination, raw, media_type)
        if destination == self.destination and is_written(answer):
            self.written = digest_of(raw)
        return answer

    def close(self) -> None:
        """Skopeo has ended: what was left open is cancelled, and nobody waits for it any more."""
        self._known.give_up(self._number)
        deadline = time.monotonic() + _LAST_WAIT
        for sender in self._senders:
            sender.join(max(0.0, deadline - time.monotonic()))
        for blob in tuple(self._blobs.values()):
            if blob.sent is not None:
                _settle(blob.sent, Refused(Inconclusive("the copy has ended")))
        if any(sender.is_alive() for sender in self._senders):
            return  # a target that says nothing would be as silent to this
        pooled = (one for uploads in self._uploads.values() for one in uploads)
        for upload in (*pooled, *self._never_asked_for()):
            self._target.cancel(upload)

    @property
    def uploaded(self) -> tuple[Digest, ...]:
        """The blobs that were sent and have arrived."""
        return tuple(
            blob.digest
            for blob in tuple(self._blobs.values())
            if blob.sent is not None and blob.sent.done() and blob.sent.result() is None
        )

    def _never_asked_for(self) -> Iterator[Upload]:
        """The uploads that were begun, and skopeo never asked for the blob."""
        for blob in self._blobs.values():
            is_open = blob.sent is None and blob.begun.done() and not blob.begun.exception()
            begun = blob.begun.result() if is_open else None
            if isinstance(begun, Upload) and blob.digest not in self._pooled:
                yield begun

    def _blob(self, digest: Digest) -> _Blob | None:
        """A blob of this copy; one that was not known before is asked for now."""
        with self._lock:
            blob = self._blobs.get(digest)
            if blob is None and len(self._blobs) < _MOST_BLOBS:
                found = self._known.ask_for(self._number, self.destination, [digest])[digest]
                blob = self._blobs[digest] = _Blob(digest, found)
        return blob

    def _upload(self, size: int | None) -> Begun:
        """An upload for bytes of a size: one that was begun for such, or a new one."""
        with self._lock:
            uploads = self._uploads.get(size) if size is not None else None
            if uploads:
                return uploads.pop()
        return self._target.begin_any(self.destination)

    def _paced(self, chunk: bytes) -> Iterable[bytes]:
        """Let bytes go on as fast as they may, and count them."""
        for piece in self._pace.pieces(chunk):
            with self._lock:
                self.sent += len(piece)
            yield piece

    def _start(self, work: Callable[[], None]) -> None:
        sender = threading.Thread(target=work, name="relay-upload", daemon=True)
        self._senders.append(sender)
        sender.start()


def _settle(future: Future[T], result: T) -> None:
    """Wake whoever waits, unless the end of the copy has."""
    with suppress(InvalidStateError):
        future.set_result(result)


def is_written(answer: Response | Inconclusive) -> bool:
    """Whether a manifest was taken: some say 200 for 201, and so does the page of a login."""
    if isinstance(answer, Inconclusive):
        return False
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    return 200 <= answer.status < 300 and not is_page
