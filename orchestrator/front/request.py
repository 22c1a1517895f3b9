"""What a client asks of the front, as the distribution specification writes it in a path. Pure.

containerd names the registry that it means in the query (`?ns=quay.io`), Docker means its own Hub,
and whoever can rewrite a prefix, as podman can, puts the registry before the repository.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from orchestrator.errors import FormatError
from orchestrator.oci.reference import (
    DOCKER_HUB,
    Digest,
    Reference,
    is_host,
    is_repository,
    parse_digest,
    registry_of,
)

_LONGEST = 2048
_PATH = re.compile(
    r"/v2/(?P<repository>[a-z0-9._/-]{1,255})/(?P<noun>manifests|blobs)/(?P<what>.+)"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_ATTACHED = re.compile(r"sha256-[0-9a-f]{64}(?:\.[a-z]+)?")
_RANGE = re.compile(r"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})")


@dataclass(frozen=True)
class Wanted:
    """One manifest or blob of an image, under its original name.

    Attributes:
        noun: `manifests` or `blobs`.
        image: Where it is upstream, by tag or by digest.
    """

    noun: str
    image: Reference

    @property
    def digest(self) -> Digest | None:
        """What is asked for by its content; None where it is a tag."""
        return self.image.digest

    @property
    def is_attached(self) -> bool:
        """Whether the tag is one that cosign gives to what it says of a digest."""
        return bool(_ATTACHED.fullmatch(self.image.tag or ""))


def parse_wanted(target: str) -> Wanted | None:
    """Read a request's target; None where it names no manifest and no blob.

    Args:
        target: Path and query, as they came.
    """
    if len(target) > _LONGEST:
        return None
    try:
        parts = urlsplit(target)
        query = parse_qs(parts.query, max_num_fields=8)
        found = _PATH.fullmatch(unquote(parts.path, errors="strict"))
    except ValueError:
        return None
    if parts.netloc or not found or not is_repository(found["repository"]):
        return None
    name = _named(found["repository"], query.get("ns", []))
    return _wanted(found["noun"], name, found["what"]) if name else None


def parse_range(text: str) -> str:
    """A range that can be asked for; empty where it is none, or several (RFC 9110, 14.2)."""
    return text if _RANGE.fullmatch(text) else ""


def _named(repository: str, namespaces: list[str]) -> tuple[str, str] | None:
    """Registry and repository; None where the registry is none."""
    if namespaces:
        host = namespaces[0].lower()
        if len(namespaces) > 1 or not is_host(host):
            return None
        return registry_of(host), repository
    first, slash, rest = repository.partition("/")
    if slash and "." in first and is_host(first):  # no user of Docker Hub has a dot in the name
        return registry_of(first), rest
    return DOCKER_HUB, repository


def _wanted(noun: str, name: tuple[str, str], what: str) -> Wanted | None:
    registry, repository = name
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    try:
        return Wanted(noun, Reference(registry, repository, None, parse_digest(what)))
    except FormatError:
        is_tag = noun == "manifests" and _TAG.fullmatch(what)
    return Wanted(noun, Reference(registry, repository, what)) if is_tag else None
