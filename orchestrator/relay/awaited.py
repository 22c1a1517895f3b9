"""Which blob it is whose bytes come: a PATCH does not say, and often its size does.

Where several blobs of one size are awaited, nobody knows before the PUT that names the digest.
None of them waits for another: skopeo asks for them all before it has read the first, and a
source that is far would then be asked for one after the other.
"""

from __future__ import annotations

import threading

from orchestrator.oci.reference import Digest


class AwaitedBlobs:
    """The blobs that skopeo has asked for and not brought; safe to be used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: dict[int, set[Digest]] = {}
        self._seen: set[Digest] = set()

    def add(self, digest: Digest, size: int) -> None:
        """Await a blob; a second time is no news."""
        with self._lock:
            if digest not in self._seen:
                self._seen.add(digest)
                self._digests.setdefault(size, set()).add(digest)

    def take(self, size: int | None) -> Digest | None:
        """The blob whose bytes come, where it can be no other one; it is awaited no longer."""
        with self._lock:
            digests = self._digests.get(size, set()) if size is not None else set()
            return digests.pop() if len(digests) == 1 else None

    def brought(self, digest: Digest) -> None:
        """A blob has named itself, and is awaited no longer."""
        with self._lock:
            for digests in self._digests.values():
                digests.discard(digest)
