"""A mirrored image, as the runs that saw it leave it behind. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.report.result import Outcome, Report, Result

_IS_THERE = (Outcome.COPIED, Outcome.SKIPPED)


@dataclass(frozen=True)
class MirroredImage:
    """What is known of an item's destination.

    Attributes:
        platform: As asked for.
        outcome: What became of the item in the last run that had it.
        reason: Why.
        tried: When that run ended.
        digest: What the destination had when it was last seen; empty where it had nothing.
        source_digest: What the source's tag named then.
        platforms: What the image is for; empty where that was not found out.
        size: Bytes of its blobs, compressed; 0 where that was not found out.
        created: As the image's config has it.
        visibility: `public` or `private`, where it was asked; else empty.
        changed: When the destination got this digest; None where that was before any run saw it.
        checked: When it was last seen to be in sync; None where it never was.
    """

    destination: str
    source: str
    platform: str
    target: str
    outcome: str
    reason: str
    tried: datetime
    digest: str = ""
    source_digest: str = ""
    platforms: tuple[str, ...] = ()
    size: int = 0
    created: str = ""
    visibility: str = ""
    changed: datetime | None = None
    checked: datetime | None = None

    @property
    def is_there(self) -> bool:
        """Whether the destination had something when it was last seen."""
        return bool(self.digest or self.changed)


def image_of(result: Result, at: datetime, before: MirroredImage | None) -> MirroredImage:
    """What is known of a destination after a run.

    Args:
        result: What became of its item.
        at: When the run ended.
        before: What was known until then.
    """
    item, is_there = result.item, result.outcome in _IS_THERE
    checked = before.checked if before else None
    digest = _digest_after(result, before)
    known = before if before and before.digest == digest else None
    return MirroredImage(
        destination=str(item.destination),
        source=str(item.source),
        platform=str(item.choice),
        target=item.target.name,
        outcome=result.outcome.value,
        reason=result.reason,
        tried=at,
        digest=digest,
        source_digest=result.source_digest or (before.source_digest if before else ""),
        platforms=(is_there and result.platforms) or (known.platforms if known else ()),
        size=(is_there and result.size) or (known.size if known else 0),
        created=(is_there and result.created) or (known.created if known else ""),
        visibility=result.visibility or (before.visibility if before else ""),
        changed=_changed(result, at, before, known) if digest else result.changed,
        checked=at if is_there else checked,
    )


def images_after(report: Report, before: Mapping[str, MirroredImage]) -> tuple[MirroredImage, ...]:
    """What is known of the destinations of a run after it.

    Args:
        report: The run's.
        before: What was known until then, by destination.
    """
    return tuple(
        image_of(result, report.finished, before.get(str(result.item.destination)))
        for result in report.results
    )


def completed(report: Report, images: Iterable[MirroredImage]) -> Report:
    """A report that has what earlier runs found out of its images.

    Args:
        report: A run's.
        images: Those of its results, in their order.
    """
    results = tuple(
        replace(
            result,
            platforms=image.platforms,
            size=image.size,
            changed=image.changed,
            visibility=image.visibility,
        )
        for result, image in zip(report.results, images, strict=True)
    )
    return replace(report, results=results)


def _digest_after(result: Result, before: MirroredImage | None) -> str:
    """What the destination has, as far as the run saw it."""
    if result.outcome in (*_IS_THERE, Outcome.KEPT):
        return result.digest or ""
    was_looked_at = result.source_digest is not None and result.outcome is not Outcome.HELD
    if was_looked_at or before is None:
        return result.digest_before or ""
    return before.digest


def _changed(
    result: Result, at: datetime, before: MirroredImage | None, known: MirroredImage | None
) -> datetime | None:
    if known:
        return known.changed or result.changed
    if result.changed:
        return result.changed
    is_new = result.outcome is Outcome.COPIED and result.digest != result.digest_before
    return at if is_new or before else None
