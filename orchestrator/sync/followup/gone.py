"""A source that was mirrored once and is gone upstream: what the mirror has of it is kept.

It may have been deleted, made private, or moved. Registries tell the last two from the first only
to those who may know (Docker Hub: "requested access to the resource is denied", for either), so
that all of them are one outcome. It is told once, and so is that the source is back again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Protocol

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.decision import FailedItem
from orchestrator.plan.items import Item
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.conflict import source_name

GONE_UPSTREAM = "gone-upstream"
"""Why an image is kept: its source can't be had any more."""

_REFUSALS = (ErrorKind.DENIED, ErrorKind.UNAUTHORIZED)
_READABLE = (Outcome.COPIED, Outcome.SKIPPED, Outcome.WOULD_COPY, Outcome.WOULD_SKIP)


class GoneMemory(Protocol):
    """Remembers who filled a destination, and since when that source is gone."""

    def writer(self, destination: str) -> str | None:
        """The source that a destination was last filled from, as `source_name` has it."""
        ...

    def gone_since(self, destination: str, source: str) -> float | None:
        """Seconds since the epoch: when a run first missed a source; None where none does."""
        ...

    def remember_gone(self, destination: str, source: str, since: float | None) -> None:
        """Keep that; None where the source is back."""
        ...


@dataclass(frozen=True)
class GoneSources:
    """Tells what is gone upstream from what failed; safe to be asked by many threads.

    Attributes:
        memory: What earlier runs left.
        digest_there: What a destination has now; None where it has nothing. It raises an
            ImageError where that can't be told.
        now: Seconds since the epoch.
        is_writing: Whether this run may remember what it saw.
    """

    memory: GoneMemory
    digest_there: Callable[[Reference], Digest | None]
    now: float
    is_writing: bool

    def kept(self, failed: FailedItem) -> Result | None:
        """The result of an item whose source is gone while its mirror is there; None of others."""
        item = failed.item
        place, source = str(item.destination), source_name(item)
        if not is_gone(failed.error, item) or self.memory.writer(place) != source:
            return None
        try:
            digest = self.digest_there(item.destination)
        except ImageError:
            return None
        if digest is None:
            return None
        before = self.memory.gone_since(place, source)
        since = self.now if before is None else before
        if before is None and self.is_writing:
            self.memory.remember_gone(place, source, since)
        return Result(
            item,
            Outcome.KEPT,
            GONE_UPSTREAM,
            digest_before=digest,
            digest=digest,
            note=_note(failed.error, since),
            is_told=before is not None,
        )

    def back(self, results: Iterable[Result]) -> tuple[Result, ...]:
        """The same results; those whose source is back again say so."""
        return tuple(
            self._back(result) if result.outcome in _READABLE else result for result in results
        )

    def _back(self, result: Result) -> Result:
        place, source = str(result.item.destination), source_name(result.item)
        since = self.memory.gone_since(place, source)
        if since is None:
            return result
        if self.is_writing:
            self.memory.remember_gone(place, source, None)
        notes = (result.note, f"its source is back; it was missed since {_date(since)}")
        return replace(result, note="; ".join(filter(None, notes)))


def is_gone(error: ImageError, item: Item) -> bool:
    """Whether a registry says of a source that it is not there, or not for us.

    That the login is wrong is another matter, and so is that a part of it is missing.
    """
    if error.registry not in ("", item.source.registry):
        return False
    is_refused = error.kind in _REFUSALS and error.may_be_absent
    return error.kind is ErrorKind.NOT_FOUND or is_refused


def _note(error: ImageError, since: float) -> str:
    is_absent = error.kind is ErrorKind.NOT_FOUND
    how = "not found" if is_absent else "refused by its registry"
    return f"its source is {how}, first on {_date(since)}: the mirror may be the only copy"


def _date(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, timezone.utc):%Y-%m-%d}"
