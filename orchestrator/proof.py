"""The fast path: proving by two HEADs that an item is in sync, without any program.

It only ever proves that nothing is to be done. Whatever it can't prove is left to
skopeo; an item is never copied on its word. HEADs are not counted by Docker Hub,
and what follows from a digest is remembered for good.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Protocol

from orchestrator.diagnosis import Side
from orchestrator.errors import ImageError, Kind, PutOffError
from orchestrator.facts import Remembered
from orchestrator.manifest import Descriptor, Image, parse_manifest
from orchestrator.plan import Action, Decision, Item, PlannedItem, Reason, Upstream
from orchestrator.pulls import Pulls
from orchestrator.reference import Digest, Reference
from orchestrator.registry_answers import Absent, Unknown
from orchestrator.sources import Sources
from orchestrator.subset import Form
from orchestrator.work import Once, RetryRule

_log = logging.getLogger(__name__)

_ONE_TRY = RetryRule(1, 0.0, lambda _: False, lambda _error, _delay: None)
"""What can't be had at once is skopeo's; it has the run's patience."""


class Client(Protocol):
    """What is asked of registries over HTTP."""

    def head(self, reference: Reference) -> Digest | Absent | Unknown:
        """The digest of what a reference names."""
        ...

    def read(self, reference: Reference) -> bytes | Absent | Unknown:
        """A manifest or an index."""
        ...

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Unknown:
        """A small blob."""
        ...


class Memory(Protocol):
    """What is remembered of earlier runs."""

    def expected(self, index: Digest, choice: str) -> Remembered | None:
        """What follows from an index and a choice."""
        ...

    def remember_expected(self, index: Digest, choice: str, found: Remembered) -> None:
        """Keep it for good."""
        ...

    def converted(self, destination: str, source: Digest) -> Digest | None:
        """What a source became where it had to be converted."""
        ...


class Prover:
    """Proves what can be proved; safe to be asked by many threads.

    Args:
        client: Asks registries over HTTP.
        memory: What earlier runs found out.
        pulls: Counts what Docker Hub counts.
    """

    def __init__(self, client: Client, memory: Memory, pulls: Pulls) -> None:
        self._client = client
        self._memory = memory
        self._sources = Sources(_HttpReader(client, pulls), _ONE_TRY)
        self._source_digest = Once(self._head)
        self._learned = Once(self._learn)

    def prove(self, item: Item, form: Form) -> PlannedItem | None:
        """The verdict that an item is in sync; None where that can't be proved."""
        source = item.source.digest or self._source_digest(item.source)
        if source is None:
            return None
        pinned = replace(item, source=item.source.at(source))
        upstream = self._learned((pinned, form))
        found = self._head(item.destination) if upstream else None
        if upstream is None or found is None:
            return None
        if found == upstream.expected:
            reason = Reason.SAME_DIGEST
        elif self.stands_for(item, upstream, found):
            reason = Reason.SAME_CONTENT
        else:
            return None
        return PlannedItem(item, upstream, found, Decision(Action.SKIP, reason))

    def stands_for(self, item: Item, upstream: Upstream, found: Digest) -> bool:
        """Whether a digest is known to be what the source became at this destination."""
        return found == self._memory.converted(str(item.destination), upstream.expected)

    def remember(self, item: Item, upstream: Upstream, form: Form) -> None:
        """Keep what skopeo found out of a source."""
        self._memory.remember_expected(upstream.digest, _key(item, form), _remembered(upstream))

    def _head(self, reference: Reference) -> Digest | None:
        answer = self._client.head(reference)
        if isinstance(answer, Unknown):
            _log.debug("%s: no proof by HTTP: %s", reference.familiar, answer.reason)
        return None if isinstance(answer, Unknown | Absent) else answer

    def _learn(self, wish: tuple[Item, Form]) -> Upstream | None:
        """What a source's digest means for a choice: from memory, or by one reading of it."""
        item, form = wish
        digest = item.source.digest
        if digest is None:
            return None
        known = self._memory.expected(digest, _key(item, form))
        if known:
            return Upstream(
                digest, known.expected, known.delivered, known.config_digest, known.created
            )
        if item.choice.is_all and form == Form():
            return Upstream(digest, digest, str(item.choice))
        try:
            upstream = self._sources.upstream(item, form)
        except (ImageError, PutOffError) as error:
            _log.debug("%s", error.message)
            return None
        self.remember(item, upstream, form)
        return upstream


class _HttpReader:
    """Reads sources over HTTP, for want of a memory; anything odd is an error, and so no proof."""

    def __init__(self, client: Client, pulls: Pulls) -> None:
        self._client = client
        self._pulls = pulls
        self._raw = Once(self._read)

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest."""
        del side
        return self._raw(reference)

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        manifest = parse_manifest(self._raw(reference), of=reference.familiar)
        if not isinstance(manifest, Image):
            raise ImageError(Kind.BAD_MANIFEST, f"{reference.familiar}: it has no one config")
        del side
        return _content(self._client.read_blob(reference, manifest.config), reference)

    def _read(self, reference: Reference) -> bytes:
        self._pulls.spend(reference)
        return _content(self._client.read(reference), reference)


def _content(answer: bytes | Absent | Unknown, reference: Reference) -> bytes:
    if isinstance(answer, bytes):
        return answer
    reason = answer.reason if isinstance(answer, Unknown) else "it is not there"
    raise ImageError(Kind.UNREACHABLE, f"{reference.familiar}: no proof by HTTP: {reason}")


def _key(item: Item, form: Form) -> str:
    """What the outcome depends on, beside the index itself."""
    if form.has_docker_types:
        return f"{item.choice} in Docker's types"
    if item.choice.single or form.keeps_attestations:
        return str(item.choice)
    return f"{item.choice} without attestations"


def _remembered(upstream: Upstream) -> Remembered:
    return Remembered(
        upstream.expected, upstream.delivered, upstream.config_digest, upstream.created
    )
