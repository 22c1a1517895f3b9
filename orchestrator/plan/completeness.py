"""Completeness: whether all that a destination's manifest names is there.

Cleanups of untagged versions, and some registries' garbage collection, take the children of an
index and leave its tag: the digest is as it should be, and nobody can pull.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from typing import Protocol

from orchestrator.config.settings import Verify
from orchestrator.errors import Side
from orchestrator.oci.manifest import Descriptor, Image, parse_manifest
from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.reader import Reader


class ChildMemory(Protocol):
    """What is remembered of manifests, whose digests name their bytes."""

    def children(self, manifest: Digest) -> tuple[Digest, ...] | None:
        """What a manifest names: an index's children, none of a single image."""
        ...

    def remember_children(self, manifest: Digest, children: tuple[Digest, ...]) -> None:
        """Keep it for good."""
        ...


class Completeness:
    """Asks destinations for what their manifests name; safe to be used by many threads.

    Args:
        reader: Reads destinations.
        has_blob: Whether a repository has a blob.
        memory: What earlier runs found out.
        verify: What is asked for.
        pool: Asks many questions at once.
    """

    def __init__(
        self,
        reader: Reader,
        has_blob: Callable[[Reference, Digest], bool],
        memory: ChildMemory,
        verify: Verify,
        pool: Executor,
    ) -> None:
        self._reader = reader
        self._has_blob = has_blob
        self._memory = memory
        self._verify = verify
        self._pool = pool

    def missing(self, there: Reference, digest: Digest, *, is_single: bool) -> tuple[Digest, ...]:
        """The images that are not there, or not all of them; none where nothing is asked for.

        Args:
            there: The repository of the destination.
            digest: What its tag names.
            is_single: Whether that is known to be one image.

        Raises:
            ImageError: It can't be told.
        """
        if self._verify is Verify.TAG:
            return ()
        children = () if is_single else self._children(there, digest)
        if self._verify is Verify.BLOBS:
            return tuple(self._without_blobs(there, children or (digest,)))
        found = self._pool.map(
            lambda child: self._reader.read_digest(there.at(child), side=Side.DESTINATION), children
        )
        return tuple(child for child, one in zip(children, found, strict=True) if one is None)

    def _children(self, there: Reference, digest: Digest) -> tuple[Digest, ...]:
        known = self._memory.children(digest)
        if known is None:
            raw = self._reader.read_manifest(there.at(digest), side=Side.DESTINATION)
            manifest = parse_manifest(raw or b"", of=there.at(digest).familiar)
            images = () if isinstance(manifest, Image) else manifest.manifests
            known = tuple(dict.fromkeys(child.digest for child in images))
            self._memory.remember_children(digest, known)
        return known

    def _without_blobs(self, there: Reference, images: Collection[Digest]) -> Iterator[Digest]:
        raw = self._pool.map(
            lambda one: self._reader.read_manifest(there.at(one), side=Side.DESTINATION), images
        )
        blobs = {
            one: None if found is None else _blobs_in(found, of=there.at(one).familiar)
            for one, found in zip(images, raw, strict=True)
        }
        all_blobs = tuple(dict.fromkeys(blob for of_one in blobs.values() for blob in of_one or ()))
        answers = self._pool.map(lambda blob: self._has_blob(there, blob), all_blobs)
        lost = {blob for blob, is_there in zip(all_blobs, answers, strict=True) if not is_there}
        for one, of_one in blobs.items():
            if of_one is None or lost.intersection(of_one):
                yield one


def _blobs_in(raw: bytes, *, of: str) -> tuple[Digest, ...]:
    manifest = parse_manifest(raw, of=of)
    blobs: tuple[Descriptor, ...] = manifest.blobs if isinstance(manifest, Image) else ()
    return tuple(blob.digest for blob in blobs if not blob.is_foreign)
