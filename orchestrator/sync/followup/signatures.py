"""Signatures, attestations and SBOMs that stand beside an image: they travel on request.

cosign puts them under tags made of the image's digest (`sha256-<hex>.sig`, `.att`, `.sbom`);
OCI 1.1 has artifacts refer to their subject, listed by an API or, where a registry has none,
by an index under the tag `sha256-<hex>` (OCI distribution specification 1.1, "Referrers Tag
Schema"). All of them speak of one digest, so they hold where that digest was kept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from orchestrator.errors import (
    DeferredError,
    ErrorKind,
    ImageError,
    Side,
    SyncerError,
    image_fault,
)
from orchestrator.oci.index import compact
from orchestrator.oci.json_text import Json
from orchestrator.oci.manifest import OCI_INDEX, Image, parse_manifest, parse_referrers
from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.reader import Reader
from orchestrator.report.result import Outcome, Result
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.copier import CopyTool
from orchestrator.sync.late_reads import read_until
from orchestrator.system.parallel import RetryPolicy

_log = logging.getLogger(__name__)

RawDescriptor: TypeAlias = "Mapping[str, Json]"
"""A descriptor as an index has it, with all of its keys."""

_SUFFIXES = (".sig", ".att", ".sbom")
_BUILDKIT = "application/vnd.docker.attestation.manifest.v1+json"
"""BuildKit's are children of the index, and ATTESTATIONS says what becomes of them."""

_ELSEWHERE = "the index upstream is signed, and its signature does not hold for what is here"
_REFUSED = "the registry refuses what is signed about it"


@dataclass
class _Found:
    """What was found and copied for one image.

    Attributes:
        listed: How many there are at the source.
        brought: How many of them were copied.
        bytes: What was moved for them.
        notes: What the reader should know; each once.
    """

    listed: int = 0
    brought: int = 0
    bytes: int = 0
    notes: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Pair:
    """One digest, at the source and at the destination."""

    source: Reference
    destination: Reference
    digest: Digest

    def tagged(self, suffix: str) -> tuple[Reference, Reference]:
        """What the digest's tag with this suffix is called at both ends."""
        tag = f"{self.digest.replace(':', '-')}{suffix}"
        return _with_tag(self.source, tag), _with_tag(self.destination, tag)


class Signatures:
    """Copies what is signed about an image after it; safe to be asked by many threads.

    Args:
        reader: Reads registries.
        tool: Copies.
        retry: How a passing fault is tried again.
        jobs: Copies at once.
    """

    def __init__(
        self,
        reader: Reader,
        tool: CopyTool,
        retry: RetryPolicy,
        *,
        jobs: int,
    ) -> None:
        self._reader = reader
        self._tool = tool
        self._retry = retry
        self._copying = threading.BoundedSemaphore(jobs)

    def guarded_follow(self, result: Result) -> Result:
        """The same; what nobody foresaw, and what the machine lacks, is that item's fault alone."""
        try:
            return self.follow(result)
        except SyncerError:
            raise
        except Exception as error:  # noqa: BLE001 - one image never ends the run
            fault = image_fault(error, of=result.item.source.familiar)
            _log.debug("%s", fault.message, exc_info=True)
            return replace(result, outcome=Outcome.FAILED, reason=fault.kind.value, error=fault)

    def follow(self, result: Result) -> Result:
        """Bring what is signed about a result's image; what goes wrong is part of the result."""
        if result.outcome not in (Outcome.COPIED, Outcome.SKIPPED) or result.digest is None:
            return result
        found = _Found()
        try:
            self._retry.run(lambda: self._follow(result, found))
        except ImageError as error:
            return replace(result, outcome=Outcome.FAILED, reason=error.kind.value, error=error)
        except DeferredError as error:
            found.notes[f"signatures: {error.message}"] = None
        if found.brought:
            plural = "" if found.brought == 1 else "s"
            found.notes[f"with {found.brought} signature{plural} or the like"] = None
        note = "; ".join(one for one in (result.note, *found.notes) if one)
        return replace(result, note=note, bytes=result.bytes + found.bytes)

    def _follow(self, result: Result, found: _Found) -> None:
        """The image's own first, then its children's: one may be signed at any time."""
        item, digest, signed = result.item, result.digest, result.source_digest
        if digest is None:
            return
        pair = _Pair(item.source, item.destination, digest)
        self._bring_all(pair, found)
        is_elsewhere = signed is not None and signed != digest
        if is_elsewhere and signed and not found.listed:
            of_index, _ = replace(pair, digest=signed).tagged(".sig")
            if self._reader.read_digest(of_index, side=Side.SOURCE):
                found.notes[_ELSEWHERE] = None
        if not item.choice.single:
            for child in self._children(pair):
                self._bring_all(replace(pair, digest=child), found)

    def _children(self, pair: _Pair) -> tuple[Digest, ...]:
        there = pair.destination.at(pair.digest)
        manifest = parse_manifest(self._read(there, Side.DESTINATION), of=there.familiar)
        if isinstance(manifest, Image):
            return ()
        return tuple(child.digest for child in manifest.manifests if not child.is_attestation)

    def _bring_all(self, pair: _Pair, found: _Found) -> None:
        for suffix in _SUFFIXES:
            source, destination = pair.tagged(suffix)
            digest = self._reader.read_digest(source, side=Side.SOURCE)
            found.listed += digest is not None
            if digest and digest != self._digest_there(destination):
                self._bring(source.at(digest), destination, found)
        listed = [one for one in self._listed(pair) if one.get("artifactType") != _BUILDKIT]
        found.listed += len(listed)
        if listed:
            self._bring_referrers(pair, listed, found)

    def _bring_referrers(self, pair: _Pair, listed: Iterable[RawDescriptor], found: _Found) -> None:
        """Bring what refers to a digest, and the list of it where the registry keeps none."""
        there = []
        for one in listed:
            digest = Digest(str(one["digest"]))
            destination = pair.destination.at(digest)
            is_there = self._digest_there(destination) is not None
            if is_there or self._bring(pair.source.at(digest), destination, found):
                there.append(one)
        if self._by_api(pair.destination.at(pair.digest), Side.DESTINATION) is not None:
            return
        _, tag = pair.tagged("")
        ours = self._tagged_list(tag, Side.DESTINATION)
        known = {one["digest"] for one in ours}
        new = [one for one in there if one["digest"] not in known]
        if new:
            document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*ours, *new]}
            with self._copying:
                self._tool.push_manifest(compact(document), tag)

    def _bring(self, source: Reference, destination: Reference, found: _Found) -> bool:
        """Copy one as it is, and ask the destination what it has; False where it is refused."""
        request = CopyRequest(source=source, destination=destination, platform=None, is_image=False)
        try:
            with self._copying:
                uploaded = self._tool.copy(request)
        except ImageError as error:
            if error.kind is not ErrorKind.BAD_MANIFEST or error.registry != destination.registry:
                raise
            _log.info("%s", error.message)
            found.notes[_REFUSED] = None
            return False
        digest = read_until(
            lambda found: found == source.digest,
            lambda: self._digest_there(destination),
            self._retry,
        )
        if digest is None:
            raise _lost(destination)
        if digest != source.digest:
            raise ImageError(
                ErrorKind.DIGEST_MISMATCH,
                f"{destination.familiar}: after the copy it has {digest}",
                hint="another program may write to the same tag; the next run tries again",
            )
        there = destination.at(digest)
        raw = read_until(
            lambda raw: raw is not None,
            lambda: self._reader.read_manifest(there, side=Side.DESTINATION),
            self._retry,
        )
        if raw is None:
            raise _lost(there)
        found.brought += 1
        found.bytes += _moved(raw, uploaded, of=destination.familiar)
        return True

    def _listed(self, pair: _Pair) -> tuple[RawDescriptor, ...]:
        """What refers to a digest at the source, by its API or by its tag."""
        listed = self._by_api(pair.source.at(pair.digest), Side.SOURCE)
        if listed is not None:
            return listed
        source, _ = pair.tagged("")
        return self._tagged_list(source, Side.SOURCE)

    def _by_api(self, subject: Reference, side: Side) -> tuple[RawDescriptor, ...] | None:
        """What a registry's API lists; None where it has none."""
        pages = self._reader.read_referrers(subject, side=side)
        if pages is None:
            return None
        lists = (parse_referrers(page, of=subject.familiar) for page in pages)
        return tuple(entry for one in lists for entry in one)

    def _tagged_list(self, tag: Reference, side: Side) -> tuple[RawDescriptor, ...]:
        digest = self._reader.read_digest(tag, side=side)
        if digest is None:
            return ()
        return parse_referrers(self._read(tag.at(digest), side), of=tag.familiar)

    def _digest_there(self, destination: Reference) -> Digest | None:
        return self._reader.read_digest(destination, side=Side.DESTINATION)

    def _read(self, reference: Reference, side: Side) -> bytes:
        raw = self._reader.read_manifest(reference, side=side)
        if raw is None:
            raise _lost(reference)
        return raw


def _lost(reference: Reference) -> ImageError:
    return ImageError(
        ErrorKind.DIGEST_MISMATCH,
        f"{reference.familiar}: it was there, and now it is not",
        hint="the registry says it took it; ask its operator",
    )


def _with_tag(reference: Reference, tag: str) -> Reference:
    return Reference(reference.registry, reference.repository, tag)


def _moved(raw: bytes, uploaded: tuple[Digest, ...], *, of: str) -> int:
    """Bytes that travelled for an artifact."""
    manifest = parse_manifest(raw, of=of)
    blobs = manifest.blobs if isinstance(manifest, Image) else ()
    sizes = {blob.digest: blob.size for blob in blobs}
    return sum(sizes.get(digest, 0) for digest in uploaded)
