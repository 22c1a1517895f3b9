"""The planner: items become verdicts.

Each destination is asked what it holds. The digest decides; where digests
differ, the configs tell.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from orchestrator.config.settings import Attestations, CreatedCheck
from orchestrator.errors import DeferredError, ErrorKind, ImageError, Side
from orchestrator.oci.conversion import conversion_note
from orchestrator.oci.index import DOCKER_FORM, OCI_FORM, ManifestForm, ManifestTypes
from orchestrator.oci.manifest import (
    DOCKER_INDEX,
    Image,
    Index,
    Manifest,
    is_converted_to_oci,
    parse_config,
    parse_manifest,
)
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.completeness import Completeness
from orchestrator.plan.decision import (
    Action,
    Decision,
    DeferredItem,
    FailedItem,
    PlannedItem,
    Reason,
    Upstream,
    Verdict,
    check_limits,
    decide_by_content,
    decide_by_digest,
)
from orchestrator.plan.fast_path import FastPath
from orchestrator.plan.items import Item
from orchestrator.plan.sources import Sources
from orchestrator.registry.reader import Reader


@dataclass(frozen=True)
class PlanOptions:
    """The user's settings that verdicts depend on."""

    created_check: CreatedCheck = CreatedCheck.VERIFY
    attestations: Attestations = Attestations.AUTO
    is_forced: bool = False

    def form(self, item: Item) -> ManifestForm:
        """The form in which an item's target is given its image."""
        profile = item.target.profile
        if profile.wants_docker_types:
            return DOCKER_FORM
        if profile.wants_oci_types:
            drops = self.attestations is Attestations.DROP
            return replace(OCI_FORM, keeps_attestations=not drops)
        if self.attestations is Attestations.AUTO:
            return ManifestForm(keeps_attestations=not profile.refuses_attestations)
        return ManifestForm(keeps_attestations=self.attestations is Attestations.KEEP)


class Planner:
    """Reaches a verdict for each item; safe to be asked by many threads.

    Args:
        reader: Reads registries.
        options: How verdicts are reached.
        fast_path: Proves by HEADs that an item is in sync.
        completeness: Asks for what a destination's manifest names.
    """

    def __init__(
        self,
        reader: Reader,
        options: PlanOptions,
        fast_path: FastPath,
        completeness: Completeness,
    ) -> None:
        self._reader = reader
        self._completeness = completeness
        self._fast_path = fast_path
        self._options = options
        self._sources = Sources(reader)

    def check(self, item: Item) -> Verdict | None:
        """The verdict that an item is in sync, if two HEADs can prove it; else it is for `plan`."""
        if self._options.is_forced:
            return None
        started = time.monotonic()
        verdict = self._fast_path.check(item, self._options.form(item))
        return replace(verdict, seconds=time.monotonic() - started) if verdict else None

    def plan(self, item: Item) -> PlannedItem:
        """Reach one item's verdict; what stands in its way is part of the value."""
        started = time.monotonic()
        try:
            planned: PlannedItem = self._plan(item)
        except ImageError as error:
            planned = FailedItem(item, error)
        except DeferredError as error:
            planned = DeferredItem(item, error.message)
        return replace(planned, seconds=time.monotonic() - started)

    def other_forms(self, item: Item) -> Iterator[tuple[str, Upstream]]:
        """What may be copied where a registry refuses what was planned, and the words for it.

        Raises:
            ImageError: A part of the source can't be read, or has no such form.
        """
        impossible: ImageError | None = None
        for form in self._options.form(item).fallbacks:
            try:
                upstream = self._sources.whole(item, form)
            except ImageError as error:
                if error.kind is not ErrorKind.BAD_MANIFEST:
                    raise
                impossible = impossible or error
                continue
            yield _note_of(form), upstream
        if impossible:
            raise impossible

    def _plan(self, item: Item) -> Verdict:
        form = self._options.form(item)
        upstream = self._sources.upstream(item, form)
        self._fast_path.remember(item, upstream, form)
        raw = self._read_destination(item.destination)
        found = digest_of(raw) if raw is not None else None
        theirs = _manifest_or_none(raw, item.destination) if raw is not None else None
        decision = decide_by_digest(upstream.expected, found, is_forced=self._options.is_forced)
        if decision is None:
            decision = self._decide_by_content(item, upstream, theirs)
        note = _changes(upstream, theirs)
        if decision.action is Action.COPY:
            whole = self._sources.whole(item, form)
            check_limits(item, whole)
            return Verdict(item, whole, decision, found, note)
        missing = self._missing(item, theirs)
        if missing:
            return self._refilled(item, upstream, found, missing)
        return Verdict(item, upstream, decision, found, note)

    def _missing(self, item: Item, theirs: Manifest | None) -> tuple[Digest, ...]:
        """What a destination lacks of what its tag names."""
        if theirs is None:
            return ()
        is_single = isinstance(theirs, Image)
        return self._completeness.missing(item.destination, theirs.digest, is_single=is_single)

    def _refilled(
        self, item: Item, upstream: Upstream, found: Digest | None, missing: tuple[Digest, ...]
    ) -> Verdict:
        """The verdict that a gap is to be filled, by no more than is missing where that will do."""
        whole = self._sources.whole(item, self._options.form(item))
        if found == upstream.expected:
            whole = self._sources.part_of(item, whole, missing)
        images = "1 image" if len(missing) == 1 else f"{len(missing)} images"
        note = f"{images} of it had gone, in whole or in part"
        return Verdict(item, whole, Decision(Action.COPY, Reason.INCOMPLETE), found, note)

    def _read_destination(self, destination: Reference) -> bytes | None:
        """What the destination has; None where it has nothing.

        Some registries deny the reading of a repository that is not there yet, and make it
        when it is first pushed to; whether that is so, the push will tell.
        """
        try:
            return self._reader.read_manifest(destination, side=Side.DESTINATION)
        except ImageError as error:
            if error.kind is ErrorKind.DENIED or error.may_be_absent:
                return None
            raise

    def _decide_by_content(
        self, item: Item, upstream: Upstream, theirs: Manifest | None
    ) -> Decision:
        """Tell a recompressed or converted image from another one."""
        same = Decision(Action.SKIP, Reason.SAME_CONTENT)
        differs = Decision(Action.COPY, Reason.CONTENT_DIFFERS)
        if self._options.created_check is CreatedCheck.OFF or theirs is None:
            return differs
        if self._fast_path.stands_for(item, upstream, theirs.digest):
            return same
        if isinstance(theirs, Index):
            return self._decide_by_children(item, upstream, theirs)
        return self._decide_by_config(item, upstream, theirs) if item.choice.single else differs

    def _decide_by_children(self, item: Item, upstream: Upstream, theirs: Index) -> Decision:
        """Tell an index that an earlier run has converted, and one of the same images."""
        if self._is_converted(item, upstream, theirs):
            return Decision(Action.SKIP, Reason.SAME_CONTENT)
        ours = upstream.index.children if upstream.index else ()
        is_same = {one.digest for one in ours} == {one.digest for one in theirs.manifests}
        return Decision(Action.COPY, Reason.INDEX_DIFFERS if is_same else Reason.CONTENT_DIFFERS)

    def _is_converted(self, item: Item, upstream: Upstream, theirs: Index) -> bool:
        """Whether an index is the source's, its manifests rewritten by an earlier run."""
        if upstream.index is None or upstream.index.media_type == theirs.media_type:
            return False
        is_docker = theirs.media_type == DOCKER_INDEX
        types = ManifestTypes.DOCKER if is_docker else ManifestTypes.OCI
        forms = [form for form in self._options.form(item).fallbacks if form.types is types]
        return any(self._would_be(item, form, theirs.digest) for form in forms)

    def _would_be(self, item: Item, form: ManifestForm, digest: Digest) -> bool:
        try:
            return self._sources.upstream(item, form).expected == digest
        except ImageError:
            return False

    def _decide_by_config(self, item: Item, upstream: Upstream, theirs: Image) -> Decision:
        source = item.source.at(upstream.origin)
        ours = self._sources.config(source)
        if ours.diff_ids and theirs.config.digest == ours.digest:
            return Decision(Action.SKIP, Reason.SAME_CONTENT)
        destination = item.destination.at(theirs.digest)
        config = self._reader.read_config(destination, side=Side.DESTINATION)
        found = parse_config(config, of=destination.familiar)
        return decide_by_content(
            ours,
            found,
            check=self._options.created_check,
            is_converted=is_converted_to_oci(self._sources.image(item.source, source), theirs),
        )


def _note_of(form: ManifestForm) -> str:
    """What the report says of an image in another form than was planned."""
    if form.types is ManifestTypes.AS_IS:
        return "without attestations, which could not be pushed there"
    return conversion_note(form.types)


def _manifest_or_none(raw: bytes, reference: Reference) -> Manifest | None:
    """What stands at a destination, if we can read it; an oddity there is overwritten."""
    try:
        return parse_manifest(raw, of=reference.familiar)
    except ImageError:
        return None


def _changes(upstream: Upstream, theirs: Manifest | None) -> str:
    """What has come and gone since an index was copied here."""
    if not isinstance(theirs, Index) or theirs.digest == upstream.expected:
        return ""
    before = theirs.platforms
    if upstream.index is None:
        return f"it was an index of {', '.join(map(str, before))}" if before else ""
    now = upstream.index.platforms
    gone = [f"{platform} is gone" for platform in before if platform not in now]
    new = [f"{platform} is new" for platform in now if platform not in before]
    return ", ".join((*gone, *new))
