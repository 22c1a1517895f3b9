"""The fast path: proving by two HEADs that an item is in sync, without any program.

It only ever proves that nothing is to be done. Whatever it can't prove is left to
skopeo; an item is never copied on its word. HEADs are not counted by Docker Hub,
and what follows from a digest is remembered for good.
"""

from __future__ import annotations

import logging
from typing import Protocol

from orchestrator.errors import DeferredError, ErrorKind, ImageError, Side
from orchestrator.oci.index import ManifestForm
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.decision import Action, Decision, KnownImage, Reason, Upstream, Verdict
from orchestrator.plan.items import Item
from orchestrator.plan.sources import Sources
from orchestrator.registry.reader import Client, HttpReader, digest_or_none
from orchestrator.system.parallel import OncePerKey, RetryPolicy

_log = logging.getLogger(__name__)

_ONE_TRY = RetryPolicy(1, 0.0, lambda _: False, lambda _error, _delay: None)
"""What can't be had at once is skopeo's; it has the run's patience."""


class Memory(Protocol):
    """What is remembered of earlier runs."""

    def expected(self, index: Digest, choice: str) -> KnownImage | None:
        """What follows from an index and a choice."""
        ...

    def remember_expected(self, index: Digest, choice: str, found: KnownImage) -> None:
        """Keep it for good."""
        ...

    def converted(self, destination: str, source: Digest) -> Digest | None:
        """What a source became where it had to be converted."""
        ...


class FastPath:
    """Proves what can be proved; safe to be asked by many threads.

    Args:
        client: Asks destinations over HTTP.
        readings: What HTTP tells of sources.
        memory: What earlier runs found out.
    """

    def __init__(self, client: Client, http_reader: HttpReader, memory: Memory) -> None:
        self._client = client
        self._http = http_reader
        self._memory = memory
        self._sources = Sources(HttpOnlyReader(http_reader), _ONE_TRY)
        self._learned = OncePerKey(self._learn)

    def check(self, item: Item, form: ManifestForm) -> Verdict | None:
        """The verdict that an item is in sync; None where that can't be proved."""
        upstream = self._learned((item, form))
        found = (
            digest_or_none(self._client.head(item.destination), item.destination)
            if upstream
            else None
        )
        if upstream is None or found is None:
            return None
        if found == upstream.expected:
            reason = Reason.SAME_DIGEST
        elif self.stands_for(item, upstream, found):
            reason = Reason.SAME_CONTENT
        else:
            return None
        return Verdict(item, upstream, Decision(Action.SKIP, reason), found)

    def stands_for(self, item: Item, upstream: Upstream, found: Digest) -> bool:
        """Whether a digest is known to be what the source became at this destination."""
        return found == self._memory.converted(str(item.destination), upstream.expected)

    def remember(self, item: Item, upstream: Upstream, form: ManifestForm) -> None:
        """Keep what skopeo found out of a source."""
        self._memory.remember_expected(upstream.digest, _key(item, form), _remembered(upstream))

    def _learn(self, wish: tuple[Item, ManifestForm]) -> Upstream | None:
        """What a source's digest means for a choice: from memory, or by one reading of it."""
        item, form = wish
        digest = self._http.digest(item.source)
        if digest is None:
            return None
        known = self._memory.expected(digest, _key(item, form))
        if known:
            return Upstream(
                digest, known.expected, known.delivered, known.config_digest, known.created
            )
        if item.choice.is_all and form == ManifestForm():
            return Upstream(digest, digest, str(item.choice))
        try:
            upstream = self._sources.upstream(item, form)
        except (ImageError, DeferredError) as error:
            _log.debug("%s", error.message)
            return None
        self.remember(item, upstream, form)
        return upstream


class HttpOnlyReader:
    """Reads what HTTP tells; what it does not tell is an error, and so no proof."""

    def __init__(self, http_reader: HttpReader) -> None:
        self._http = http_reader

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest."""
        del side
        return _content(self._http.manifest(reference), reference)

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        del side
        return _content(self._http.config(reference), reference)


def _content(raw: bytes | None, reference: Reference) -> bytes:
    if raw is None:
        raise ImageError(ErrorKind.UNREACHABLE, f"{reference.familiar}: no proof by HTTP")
    return raw


def _key(item: Item, form: ManifestForm) -> str:
    """What the outcome depends on, beside the index itself."""
    if form.has_docker_types:
        return f"{item.choice} in Docker's types"
    if item.choice.single or form.keeps_attestations:
        return str(item.choice)
    return f"{item.choice} without attestations"


def _remembered(upstream: Upstream) -> KnownImage:
    return KnownImage(
        upstream.expected, upstream.delivered, upstream.config_digest, upstream.created
    )
