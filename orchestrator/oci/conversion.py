"""Manifests rewritten in OCI's types or in Docker's, for registries that take one kind alone.

Only manifests change: config and layers stay as they are, byte for byte, so what a registry
has in the end can be computed before anything is sent. The bytes in Docker's types are those that
skopeo writes. Sources: OCI image specification 1.1 and Docker's Image Manifest V2 Schema 2 for the
types; containers/image, manifest/docker_schema2.go and docker_schema2_list.go, for the order of
keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.index import ManifestTypes, PushIndex, compact
from orchestrator.oci.json_text import Json
from orchestrator.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Image,
)
from orchestrator.oci.reference import Digest, digest_of
from orchestrator.text import shortened

_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
_CONFIG = f"{_DOCKER}.container.image.v1+json"
_LAYER = f"{_DOCKER}.image.rootfs.diff.tar"
_FOREIGN = f"{_DOCKER}.image.rootfs.foreign.diff.tar"
_IN_DOCKER: Mapping[str, str] = {
    f"{_OCI}.config.v1+json": _CONFIG,
    f"{_OCI}.layer.v1.tar": _LAYER,
    f"{_OCI}.layer.v1.tar+gzip": f"{_LAYER}.gzip",
    f"{_OCI}.layer.nondistributable.v1.tar": _FOREIGN,
    f"{_OCI}.layer.nondistributable.v1.tar+gzip": f"{_FOREIGN}.gzip",
    **{one: one for one in (_CONFIG, _LAYER, f"{_LAYER}.gzip", _FOREIGN, f"{_FOREIGN}.gzip")},
}
_IN_OCI: Mapping[str, str] = {
    **{docker: oci for oci, docker in _IN_DOCKER.items() if oci != docker},
    f"{_LAYER}.zstd": f"{_OCI}.layer.v1.tar+zstd",
}
"""Whatever else stands in a manifest may stay: OCI's layers may have any type."""

_CONVERTED: Mapping[ManifestTypes, str] = {
    ManifestTypes.DOCKER: "converted to Docker's manifest types, since the registry refuses OCI's",
    ManifestTypes.OCI: "converted to OCI's manifest types, since the registry refuses Docker's",
}
_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant", "features")
_SUBJECT = "vnd.docker.reference.digest"
"""What BuildKit's attestations name their image by, in the index."""


@dataclass(frozen=True)
class ConvertedManifest:
    """An image under another manifest than its source's, of the same blobs.

    Attributes:
        origin: The digest of the source's manifest.
        raw: The manifest that is pushed in its place.
        types: Whose types it has.
        config: The config blob, where the image is to be pushed.
    """

    origin: Digest
    raw: bytes = field(repr=False)
    types: ManifestTypes
    config: bytes = field(default=b"", repr=False)

    @property
    def digest(self) -> Digest:
        """Of the manifest that is pushed."""
        return digest_of(self.raw)

    @property
    def media_type(self) -> str:
        """Of the manifest that is pushed."""
        return DOCKER_MANIFEST if self.types is ManifestTypes.DOCKER else OCI_MANIFEST


def conversion_note(types: ManifestTypes) -> str:
    """What the report says of an image that was rewritten in these types."""
    return _CONVERTED[types]


def convert_manifest(image: Image, types: ManifestTypes, *, of: str) -> ConvertedManifest | None:
    """The image in Docker's types, or in OCI's; None where it has them already.

    Args:
        image: The source's.
        types: Not `AS_IS`.
        of: The source; errors name it.

    Raises:
        ImageError: `bad-manifest`, where Docker has no type for a part of it.
    """
    is_docker = image.media_type == DOCKER_MANIFEST
    if is_docker is (types is ManifestTypes.DOCKER):
        return None
    document = json.loads(image.raw)
    parts = (document["config"], *document["layers"])
    if types is ManifestTypes.DOCKER:
        media_type, rewrite = DOCKER_MANIFEST, [_docker_part(part, of=of) for part in parts]
    else:
        media_type, rewrite = OCI_MANIFEST, [_oci_part(part) for part in parts]
    config, *layers = rewrite
    written = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers}
    return ConvertedManifest(image.digest, compact(written), types)


def convert_index(
    subset: PushIndex,
    images: Iterable[ConvertedManifest | None],
    types: ManifestTypes,
    *,
    of: str,
) -> PushIndex:
    """An index as Docker's manifest list, or a manifest list as an OCI index.

    Args:
        subset: What is pushed; for Docker's types, its attestations left out.
        images: What each of its children becomes; None where it stays as it is.
        types: Not `AS_IS`.
        of: The source; errors name it.

    Raises:
        ImageError: `bad-manifest`, where an image has no platform: Docker's lists want one.
    """
    document = json.loads(subset.raw)
    becomes = tuple(images)
    is_docker = types is ManifestTypes.DOCKER
    media_type = DOCKER_INDEX if is_docker else OCI_INDEX
    if document.get("mediaType", OCI_INDEX) == media_type and not any(becomes):
        return subset
    if is_docker:
        _refuse_unnamed(subset.children, of)
    children = tuple(_children(subset, becomes))
    rewritten = {one.origin: one.digest for one in becomes if one}
    pairs = zip(children, document["manifests"], strict=True)
    entries = [
        _docker_entry(child, one["platform"]) if is_docker else _oci_entry(child, one, rewritten)
        for child, one in pairs
    ]
    written = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    return PushIndex(compact(written), children)


def _docker_part(part: Mapping[str, Json], *, of: str) -> dict[str, Json]:
    media_type = str(part.get("mediaType"))
    if media_type not in _IN_DOCKER:
        raise _no_type_for(media_type, of)
    urls: dict[str, Json] = {"urls": part["urls"]} if part.get("urls") else {}
    size, digest = part["size"], part["digest"]
    return {"mediaType": _IN_DOCKER[media_type], "size": size, "digest": digest, **urls}


def _oci_part(part: Mapping[str, Json]) -> dict[str, Json]:
    media_type = str(part.get("mediaType"))
    return {**part, "mediaType": _IN_OCI.get(media_type, media_type)}


def _children(
    subset: PushIndex, becomes: Iterable[ConvertedManifest | None]
) -> Iterator[Descriptor]:
    for child, one in zip(subset.children, becomes, strict=True):
        if one is None:
            yield child
        else:
            yield Descriptor(one.media_type, one.digest, len(one.raw), child.platform)


def _refuse_unnamed(children: Iterable[Descriptor], of: str) -> None:
    if any(child.platform is None for child in children):
        raise ImageError(
            ErrorKind.BAD_MANIFEST,
            f"{of}: its index names no platform for an image, and Docker's types want one",
            hint="name one platform with --platform",
        )


def _docker_entry(child: Descriptor, platform: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "mediaType": child.media_type,
        "size": child.size,
        "digest": child.digest,
        "platform": {key: platform[key] for key in _PLATFORM_KEYS if platform.get(key)},
    }


def _oci_entry(
    child: Descriptor, entry: Mapping[str, Json], rewritten: Mapping[Digest, Digest]
) -> dict[str, Json]:
    """The same entry; an attestation names the image that its own has become."""
    written = {
        **entry,
        "mediaType": child.media_type,
        "digest": child.digest,
        "size": child.size,
    }
    annotations = entry.get("annotations")
    if isinstance(annotations, Mapping) and annotations.get(_SUBJECT) in rewritten:
        subject = rewritten[Digest(str(annotations[_SUBJECT]))]
        written["annotations"] = {**annotations, _SUBJECT: subject}
    return written


def _no_type_for(media_type: str, of: str) -> ImageError:
    if media_type.endswith("zstd"):
        what = "its layers are packed with zstd"
        hint = "ask its maintainer for gzip, or mirror it to a registry that takes OCI's types"
    else:
        what = f"a part of it is '{shortened(media_type)}'"
        hint = "it is no image; mirror it to a registry that takes OCI's types"
    return ImageError(
        ErrorKind.BAD_MANIFEST,
        f"{of}: {what}, for which Docker's types have no name, and the registry refuses OCI's",
        hint=hint,
    )
