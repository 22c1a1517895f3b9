"""What is known of each destination, as rows of the state database. No I/O.

Nothing is decided by it: it is for people to look at, so that it bears no seal.
"""

from __future__ import annotations

from datetime import datetime, timezone

from orchestrator.catalog.image import MirroredImage
from orchestrator.state.database import Cell, DamagedError, Row, Table

IMAGES = Table(
    "images",
    tuple(
        "destination source platform target outcome reason tried digest source_digest platforms "
        "size created visibility changed checked".split()
    ),
    key=("destination",),
)


def image_row(image: MirroredImage) -> Row:
    """A destination as a row of `IMAGES`."""
    return (
        image.destination,
        image.source,
        image.platform,
        image.target,
        image.outcome,
        image.reason,
        _utc(image.tried),
        image.digest,
        image.source_digest,
        " ".join(image.platforms),
        image.size,
        image.created,
        image.visibility,
        _utc(image.changed),
        _utc(image.checked),
    )


def mirrored_image(row: Row) -> MirroredImage:
    """The destination that a row of `IMAGES` tells of.

    Raises:
        DamagedError: It was never written so.
    """
    texts, size, times = [str(row[at]) for at in range(10)], row[10], row[13:]
    tried = _time(row[6])
    if tried is None or not isinstance(size, int):
        raise DamagedError
    destination, source, platform, target, outcome, reason, _, digest, origin, platforms = texts
    changed, checked = map(_time, times)
    return MirroredImage(
        destination=destination,
        source=source,
        platform=platform,
        target=target,
        outcome=outcome,
        reason=reason,
        tried=tried,
        digest=digest,
        source_digest=origin,
        platforms=tuple(platforms.split()),
        size=size,
        created=str(row[11]),
        visibility=str(row[12]),
        changed=changed,
        checked=checked,
    )


def _utc(moment: datetime | None) -> str:
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds") if moment else ""


def _time(cell: Cell) -> datetime | None:
    try:
        return datetime.fromisoformat(str(cell)) if cell else None
    except ValueError:
        raise DamagedError from None
