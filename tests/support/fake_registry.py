"""Registries in a dictionary, which answer as skopeo and real registries do.

tests/integration/registry/test_fake_registry_contract.py holds it to that.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from demo.images import Index as BuiltIndex
from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.conversion import convert_manifest
from orchestrator.oci.index import ManifestTypes
from orchestrator.oci.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    Index,
    Manifest,
    parse_manifest,
)
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.skopeo.arguments import CopyRequest

if TYPE_CHECKING:
    from demo.images import Image as BuiltImage


class FakeRegistries:
    """Every registry there is, as the planner and the executor ask them.

    Attributes:
        refuses_oci: Registries that take Docker's manifest types only.
        refuses_attestations: Registries that take images only.
        faults: What goes wrong next, by what is done (`read`, `copy`, `push`) and where: an
            error is raised in its turn, None lets one pass.
        asked: What was done, and where, in its order.
        copies: Every copy that was begun.
    """

    def __init__(self) -> None:
        self.refuses_oci: set[str] = set()
        self.refuses_attestations: set[str] = set()
        self.faults: defaultdict[tuple[str, str], list[ImageError | None]] = defaultdict(list)
        self.asked: list[tuple[str, str]] = []
        self.copies: list[CopyRequest] = []
        self._manifests: dict[str, bytes] = {}
        self._blobs: defaultdict[str, dict[Digest, bytes]] = defaultdict(dict)

    def put(self, where: str, content: BuiltImage | BuiltIndex) -> Digest:
        """Push what demo/images.py builds; a tag, or its digest alone where there is none."""
        reference = Reference.parse(where)
        images = content.images if isinstance(content, BuiltIndex) else (content,)
        for image in images:
            for blob in image.blobs:
                self._blobs[reference.name][Digest(blob.digest)] = blob.content
            self._store(reference.at(Digest(image.digest)), image.manifest)
        self._store(reference, content.manifest)
        return Digest(content.digest)

    def put_raw(self, where: str, raw: bytes) -> None:
        """Put any bytes where a manifest stands."""
        self._store(Reference.parse(where), raw)

    def remove(self, where: str) -> None:
        """Take one tag, or one digest, away."""
        del self._manifests[where]

    def read_digest(self, reference: Reference, *, side: Side = Side.SOURCE) -> Digest | None:
        """The digest of what a reference names; None where there is nothing."""
        raw = self.read_manifest(reference, side=side)
        return digest_of(raw) if raw is not None else None

    def read_referrers(
        self, reference: Reference, *, side: Side = Side.SOURCE
    ) -> tuple[bytes, ...] | None:
        """Nothing, as with skopeo."""
        del reference, side
        return None

    def read_manifest(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes | None:
        """The raw manifest; None where there is none."""
        assert side in Side
        self._do("read", reference)
        return self._find(reference)

    def read_config(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes:
        """The raw config of a single image."""
        assert side in Side
        self._do("read", reference)
        image = self._parsed(reference)
        assert isinstance(image, Image), "skopeo would choose by the platform of its own machine"
        return self._blobs[reference.name][image.config.digest]

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy as skopeo does: children and blobs first, the manifest last."""
        self.copies.append(request)
        self._do("copy", request.source)
        self._do("push", request.destination)
        manifest = self._parsed(request.source)
        if isinstance(manifest, Index) and request.platform:
            child = manifest.select(request.platform)
            assert child, "the planner names a child by its digest"
            manifest = self._parsed(request.source.at(child.digest))
        if isinstance(manifest, Image):
            return self._copy_image(request, manifest, request.destination)
        uploaded: list[Digest] = []
        for child in manifest.manifests:
            image = self._parsed(request.source.at(child.digest))
            assert isinstance(image, Image)
            uploaded += self._copy_image(request, image, request.destination.at(image.digest))
        self._push(request.destination, manifest.raw)
        return tuple(uploaded)

    def copy_blobs(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy what an image is made of, whether or not its manifest is taken."""
        here = set(self._blobs[request.destination.name])
        try:
            return self.copy(request)
        except ImageError as error:
            is_there = error.registry == request.destination.registry
            if error.kind is not ErrorKind.BAD_MANIFEST or not is_there:
                raise
        return tuple(set(self._blobs[request.destination.name]) - here)

    def push_manifest(self, raw: bytes, destination: Reference, *, config: bytes = b"") -> None:
        """Push a manifest of what is there already."""
        self._do("push", destination)
        manifest = parse_manifest(raw, of="what is pushed")
        if isinstance(manifest, Image):
            assert digest_of(config) == manifest.config.digest, "skopeo wants it in the folder"
            missing = [b for b in manifest.blobs if b.digest not in self._blobs[destination.name]]
        else:
            missing = [c for c in manifest.manifests if not self._find(destination.at(c.digest))]
        if missing:
            raise _refused(destination, "manifest blob unknown")
        self._push(destination, raw)

    def _copy_image(
        self, request: CopyRequest, image: Image, destination: Reference
    ) -> tuple[Digest, ...]:
        raw = self._find(request.source.at(image.digest))
        assert raw is not None
        is_refused = destination.registry in self.refuses_oci and _is_oci(raw)
        if is_refused and not request.keeps_digests:
            raw = _as_docker(raw)
        here = self._blobs[destination.name]
        uploaded = tuple(blob.digest for blob in image.blobs if blob.digest not in here)
        here.update({one: self._blobs[request.source.name][one] for one in uploaded})
        self._push(destination, raw)
        return uploaded

    def _push(self, destination: Reference, raw: bytes) -> None:
        if destination.registry in self.refuses_oci and _is_oci(raw):
            raise _refused(destination, "manifest invalid")
        if destination.registry in self.refuses_attestations and b"in-toto" in raw:
            raise _refused(destination, "unknown manifest class")
        if destination.digest and destination.digest != digest_of(raw):
            message = "would not match destination reference"
            raise ImageError(ErrorKind.DIGEST_MISMATCH, message, registry=destination.registry)
        self._store(destination, raw)

    def _store(self, reference: Reference, raw: bytes) -> None:
        self._manifests[str(reference)] = raw
        self._manifests[str(reference.at(digest_of(raw)))] = raw

    def _find(self, reference: Reference) -> bytes | None:
        asked = reference.at(reference.digest) if reference.digest else reference
        return self._manifests.get(str(asked))

    def _parsed(self, reference: Reference) -> Manifest:
        raw = self._find(reference)
        if raw is None:
            message = f"{reference.familiar}: it is not there"
            raise ImageError(ErrorKind.NOT_FOUND, message, registry=reference.registry)
        return parse_manifest(raw, of=reference.familiar)

    def _do(self, what: str, reference: Reference) -> None:
        self.asked.append((what, str(reference)))
        faults = self.faults[what, reference.registry]
        fault = faults.pop(0) if faults else None
        if fault:
            raise fault


def _is_oci(raw: bytes) -> bool:
    return parse_manifest(raw, of="it").media_type in (OCI_MANIFEST, OCI_INDEX)


def _as_docker(raw: bytes) -> bytes:
    image = parse_manifest(raw, of="it")
    assert isinstance(image, Image)
    rewritten = convert_manifest(image, ManifestTypes.DOCKER, of="it")
    return rewritten.raw if rewritten else raw


def _refused(destination: Reference, why: str) -> ImageError:
    message = f"{destination.familiar}: the manifest can't be used ({why})"
    return ImageError(ErrorKind.BAD_MANIFEST, message, registry=destination.registry)
