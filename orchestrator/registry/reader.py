"""Reading registries: one interface, the ways behind it, and what wraps them.

`Reader` is what the rest of the program asks. Two ways stand behind it: `HttpReader`, and skopeo
(`skopeo/adapter.py`); `HttpFirstReader` takes the first that can tell. `RetryingReader` wraps
a reader, `CountedRegistry` what HTTP asks.

The bytes that a digest names prove themselves, whoever brings them. A tag has to be believed:
what a GET brings for it is taken where the HEAD before it named the same digest. It is always
skopeo that says what a destination's tag holds, so that nothing is written over on the word of
the fast path.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.manifest import Descriptor, Image, parse_manifest
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.pull_limit import PullCounter
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.system.parallel import OncePerKey, RetryPolicy

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Reader(Protocol):
    """A way to read registries; safe to be asked by many threads.

    `side` says which end of a copy is read. Every method raises an `ImageError` where the
    registry can't be read, and a `DeferredError` where it may not be in this run.
    """

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        """The digest of what a reference names; None where there is nothing."""
        ...

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest or index; None where there is none."""
        ...

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        ...

    def read_referrers(self, reference: Reference, *, side: Side) -> tuple[bytes, ...] | None:
        """What refers to a digest: raw indexes, one a page; None where no list is kept of it."""
        ...


class HttpRegistry(Protocol):
    """Registries over HTTP: one question a method, and what HTTP can't settle is a value."""

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        """The digest of what a reference names."""
        ...

    def read(self, reference: Reference) -> bytes | NotFound | Inconclusive:
        """A manifest or an index."""
        ...

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Inconclusive:
        """A small blob."""
        ...

    def has_blob(self, repository: Reference, digest: Digest) -> bool | Inconclusive:
        """Whether a repository has a blob."""
        ...

    def referrers(self, reference: Reference) -> tuple[bytes, ...] | NotFound | Inconclusive:
        """What refers to a digest: indexes, one a page; not found where there is no such API."""
        ...


class InconclusiveError(ImageError):
    """HTTP did not settle it; another way has to be asked.

    Attributes:
        reason: Why, without the image's name.
        is_of_host: Whether the registry as a whole was out of order.
        is_out_of_reach: Whether it gave no answer at all.
    """

    def __init__(
        self, reference: Reference, reason: str, answer: Inconclusive | None = None
    ) -> None:
        kind = (answer and answer.kind) or ErrorKind.UNREACHABLE
        super().__init__(kind, f"{reference.familiar}: nothing by HTTP: {reason}")
        self.reason = reason
        self.is_of_host = answer is not None and answer.is_of_host
        self.is_out_of_reach = answer is not None and answer.is_out_of_reach


class CountedRegistry:
    """A registry over HTTP whose pulls are counted; none are made past Docker Hub's limit.

    Args:
        registry: Is asked.
        pulls: Counts what Docker Hub counts: each GET of a manifest.
    """

    def __init__(self, registry: HttpRegistry, pulls: PullCounter) -> None:
        self._pulls = pulls
        self._registry = registry
        self.head = registry.head
        self.read_blob = registry.read_blob
        self.has_blob = registry.has_blob
        self.referrers = registry.referrers

    def read(self, reference: Reference) -> bytes | NotFound | Inconclusive:
        """A manifest or an index.

        Raises:
            DeferredError: Docker Hub's pull limit is reached.
        """
        self._pulls.check(reference)
        answer = self._registry.read(reference)
        if isinstance(answer, Inconclusive) and answer.kind is ErrorKind.RATE_LIMITED:
            # skopeo would try for half a minute; where it is Docker Hub's limit, that is in vain.
            error = ImageError(answer.kind, answer.reason, registry=reference.registry)
            self._pulls.note_refusal(error)
            self._pulls.check(reference)
        if isinstance(answer, bytes):
            self._pulls.add(reference)
        return answer


class HttpReader:
    """Reads over HTTP what proves itself, each source once in a run.

    What HTTP does not settle is an `InconclusiveError`. A destination's digest is asked for
    anew each time, since a copy changes it.
    """

    def __init__(self, registry: HttpRegistry) -> None:
        self._registry = registry
        self._read_by_tag: dict[Reference, bytes] = {}
        self._missing: set[Reference] = set()
        self._source_digest = OncePerKey(self._ask_digest)
        self._manifest = OncePerKey(self._ask_manifest)
        self._config = OncePerKey(self._ask_config)

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        """The digest of what a reference names, by a HEAD, which Docker Hub does not count."""
        ask = self._source_digest if side is Side.SOURCE else self._ask_digest
        return ask(reference)

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest or index; None where the registry says, in its body, that there is none.

        What a destination's tag has is for another way to say: nothing is written over on the
        word of the fast path.
        """
        if side is Side.SOURCE or reference.digest:
            return self._manifest(reference)
        is_missing = reference in self._missing or self._ask_digest(reference) is None
        self._missing.discard(reference)
        if is_missing and self._is_absent(reference):
            return None
        raise InconclusiveError(reference, "a destination's tag is not read by HTTP")

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        del side
        return self._config(reference)

    def read_referrers(self, reference: Reference, *, side: Side) -> tuple[bytes, ...] | None:
        """What refers to a digest; None where the registry has no such API.

        skopeo has no such question, so where HTTP can't tell nobody can.
        """
        del side
        answer = self._registry.referrers(reference)
        if isinstance(answer, Inconclusive):
            what = f"{reference.familiar}: what refers to it can't be read"
            leaves_out = "SIGNATURES=false, or a run without --with-signatures, leaves it out"
            raise _untold(answer, reference, what, leaves_out)
        return None if isinstance(answer, NotFound) else answer

    def has_blob(self, repository: Reference, digest: Digest) -> bool:
        """Whether a repository has a blob; where HTTP can't tell nobody can.

        Raises:
            ImageError: It can't be told.
        """
        answer = self._registry.has_blob(repository, digest)
        if isinstance(answer, Inconclusive):
            what = f"{repository.name}: whether it has all layers can't be told"
            raise _untold(answer, repository, what, "VERIFY=children asks for no layers")
        return answer

    def _ask_digest(self, reference: Reference) -> Digest | None:
        digest = _settled(self._registry.head(reference), reference)
        if digest is None:
            self._missing.add(reference)
        return digest

    def _is_absent(self, reference: Reference) -> bool:
        """Whether there is nothing: a HEAD's 404 may be a proxy's, a GET's has the code to it."""
        return isinstance(self._registry.read(reference), NotFound)

    def _ask_manifest(self, reference: Reference) -> bytes | None:
        if reference in self._read_by_tag:
            return self._read_by_tag[reference]
        digest = reference.digest or self._source_digest(reference)
        if digest is None:
            if self._is_absent(reference):
                return None
            raise InconclusiveError(reference, "HEAD and GET do not agree")
        answer = _settled(self._registry.read(reference), reference)
        if answer is None and reference.digest:
            absent = Inconclusive("it is not there", kind=ErrorKind.NOT_FOUND)
            raise InconclusiveError(reference, absent.reason, absent)
        if answer is None or digest_of(answer) != digest:
            raise InconclusiveError(reference, "HEAD and GET do not agree")
        self._read_by_tag[reference.at(digest)] = answer
        return answer

    def _ask_config(self, reference: Reference) -> bytes:
        try:
            raw = self._manifest(reference)
            manifest = parse_manifest(raw or b"", of=reference.familiar)
        except InconclusiveError:
            raise
        except ImageError as error:
            raise InconclusiveError(reference, error.message) from None
        if not isinstance(manifest, Image):
            raise InconclusiveError(reference, "an index has no config")
        answer = _settled(self._registry.read_blob(reference, manifest.config), reference)
        if answer is None:
            raise InconclusiveError(reference, "its config is not there")
        return answer


class HttpFirstReader:
    """Spares the start of a program where HTTP will do.

    Args:
        http: Reads over HTTP.
        other: Reads what HTTP does not settle, and what a destination's tag names.
    """

    def __init__(self, http: Reader, other: Reader) -> None:
        self._http = http
        self._other = other

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        """The digest of what a reference names; None where there is nothing."""
        return self._first(lambda reader: reader.read_digest(reference, side=side))

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest or index; None where there is none."""
        return self._first(lambda reader: reader.read_manifest(reference, side=side))

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        may_be_http = bool(reference.digest)
        return self._first(
            lambda reader: reader.read_config(reference, side=side), may_be_http=may_be_http
        )

    def read_referrers(self, reference: Reference, *, side: Side) -> tuple[bytes, ...] | None:
        """What refers to a digest; None where the registry has no such list."""
        return self._first(lambda reader: reader.read_referrers(reference, side=side))

    def _first(self, read: Callable[[Reader], T], *, may_be_http: bool = True) -> T:
        if may_be_http:
            try:
                return read(self._http)
            except InconclusiveError as error:
                _log.debug("%s", error.message)
        return read(self._other)


class RetryingReader:
    """Reads again where a passing fault stood in the way.

    Args:
        reader: Reads once.
        retry: How often, and after which wait.
    """

    def __init__(self, reader: Reader, retry: RetryPolicy) -> None:
        self._reader = reader
        self._retry = retry

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        """The digest of what a reference names; None where there is nothing."""
        return self._retry.run(lambda: self._reader.read_digest(reference, side=side))

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest or index; None where there is none."""
        return self._retry.run(lambda: self._reader.read_manifest(reference, side=side))

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        return self._retry.run(lambda: self._reader.read_config(reference, side=side))

    def read_referrers(self, reference: Reference, *, side: Side) -> tuple[bytes, ...] | None:
        """What refers to a digest; None where the registry has no such list."""
        return self._retry.run(lambda: self._reader.read_referrers(reference, side=side))


def digest_or_none(answer: Digest | NotFound | Inconclusive, reference: Reference) -> Digest | None:
    """The digest that a HEAD named, if it named one."""
    if isinstance(answer, Inconclusive):
        _log.debug("%s: nothing by HTTP: %s", reference.familiar, answer.reason)
    return None if isinstance(answer, Inconclusive | NotFound) else answer


def _untold(answer: Inconclusive, reference: Reference, what: str, hint: str) -> ImageError:
    return ImageError(
        answer.kind or ErrorKind.UNREACHABLE,
        f"{what}: {answer.reason}",
        hint=hint,
        transient=None if answer.kind or answer.ends_host else False,
        registry=reference.registry,
    )


def _settled(answer: T | NotFound | Inconclusive, reference: Reference) -> T | None:
    """What HTTP settled; None where it settled that there is nothing."""
    if isinstance(answer, Inconclusive):
        raise InconclusiveError(reference, answer.reason, answer)
    return None if isinstance(answer, NotFound) else answer
