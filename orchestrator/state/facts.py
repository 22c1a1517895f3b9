"""What can never change, as values and as sealed rows of the state database. No I/O.

An index's digest names its bytes, so what follows from it for a platform choice follows for
good; so does what a registry made of a source when it was converted on the way there. SQLite
does not notice every byte that changes beneath it (sqlite.org/howtocorrupt.html), hence seals.
"""

from __future__ import annotations

import hashlib

from orchestrator.errors import FormatError
from orchestrator.oci.reference import Digest, parse_digest
from orchestrator.plan.decision import KnownImage
from orchestrator.state.database import DamagedError, Row, Table

EXPECTED = Table(
    "expected",
    tuple("index_digest choice expected delivered config_digest created seal".split()),
    key=("index_digest", "choice"),
)
CONVERTED = Table(
    "converted",
    tuple("destination source_digest digest seal".split()),
    key=("destination", "source_digest"),
)


def expected_row(index: Digest, choice: str, found: KnownImage) -> Row:
    """A row of `EXPECTED`."""
    config = found.config_digest or ""
    return _sealed(index, choice, found.expected, found.delivered, config, found.created)


def converted_row(destination: str, source: Digest, digest: Digest) -> Row:
    """A row of `CONVERTED`."""
    return _sealed(destination, source, digest)


def remembered_in(row: Row) -> KnownImage:
    """What a row of `EXPECTED` tells.

    Raises:
        DamagedError: It was never written so.
    """
    _, _, expected, delivered, config, created = _unsealed(row)
    return KnownImage(_digest(expected), delivered, _digest(config) if config else None, created)


def converted_in(row: Row) -> Digest:
    """What a row of `CONVERTED` tells.

    Raises:
        DamagedError: It was never written so.
    """
    _, _, digest = _unsealed(row)
    return _digest(digest)


def _sealed(*texts: str) -> Row:
    return (*texts, _seal(texts))


def _unsealed(row: Row) -> tuple[str, ...]:
    texts = tuple(map(str, row[:-1]))
    if row[-1] != _seal(texts):
        raise DamagedError
    return texts


def _seal(texts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _digest(text: str) -> Digest:
    try:
        return parse_digest(text)
    except FormatError:
        raise DamagedError from None
