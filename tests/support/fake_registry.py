"""Registries in a dictionary, which answer as skopeo and real registries do.

tests/integration/test_fake_registry_contract.py holds it to that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from demo.images import Index as BuiltIndex
from orchestrator.diagnosis import Side
from orchestrator.errors import ImageError, Kind
from orchestrator.manifest import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    Index,
    Manifest,
    parse_manifest,
)
from orchestrator.reference import Digest, Reference, digest_of
from orchestrator.skopeo import Copied, CopyRequest

if TYPE_CHECKING:
    from demo.images import Image as BuiltImage

_DOCKER_TYPES = {
    "application/vnd.oci.image.config.v1+json": "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.layer.v1.tar": "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip": (
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
    ),
}


class FakeRegistries:
    """Every registry there is, as the planner and the executor ask them.

    Attributes:
        refuses_oci: Registries that take Docker's manifest types only.
        faults: What goes wrong next, by what is done (`read`, `copy`, `push`) and where: an
            error is raised in its turn, None lets one pass.
        asked: What was done, and where, in its order.
        copies: Every copy that was begun.
    """

    def __init__(self) -> None:
        self.refuses_oci: set[str] = set()
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

    def read_manifest(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes | None:
        """The raw manifest; None where there is none."""
        assert side in Side
        self._heed("read", reference)
        return self._find(reference)

    def read_config(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes:
        """The raw config of a single image."""
        assert side in Side
        self._heed("read", reference)
        image = self._parsed(reference)
        assert isinstance(image, Image), "skopeo would choose by the platform of its own machine"
        return self._blobs[reference.name][image.config.digest]

    def copy(self, request: CopyRequest, *, stall_timeout: float) -> Copied:
        """Copy as skopeo does: children and blobs first, the manifest last."""
        assert stall_timeout > 0
        self.copies.append(request)
        self._heed("copy", request.source)
        self._heed("push", request.destination)
        manifest = self._parsed(request.source)
        if isinstance(manifest, Index) and request.platform:
            child = manifest.select(request.platform)
            assert child, "the planner names a child by its digest"
            manifest = self._parsed(request.source.at(child.digest))
        if isinstance(manifest, Image):
            return Copied(self._copy_image(request, manifest, request.destination))
        uploaded: list[Digest] = []
        for child in manifest.manifests:
            image = self._parsed(request.source.at(child.digest))
            assert isinstance(image, Image)
            uploaded += self._copy_image(request, image, request.destination.at(image.digest))
        self._push(request.destination, manifest.raw)
        return Copied(tuple(uploaded))

    def push_index(self, raw: bytes, destination: Reference) -> None:
        """Push an index whose children are there already."""
        self._heed("push", destination)
        index = parse_manifest(raw, of="the index")
        assert isinstance(index, Index)
        for child in index.manifests:
            if self._find(destination.at(child.digest)) is None:
                raise _refused(destination, "manifest blob unknown")
        self._push(destination, raw)

    def _copy_image(
        self, request: CopyRequest, image: Image, destination: Reference
    ) -> tuple[Digest, ...]:
        raw = self._find(request.source.at(image.digest))
        assert raw is not None
        is_refused = destination.registry in self.refuses_oci and _is_oci(raw)
        converts = _is_oci(raw) and (request.format == "v2s2" or is_refused)
        if converts and not request.keeps_digests:
            raw = _as_docker(raw)
        here = self._blobs[destination.name]
        uploaded = tuple(blob.digest for blob in image.blobs if blob.digest not in here)
        here.update({one: self._blobs[request.source.name][one] for one in uploaded})
        self._push(destination, raw)
        return uploaded

    def _push(self, destination: Reference, raw: bytes) -> None:
        if destination.registry in self.refuses_oci and _is_oci(raw):
            raise _refused(destination, "manifest invalid")
        if destination.digest and destination.digest != digest_of(raw):
            message = "would not match destination reference"
            raise ImageError(Kind.DIGEST_MISMATCH, message, registry=destination.registry)
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
            raise ImageError(Kind.NOT_FOUND, message, registry=reference.registry)
        return parse_manifest(raw, of=reference.familiar)

    def _heed(self, what: str, reference: Reference) -> None:
        self.asked.append((what, str(reference)))
        faults = self.faults[what, reference.registry]
        fault = faults.pop(0) if faults else None
        if fault:
            raise fault


def _is_oci(raw: bytes) -> bool:
    return parse_manifest(raw, of="it").media_type in (OCI_MANIFEST, OCI_INDEX)


def _as_docker(raw: bytes) -> bytes:
    document = json.loads(raw)
    document["mediaType"] = DOCKER_MANIFEST
    for blob in (document["config"], *document["layers"]):
        blob["mediaType"] = _DOCKER_TYPES[blob["mediaType"]]
    return json.dumps(document).encode()


def _refused(destination: Reference, why: str) -> ImageError:
    message = f"{destination.familiar}: the manifest can't be used ({why})"
    return ImageError(Kind.BAD_MANIFEST, message, registry=destination.registry)
