"""The planner: items become verdicts.

Each destination is asked what it holds. The digest decides; where digests
differ, the configs tell.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from orchestrator.diagnosis import Side
from orchestrator.errors import ImageError, Kind, PutOffError
from orchestrator.manifest import Image, Index, Manifest, parse_config, parse_manifest
from orchestrator.plan import (
    Action,
    CreatedCheck,
    Decision,
    Item,
    PlannedItem,
    Reason,
    Upstream,
    decide_by_content,
    decide_by_digest,
)
from orchestrator.proof import Prover
from orchestrator.reference import Reference, digest_of
from orchestrator.settings import Attestations
from orchestrator.sources import Reader, Sources
from orchestrator.work import RetryRule


@dataclass(frozen=True)
class Wishes:
    """How the user wants verdicts to be reached."""

    created_check: CreatedCheck = CreatedCheck.VERIFY
    attestations: Attestations = Attestations.AUTO
    is_forced: bool = False

    def keeps_attestations(self, item: Item) -> bool:
        """Whether an index keeps its attestations in this item's target."""
        if self.attestations is Attestations.AUTO:
            return not item.target.profile.refuses_attestations
        return self.attestations is Attestations.KEEP


class Planner:
    """Reaches the verdict of each item; safe to be asked by many threads.

    Args:
        reader: Asks registries.
        retry: How a passing fault is tried again.
        wishes: How verdicts are reached.
        prover: The fast path.
    """

    def __init__(self, reader: Reader, retry: RetryRule, wishes: Wishes, prover: Prover) -> None:
        self._reader = reader
        self._prover = prover
        self._retry = retry
        self._wishes = wishes
        self._sources = Sources(reader, retry)

    def prove(self, item: Item) -> PlannedItem:
        """Reach the verdict that an item is in sync, if two HEADs can prove it.

        What has no verdict then is for `plan`.
        """
        if self._wishes.is_forced:
            return PlannedItem(item)
        started = time.monotonic()
        keeps = self._wishes.keeps_attestations(item)
        planned = self._prover.prove(item, keeps_attestations=keeps) or PlannedItem(item)
        return replace(planned, seconds=time.monotonic() - started)

    def plan(self, item: Item) -> PlannedItem:
        """Reach one item's verdict; what stands in its way is part of the value."""
        started = time.monotonic()
        try:
            planned = self._plan(item)
        except ImageError as error:
            planned = PlannedItem(item, error=error)
        except PutOffError as error:
            planned = PlannedItem(item, put_off=error.message)
        return replace(planned, seconds=time.monotonic() - started)

    def _plan(self, item: Item) -> PlannedItem:
        keeps = self._wishes.keeps_attestations(item)
        upstream = self._sources.upstream(item, keeps_attestations=keeps)
        self._prover.remember(item, upstream, keeps_attestations=keeps)
        raw = self._read_destination(item.destination)
        found = digest_of(raw) if raw is not None else None
        theirs = _manifest_or_none(raw, item.destination) if raw is not None else None
        decision = decide_by_digest(upstream.expected, found, is_forced=self._wishes.is_forced)
        if decision is None:
            decision = self._decide_by_content(item, upstream, theirs)
        note = _note(upstream, theirs)
        if decision.action is Action.COPY:
            upstream = self._sources.whole(item, upstream)
        return PlannedItem(item, upstream, found, decision, note=note)

    def _read_destination(self, destination: Reference) -> bytes | None:
        """What the destination has; None where it has nothing.

        Some registries deny the reading of a repository that is not there yet, and make it
        when it is first pushed to; whether that is so, the push will tell.
        """
        try:
            return self._retry.run(
                lambda: self._reader.read_manifest(destination, side=Side.DESTINATION)
            )
        except ImageError as error:
            if error.kind is Kind.DENIED:
                return None
            raise

    def _decide_by_content(
        self, item: Item, upstream: Upstream, theirs: Manifest | None
    ) -> Decision:
        """Tell a recompressed or converted image from another one."""
        differs = Decision(Action.COPY, Reason.CONTENT_DIFFERS)
        if self._wishes.created_check is CreatedCheck.OFF or not item.choice.single:
            return differs
        if not isinstance(theirs, Image):
            return differs
        ours = self._sources.config(item.source.at(upstream.expected))
        if ours.diff_ids and theirs.config.digest == ours.digest:
            return Decision(Action.SKIP, Reason.SAME_CONTENT)
        destination = item.destination.at(theirs.digest)
        config = self._retry.run(
            lambda: self._reader.read_config(destination, side=Side.DESTINATION)
        )
        found = parse_config(config, of=destination.familiar)
        return decide_by_content(ours, found, check=self._wishes.created_check)


def _manifest_or_none(raw: bytes, reference: Reference) -> Manifest | None:
    """What stands at a destination, if we can read it; an oddity there is overwritten."""
    try:
        return parse_manifest(raw, of=reference.familiar)
    except ImageError:
        return None


def _note(upstream: Upstream, theirs: Manifest | None) -> str:
    """What should be known of an index: platforms left out, come and gone."""
    if upstream.index is None:
        return ""
    notes = [f"without {platform}" for platform in upstream.index.left_out]
    if isinstance(theirs, Index) and theirs.digest != upstream.expected:
        before, now = theirs.platforms, upstream.index.platforms
        notes += [f"{platform} is gone" for platform in before if platform not in now]
        notes += [f"{platform} is new" for platform in now if platform not in before]
    return ", ".join(notes)
