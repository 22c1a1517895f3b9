"""Indexes of some platforms: exactly the chosen children, in the source's order.

The same source and choice give the same bytes, and so the same digest: what was
mirrored yesterday is known to be in sync today by its digest alone. Source:
OCI image specification 1.1, image-index.md.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from orchestrator.errors import INCOMPLETE_HINT, ErrorKind, ImageError
from orchestrator.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    INDEX_TYPES,
    OCI_INDEX,
    Descriptor,
    Image,
    Index,
)
from orchestrator.oci.platform import Platform, PlatformChoice
from orchestrator.oci.reference import Digest, digest_of


class ManifestTypes(Enum):
    """Whose media types the manifests have that a registry is given."""

    AS_IS = "as they are"
    DOCKER = "in Docker's types"
    OCI = "in OCI's types"


@dataclass(frozen=True)
class ManifestForm:
    """The form in which a registry is given an image.

    Attributes:
        keeps_attestations: Whether the attestations in an index go with it.
        types: Whose types its manifests are written in.
    """

    keeps_attestations: bool = True
    types: ManifestTypes = ManifestTypes.AS_IS

    @property
    def fallbacks(self) -> tuple[ManifestForm, ...]:
        """What to try, in this order, where a registry refuses this one."""
        return _FALLBACKS[self]


BARE_FORM = ManifestForm(keeps_attestations=False)
DOCKER_FORM = ManifestForm(keeps_attestations=False, types=ManifestTypes.DOCKER)
"""Docker's types have no way to write an attestation."""

OCI_FORM = ManifestForm(types=ManifestTypes.OCI)
BARE_OCI_FORM = ManifestForm(keeps_attestations=False, types=ManifestTypes.OCI)
_FALLBACKS: Mapping[ManifestForm, tuple[ManifestForm, ...]] = {
    ManifestForm(): (BARE_FORM, DOCKER_FORM, OCI_FORM, BARE_OCI_FORM),
    BARE_FORM: (DOCKER_FORM, BARE_OCI_FORM),
    DOCKER_FORM: (),
    OCI_FORM: (BARE_OCI_FORM,),
    BARE_OCI_FORM: (),
}


@dataclass(frozen=True)
class PushIndex:
    """An index to be pushed, and the children it names.

    Attributes:
        children: Descriptors of what has to be there before it.
        is_whole: Whether it is the source's own index, every byte of it.
    """

    raw: bytes = field(repr=False)
    children: tuple[Descriptor, ...]
    is_whole: bool = False

    @property
    def digest(self) -> Digest:
        """The sha256 of its bytes: what the destination has when it is in sync."""
        return digest_of(self.raw)

    @property
    def media_type(self) -> str:
        """As it says itself; OCI's, where it says none."""
        return str(json.loads(self.raw).get("mediaType") or OCI_INDEX)

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """The platforms that its children are for, attestations left out."""
        return Index(self.digest, "", self.children).platforms


def index_for_choice(
    index: Index, choice: PlatformChoice, *, keeps_attestations: bool, of: str
) -> PushIndex:
    """The part of an index that a choice names.

    Args:
        index: The source's.
        choice: Several platforms, or all.
        keeps_attestations: Whether the attestations of the chosen images go with them.
        of: The source; errors name it.

    Raises:
        ImageError: `no-such-platform`, where a platform is not there; `bad-manifest`, where
            nothing is left, or what is chosen is an index itself.
    """
    chosen = _chosen(index, choice, of)
    if keeps_attestations:
        chosen = (*chosen, *_attesting(index, chosen, keeps_all=choice.is_all))
    wanted = set(map(id, chosen))  # one image may stand under two platforms
    places = [place for place, one in enumerate(index.manifests) if id(one) in wanted]
    children = tuple(index.manifests[place] for place in places)
    _refuse_oddities(index, children, of)
    if len(children) == len(index.manifests):
        return PushIndex(index.raw, children, is_whole=True)
    document = json.loads(index.raw)
    document["manifests"] = [document["manifests"][place] for place in places]
    return PushIndex(compact(document), children)


def index_of_one(image: Image, platform: Platform, choice: PlatformChoice, *, of: str) -> PushIndex:
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
    _chosen(Index(image.digest, "", (offered,)), choice, of)
    more = {"os.version": platform.os_version, "variant": platform.variant}
    entry = {
        "mediaType": image.media_type,
        "size": image.size,
        "digest": image.digest,
        "platform": {
            "architecture": platform.architecture,
            "os": platform.os,
            **{key: value for key, value in more.items() if value},
        },
    }
    is_docker = image.media_type == DOCKER_MANIFEST
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_INDEX if is_docker else OCI_INDEX,
        "manifests": [entry],
    }
    return PushIndex(compact(document), (offered,))


def _chosen(index: Index, choice: PlatformChoice, of: str) -> tuple[Descriptor, ...]:
    if choice.is_all:
        return tuple(child for child in index.manifests if not child.is_attestation)
    found = {platform: _named(index.select(platform)) for platform in choice.platforms}
    missing = tuple(platform for platform, child in found.items() if child is None)
    needed = [platform for platform in missing if platform not in choice.optional]
    chosen = tuple(child for child in found.values() if child)
    if needed or not chosen:
        raise no_such_platform(needed or missing, index, of=of)
    return chosen


def _named(child: Descriptor | None) -> Descriptor | None:
    """A child that its index names a platform for: under one of none, nobody would find it."""
    return child if child and child.platform else None


def _attesting(
    index: Index, chosen: Iterable[Descriptor], *, keeps_all: bool
) -> tuple[Descriptor, ...]:
    """The attestations of the chosen images; those of no image we know of go with `all`."""
    kept = {child.digest for child in chosen}
    attestations = (child for child in index.manifests if child.is_attestation)
    return tuple(one for one in attestations if keeps_all or Digest(one.subject) in kept)


def _refuse_oddities(index: Index, children: Collection[Descriptor], of: str) -> None:
    if index.manifests and not children:
        raise ImageError(
            ErrorKind.BAD_MANIFEST,
            f"{of}: its index holds attestations, and no image",
            hint="ATTESTATIONS=keep takes it as it is, where the registry does",
        )
    inner = next((child for child in children if child.media_type in INDEX_TYPES), None)
    if inner:
        raise nested_index(inner.digest, of=of)


def nested_index(inner: Digest, *, of: str) -> ImageError:
    """Say that an index holds another one, which skopeo does not copy."""
    return ImageError(
        ErrorKind.BAD_MANIFEST,
        f"{of}: its index holds another index ({inner})",
        hint="name the inner index by its digest instead",
    )


def lost_image(child: Digest, *, of: str) -> ImageError:
    """Say that an index is there, and an image that it names is not."""
    return ImageError(
        ErrorKind.SOURCE_INCOMPLETE,
        f"{of}: its index is there, but the image {child} that it names is gone",
        hint=INCOMPLETE_HINT,
    )


def no_such_platform(missing: Iterable[Platform], index: Index, *, of: str) -> ImageError:
    """Say which platforms are not there, and which are."""
    missing = tuple(missing)
    wanted = ", ".join(map(str, missing))
    offered = list(map(str, index.platforms))
    writable = [str(platform) for platform in index.platforms if platform.is_writable]
    nearest = difflib.get_close_matches(str(missing[0]), writable, n=1, cutoff=0) or writable[:1]
    if any(not child.platform and not child.is_attestation for child in index.manifests):
        offered.append("an image of no platform")
    return ImageError(
        ErrorKind.NO_SUCH_PLATFORM,
        f"{of}: it has no {wanted}; it has {', '.join(offered) or 'none'}",
        hint=f"write --platform={nearest[0]}" if nearest else "--platform=all takes it as it is",
    )


def compact(document: object) -> bytes:
    """One way to write it: keys as they stood, nothing between, UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
