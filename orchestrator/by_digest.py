"""Reading what a digest names: over HTTP, since the bytes prove themselves.

A tag has to be believed, so skopeo is asked for it. A digest does not: whoever
brings bytes of that digest brings the right ones. What HTTP can't bring, or
brings otherwise, skopeo is asked for after all.
"""

from __future__ import annotations

from orchestrator.diagnosis import Side
from orchestrator.errors import ImageError
from orchestrator.manifest import Image, parse_manifest
from orchestrator.proof import Client
from orchestrator.pulls import Pulls
from orchestrator.reference import Reference
from orchestrator.sources import Reader
from orchestrator.work import Once


class ByDigest:
    """A reader that spares a program where a digest is named; safe for many threads.

    Args:
        reader: Reads all else.
        client: Asks registries over HTTP.
        pulls: Counts what Docker Hub counts.
    """

    def __init__(self, reader: Reader, client: Client, pulls: Pulls) -> None:
        self._reader = reader
        self._client = client
        self._pulls = pulls
        self._raw = Once(self._read)

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest; None where there is none."""
        raw = self._raw(reference) if reference.digest else None
        return raw if raw is not None else self._reader.read_manifest(reference, side=side)

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        config = self._config(reference) if reference.digest else None
        return config if config is not None else self._reader.read_config(reference, side=side)

    def _config(self, reference: Reference) -> bytes | None:
        raw = self._raw(reference)
        if raw is None:
            return None
        try:
            manifest = parse_manifest(raw, of=reference.familiar)
        except ImageError:
            return None
        if not isinstance(manifest, Image):
            return None
        answer = self._client.read_blob(reference, manifest.config)
        return answer if isinstance(answer, bytes) else None

    def _read(self, reference: Reference) -> bytes | None:
        self._pulls.spend(reference)
        answer = self._client.read(reference)
        return answer if isinstance(answer, bytes) else None
