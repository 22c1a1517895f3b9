"""Indexes of some platforms: exactly the chosen children, in the source's order.

The same source and choice give the same bytes, and so the same digest: what was
mirrored yesterday is known to be in sync today by its digest alone. Source:
OCI image specification 1.1, image-index.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.errors import ImageError, Kind
from orchestrator.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    Descriptor,
    Image,
    Index,
)
from orchestrator.platforms import Platform, PlatformChoice
from orchestrator.reference import Digest, digest_of


@dataclass(frozen=True)
class Subset:
    """An index to be pushed, and the children it names.

    Attributes:
        children: Descriptors of what has to be there before it.
        is_whole: Whether it is the source's own index, every byte of it.
        left_out: Platforms that were wanted where they are there, and are not.
    """

    raw: bytes = field(repr=False)
    children: tuple[Descriptor, ...]
    is_whole: bool = False
    left_out: tuple[Platform, ...] = ()

    @property
    def digest(self) -> Digest:
        """What the destination has when it is in sync."""
        return digest_of(self.raw)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """What it offers."""
        return Index(self.digest, "", self.children).platforms


def subset_of(index: Index, choice: PlatformChoice, *, keeps_attestations: bool, of: str) -> Subset:
    """The part of an index that a choice names.

    Args:
        index: The source's.
        choice: Several platforms, or all.
        keeps_attestations: Whether the attestations of the chosen images go with them.
        of: The source; errors name it.

    Raises:
        ImageError: `no-such-platform`, where a platform is not there.
    """
    chosen, left_out = _chosen(index, choice, of)
    kept = {child.digest for child in chosen}
    if keeps_attestations:
        kept |= _attesting(index, kept, keeps_all=choice.is_all)
    children = tuple(child for child in index.manifests if child.digest in kept)
    if len(children) == len(index.manifests):
        return Subset(index.raw, children, is_whole=True, left_out=left_out)
    document = json.loads(index.raw)
    document["manifests"] = [one for one in document["manifests"] if one["digest"] in kept]
    return Subset(_compact(document), children, left_out=left_out)


def index_around(image: Image, platform: Platform, choice: PlatformChoice, *, of: str) -> Subset:
    """An index of one single image, for a choice of several platforms.

    Args:
        image: The source's, which has no index.
        platform: What its config says it is for.
        choice: All but this platform have to be optional.
        of: The source; errors name it.

    Raises:
        ImageError: `no-such-platform`, where another platform is wanted.
    """
    offered = Descriptor(image.media_type, image.digest, image.size, platform)
    _, left_out = _chosen(Index(image.digest, "", (offered,)), choice, of)
    variant = {"variant": platform.variant} if platform.variant else {}
    entry = {
        "mediaType": image.media_type,
        "size": image.size,
        "digest": image.digest,
        "platform": {"architecture": platform.architecture, "os": platform.os, **variant},
    }
    is_docker = image.media_type == DOCKER_MANIFEST
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_INDEX if is_docker else OCI_INDEX,
        "manifests": [entry],
    }
    return Subset(_compact(document), (offered,), left_out=left_out)


def _chosen(
    index: Index, choice: PlatformChoice, of: str
) -> tuple[tuple[Descriptor, ...], tuple[Platform, ...]]:
    if choice.is_all:
        return tuple(child for child in index.manifests if not child.is_attestation), ()
    found = {platform: index.select(platform) for platform in choice.platforms}
    missing = tuple(platform for platform, child in found.items() if child is None)
    needed = [platform for platform in missing if platform not in choice.optional]
    chosen = tuple(child for child in found.values() if child)
    if needed or not chosen:
        raise no_such_platform(needed or missing, index, of=of)
    return chosen, missing


def _attesting(index: Index, kept: set[Digest], *, keeps_all: bool) -> set[Digest]:
    """The attestations of the kept images; those of no image we know of go with `all`."""
    attestations = [child for child in index.manifests if child.is_attestation]
    return {child.digest for child in attestations if keeps_all or Digest(child.subject) in kept}


def no_such_platform(missing: Iterable[Platform], index: Index, *, of: str) -> ImageError:
    """Say which platforms are not there, and which are."""
    wanted = ", ".join(map(str, missing))
    offered = ", ".join(map(str, index.platforms)) or "none"
    return ImageError(
        Kind.NO_SUCH_PLATFORM,
        f"{of}: it has no {wanted}; it has {offered}",
        hint="choose another with --platform",
    )


def _compact(document: object) -> bytes:
    """One way to write it: keys as they stood, nothing between, UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
