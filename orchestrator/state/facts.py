"""What is remembered of images, as values and as sealed rows of the state database. No I/O.

An index's digest names its bytes, so what follows from it for a platform choice follows for
good, and so does what it names; so does what a registry made of a source when it was converted
on the way there. Who filled a destination is remembered, so that nobody else does it unnoticed,
since when a source is gone, so that this is told once, and how fast copies to a registry were.
How a registry wants a login is remembered to save a round trip: the address of its token server,
never a token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from orchestrator.errors import FormatError
from orchestrator.oci.reference import Digest, parse_digest
from orchestrator.plan.ages import Sighting
from orchestrator.plan.decision import KnownImage
from orchestrator.registry.challenge import Challenge, KnownChallenge
from orchestrator.report.result import Speed
from orchestrator.state.database import DamagedError, Row, Table
from orchestrator.state.seals import Seals

T = TypeVar("T")


@dataclass(frozen=True)
class Fact(Generic[T]):
    """One kind of fact: where it stands, and how it is written.

    Attributes:
        write: The columns behind the key, as texts.
        read: The same the other way; raises DamagedError where it was never written so.
    """

    table: Table
    write: Callable[[T], tuple[str, ...]]
    read: Callable[[tuple[str, ...]], T]

    def row(self, seals: Seals, key: tuple[str, ...], value: T) -> Row:
        """A sealed row."""
        texts = (*key, *self.write(value))
        return (*texts, seals.make(self.table.name, *texts))

    def value_in(self, seals: Seals, row: Row) -> T | None:
        """What a row tells; None where its seal does not hold: then it tells nothing."""
        *texts, seal = map(str, row)
        if not seals.holds(seal, self.table.name, *texts):
            return None
        return self.read(tuple(texts[len(self.table.key) :]))


def _known_texts(found: KnownImage) -> tuple[str, ...]:
    return found.expected, found.delivered, found.config_digest or "", found.created


def _known_in(texts: tuple[str, ...]) -> KnownImage:
    expected, delivered, config, created = texts
    return KnownImage(_digest(expected), delivered, _digest(config) if config else None, created)


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except FormatError:
        raise DamagedError from None


def _sighting(text: str) -> Sighting:
    digest, _, moment = text.partition("@")
    if not moment.isdigit():
        raise DamagedError
    return Sighting(_digest(digest), float(moment))


def _moment(text: str) -> float | None:
    if text and not text.isdigit():
        raise DamagedError
    return float(text) if text else None


def _speed(count: str, milliseconds: str) -> Speed:
    if not count.isdigit() or not milliseconds.isdigit():
        raise DamagedError
    return Speed(int(count), int(milliseconds) / 1000)


def _challenge_texts(challenge: Challenge | None) -> tuple[str, str, str]:
    return (challenge.scheme, challenge.realm, challenge.service) if challenge else ("", "", "")


def _known_challenge(texts: tuple[str, ...]) -> KnownChallenge:
    scheme, realm, service, seen_at = texts
    challenge = Challenge(scheme, realm, service) if scheme else None
    return KnownChallenge(challenge, _moment(seen_at) or 0.0)


EXPECTED = Fact(
    Table(
        "expected",
        tuple("index_digest choice expected delivered config_digest created seal".split()),
        key=("index_digest", "choice"),
    ),
    _known_texts,
    _known_in,
)
CONVERTED = Fact(
    Table(
        "converted",
        tuple("destination source_digest digest seal".split()),
        key=("destination", "source_digest"),
    ),
    lambda digest: (digest,),
    lambda texts: _digest(texts[0]),
)
CHILDREN = Fact(
    Table("children", ("index_digest", "children", "seal"), key=("index_digest",)),
    lambda children: (" ".join(children),),
    lambda texts: tuple(map(_digest, texts[0].split())),
)
WRITERS = Fact(
    Table("writers", ("destination", "source", "seal"), key=("destination",)),
    lambda source: (str(source),),
    lambda texts: texts[0],
)
SIGHTINGS = Fact(
    Table("sightings", ("source", "seen", "seal"), key=("source",)),
    lambda seen: (" ".join(f"{one.digest}@{one.first_seen:.0f}" for one in seen),),
    lambda texts: tuple(map(_sighting, texts[0].split())),
)
GONE = Fact(
    Table("gone", ("destination", "source", "since", "seal"), key=("destination", "source")),
    lambda since: ("" if since is None else f"{since:.0f}",),
    lambda texts: _moment(texts[0]),
)
"""Since when a source is missed that a destination was filled from; empty once it is back."""
TABLES = (EXPECTED.table, CONVERTED.table, CHILDREN.table, WRITERS.table)
VISIBILITY = Fact(
    Table("visibility", ("repository", "seen_as", "seal"), key=("repository",)),
    lambda found: (found,),
    lambda texts: texts[0],
)
SPEEDS = Fact(
    Table("speeds", ("registry", "bytes", "milliseconds", "seal"), key=("registry",)),
    lambda speed: (str(speed.bytes), f"{speed.seconds * 1000:.0f}"),
    lambda texts: _speed(*texts),
)
CHALLENGES = Fact(
    Table(
        "challenges",
        tuple("registry asked_by scheme realm service seen_at seal".split()),
        key=("registry", "asked_by"),
    ),
    lambda known: (*_challenge_texts(known.challenge), f"{int(known.seen_at)}"),
    _known_challenge,
)
"""How a registry wants a client to log in; no scheme is no login."""
BLOB_PLACES = Fact(
    Table("blob_places", ("registry", "blob", "repository", "seal"), key=("registry", "blob")),
    lambda repository: (repository,),
    lambda texts: texts[0],
)
"""Which repository of a registry was sent a blob, so that others can have it mounted from there."""
NEWER_TABLES = (
    SIGHTINGS.table,
    GONE.table,
    VISIBILITY.table,
    SPEEDS.table,
    CHALLENGES.table,
    BLOB_PLACES.table,
)
"""What databases of earlier versions lack; it stands behind all else in new ones too."""
