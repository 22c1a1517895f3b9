"""Copying an image to its destination, in the form that the registry there takes.

"Copied" is never said on skopeo's word alone: afterwards the destination is
asked again, and has the expected digest, or the copy has failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Protocol

from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.conversion import conversion_note
from orchestrator.oci.index import PushIndex
from orchestrator.oci.manifest import (
    Descriptor,
    Image,
    ImageConfig,
    is_converted_to_oci,
    parse_config,
    parse_manifest,
)
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.decision import Upstream, Verdict
from orchestrator.plan.items import Item
from orchestrator.registry.reader import Reader
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.late_reads import read_until
from orchestrator.sync.refusals import in_no_form, refusal
from orchestrator.system.parallel import RetryPolicy

_log = logging.getLogger(__name__)

_BY_SKOPEO = "converted to other manifest types, since the registry refuses its own"


class CopyTool(Reader, Protocol):
    """A program that copies images, and reads registries; safe to be asked by many threads.

    Every method raises an `ImageError` where it does not work.
    """

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy from registry to registry; the blobs that travelled."""
        ...

    def copy_blobs(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy what an image is made of, whether or not its manifest is taken."""
        ...

    def push_manifest(self, raw: bytes, destination: Reference, *, config: bytes = b"") -> None:
        """Push a manifest of what is there already."""
        ...


class Forms(Protocol):
    """Knows in which other forms a target may be given an image."""

    def other_forms(self, item: Item) -> Iterator[tuple[str, Upstream]]:
        """What may be copied where a registry refuses what was planned, and the words for it."""
        ...


@dataclass(frozen=True)
class CopyOutcome:
    """What a copy came to.

    Attributes:
        digest: What the destination has now.
        uploaded: The blobs that travelled.
        sizes: Bytes of the blobs, as far as they are known.
        note: In which form it is there, if not as its source has it.
        was_there: Whether it was there in that form before.
    """

    digest: Digest
    uploaded: tuple[Digest, ...] = ()
    sizes: Mapping[Digest, int] = field(default_factory=dict)
    note: str = ""
    was_there: bool = False

    @property
    def moved(self) -> int:
        """Bytes that travelled."""
        return sum(self.sizes.get(digest, 0) for digest in self.uploaded)


class Copier:
    """Copies images; safe to be asked by many threads.

    Args:
        tool: Copies, and reads destinations.
        forms: Knows other forms that a target may take.
        has: Whether a HEAD tells that an item's destination has a digest.
        retry: How long is waited for what was written to be seen.
    """

    def __init__(
        self,
        tool: CopyTool,
        forms: Forms,
        has: Callable[[Item, Digest], bool],
        retry: RetryPolicy,
    ) -> None:
        self._tool = tool
        self._forms = forms
        self._has = has
        self._retry = retry
        self._learned: dict[tuple[str, str], str] = {}

    def copy(
        self, verdict: Verdict, previous: Reference | None, also: tuple[Reference, ...] = ()
    ) -> CopyOutcome:
        """Copy as planned; where the registry refuses that, in the next best form.

        Args:
            verdict: The item, what its destination has to become, and what was found there.
            previous: The same image in the target before this one, which is read in the source's
                place; None reads the source.
            also: Where the same is wanted next, and may be brought along.

        Raises:
            ImageError: It did not work.
        """
        item, upstream = verdict.item, verdict.upstream
        refusals: list[ImageError] = []
        for note, form in self._forms_in_order(item, upstream):
            if verdict.has_already(form):
                return CopyOutcome(form.expected, note=note, was_there=True)
            is_planned = form is upstream
            try:
                outcome = (
                    self._copy(item, form, previous, also)
                    if is_planned
                    else self._copy_from(item.source, item, form)
                )
            except ImageError as error:
                refusals.append(refusal(error, item, upstream))
                continue
            self._remember_form(item, upstream, note)
            return replace(outcome, note=note)
        return self._as_skopeo_converts(item, upstream, refusals[-1])

    def _forms_in_order(self, item: Item, upstream: Upstream) -> Iterator[tuple[str, Upstream]]:
        """What to try: as was planned first, or in the form that a like index had to have.

        So an index that a registry refuses leaves its children behind there once in a run.
        """
        learned = self._learned.get(_kind_of_index(item, upstream), "")
        if learned:
            with suppress(ImageError):
                yield from (one for one in self._forms.other_forms(item) if one[0] == learned)
        yield conversion_note(upstream.rewritten[0].types) if upstream.rewritten else "", upstream
        for note, form in self._fallbacks(item, upstream):
            if not note or note != learned:
                yield note, form

    def _remember_form(self, item: Item, upstream: Upstream, note: str) -> None:
        if upstream.index is not None:
            self._learned[_kind_of_index(item, upstream)] = note

    def _fallbacks(self, item: Item, upstream: Upstream) -> Iterator[tuple[str, Upstream]]:
        """What to try, in this order, where a registry refuses what was planned.

        A whole index goes child by child first: some versions of skopeo would add annotations of
        their own to it, or can't write all of its keys (skopeo#2627, skopeo#2778).
        """
        if upstream.index and upstream.index.is_whole:
            yield "", replace(upstream, index=replace(upstream.index, is_whole=False))
        tried = {upstream.expected}
        for note, other in self._forms.other_forms(item):
            if other.expected not in tried:
                tried.add(other.expected)
                yield note, other

    def _copy(
        self,
        item: Item,
        upstream: Upstream,
        previous: Reference | None,
        also: tuple[Reference, ...],
    ) -> CopyOutcome:
        """Copy from the target before this one in the chain, or else from the source."""
        if previous is not None:
            try:
                return self._copy_from(previous, item, replace(upstream, rewritten=()))
            except ImageError as error:
                if error.registry != previous.registry:
                    raise
                _log.info("%s; it is read from the source instead", error.message)
        return self._copy_from(item.source, item, upstream, also)

    def _copy_from(
        self,
        origin: Reference,
        item: Item,
        upstream: Upstream,
        also: tuple[Reference, ...] = (),
    ) -> CopyOutcome:
        """Copy from one place, and ask the destination what it has."""
        request = replace(_request(origin, item, upstream), also=also)
        subset = upstream.index
        if subset is None or subset.is_whole:
            uploaded = self._bring(request, upstream)
        else:
            uploaded = self._assemble(request, upstream, subset)
        if subset is None and upstream.blobs and self._has(item, upstream.expected):
            sizes = {blob.digest: blob.size for blob in upstream.blobs}
            return CopyOutcome(upstream.expected, uploaded, sizes)
        raw = self._read_back(request, upstream, lambda raw: digest_of(raw) == upstream.expected)
        return CopyOutcome(upstream.expected, uploaded, self._sizes(request, raw))

    def _assemble(
        self, request: CopyRequest, upstream: Upstream, subset: PushIndex
    ) -> tuple[Digest, ...]:
        """Copy the children by digest, and then push the index that names them.

        The tag stays where it is until everything that it will name is there.
        """
        uploaded: list[Digest] = []
        for child in subset.children:
            part = replace(
                request,
                source=request.source.at(child.digest),
                destination=request.destination.at(child.digest),
                also=tuple(one.at(child.digest) for one in request.also),
                pulls=1,
                blobs=_sizes_of(upstream.blobs_of.get(child.digest, ())),
            )
            uploaded += self._bring(part, upstream)
        self._tool.push_manifest(subset.raw, request.destination)
        return tuple(uploaded)

    def _bring(self, request: CopyRequest, upstream: Upstream) -> tuple[Digest, ...]:
        """Copy one part as it is, or under the manifest that it is rewritten to."""
        digest = request.source.digest
        became = next((one for one in upstream.rewritten if one.digest == digest), None)
        if became is None:
            return self._tool.copy(request)
        source = request.source.at(became.origin)
        there = request.destination.at(became.origin)
        blobs = replace(request, source=source, destination=there, also=())
        uploaded = self._tool.copy_blobs(blobs)
        self._tool.push_manifest(became.raw, request.destination, config=became.config)
        return uploaded

    def _as_skopeo_converts(
        self, item: Item, upstream: Upstream, refused: ImageError
    ) -> CopyOutcome:
        """Let skopeo find a form of one image; the content must come out the same."""
        if item.choice.single is None:
            raise in_no_form(refused, item, upstream)
        request = replace(
            _request(item.source, item, upstream),
            source=item.source.at(upstream.origin),
            keeps_digests=False,
        )
        try:
            uploaded = self._tool.copy(request)
        except ImageError as error:
            raise in_no_form(refusal(error, item, upstream), item, upstream) from None
        raw = self._read_back(request, upstream, self._content_check(request, upstream))
        return CopyOutcome(digest_of(raw), uploaded, self._sizes(request, raw), _BY_SKOPEO)

    def _read_back(
        self, request: CopyRequest, upstream: Upstream, is_good: Callable[[bytes], bool]
    ) -> bytes:
        """What the destination has after a copy, as soon as that is what was copied."""

        def read() -> tuple[bytes | None, bool]:
            raw = self._tool.read_manifest(request.destination, side=Side.DESTINATION)
            return raw, raw is not None and is_good(raw)

        raw, is_as_copied = read_until(lambda found: found[1], read, self._retry)
        if raw is None:
            raise ImageError(
                ErrorKind.DIGEST_MISMATCH,
                f"{request.destination.familiar}: it is not there after the copy",
                hint="the registry says it took it; ask its operator",
            )
        if not is_as_copied:
            raise _mismatch(request, upstream.expected, raw)
        return raw

    def _content_check(self, request: CopyRequest, upstream: Upstream) -> Callable[[bytes], bool]:
        """What tells whether a converted image is the same; the source is read once for it."""

        @cache
        def ours() -> tuple[ImageConfig, bytes | None]:
            manifest = self._tool.read_manifest(request.source, side=Side.SOURCE)
            return self._config(request.source, Side.SOURCE), manifest

        def is_same(raw: bytes) -> bool:
            manifest = parse_manifest(raw, of=request.destination.familiar)
            if manifest.digest == upstream.expected or not isinstance(manifest, Image):
                return manifest.digest == upstream.expected
            if manifest.config.digest == upstream.config_digest:
                return True
            destination = request.destination.at(manifest.digest)
            if self._tool.read_manifest(destination, side=Side.DESTINATION) is None:
                return False
            config, source = ours()
            image = parse_manifest(source, of=request.source.familiar) if source else manifest
            is_converted = isinstance(image, Image) and is_converted_to_oci(image, manifest)
            theirs = self._config(destination, Side.DESTINATION)
            return config.is_same_image_as(theirs, is_converted=is_converted)

        return is_same

    def _config(self, reference: Reference, side: Side) -> ImageConfig:
        raw = self._tool.read_config(reference, side=side)
        return parse_config(raw, of=reference.familiar)

    def _sizes(self, request: CopyRequest, raw: bytes) -> dict[Digest, int]:
        """The sizes of the blobs that a destination has, the children of an index included.

        They are asked there and not at the source, where each question may be a counted pull.
        """
        manifest = parse_manifest(raw, of=request.destination.familiar)
        if isinstance(manifest, Image):
            return {blob.digest: blob.size for blob in manifest.blobs}
        sizes: dict[Digest, int] = {}
        for child in manifest.manifests:
            reference = request.destination.at(child.digest)
            found = read_until(
                lambda raw: raw is not None,
                partial(self._tool.read_manifest, reference, side=Side.DESTINATION),
                self._retry,
            )
            if found is None:
                raise _lost_child(request, child.digest)
            sizes |= self._sizes(replace(request, destination=reference), found)
        return sizes


def _request(origin: Reference, item: Item, upstream: Upstream) -> CopyRequest:
    return CopyRequest(
        source=origin.at(upstream.expected),
        destination=item.destination,
        platform=item.choice.single,
        is_upstream=origin is item.source,
        pulls=upstream.manifests,
        size=sum(blob.size for blob in upstream.blobs) or None,
        blobs=_sizes_of(upstream.blobs),
    )


def _kind_of_index(item: Item, upstream: Upstream) -> tuple[str, str]:
    """Indexes that a registry takes or refuses alike."""
    return item.destination.registry, upstream.index.media_type if upstream.index else ""


def _sizes_of(blobs: Iterable[Descriptor]) -> dict[Digest, int]:
    return {blob.digest: blob.size for blob in blobs}


def _mismatch(request: CopyRequest, expected: Digest, raw: bytes) -> ImageError:
    return ImageError(
        ErrorKind.DIGEST_MISMATCH,
        f"{request.destination.familiar}: after the copy it has {digest_of(raw)}, not {expected}",
        hint="another program may write to the same tag; the next run tries again",
    )


def _lost_child(request: CopyRequest, digest: Digest) -> ImageError:
    return ImageError(
        ErrorKind.DIGEST_MISMATCH,
        f"{request.destination.familiar}: its index is there, but {digest} is not",
        hint="the registry lost a part of it; use --force to copy it again",
    )
