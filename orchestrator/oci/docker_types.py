"""OCI manifests rewritten in Docker's types, for registries that refuse OCI's.

Only manifests change: config and layers stay as they are, byte for byte, so what a registry
has in the end can be computed before anything is sent. The bytes are those that skopeo writes.
Sources: OCI image specification 1.1 and Docker's Image Manifest V2 Schema 2 for the types;
containers/image, manifest/docker_schema2.go and docker_schema2_list.go, for the order of keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.index import PushIndex, compact
from orchestrator.oci.json_text import Json
from orchestrator.oci.manifest import DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, Image
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
CONVERTED = "converted to Docker's manifest types, since the registry refuses OCI's"
"""What the report says of an image that was rewritten."""

_PLATFORM_KEYS = ("architecture", "os", "os.version", "os.features", "variant", "features")


@dataclass(frozen=True)
class ConvertedManifest:
    """An image under another manifest than its source's, of the same blobs.

    Attributes:
        origin: The digest of the source's manifest.
        raw: The manifest that is pushed in its place.
        config: The config blob, where the image is to be pushed.
    """

    origin: Digest
    raw: bytes = field(repr=False)
    config: bytes = field(default=b"", repr=False)

    @property
    def digest(self) -> Digest:
        """Of the manifest that is pushed."""
        return digest_of(self.raw)


def to_docker_manifest(image: Image, *, of: str) -> ConvertedManifest | None:
    """The image in Docker's types; None where it has them already.

    Args:
        image: The source's.
        of: The source; errors name it.

    Raises:
        ImageError: `bad-manifest`, where Docker has no type for a part of it.
    """
    if image.media_type == DOCKER_MANIFEST:
        return None
    document = json.loads(image.raw)
    parts = (document["config"], *document["layers"])
    config, *layers = [_part(part, of=of) for part in parts]
    written = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers}
    return ConvertedManifest(image.digest, compact(written))


def to_docker_list(
    subset: PushIndex, images: Iterable[ConvertedManifest | None], *, of: str
) -> PushIndex:
    """An index as Docker's manifest list.

    Args:
        subset: The index, its attestations left out.
        images: What each of its children becomes; None where it stays as it is.
        of: The source; errors name it.

    Raises:
        ImageError: `bad-manifest`, where an image has no platform: Docker's lists want one.
    """
    document = json.loads(subset.raw)
    becomes = tuple(images)
    if document.get("mediaType") == DOCKER_INDEX and not any(becomes):
        return subset
    children = tuple(_children(subset, becomes, of))
    entries = [
        _entry(child, one["platform"])
        for child, one in zip(children, document["manifests"], strict=True)
    ]
    written = {"schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": entries}
    return PushIndex(compact(written), children)


def _part(part: Mapping[str, Json], *, of: str) -> dict[str, Json]:
    media_type = str(part.get("mediaType"))
    if media_type not in _IN_DOCKER:
        raise _no_type_for(media_type, of)
    urls: dict[str, Json] = {"urls": part["urls"]} if part.get("urls") else {}
    size, digest = part["size"], part["digest"]
    return {"mediaType": _IN_DOCKER[media_type], "size": size, "digest": digest, **urls}


def _children(
    subset: PushIndex, becomes: Iterable[ConvertedManifest | None], of: str
) -> Iterator[Descriptor]:
    for child, one in zip(subset.children, becomes, strict=True):
        if child.platform is None:
            raise ImageError(
                ErrorKind.BAD_MANIFEST,
                f"{of}: its index names no platform for an image, and Docker's types want one",
                hint="name one platform with --platform",
            )
        if one is None:
            yield child
        else:
            yield Descriptor(DOCKER_MANIFEST, one.digest, len(one.raw), child.platform)


def _entry(child: Descriptor, platform: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "mediaType": child.media_type,
        "size": child.size,
        "digest": child.digest,
        "platform": {key: platform[key] for key in _PLATFORM_KEYS if platform.get(key)},
    }


def _no_type_for(media_type: str, of: str) -> ImageError:
    if media_type.endswith("zstd"):
        what = "its layers are packed with zstd"
        hint = "ask its maintainer for gzip, or mirror it to a registry that takes OCI's types"
    else:
        what = f"a part of it is '{shortened(media_type)}'"
        hint = "it is no image; mirror it to a registry that takes OCI's types"
    return ImageError(
        ErrorKind.BAD_MANIFEST,
        f"{of}: {what}, for which Docker's types, the only ones that the registry takes, have "
        "no name",
        hint=hint,
    )
