"""What the relay asks of a target: uploads begun, blobs sent, manifests put, over kept connections.

Source: OCI distribution specification 1.1, "Pushing". A mount from the repository itself is a
question and the beginning of an upload in one: 201 says that the blob is there, 202 opens an
upload to send it by (docker-registry 2.8, distribution 3, zot and olareg agree).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.responses import Inconclusive, error_codes, upload_in
from orchestrator.registry.tokens import WRITE
from orchestrator.registry.transport import Request
from orchestrator.relay.blobs import Begun, Present, Refused, Upload
from orchestrator.system.body import BodyStream
from orchestrator.system.http import Response

_DELETE = "pull,push,delete"
_BYTES = "application/octet-stream"
FAR = 0.02
"""Seconds to a registry and back from which on a trip that is saved is worth it."""

_REFUSES_WHOLE = frozenset({400, 405, 413})
"""What registries say that take no body in the PUT which ends an upload."""


_REFUSES_MOUNT = frozenset({400, 401, 403, 404, 405})
"""What registries say to a mount from a repository that is not there, or not this login's to read;
most begin an upload instead (202)."""


@dataclass(frozen=True)
class SentAnew(Inconclusive):
    """Why an upload failed which another try makes otherwise: no fault of the way there."""


class Writer(Protocol):
    """Who speaks to the target: the run's registry client."""

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        """Bring something to a registry, once; any answer is an answer."""
        ...

    def round_trips(self) -> Mapping[str, float]:
        """Seconds to each registry and back."""
        ...


class RelayTarget:
    """One target registry; safe to be used by many threads.

    A blob goes in one PUT where each trip counts. A registry that is near gets it as from any
    other client, by a PATCH and a PUT; and so does one that has refused the other way.

    Attributes:
        refuses_mounts: Whether a mount from another repository was refused.

    Args:
        writer: Speaks to it.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._has_refused_whole = False
        self.refuses_mounts = False
        self._lock = threading.Lock()
        self._writing: dict[Reference, threading.Lock] = {}
        self._written: set[Reference] = set()

    def begin(self, repository: Reference, digest: Digest, *, mount_from: Reference) -> Begun:
        """Ask for a blob and begin its upload, in one trip."""
        query = urlencode({"mount": digest, "from": mount_from.repository})
        is_elsewhere = mount_from.repository != repository.repository
        origin = mount_from.repository if is_elsewhere else ""
        begun = self._begin(repository, f"blobs/uploads/?{query}", origin=origin)
        if is_elsewhere and isinstance(begun, Refused) and _refuses_mount(begun):
            # The login may not read the other one, or it may be gone.
            self.refuses_mounts = True
            return self.begin(repository, digest, mount_from=repository)
        return begun

    def begin_any(self, repository: Reference) -> Begun:
        """Begin an upload of whatever comes."""
        return self._begin(repository, "blobs/uploads/")

    def send(self, upload: Upload, digest: Digest, body: BodyStream) -> Refused | None:
        """Send a whole blob; None where the target has it now."""
        is_far = self._writer.round_trips().get(upload.repository.registry, 0.0) >= FAR
        if is_far and not self._has_refused_whole:
            answer = self._ask("PUT", upload, _with_digest(upload.path, digest), body)
            if isinstance(answer, Response) and _refuses_whole(answer):
                self._has_refused_whole = True
                registry = upload.repository.registry
                return Refused(SentAnew(f"{registry} takes no blob in one request"))
            return _refused(answer, created=True)
        begun = self.send_part(upload, body)
        return begun if isinstance(begun, Refused) else self.end(begun, digest)

    def send_part(self, upload: Upload, body: BodyStream) -> Upload | Refused:
        """Send bytes whose digest is not known yet; what comes back goes on with the upload."""
        answer = self._ask("PATCH", upload, upload.path, body)
        refused = _refused(answer, created=False)
        if refused is not None or not isinstance(answer, Response):
            return refused or Refused(answer)
        path = upload_in(answer, repository=upload.repository.repository)
        return Upload(upload.repository, path or upload.path)

    def end(self, upload: Upload, digest: Digest) -> Refused | None:
        """End an upload whose bytes were sent; None where the target has the blob now."""
        answer = self._ask("PUT", upload, _with_digest(upload.path, digest), b"")
        return _refused(answer, created=True)

    def cancel(self, upload: Upload) -> None:
        """Have an upload forgotten; a registry that knows no way to forgets it by itself."""
        repository = upload.repository
        request = Request("DELETE", repository.repository, upload.path, actions=_DELETE, body=b"")
        self._writer.send(request, repository)

    def put_manifest(
        self, destination: Reference, raw: bytes, media_type: str
    ) -> Response | Inconclusive:
        """Write a manifest or an index; the answer is skopeo's to hear.

        One that is written by its digest is written once in a run, whatever tags share it: while
        docker-registry 2.8 writes one again, it does not find it for an index that names it.
        """
        if destination.digest is None:
            return self._put(destination, raw, media_type)
        with self._lock:
            writing = self._writing.setdefault(destination, threading.Lock())
        with writing:
            if destination in self._written:
                return Response(201)
            answer = self._put(destination, raw, media_type)
            if isinstance(answer, Response) and 200 <= answer.status < 300:
                self._written.add(destination)
            return answer

    def _put(self, destination: Reference, raw: bytes, media_type: str) -> Response | Inconclusive:
        path = f"manifests/{destination.digest or destination.tag}"
        request = Request(
            "PUT",
            destination.repository,
            path,
            actions=WRITE,
            body=raw,
            content_type=media_type,
        )
        return self._writer.send(request, destination)

    def _begin(self, repository: Reference, path: str, *, origin: str = "") -> Begun:
        request = Request(
            "POST", repository.repository, path, actions=WRITE, body=b"", origin=origin
        )
        answer = self._writer.send(request, repository)
        if isinstance(answer, Inconclusive) or answer.status not in (201, 202):
            return Refused(answer)
        if answer.status == 201:
            return Present()
        found = upload_in(answer, repository=repository.repository)
        if not found:
            return Refused(Inconclusive(f"{repository.registry} names no upload that can be used"))
        return Upload(repository, found)

    def _ask(
        self, method: str, upload: Upload, path: str, body: BodyStream | bytes
    ) -> Response | Inconclusive:
        request = Request(
            method,
            upload.repository.repository,
            path,
            actions=WRITE,
            body=body,
            content_type=_BYTES,
        )
        answer = self._writer.send(request, upload.repository)
        if isinstance(answer, Response) and answer.status == 404 and not _is_nameless(answer):
            return SentAnew(f"{upload.repository.registry} has forgotten an upload")
        return answer


def _is_nameless(answer: Response) -> bool:
    """Whether there is no such repository, which only some registries say as late as that."""
    return "NAME_UNKNOWN" in error_codes(answer)


def _refuses_whole(answer: Response) -> bool:
    """Whether a registry takes no body in this PUT; bytes that are not those promised are ours."""
    return answer.status in _REFUSES_WHOLE and "DIGEST_INVALID" not in error_codes(answer)


def _refused(answer: Response | Inconclusive, *, created: bool) -> Refused | None:
    good = (201, 204) if created else (202, 204)
    is_good = isinstance(answer, Response) and answer.status in good
    return None if is_good else Refused(answer)


def _refuses_mount(refused: Refused) -> bool:
    answer = refused.answer
    return isinstance(answer, Response) and answer.status in _REFUSES_MOUNT


def _with_digest(path: str, digest: Digest) -> str:
    return f"{path}{'&' if '?' in path else '?'}{urlencode({'digest': digest})}"
