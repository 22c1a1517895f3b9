"""The fast path: proving by HEADs that an item is in sync, without any program.

Two of them for a single image; one more for each image that an index names.

It only ever proves that nothing is to be done. Whatever it can't prove is left to
skopeo; an item is never copied on its word. HEADs are not counted by Docker Hub,
and what follows from a digest is remembered for good.
"""

from __future__ import annotations

import logging
from concurrent.futures import Executor
from typing import Protocol

from orchestrator.errors import DeferredError, ImageError, Side
from orchestrator.oci.index import ManifestForm, ManifestTypes
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.completeness import Completeness
from orchestrator.plan.decision import Action, Decision, KnownImage, Reason, Upstream, Verdict
from orchestrator.plan.items import Item
from orchestrator.plan.sources import Sources
from orchestrator.registry.reader import InconclusiveError, Reader
from orchestrator.system.parallel import OncePerKey, side_by_side

_log = logging.getLogger(__name__)


class Memory(Protocol):
    """What earlier runs found out, as the state directory keeps it."""

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
    """Proves by HEADs that items are in sync; any number of threads may ask.

    Args:
        http: Reads over HTTP, once: what can't be had at once is skopeo's, which has the run's
            patience.
        memory: What earlier runs found out.
        completeness: Asks over HTTP, once, for what a destination's manifest names.
        pool: Asks for the destination while the source is asked for.
    """

    def __init__(
        self, http: Reader, memory: Memory, completeness: Completeness, pool: Executor
    ) -> None:
        self._http = http
        self._pool = pool
        self._memory = memory
        self._completeness = completeness
        self._sources = Sources(http)
        self._learned = OncePerKey(self._learn)

    def check(self, item: Item, form: ManifestForm) -> Verdict | None:
        """The verdict that an item is in sync; None where that can't be proved.

        Both sides are asked at once: where the source can't be had, the destination's HEAD was in
        vain.
        """
        found, upstream = side_by_side(
            self._pool,
            lambda: self._digest(item.destination, Side.DESTINATION),
            lambda: self._learned((item, form)),
        )
        if upstream is None or found is None:
            return None
        if found == upstream.expected:
            reason = Reason.SAME_DIGEST
        elif self.stands_for(item, upstream, found):
            reason = Reason.SAME_CONTENT
        else:
            return None
        if not self._is_complete(item, found):
            return None
        return Verdict(item, upstream, Decision(Action.SKIP, reason), found)

    def stands_for(self, item: Item, upstream: Upstream, found: Digest) -> bool:
        """Whether a digest is known to be what the source became at this destination."""
        return found == self._memory.converted(str(item.destination), upstream.expected)

    def _is_complete(self, item: Item, found: Digest) -> bool:
        """Whether all that is asked for is there, as far as HTTP tells."""
        is_single = item.choice.single is not None
        try:
            return not self._completeness.missing(item.destination, found, is_single=is_single)
        except (ImageError, DeferredError) as error:
            _log.debug("%s", error.message)
            return False

    def remember(self, item: Item, upstream: Upstream, form: ManifestForm) -> None:
        """Keep what skopeo found out of a source."""
        self._memory.remember_expected(upstream.digest, _key(item, form), _remembered(upstream))

    def _digest(self, reference: Reference, side: Side) -> Digest | None:
        """What a HEAD tells; None where it tells nothing, or that nothing is there."""
        try:
            return self._http.read_digest(reference, side=side)
        except InconclusiveError as error:
            _log.debug("%s", error.message)
            return None

    def _learn(self, key: tuple[Item, ManifestForm]) -> Upstream | None:
        """What a source's digest means for a choice: from memory, or by one reading of it."""
        item, form = key
        digest = item.source.digest or self._digest(item.source, Side.SOURCE)
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


def _key(item: Item, form: ManifestForm) -> str:
    """The key of what is remembered for an index: all that the expected digest depends on."""
    parts = [str(item.choice)]
    if form.types is not ManifestTypes.AS_IS:
        parts.append(form.types.value)
    is_bare = not form.keeps_attestations and form.types is not ManifestTypes.DOCKER
    if is_bare and not item.choice.single:
        parts.append("without attestations")
    return " ".join(parts)


def _remembered(upstream: Upstream) -> KnownImage:
    return KnownImage(
        upstream.expected, upstream.delivered, upstream.config_digest, upstream.created
    )
