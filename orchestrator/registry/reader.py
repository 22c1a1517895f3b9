"""Reading sources over HTTP, each once in a run, as far as what is read proves itself.

The bytes that a digest names prove themselves, whoever brings them. A tag has to be believed:
what a GET brings for it is taken where the HEAD before it named the same digest. Whatever HTTP
can't bring so, skopeo is asked for; and it is always skopeo that says what a destination's tag
has, so that nothing is written over on the word of the fast path.
"""

from __future__ import annotations

import logging
from typing import Protocol

from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.manifest import Descriptor, Image, parse_manifest
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.pull_limit import PullCounter
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.system.parallel import OncePerKey


class Reader(Protocol):
    """What is asked of registries."""

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest; None where there is none."""
        ...

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        ...


_log = logging.getLogger(__name__)


class Client(Protocol):
    """What is asked of registries over HTTP."""

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        """The digest of what a reference names."""
        ...

    def read(self, reference: Reference) -> bytes | NotFound | Inconclusive:
        """A manifest or an index."""
        ...

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Inconclusive:
        """A small blob."""
        ...


class HttpReader:
    """What is read of sources over HTTP; safe to be asked by many threads.

    Args:
        client: Asks registries over HTTP.
        pulls: Counts what Docker Hub counts.
    """

    def __init__(self, client: Client, pulls: PullCounter) -> None:
        self._client = client
        self._pulls = pulls
        self._tagged: dict[Reference, bytes] = {}
        self._digest = OncePerKey(self._head)
        self.manifest = OncePerKey(self._read)
        """The raw manifest of a reference; None where HTTP does not tell."""
        self.config = OncePerKey(self._read_config)
        """The raw config of a single image, named by its digest; None where HTTP does not tell."""

    def digest(self, source: Reference) -> Digest | None:
        """What a source is, by one HEAD; None where that does not tell."""
        return source.digest or self._digest(source)

    def _head(self, reference: Reference) -> Digest | None:
        return digest_or_none(self._client.head(reference), reference)

    def _read(self, reference: Reference) -> bytes | None:
        raw = self._tagged.get(reference)
        digest = self.digest(reference) if raw is None else None
        if digest is None:
            return raw
        self._pulls.check(reference)
        answer = self._client.read(reference)
        if isinstance(answer, Inconclusive) and answer.kind is ErrorKind.RATE_LIMITED:
            # skopeo would try for half a minute; where it is Docker Hub's limit, that is in vain.
            self._pulls.note_refusal(
                ImageError(answer.kind, answer.reason, registry=reference.registry)
            )
            self._pulls.check(reference)
        if not isinstance(answer, bytes):
            return None
        self._pulls.add(reference)
        if digest_of(answer) != digest:
            _log.debug("%s: HEAD and GET do not agree", reference.familiar)
            return None
        self._tagged[reference.at(digest)] = answer
        return answer

    def _read_config(self, reference: Reference) -> bytes | None:
        raw = self.manifest(reference)
        try:
            manifest = parse_manifest(raw, of=reference.familiar) if raw is not None else None
        except ImageError:
            return None
        if not isinstance(manifest, Image):
            return None
        answer = self._client.read_blob(reference, manifest.config)
        return answer if isinstance(answer, bytes) else None


class HttpFirstReader:
    """A reader that spares a program where HTTP will do; safe to be asked by many threads.

    Args:
        readings: What HTTP brings.
        reader: Reads all else.
    """

    def __init__(self, http_reader: HttpReader, reader: Reader) -> None:
        self._http = http_reader
        self._reader = reader

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest; None where there is none."""
        may = side is Side.SOURCE or reference.digest
        raw = self._http.manifest(reference) if may else None
        return raw if raw is not None else self._reader.read_manifest(reference, side=side)

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        raw = self._http.config(reference) if reference.digest else None
        return raw if raw is not None else self._reader.read_config(reference, side=side)


def digest_or_none(answer: Digest | NotFound | Inconclusive, reference: Reference) -> Digest | None:
    """The digest that a HEAD told, if it told one."""
    if isinstance(answer, Inconclusive):
        _log.debug("%s: nothing by HTTP: %s", reference.familiar, answer.reason)
    return None if isinstance(answer, Inconclusive | NotFound) else answer
