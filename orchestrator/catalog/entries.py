"""What the list asks for and what runs have seen become the rows of the catalog. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from orchestrator.catalog.image import MirroredImage
from orchestrator.errors import FormatError
from orchestrator.oci.reference import Reference
from orchestrator.oci.selection import Selection
from orchestrator.plan.tags import choose
from orchestrator.report.result import Outcome
from orchestrator.text import one_line


class ImageState(str, Enum):
    """How an image of the catalog is. The value is what the page's filter is called."""

    IN_SYNC = "in-sync"
    """When it was last checked."""
    FAILED = "failed"
    """The last run could not bring it up to date; an older one may be there."""
    WAITING = "waiting"
    """Left to the next run, or held back."""
    KEPT = "kept"
    """Gone upstream; what is there may be the only copy."""
    NEW = "new"
    """No run has worked on it yet."""
    UNLISTED = "unlisted"
    """It was mirrored, and the list does not ask for it."""


_STATES = {
    Outcome.COPIED.value: ImageState.IN_SYNC,
    Outcome.SKIPPED.value: ImageState.IN_SYNC,
    Outcome.FAILED.value: ImageState.FAILED,
    Outcome.KEPT.value: ImageState.KEPT,
}


@dataclass(frozen=True)
class ListedImage:
    """An image that the list asks for, in one target.

    Attributes:
        platform: As asked for.
        destination: Where it goes; where the target is not set up here, only what follows its base.
        is_placed: Whether the target is set up here.
        selection: What chooses its tags; None where the source names one.
    """

    source: Reference
    platform: str
    target: str
    destination: str
    is_placed: bool = True
    selection: Selection | None = None


@dataclass(frozen=True)
class CatalogEntry:
    """A row of the catalog.

    Attributes:
        source: As people write it.
        name: The source's full name with its tag; empty where it has no tag.
        short_name: The same as people write it.
        place: Where it is, or would be; empty where that is not known.
        is_there: Whether something can be pulled from there.
        reason: Why it is in its state, as the report of the run had it; empty where none knows.
    """

    source: str
    name: str
    short_name: str
    platform: str
    target: str
    place: str
    state: ImageState
    is_there: bool = False
    reason: str = ""
    platforms: tuple[str, ...] = ()
    digest: str = ""
    source_digest: str = ""
    size: int = 0
    created: str = ""
    visibility: str = ""
    changed: datetime | None = None
    checked: datetime | None = None

    @property
    def legible(self) -> CatalogEntry:
        """The same without a character that a reader would not see, or that turns others around."""
        return replace(
            self,
            source=one_line(self.source),
            name=one_line(self.name),
            short_name=one_line(self.short_name),
            platform=one_line(self.platform),
            target=one_line(self.target),
            place=one_line(self.place),
            reason=one_line(self.reason),
            platforms=tuple(map(one_line, self.platforms)),
            digest=one_line(self.digest),
            source_digest=one_line(self.source_digest),
            created=one_line(self.created),
        )


def catalog_entries(
    listed: Iterable[ListedImage], images: Iterable[MirroredImage]
) -> tuple[CatalogEntry, ...]:
    """The rows, by the names of sources.

    An image that the list no longer asks for is a row for as long as it was seen to be there.
    """
    known = _Known(images)
    # A line of one image's own goes before one that chooses it among others.
    ordered = sorted(listed, key=lambda one: one.selection is not None)
    rows = [row for one in ordered for row in _rows_of(one, known)]
    rows += (_row(seen, ImageState.UNLISTED) for seen in known.unclaimed() if seen.image.is_there)
    return tuple(sorted(rows, key=lambda row: (row.source, row.target, row.platform, row.place)))


@dataclass(frozen=True)
class _Seen:
    """A mirrored image, and its source as a reference."""

    image: MirroredImage
    source: Reference

    def is_of(self, one: ListedImage) -> bool:
        """Whether it is what the list asks for there."""
        return (self.source, self.image.platform) == (one.source, one.platform)


class _Known:
    """What runs have seen, by all that the list may know of it."""

    def __init__(self, images: Iterable[MirroredImage]) -> None:
        self._seen = {seen.image.destination: seen for seen in map(_seen, images) if seen}
        self._claimed: set[str] = set()
        self._by_work: dict[tuple[str, str, str], list[_Seen]] = defaultdict(list)
        for seen in self._seen.values():
            for name in (str(seen.source), seen.source.name):
                self._by_work[seen.image.target, name, seen.image.platform].append(seen)

    def of(self, one: ListedImage) -> list[_Seen]:
        """What was seen of an image of the list, or of the tags that a line of it chooses.

        Of the tags that runs have mirrored the line means those that it would choose now.
        """
        if one.is_placed and not one.selection:
            there = self._seen.get(one.destination)
            if there and there.is_of(one):
                return [there]
            self._claimed.add(one.destination)
            return []
        name = one.source.name if one.selection else str(one.source)
        found = self._by_work[one.target, name, one.platform]
        if one.selection:
            chosen = set(choose((seen.source.tag or "" for seen in found), one.selection))
            return [seen for seen in found if seen.source.tag in chosen]
        end = f"/{one.destination}"
        return [seen for seen in self._unclaimed(found) if seen.image.destination.endswith(end)][:1]

    def claim(self, found: Iterable[_Seen]) -> list[_Seen]:
        """Those that no line has claimed yet; they are claimed now."""
        free = self._unclaimed(found)
        self._claimed.update(seen.image.destination for seen in free)
        return free

    def _unclaimed(self, found: Iterable[_Seen]) -> list[_Seen]:
        return [seen for seen in found if seen.image.destination not in self._claimed]

    def unclaimed(self) -> Iterator[_Seen]:
        """What the list does not ask for."""
        return iter(self._unclaimed(self._seen.values()))


def _seen(image: MirroredImage) -> _Seen | None:
    """None where a row was never written so: nothing can be said of it then."""
    try:
        return _Seen(image, Reference.parse(image.source))
    except FormatError:
        return None


def _rows_of(one: ListedImage, known: _Known) -> Iterator[CatalogEntry]:
    found = known.of(one)
    for seen in known.claim(found):
        yield _row(seen, _STATES.get(seen.image.outcome, ImageState.WAITING))
    if not found:
        yield _new(one)


def _new(one: ListedImage) -> CatalogEntry:
    """A row of what no run has worked on."""
    has_name = one.source.tag and not one.selection
    repository = replace(one.source, tag=None)
    return CatalogEntry(
        source=f"{repository.familiar} {one.selection}" if one.selection else one.source.familiar,
        name=str(one.source.by_tag) if has_name else "",
        short_name=one.source.by_tag.familiar if has_name else "",
        platform=one.platform,
        target=one.target,
        place=one.destination if one.is_placed and not one.selection else "",
        state=ImageState.NEW,
    )


def _row(seen: _Seen, state: ImageState) -> CatalogEntry:
    image, source = seen.image, seen.source
    return CatalogEntry(
        source=source.familiar,
        name=str(source.by_tag) if source.tag else "",
        short_name=source.by_tag.familiar if source.tag else "",
        platform=image.platform,
        target=image.target,
        place=image.destination,
        state=state,
        is_there=image.is_there,
        reason=image.reason,
        platforms=image.platforms,
        digest=image.digest,
        source_digest=image.source_digest,
        size=image.size,
        created=image.created,
        visibility=image.visibility,
        changed=image.changed,
        checked=image.checked,
    )
