"""What a run did: one result for each item, and the report of them all.

The report is the one source of the table, the JSON document, the chat message
and the exit status; nothing is counted twice in two places.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from orchestrator.errors import ExitStatus, ImageError, Problem, SyncerError
from orchestrator.oci.manifest import Descriptor
from orchestrator.oci.reference import Digest
from orchestrator.plan.items import Item


class Outcome(str, Enum):
    """What became of an item. The value is the report's `action`."""

    COPIED = "copied"
    SKIPPED = "skipped"
    FAILED = "failed"
    DEFERRED = "deferred"
    WOULD_COPY = "would-copy"
    WOULD_SKIP = "would-skip"
    HELD = "held"
    KEPT = "kept"


@dataclass(frozen=True)
class Result:
    """One item and what became of it.

    Attributes:
        reason: Why: the verdict's, the error's kind, or why it was deferred.
        delivered: The platform that is really at the destination.
        source_digest: What the source's tag names.
        expected_digest: What the destination has when it is in sync.
        digest_before: What the destination had; None where it had nothing.
        digest: What the destination has now.
        created: The source config's date, where it was read.
        platforms: What the image is for, one by one; empty where that was not found out.
        size: Bytes of the image's blobs, compressed; 0 where that was not found out.
        changed: When the destination got what it has, where a run saw that.
        bytes: What skopeo moved to the registry; for a dry run, what it would move.
        pulls: Counted pulls that a dry run's copy would take.
        seconds: From the item's start to its end.
        attempts: How often the copy was tried.
        note: What the reader should know although it went well.
        visibility: `public` or `private`, where it was asked; else empty.
        is_told: Whether an earlier run told the same, so that it is no news.
        layers: Of all its images, in a dry run, as far as they are known beforehand.
    """

    item: Item
    outcome: Outcome
    reason: str
    delivered: str = ""
    source_digest: Digest | None = None
    expected_digest: Digest | None = None
    digest_before: Digest | None = None
    digest: Digest | None = None
    created: str = ""
    bytes: int = 0
    pulls: int = 0
    seconds: float = 0.0
    attempts: int = 0
    note: str = ""
    error: ImageError | None = None
    is_told: bool = False
    platforms: tuple[str, ...] = ()
    size: int = 0
    changed: datetime | None = None
    visibility: str = ""
    layers: tuple[Descriptor, ...] = ()

    def redacted(self, redact: Callable[[str], str]) -> Result:
        """The result without any secret in a sentence."""
        error = self.error and self.error.redacted(redact)
        return replace(self, note=redact(self.note), error=error)

    @property
    def pull(self) -> str:
        """The address to pull the image from; empty where it was not seen to be there."""
        return str(self.item.destination) if self.outcome in _IS_THERE else ""


_IS_THERE = (Outcome.COPIED, Outcome.SKIPPED, Outcome.WOULD_SKIP, Outcome.KEPT)


@dataclass(frozen=True)
class Totals:
    """How many items ended how; `bytes` are moved, `pulls` are counted by Docker Hub."""

    items: int = 0
    copied: int = 0
    skipped: int = 0
    failed: int = 0
    deferred: int = 0
    invalid: int = 0
    bytes: int = 0
    pulls: int = 0
    held: int = 0
    kept: int = 0


@dataclass(frozen=True)
class Speed:
    """What was moved to a registry by earlier runs, and how long that took.

    Attributes:
        bytes: That arrived there.
        seconds: In which at least one copy was under way.
    """

    bytes: int
    seconds: float

    def and_then(self, later: Speed) -> Speed:
        """The same after another run, which weighs more than all before it."""
        return Speed(self.bytes // 2 + later.bytes, self.seconds / 2 + later.seconds)


@dataclass(frozen=True)
class TargetCount:
    """What a plan comes to for one target.

    Attributes:
        repositories: That the list has there, whatever is copied; and so for tags.
        most_repositories: What its account may have, as far as we know.
        copies: Images that would be copied.
        layers: What they are made of, each layer once for a registry.
        largest_layer: Bytes; 0 where no layer is known.
        bytes: To move.
        pulls: That Docker Hub would count.
        unread: Images to copy whose layers are not known beforehand.
        seconds: A forecast of how long the copies take; None where there is none.
        no_forecast: Why there is none.
    """

    target: str
    repositories: int
    most_repositories: int | None
    tags: int
    copies: int
    layers: int
    largest_layer: int
    bytes: int
    pulls: int
    unread: int
    seconds: float | None
    no_forecast: str = ""


_COUNTED_AS = {
    Outcome.WOULD_COPY: Outcome.COPIED,
    Outcome.WOULD_SKIP: Outcome.SKIPPED,
}


@dataclass(frozen=True)
class Report:
    """One run, whole.

    Attributes:
        skopeo_version: Empty where a run had no need of skopeo.
        mode: The targets of the run, as SYNC_MODE names them.
        shard: `K/N` where the run had a part of the list only.
        warnings: What went well enough, but should be known.
        problems: Bad lines, and entries that would land on one destination.
        pulls: What Docker Hub counted of the run; for a dry run, what it would count.
        is_interrupted: Whether the run was ended before its items were.
        is_dry_run: Whether nothing was written.
        is_strict: Whether a deferred item counts as a failure.
        is_incomplete: Whether a part of the list has not told what became of it.
        error: Why the run did not begin at all.
        counts: Of a dry run, what it comes to for each target.
    """

    run_id: str
    version: str
    mode: str
    started: datetime
    finished: datetime
    skopeo_version: str = ""
    results: tuple[Result, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    shard: str = ""
    pulls: int = 0
    is_interrupted: bool = False
    is_dry_run: bool = False
    is_strict: bool = False
    is_incomplete: bool = False
    error: SyncerError | None = None
    counts: tuple[TargetCount, ...] = ()

    def redacted(self, redact: Callable[[str], str]) -> Report:
        """The report with every sentence of others masked, before anything is rendered.

        Names, digests and numbers stay: a password `null` or `sync` in a finished text would
        break a document, and what a renderer escapes no longer looks like the password.
        """
        return replace(
            self,
            results=tuple(one.redacted(redact) for one in self.results),
            problems=tuple(one.redacted(redact) for one in self.problems),
            warnings=tuple(map(redact, self.warnings)),
        )

    @property
    def seconds(self) -> float:
        """How long the run took."""
        return (self.finished - self.started).total_seconds()

    @property
    def totals(self) -> Totals:
        """The numbers of all items; of a dry run, those that there would be."""
        outcomes = [_COUNTED_AS.get(result.outcome, result.outcome) for result in self.results]
        return Totals(
            items=len(outcomes),
            copied=outcomes.count(Outcome.COPIED),
            skipped=outcomes.count(Outcome.SKIPPED),
            failed=outcomes.count(Outcome.FAILED),
            deferred=outcomes.count(Outcome.DEFERRED),
            held=outcomes.count(Outcome.HELD),
            kept=outcomes.count(Outcome.KEPT),
            invalid=len(self.problems),
            bytes=sum(result.bytes for result in self.results),
            pulls=self.pulls,
        )

    @property
    def exit_status(self) -> ExitStatus:
        """What the program ends with: the one place where that is decided."""
        if self.error:
            return self.error.exit_status
        if self.is_interrupted:
            return ExitStatus.INTERRUPTED
        totals = self.totals
        has_failed = totals.failed or totals.invalid or (self.is_strict and totals.deferred)
        return ExitStatus.FAILED if has_failed or self.is_incomplete else ExitStatus.OK


def of_outcome(results: Iterable[Result], *outcomes: Outcome) -> tuple[Result, ...]:
    """The results that ended so, in their order."""
    return tuple(result for result in results if result.outcome in outcomes)


def new_run_id(started: datetime) -> str:
    """A name for a run that no other has, by which runs sort as they began."""
    return f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
