"""Requests of the distribution API by kind, and what they moved.

A pull, as Docker Hub counts them, is a `GET` of a manifest; `HEAD` is free.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from demo.proxy import Exchange

_BLOB = re.compile(r"/blobs/(sha256:[0-9a-f]{64})$")
_FINISHED = re.compile(r"[?&]digest=(sha256(?::|%3A)[0-9a-f]{64})", re.IGNORECASE)


class ErrorKind(Enum):
    """What a request is about."""

    PING = "ping"
    MANIFEST_HEAD = "manifest HEAD"
    MANIFEST_GET = "manifest GET"
    MANIFEST_PUT = "manifest PUT"
    BLOB_HEAD = "blob HEAD"
    BLOB_GET = "blob GET"
    UPLOAD = "upload"
    TAGS = "tags"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went by in front of one registry, or of several.

    Attributes:
        requests: How many of each kind.
        downloads: How often each blob was sent, whole or in part.
        sizes: How many bytes of each of those were sent at once.
        uploads: How often each blob was received whole.
        down: Bytes that registries sent.
        up: Bytes that registries received.
        busy: Processor seconds of the busiest proxy.
    """

    requests: Mapping[ErrorKind, int] = field(default_factory=dict)
    downloads: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    uploads: Mapping[str, int] = field(default_factory=dict)
    down: int = 0
    up: int = 0
    busy: float = 0.0

    @classmethod
    def of(cls, exchanges: Iterable[Exchange], busy: float = 0.0) -> Traffic:
        """What these exchanges were."""
        seen = tuple(exchanges)
        return cls(
            requests=Counter(kind_of(one.method, one.path) for one in seen),
            downloads=Counter(digest for one in seen if (digest := _downloaded(one))),
            sizes={digest: one.received_bytes for one in seen if (digest := _downloaded(one))},
            uploads=Counter(digest for one in seen if (digest := _uploaded(one))),
            down=sum(one.received_bytes for one in seen),
            up=sum(one.sent_bytes for one in seen),
            busy=busy,
        )

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            requests=Counter(self.requests) + Counter(other.requests),
            downloads=Counter(self.downloads) + Counter(other.downloads),
            sizes={**self.sizes, **other.sizes},
            uploads=Counter(self.uploads) + Counter(other.uploads),
            down=self.down + other.down,
            up=self.up + other.up,
            busy=max(self.busy, other.busy),
        )

    def count(self, *kinds: ErrorKind) -> int:
        """How many requests of these kinds; of all, where none is named."""
        return sum(self.requests.get(kind, 0) for kind in kinds or ErrorKind)


def kind_of(method: str, path: str) -> ErrorKind:
    """What a request is about."""
    plain = path.partition("?")[0]
    if plain == "/v2/":
        return ErrorKind.PING
    if "/blobs/uploads/" in plain:
        return ErrorKind.UPLOAD
    if plain.endswith("/tags/list"):
        return ErrorKind.TAGS
    return _KINDS.get((method, _noun(plain)), ErrorKind.OTHER)


_KINDS = {
    ("HEAD", "manifests"): ErrorKind.MANIFEST_HEAD,
    ("GET", "manifests"): ErrorKind.MANIFEST_GET,
    ("PUT", "manifests"): ErrorKind.MANIFEST_PUT,
    ("HEAD", "blobs"): ErrorKind.BLOB_HEAD,
    ("GET", "blobs"): ErrorKind.BLOB_GET,
}


def _noun(path: str) -> str:
    """What a path `/v2/NAME/NOUN/WHICH` is about."""
    return (*path.rsplit("/", 2), "", "")[1]


def _downloaded(one: Exchange) -> str:
    found = _BLOB.search(one.path)
    return found[1] if found and one.method == "GET" and one.received_bytes else ""


def _uploaded(one: Exchange) -> str:
    """The blob that an upload ended with; one that was mounted did not travel."""
    found = _FINISHED.search(one.path)
    is_whole = one.method in ("PUT", "POST") and one.status == 201
    return found[1].lower().replace("%3a", ":") if found and is_whole else ""
