"""Manifests, indexes and configs, read from their raw bytes.

The digest is always computed from the bytes, never taken from what a registry
says. Sources: OCI image specification 1.1 (image-index.md, manifest.md,
config.md) and Docker's Image Manifest V2 Schema 2, which share their JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from orchestrator.errors import ErrorKind, FormatError, ImageError
from orchestrator.oci.json_text import Json, parse_json
from orchestrator.oci.platform import UNKNOWN, Platform
from orchestrator.oci.reference import Digest, digest_of, parse_digest
from orchestrator.text import shortened

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST_TYPES = (OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST)
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_INDEX})

LARGEST = 4 * 1024 * 1024
"""Bytes; registries should refuse larger manifests (distribution spec, "Pushing Manifests")."""

LARGEST_LIST = 16 * 1024 * 1024
"""Bytes of a list of referrers, all of its pages: some registries send 50,000 on one."""

MOST_PARTS = 1000
"""Children of an index, or layers of an image. Container runtimes take 128 layers at most; an
index of all platforms with their attestations has some fifty children."""

_MOST_BYTES = 2**53 - 1
"""Of all blobs of an image: the largest number that every reader of JSON reads alike (RFC 8259)."""

_LONGEST_TEXT = 255

_OCI_SETTINGS = frozenset(
    {
        "ArgsEscaped",
        "Cmd",
        "Entrypoint",
        "Env",
        "ExposedPorts",
        "Labels",
        "StopSignal",
        "User",
        "Volumes",
        "WorkingDir",
    }
)
"""What skopeo keeps of a config where it converts Docker's types to OCI's (image-spec, config.md,
"Properties"; seen with 1.9.3 to 1.22.2). Healthcheck, OnBuild, Shell and others are lost there."""


@dataclass(frozen=True)
class Descriptor:
    """A descriptor: media type, digest and size in bytes of a blob (descriptor.md).

    Attributes:
        platform: Where it says one.
        is_attestation: Whether it is no image, but tells of one (BuildKit's provenance and
            SBOMs, and artifacts of OCI 1.1).
        subject: The digest of the image that an attestation tells of; may be empty.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    is_attestation: bool = False
    subject: str = ""

    @property
    def is_foreign(self) -> bool:
        """Whether it is a layer that may only be fetched from elsewhere, and is in no registry.

        Source: image-spec, layer.md, "Non-Distributable Layers"; Docker's foreign layers.
        """
        return ".foreign." in self.media_type or ".nondistributable." in self.media_type


@dataclass(frozen=True)
class Image:
    """A manifest of one image: a config and layers, the lowest layer first."""

    digest: Digest
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    raw: bytes = field(default=b"", repr=False, compare=False)

    @property
    def size(self) -> int:
        """Of the manifest itself, in bytes."""
        return len(self.raw)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All that has to be at a registry before the manifest may be."""
        return (*self.layers, self.config)


@dataclass(frozen=True)
class Index:
    """A list of manifests, one for each platform, attestations among them."""

    digest: Digest
    media_type: str
    manifests: tuple[Descriptor, ...]
    raw: bytes = field(default=b"", repr=False, compare=False)

    def select(self, wanted: Platform) -> Descriptor | None:
        """The child that serves `wanted`, chosen as skopeo chooses.

        Variants are tried from the wanted one down, then none; of equal ones the first
        stands, and a child of no platform stands in where nothing fits (containers/image,
        internal/pkg/platform). What it really is for, only its config tells. Attestations
        are never chosen, whatever platform they say. A version of the system is heeded where
        one is wanted, which skopeo can't do.
        """
        images = [child for child in self.manifests if not child.is_attestation]
        serving = [
            (wanted.rank_of(child.platform), place)
            for place, child in enumerate(images)
            if child.platform and wanted.is_served_by(child.platform)
        ]
        if serving:
            return images[min(serving)[1]]
        return next((child for child in images if not child.platform), None)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """What the index offers, attestations left out."""
        offered = (child.platform for child in self.manifests if not child.is_attestation)
        return tuple(dict.fromkeys(platform for platform in offered if platform))


Manifest: TypeAlias = Image | Index


@dataclass(frozen=True)
class ImageConfig:
    """The part of a config that tells one image from another.

    Attributes:
        platform: What the image really is for, whatever its index says.
        created: RFC 3339, as short as it can be written; empty where it is not said.
        diff_ids: Digests of the layers' uncompressed content.
        runtime: The settings that a container starts with, each as JSON with sorted keys; those
            that say nothing are left out, as a conversion leaves them out.
    """

    digest: Digest
    platform: Platform
    created: str
    diff_ids: tuple[str, ...]
    runtime: Mapping[str, str]
    raw: bytes = field(default=b"", repr=False, compare=False)

    def is_same_image_as(self, other: ImageConfig, *, is_converted: bool = False) -> bool:
        """Whether a container of one can't be told from a container of the other.

        A config that names no layers tells nothing of them: artifacts of all kinds share
        the config `{}`, so that every version of one would look the same.

        Args:
            other: What may have become of this one.
            is_converted: Whether Docker's types became OCI's on the way: then `other` may lack
                settings that OCI's have no name for.
        """
        if not self.diff_ids:
            return False
        if self.digest == other.digest:
            return True
        return (
            self.created == other.created
            and self.diff_ids == other.diff_ids
            and self.platform.of_any_version == other.platform.of_any_version
            and self._runs_like(other, is_converted=is_converted)
        )

    def _runs_like(self, other: ImageConfig, *, is_converted: bool) -> bool:
        lost = self.runtime.keys() - other.runtime.keys() - _OCI_SETTINGS if is_converted else ()
        kept = {key: value for key, value in self.runtime.items() if key not in lost}
        return kept == other.runtime


def is_converted_to_oci(ours: Image, theirs: Image) -> bool:
    """Whether an image may be another one that skopeo converted, and whose config it rewrote.

    The other way, from OCI's types to Docker's, it keeps every byte of the config.
    """
    return ours.media_type == DOCKER_MANIFEST and theirs.media_type == OCI_MANIFEST


def parse_manifest(raw: bytes, *, of: str) -> Manifest:
    """Read a manifest or an index.

    Args:
        raw: The bytes as the registry sent them.
        of: The reference they were asked for; errors name it.

    Raises:
        ImageError: `bad-manifest`, with what is wrong with it.
    """
    document = _document(raw, of=of)
    if "manifests" in document and ("layers" in document or "config" in document):
        raise _bad(of, "it is an image and an index in one")  # CVE-2021-41190
    try:
        media_type = _text(document, "mediaType")
        if media_type in INDEX_TYPES or (not media_type and "manifests" in document):
            children = _descriptors(document, "manifests")
            return Index(digest_of(raw), media_type or OCI_INDEX, children, raw)
        if "config" in document and "layers" in document:
            config = _descriptor(_object(document, "config"))
            layers = _descriptors(document, "layers")
            _check_size((config, *layers))
            return Image(digest_of(raw), media_type or OCI_MANIFEST, config, layers, raw)
    except FormatError as error:
        raise _bad(of, str(error)) from None
    if document.get("schemaVersion") == 1:
        raise _bad(
            of,
            "it has Docker's schema 1, which registries dropped",
            hint="ask its maintainer to push it anew, or choose a newer tag",
        )
    raise _bad(of, f"it is of an unknown type '{shortened(media_type) or 'none'}'")


def parse_referrers(raw: bytes, *, of: str) -> tuple[Mapping[str, Json], ...]:
    """Read a list of what refers to a digest: its descriptors as they stand, with all their keys.

    Some registries send `null` where nothing does.

    Raises:
        ImageError: `bad-manifest`, with what is wrong with it.
    """
    document = _document(raw, of=of, limit=LARGEST_LIST)
    if document.get("manifests") is None:
        return ()
    try:
        entries = _objects(document, "manifests")
        for entry in entries:
            _descriptor(entry)
    except FormatError as error:
        raise _bad(of, str(error)) from None
    return entries


def parse_config(raw: bytes, *, of: str) -> ImageConfig:
    """Read an image's config blob.

    Raises:
        ImageError: `bad-manifest`, where it is no config.
    """
    document = _document(raw, of=of)
    try:
        rootfs = _object(document, "rootfs") if document.get("rootfs") else {}
        runtime = _object(document, "config") if document.get("config") else {}
        diff_ids = rootfs.get("diff_ids") or ()
        return ImageConfig(
            digest=digest_of(raw),
            platform=Platform.normal(
                _text(document, "os"),
                _text(document, "architecture"),
                _text(document, "variant"),
                _text(document, "os.version"),
            ),
            created=_shortest_time(_text(document, "created")),
            diff_ids=tuple(map(str, diff_ids)) if isinstance(diff_ids, list) else (),
            runtime={
                key: json.dumps(value, sort_keys=True) for key, value in runtime.items() if value
            },
            raw=raw,
        )
    except FormatError as error:
        raise _bad(of, f"its config is wrong: {error}") from None


def _document(raw: bytes, *, of: str, limit: int = LARGEST) -> Mapping[str, Json]:
    if len(raw) > limit:
        raise _bad(of, f"it is larger than {limit} bytes")
    try:
        document = parse_json(raw, make_object=_without_duplicates)
    except FormatError as error:
        raise _bad(of, str(error)) from None
    except UnicodeEncodeError:
        raise _bad(of, "a text in it is no text (a lone surrogate)") from None
    except ValueError:
        hint = "a proxy or a login page may have answered instead of the registry"
        raise _bad(of, "it is not JSON", hint=hint) from None
    if not isinstance(document, Mapping):
        raise _bad(of, "it is not a JSON object")
    return document


def _without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """One key, one meaning: two readers of a document with two may not agree on it."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise FormatError("it has one key twice")
    return document


def _check_size(blobs: tuple[Descriptor, ...]) -> None:
    if sum(blob.size for blob in blobs) > _MOST_BYTES:
        raise FormatError("its layers are larger than any registry holds")


def _descriptors(document: Mapping[str, Json], key: str) -> tuple[Descriptor, ...]:
    objects = _objects(document, key)
    if len(objects) > MOST_PARTS:
        raise FormatError(f"it has {len(objects)} {key}, and {MOST_PARTS} is the most we take")
    return tuple(map(_descriptor, objects))


def _descriptor(document: Mapping[str, Json]) -> Descriptor:
    size = document.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise FormatError("a descriptor has no size")
    if size > _MOST_BYTES:
        raise FormatError("a descriptor's size is larger than any registry holds")
    platform = _object(document, "platform") if document.get("platform") else None
    annotations = _object(document, "annotations") if document.get("annotations") else {}
    offered = platform and Platform.normal(
        _text(platform, "os"),
        _text(platform, "architecture"),
        _text(platform, "variant"),
        _text(platform, "os.version"),
    )
    return Descriptor(
        media_type=_text(document, "mediaType"),
        digest=parse_digest(_text(document, "digest")),
        size=size,
        platform=offered or None,
        is_attestation=bool(
            "vnd.docker.reference.type" in annotations
            or (offered and offered.of_any_version == UNKNOWN)
            or document.get("artifactType")
        ),
        subject=_text(annotations, "vnd.docker.reference.digest"),
    )


def _text(document: Mapping[str, Json], key: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FormatError(f"'{key}' is not a text")
    if len(value) > _LONGEST_TEXT:
        raise FormatError(f"'{key}' is a text of {len(value)} characters")
    return value


def _object(document: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    value = document.get(key)
    if not isinstance(value, Mapping):
        raise FormatError(f"'{key}' is not an object")
    return value


def _objects(document: Mapping[str, Json], key: str) -> tuple[Mapping[str, Json], ...]:
    value = document.get(key)
    objects = value if isinstance(value, list) else []
    found = tuple(entry for entry in objects if isinstance(entry, Mapping))
    if len(found) != len(objects) or not isinstance(value, list):
        raise FormatError(f"'{key}' is not a list of objects")
    return found


def _shortest_time(text: str) -> str:
    """Drop what Go's RFC 3339 printer drops, so that a converted config compares equal."""
    text = text.replace("+00:00", "Z")
    if "." not in text or not text.endswith("Z"):
        return text
    return text.removesuffix("Z").rstrip("0").rstrip(".") + "Z"


def _bad(of: str, why: str, *, hint: str = "") -> ImageError:
    return ImageError(ErrorKind.BAD_MANIFEST, f"{of}: the manifest can't be used: {why}", hint=hint)
