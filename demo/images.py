"""Small, real, valid images, built in memory and pushed over HTTP.

The same input gives the same bytes, so digests can be compared over runs and machines. What an
image, an index and their digests are: https://github.com/opencontainers/image-spec
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from demo.registry import Client

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from demo.registry import Login

Media = Literal["oci", "docker"]
Compression = Literal["gzip", "none", "zstd"]
Attestations = Literal["old", "new"]

MIB = 1024 * 1024

_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
_EMPTY = "application/vnd.oci.empty.v1+json"
_IN_TOTO = "application/vnd.in-toto+json"
_PREDICATE = "https://slsa.dev/provenance/v0.2"
_GZIP = 31
"""zlib's window bits for a gzip header, whose time it leaves 0."""

_MANIFEST_TYPE: Mapping[Media, str] = {
    "oci": f"{_OCI}.manifest.v1+json",
    "docker": f"{_DOCKER}.distribution.manifest.v2+json",
}
_INDEX_TYPE: Mapping[Media, str] = {
    "oci": f"{_OCI}.index.v1+json",
    "docker": f"{_DOCKER}.distribution.manifest.list.v2+json",
}
_CONFIG_TYPE: Mapping[Media, str] = {
    "oci": f"{_OCI}.config.v1+json",
    "docker": f"{_DOCKER}.container.image.v1+json",
}
_LAYER_TYPE: Mapping[tuple[Media, Compression], str] = {
    ("oci", "gzip"): f"{_OCI}.layer.v1.tar+gzip",
    ("oci", "none"): f"{_OCI}.layer.v1.tar",
    ("oci", "zstd"): f"{_OCI}.layer.v1.tar+zstd",
    ("docker", "gzip"): f"{_DOCKER}.image.rootfs.diff.tar.gzip",
    ("docker", "none"): f"{_DOCKER}.image.rootfs.diff.tar",
    ("docker", "zstd"): f"{_DOCKER}.image.rootfs.diff.tar.zstd",
}


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes under their digest."""

    content: bytes = field(repr=False)
    digest: str

    @classmethod
    def of(cls, content: bytes) -> Blob:
        """The content with its digest."""
        return cls(content, digest_of(content))


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it travels, and the digest of its plain tar (`diff_id`)."""

    blob: Blob
    diff_id: str
    compression: Compression


@dataclass(frozen=True, slots=True)
class Image:
    """One platform's image. To break it, replace its manifest (`dataclasses.replace`)."""

    platform: str
    media_type: str
    manifest: bytes = field(repr=False)
    config: bytes = field(repr=False)
    layers: tuple[Blob, ...]
    artifact_of: str | None = None

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return digest_of(self.manifest)

    @property
    def config_digest(self) -> str:
        """The digest of the config, which survives recompression."""
        return digest_of(self.config)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """What a registry must have before it takes the manifest."""
        return (*self.layers, Blob.of(self.config))


@dataclass(frozen=True, slots=True)
class Index:
    """Several platforms' images under one digest, attestations among them where asked for."""

    media_type: str
    manifest: bytes = field(repr=False)
    images: tuple[Image, ...]

    @property
    def digest(self) -> str:
        """The digest of the index."""
        return digest_of(self.manifest)


def digest_of(content: bytes) -> str:
    """A registry's name for the content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(files: Mapping[str, bytes], compression: Compression = "gzip") -> Layer:
    """A layer with these files (path to content), all of them executable."""
    return _pack(_tar(files), compression)


def noise_layer(size: int, seed: int = 0, compression: Compression = "gzip") -> Layer:
    """A layer of about `size` bytes that no compression makes smaller; quick to make."""
    noise = random.Random(seed).randbytes(size)  # noqa: S311  (the same noise each time)
    return _pack(_tar({f"noise-{seed}": noise}), compression, level=0)


def build_image(  # noqa: PLR0913  (each is one line of a Dockerfile)
    platform: str = "linux/amd64",
    files: Mapping[str, bytes] | None = None,
    *,
    env: Iterable[str] = (),
    cmd: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
    runtime: Mapping[str, object] | None = None,
    created: str | None = "2024-01-01T00:00:00Z",
    media: Media = "oci",
    compression: Compression = "gzip",
    layers: Sequence[Layer] = (),
    without: Collection[str] = (),
) -> Image:
    """An image: first the `layers` given, then one of `files`.

    Args:
        platform: os/architecture[/variant] that the config tells.
        files: path to content; they make the last layer.
        env: lines of `NAME=value`.
        cmd: the command's words.
        labels: the config's labels.
        runtime: any other key of the config's runtime part, such as `WorkingDir`.
        created: the config's time stamp; None leaves it out.
        media: whether the manifest is OCI's or Docker's.
        compression: of the layer of `files`.
        layers: shared or heavy ones, below.
        without: keys to leave out of the config, such as `architecture`.
    """
    stack = (*layers, layer(files or {"etc/motd": platform.encode()}, compression))
    settings: dict[str, object] = {"Env": list(env), "Cmd": list(cmd), "Labels": labels}
    whole: dict[str, object] = {
        "created": created,
        **_platform(platform),
        "config": _known({**settings, **(runtime or {})}),
        "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in stack]},
        "history": [{"created_by": f"layer {number}"} for number, _ in enumerate(stack)],
    }
    config = _json({key: value for key, value in _known(whole).items() if key not in without})
    return _assemble(platform, config, stack, media)


def build_index(
    images: Iterable[Image | tuple[str, Image]],
    *,
    media: Media = "oci",
    attestations: Attestations | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Index:
    """An index over the images; `("linux/arm64", image)` lists one as what it is not.

    `attestations` adds one to each image as BuildKit does: `old` ones pass for an image of
    platform unknown/unknown, `new` ones have OCI's empty config.
    """
    listed = [(one.platform, one) if isinstance(one, Image) else one for one in images]
    if attestations:
        listed += [("unknown/unknown", _attest(one, attestations)) for _, one in listed]
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX_TYPE[media],
        "manifests": [_list(platform, one) for platform, one in listed],
        "annotations": annotations,
    }
    children = tuple(one for _, one in listed)
    return Index(_INDEX_TYPE[media], _json(_known(index)), children)


def push(
    registry_url: str,
    repository: str,
    tag: str | None,
    content: Image | Index,
    *,
    auth: Login | None = None,
    authority: Path | None = None,
) -> str:
    """Pushes blobs, then children, then the manifest as it is; returns its digest.

    Without a tag it goes under its digest alone. `authority` is the file of the certificates to
    trust. What the registry refuses raises requests' HTTPError.
    """
    children = content.images if isinstance(content, Index) else ()
    singles = (content,) if isinstance(content, Image) else children
    blobs = {blob.digest: blob for image in singles for blob in image.blobs}
    with Client(registry_url, auth, authority=authority) as client:
        for blob in blobs.values():
            _push_blob(client, repository, blob)
        for child in children:
            _push_manifest(client, repository, child.digest, child)
        _push_manifest(client, repository, tag or content.digest, content)
    return content.digest


def _push_blob(client: Client, repository: str, blob: Blob) -> None:
    if client.ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}"):
        return
    started = client.ask("POST", f"/v2/{repository}/blobs/uploads/")
    started.raise_for_status()
    location = started.headers["Location"]
    end = f"{location}{'&' if '?' in location else '?'}digest={blob.digest}"
    headers = {"Content-Type": "application/octet-stream"}
    client.ask("PUT", end, headers=headers, body=blob.content).raise_for_status()


def _push_manifest(client: Client, repository: str, name: str, content: Image | Index) -> None:
    path = f"/v2/{repository}/manifests/{name}"
    headers = {"Content-Type": content.media_type}
    client.ask("PUT", path, headers=headers, body=content.manifest).raise_for_status()


def _assemble(platform: str, config: bytes, stack: Sequence[Layer], media: Media) -> Image:
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE[media],
        "config": _descriptor(_CONFIG_TYPE[media], config),
        "layers": [_describe_layer(one, media) for one in stack],
    }
    blobs = tuple(one.blob for one in stack)
    return Image(platform, _MANIFEST_TYPE[media], _json(manifest), config, blobs)


def _attest(image: Image, style: Attestations) -> Image:
    """https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md."""
    statement = Blob.of(_json(_statement(image)))
    config_type, config = _attestation_config(statement, style)
    predicate = {"in-toto.io/predicate-type": _PREDICATE}
    extra: Mapping[str, object] = {
        "artifactType": f"{_DOCKER}.attestation.manifest.v1+json",
        "subject": _descriptor(image.media_type, image.manifest),
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST_TYPE["oci"],
        **(extra if style == "new" else {}),
        "config": _descriptor(config_type, config),
        "layers": [{**_descriptor(_IN_TOTO, statement.content), "annotations": predicate}],
    }
    unknown, media_type = "unknown/unknown", _MANIFEST_TYPE["oci"]
    return Image(unknown, media_type, _json(manifest), config, (statement,), image.digest)


def _statement(image: Image) -> Mapping[str, object]:
    subject = {"name": image.platform, "digest": {"sha256": image.digest.partition(":")[2]}}
    return {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": _PREDICATE,
        "subject": [subject],
        "predicate": {"buildType": "https://mobyproject.org/buildkit@v1"},
    }


def _attestation_config(statement: Blob, style: Attestations) -> tuple[str, bytes]:
    if style == "new":
        return _EMPTY, b"{}"
    rootfs = {"type": "layers", "diff_ids": [statement.digest]}
    unknown = {**_platform("unknown/unknown"), "config": {}, "rootfs": rootfs}
    return _CONFIG_TYPE["oci"], _json(unknown)


def _list(platform: str, image: Image) -> Mapping[str, object]:
    annotations = image.artifact_of and {
        "vnd.docker.reference.digest": image.artifact_of,
        "vnd.docker.reference.type": "attestation-manifest",
    }
    listed = {
        **_descriptor(image.media_type, image.manifest),
        "annotations": annotations,
        "platform": _platform(platform),
    }
    return _known(listed)


def _descriptor(media_type: str, content: bytes) -> Mapping[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _describe_layer(one: Layer, media: Media) -> Mapping[str, object]:
    media_type = _LAYER_TYPE[media, one.compression]
    return {"mediaType": media_type, "digest": one.blob.digest, "size": len(one.blob.content)}


def _platform(text: str) -> Mapping[str, str]:
    keys = ("os", "architecture", "variant")
    return dict(zip(keys, text.split("/"), strict=False))


def _known(settings: Mapping[str, object]) -> Mapping[str, object]:
    return {key: value for key, value in settings.items() if value not in (None, [], "")}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=3).encode()


def _tar(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for member, content in _members(files):
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _members(files: Mapping[str, bytes]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for path, content in sorted(files.items()):
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size = len(content)
        member.mode = 0o755
        yield member, content


def _pack(tar: bytes, compression: Compression, level: int = 6) -> Layer:
    return Layer(Blob.of(_compress(tar, compression, level)), digest_of(tar), compression)


def _compress(tar: bytes, compression: Compression, level: int) -> bytes:
    if compression == "gzip":
        gzip = zlib.compressobj(level, wbits=_GZIP)
        return gzip.compress(tar) + gzip.flush()
    if compression == "zstd":
        import zstandard  # noqa: PLC0415  (only zstd layers need it)

        return zstandard.ZstdCompressor(level=1).compress(tar)
    return tar
