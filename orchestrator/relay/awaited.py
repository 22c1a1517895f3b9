"""Which blob it is whose bytes come: a PATCH does not say, and often its size does.

Where several blobs of one size are awaited, nobody knows before the PUT that names the digest.
None of them waits for another: skopeo asks for them all before it has read the first, and a
source that is far would then be asked for one after the other.
"""

from __future__ import annotations

import threading

from orchestrator.oci.reference import Digest
from orchestrator.relay.blobs import Upload


class AwaitedBlobs:
    """The blobs that skopeo has asked for and not brought; safe to be used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: dict[int, set[Digest]] = {}
        self._uploads: dict[int, list[Upload]] = {}
        self._seen: set[Digest] = set()

    def add(self, digest: Digest, size: int, upload: Upload) -> None:
        """Await a blob, and keep the upload that was begun for it; a second time is no news."""
        with self._lock:
            if digest not in self._seen:
                self._seen.add(digest)
                self._digests.setdefault(size, set()).add(digest)
                self._uploads.setdefault(size, []).append(upload)

    def take(self, size: int | None) -> tuple[Digest | None, Upload | None]:
        """Bytes of this size come.

        Returns:
            The blob, where it can be no other one, and it is awaited no longer; and an upload to
            send it by, while there is one.
        """
        if size is None:
            return None, None
        with self._lock:
            digests, uploads = self._digests.get(size, set()), self._uploads.get(size, [])
            upload = uploads.pop() if uploads else None
            return (digests.pop() if len(digests) == 1 and upload else None), upload

    def brought(self, digest: Digest) -> None:
        """A blob has named itself, and is awaited no longer."""
        with self._lock:
            for digests in self._digests.values():
                digests.discard(digest)

    def has_seen(self, digest: Digest) -> bool:
        """Whether the upload that was begun for a blob is kept here, or was."""
        with self._lock:
            return digest in self._seen

    def unused(self) -> tuple[Upload, ...]:
        """The uploads that nothing was sent by."""
        with self._lock:
            return tuple(one for uploads in self._uploads.values() for one in uploads)
