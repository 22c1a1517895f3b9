"""Mirrors of sources: what a digest names is read there first; what a name means is not.

A mirror may be behind, or lie. So tags, lists of them and what refers to a digest are asked of
the origin, and only what proves itself by its digest comes from the mirror (skopeo holds each
manifest and blob of a copy to its own); what that can't give comes from the origin. Where the
origin is out of order, the mirror's word on a tag is taken, and the run says so. That something
is not there is never a mirror's to say.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

from orchestrator.config.targets import MirrorPlace, SourceRules
from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.reader import InconclusiveError, Reader
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.report.result import Outcome, Result
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.copier import CopyTool

_log = logging.getLogger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_OF_HOST = frozenset({ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT, ErrorKind.RATE_LIMITED})
"""Faults of a registry as a whole, and not of one image."""


class Mirrors:
    """The mirrors of a run, and what it found out of them; any number of threads may use it.

    Args:
        places: A mirror for each registry that has one.
        tries: Passing faults of an origin that are waited out before the mirror's word is taken.
    """

    def __init__(self, places: Mapping[str, MirrorPlace], tries: int = 1) -> None:
        self._places = places
        self._tries = tries
        self._faults: Counter[Reference] = Counter()
        self._lock = threading.Lock()
        self._out_of_order: set[str] = set()
        self._said: dict[tuple[str, str], str] = {}
        self._taken: set[Reference] = set()
        self._unserved: set[Reference] = set()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of them, each thing once."""
        return tuple(self._said.values())

    def place_of(self, registry: str) -> MirrorPlace | None:
        """The mirror that is to be asked in a registry's place; None where there is none.

        One that is out of order is left alone, unless the origin is no better.
        """
        place = self._places.get(registry)
        if place is None or registry in self._out_of_order:
            return place
        return None if place.registry in self._out_of_order else place

    def place_for(self, source: Reference) -> MirrorPlace | None:
        """The same for one image, which the mirror may have failed to give before."""
        place = self.place_of(source.registry)
        is_origin_well = source.registry not in self._out_of_order
        return None if is_origin_well and source in self._unserved else place

    def word_on(self, source: Reference) -> MirrorPlace | None:
        """The mirror whose word it is what a source's tag names; None where it is the origin's."""
        return self._places[source.registry] if source in self._taken else None

    def has_no_answer(self, source: Reference, error: ImageError) -> bool:
        """Whether a failure means that an origin's word can't be had in this run.

        By HTTP it is asked once, so that only what gave no answer at all is known; a fault that
        may pass is tried again, by skopeo, before that.
        """
        self.note_fault(source.registry, error)
        if isinstance(error, InconclusiveError):
            return error.is_out_of_reach
        if error.kind not in _OF_HOST:
            return False
        with self._lock:
            self._faults[source] += 1
            return self._faults[source] >= self._tries or not error.is_transient

    def take_word(self, source: Reference, reason: str) -> None:
        """Remember that what a source's tag names, or which there are, is the mirror's word.

        Args:
            source: What the origin could not be asked for.
            reason: Why.
        """
        self._taken.add(source)
        word = f"what tags of {source.registry} name is the word of its mirror"
        place = self._places[source.registry]
        self._say(source.registry, "tags", f"{word} {place}, and may be old: {reason}")

    def note_fault(self, registry: str, error: ImageError) -> None:
        """Learn from a failure whether a registry as a whole is out of order."""
        is_of_host = error.kind in _OF_HOST
        if isinstance(error, InconclusiveError):
            is_of_host = error.is_of_host
        if is_of_host:
            self._out_of_order.add(registry)

    def lacks(self, source: Reference) -> None:
        """Say, once of a mirror, that it has not everything."""
        self._unserved.add(source)
        missing = f"{mirrored(source, self._places[source.registry])} is not there"
        text = f"the mirror of {source.registry} has not all of it, and {source.registry} itself"
        self._say(source.registry, "lacks", f"{text} is read for the rest: {missing}")

    def failed(self, source: Reference, error: ImageError) -> None:
        """Say, once of a mirror, that it failed, and learn whether it is out of order."""
        if error.kind is ErrorKind.NOT_FOUND:
            self.lacks(source)
            return
        self._unserved.add(source)
        mirror = self._places[source.registry].registry
        self.note_fault(mirror, error)
        if error.kind is ErrorKind.DIGEST_MISMATCH:
            self._out_of_order.add(mirror)
        reason = _reason(error)
        text = f"the mirror of {source.registry} failed, and {source.registry} itself is read"
        self._say(source.registry, "failed", f"{text}: {reason}")

    def _say(self, registry: str, what: str, text: str) -> None:
        with self._lock:
            if (registry, what) in self._said:
                return
            self._said[registry, what] = text
        _log.warning("%s", text)


class Read(Protocol[T_co]):
    """Reads something of a registry."""

    def __call__(self, reference: Reference, *, side: Side) -> T_co | None:
        """What a reference names."""
        ...


class MirrorFirstReader:
    """Reads what a digest names from a source's mirror, and all else where it comes from.

    Args:
        reader: Reads origins and mirrors.
        mirrors: Which there are.
    """

    def __init__(self, reader: Reader, mirrors: Mirrors) -> None:
        self._reader = reader
        self._mirrors = mirrors
        self.read_referrers = reader.read_referrers

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        """The digest of what a reference names; the mirror's word where the origin has none."""
        try:
            return self._reader.read_digest(reference, side=side)
        except ImageError as error:
            place = self._place(reference, side)
            if place and not self._mirrors.has_no_answer(reference, error):
                raise
            found = self._digest_at(place, reference) if place else None
            if found is None:
                raise
            if not reference.digest:
                self._mirrors.take_word(reference, _reason(error))
            return found

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        """The raw manifest or index; None where the origin says that there is none."""
        if self._place(reference, side):
            digest = reference.digest or self.read_digest(reference, side=side)
            pinned = reference.at(digest) if digest else None
            found = self._from_mirror(pinned, self._reader.read_manifest) if pinned else None
            if found is not None:
                return found
        return self._reader.read_manifest(reference, side=side)

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        """The raw config of a single image."""
        if reference.digest and self._place(reference, side):
            found = self._from_mirror(reference, self._reader.read_config)
            if found is not None:
                return found
        return self._reader.read_config(reference, side=side)

    def _place(self, reference: Reference, side: Side) -> MirrorPlace | None:
        return self._mirrors.place_of(reference.registry) if side is Side.SOURCE else None

    def _digest_at(self, place: MirrorPlace, reference: Reference) -> Digest | None:
        try:
            return self._reader.read_digest(mirrored(reference, place), side=Side.SOURCE)
        except ImageError as error:
            self._mirrors.failed(reference, error)
            return None

    def _from_mirror(self, reference: Reference, read: Read[T]) -> T | None:
        """What a digest names, as the mirror has it; None where that can't be had there."""
        place = self._mirrors.place_for(reference)
        if place is None:
            return None
        try:
            found = read(mirrored(reference, place), side=Side.SOURCE)
        except ImageError as error:
            self._mirrors.failed(reference, error)
            return None
        if found is None:
            self._mirrors.lacks(reference)
        return found


class MirrorFirstLister:
    """Lists the tags of a repository, from its mirror where the origin is out of order.

    Args:
        tags: Lists them anywhere.
        mirrors: Which there are.
    """

    def __init__(
        self,
        tags: Callable[[Reference], tuple[str, ...] | NotFound | Inconclusive],
        mirrors: Mirrors,
    ) -> None:
        self._tags = tags
        self._mirrors = mirrors

    def tags(self, reference: Reference) -> tuple[str, ...] | NotFound | Inconclusive:
        """All tags of a repository, as far as they are known."""
        answer = self._tags(reference)
        place = self._mirrors.place_of(reference.registry)
        if place is None or not isinstance(answer, Inconclusive) or not answer.is_out_of_reach:
            return answer
        found = self._tags(mirrored(reference, place))
        if not isinstance(found, tuple):
            return answer
        self._mirrors.take_word(reference, answer.reason)
        return found


class MirrorFirstTool:
    """A tool that copies, and reads, from mirrors where there are any.

    Args:
        tool: Copies and reads.
        mirrors: Which there are.
        judges: Whether a policy says who has to have signed an image: it goes by the name that
            the image is copied from, so that the origin alone will do.
    """

    def __init__(self, tool: CopyTool, mirrors: Mirrors, *, judges: bool) -> None:
        self._tool = tool
        self._mirrors = mirrors
        self._judges = judges
        reader = MirrorFirstReader(tool, mirrors)
        self.read_digest = reader.read_digest
        self.read_manifest = reader.read_manifest
        self.read_config = reader.read_config
        self.read_referrers = reader.read_referrers
        self.push_manifest = tool.push_manifest

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy from registry to registry; the blobs that travelled."""
        return self._first(request, self._tool.copy)

    def copy_blobs(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy what an image is made of, whether or not its manifest is taken."""
        return self._first(request, self._tool.copy_blobs)

    def _first(
        self, request: CopyRequest, copy: Callable[[CopyRequest], tuple[Digest, ...]]
    ) -> tuple[Digest, ...]:
        is_open = request.is_upstream and not (self._judges and request.is_image)
        place = self._mirrors.place_for(request.source) if is_open else None
        if place:
            try:
                return copy(replace(request, source=mirrored(request.source, place)))
            except ImageError as error:
                is_ours = error.kind is ErrorKind.NO_SPACE
                if is_ours or error.registry == request.destination.registry:
                    raise
                self._mirrors.failed(request.source, error)
        return copy(request)


def told_of_mirrors(results: Iterable[Result], mirrors: Mirrors) -> tuple[Result, ...]:
    """Say of results what is a mirror's word; and what a mirror serves takes no pull."""
    return tuple(_told(result, mirrors) for result in results)


def _told(result: Result, mirrors: Mirrors) -> Result:
    source = result.item.source
    if result.outcome is Outcome.WOULD_COPY and mirrors.place_of(source.registry):
        result = replace(result, pulls=0)
    place = mirrors.word_on(source)
    if place is None:
        return result
    said = f"what its tag names is the word of {place}, as {source.registry} did not say"
    return replace(result, note="; ".join(filter(None, (result.note, said))))


def places_of(sources: Mapping[str, SourceRules]) -> Mapping[str, MirrorPlace]:
    """The mirrors that sources have, by the registry that they are of."""
    return {host: rules.mirror for host, rules in sources.items() if rules.mirror}


def mirrored(source: Reference, place: MirrorPlace) -> Reference:
    """Where an image is to be found at a mirror."""
    path = f"{place.path}/{source.repository}" if place.path else source.repository
    return replace(source, registry=place.registry, repository=path)


def _reason(error: ImageError) -> str:
    return error.reason if isinstance(error, InconclusiveError) else error.message
