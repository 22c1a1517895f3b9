"""What is remembered between runs: what can never change, and what past runs did.

All of it can be found out anew, so that a lost, locked or damaged database costs time, never
truth, and nothing here stands in the way of a run.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from orchestrator.catalog.image import MirroredImage, completed, images_after
from orchestrator.oci.reference import Digest
from orchestrator.plan.ages import Sighting
from orchestrator.plan.decision import KnownImage
from orchestrator.registry.challenge import KnownChallenge
from orchestrator.report.history import PastResult, PastRun
from orchestrator.report.result import Report, Speed
from orchestrator.state.database import Database, Row, Schema, Statement
from orchestrator.state.facts import (
    BLOB_PLACES,
    CHALLENGES,
    CHILDREN,
    CONVERTED,
    EXPECTED,
    GONE,
    NEWER_TABLES,
    SIGHTINGS,
    SPEEDS,
    TABLES,
    VISIBILITY,
    WRITERS,
    Fact,
)
from orchestrator.state.history import RESULTS, RUNS, past_result, past_run, result_rows, run_row
from orchestrator.state.images import IMAGES, image_row, mirrored_image
from orchestrator.state.seals import Seals

T = TypeVar("T")

_SCHEMA = Schema(7, (*TABLES, RUNS, RESULTS, *NEWER_TABLES, IMAGES))
_BUSY_TIMEOUT = 2.0
_BATCH = 500
"""Facts that are written at once; a run that is killed loses no more than these."""
_MOST_FACTS = 200_000
"""Of each kind; the oldest go first."""
_MOST_RUNS = 1000
_DROP_FACTS = "DELETE FROM {0} WHERE rowid <= (SELECT max(rowid) FROM {0}) - ?"
_DROP_RUNS = (
    "DELETE FROM runs WHERE run_id NOT IN "
    "(SELECT run_id FROM runs ORDER BY started DESC, run_id DESC LIMIT ?)"
)
_DROP_RESULTS = "DELETE FROM results WHERE run_id NOT IN (SELECT run_id FROM runs)"


class State:
    """The memory of a state directory; any number of threads may use it at once."""

    def __init__(
        self,
        folder: Path,
        *,
        seals: Seals | None = None,
        busy_timeout: float = _BUSY_TIMEOUT,
        most_runs: int = _MOST_RUNS,
    ) -> None:
        """Open `state.db`, or make it.

        Args:
            folder: The state directory.
            seals: What tells this user's facts from anybody's.
            busy_timeout: Seconds that another process may hold the database before this run
                does without it.
            most_runs: Runs that are kept of the history.
        """
        self._most_runs = most_runs
        self._database = Database(folder / "state.db", _SCHEMA, busy_timeout=busy_timeout)
        self._seals = seals or Seals()
        self._lock = threading.Lock()
        self._unwritten: dict[tuple[str, Row], Row] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of the database."""
        return tuple(self._database.warnings)

    def expected(self, index: Digest, choice: str) -> KnownImage | None:
        """What follows from an index and a platform choice, where an earlier run found out.

        Args:
            index: The digest of what the source's tag names.
            choice: The platform choice, and whatever else the outcome depends on, as a text.
        """
        return self._fact(EXPECTED, index, choice)

    def remember_expected(self, index: Digest, choice: str, found: KnownImage) -> None:
        """Keep what follows from an index and a platform choice."""
        self._keep(EXPECTED, found, index, choice)

    def converted(self, destination: str, source: Digest) -> Digest | None:
        """What a source became at a destination that has it in another form."""
        return self._fact(CONVERTED, destination, source)

    def remember_converted(self, destination: str, source: Digest, digest: Digest) -> None:
        """Keep what a source became at a destination."""
        self._keep(CONVERTED, digest, destination, source)

    def children(self, manifest: Digest) -> tuple[Digest, ...] | None:
        """What a manifest names beside itself: an index's children, none of a single image."""
        return self._fact(CHILDREN, manifest)

    def remember_children(self, manifest: Digest, children: tuple[Digest, ...]) -> None:
        """Keep what a manifest names."""
        self._keep(CHILDREN, children, manifest)

    def writer(self, destination: str) -> str | None:
        """Which source a destination was last filled from, or found in sync with."""
        return self._fact(WRITERS, destination)

    def remember_writer(self, destination: str, source: str) -> None:
        """Keep which source a destination was filled from."""
        self._keep(WRITERS, source, destination)

    def sightings(self, source: str) -> tuple[Sighting, ...] | None:
        """The digests that a tag had when runs looked, the first first."""
        return self._fact(SIGHTINGS, source)

    def remember_sightings(self, source: str, seen: tuple[Sighting, ...]) -> None:
        """Keep the digests that a tag had."""
        self._keep(SIGHTINGS, seen, source)

    def gone_since(self, destination: str, source: str) -> float | None:
        """When a run first missed the source of a destination, in seconds since the epoch."""
        return self._fact(GONE, destination, source)

    def remember_gone(self, destination: str, source: str, since: float | None) -> None:
        """Keep since when it is missed; None once it is back."""
        self._keep(GONE, since, destination, source)

    def visibility(self, repository: str) -> str | None:
        """Whether everybody could read a repository when it was first pushed to."""
        return self._fact(VISIBILITY, repository)

    def remember_visibility(self, repository: str, found: str) -> None:
        """Keep whether everybody can read a repository."""
        self._keep(VISIBILITY, found, repository)

    def speed(self, registry: str) -> Speed | None:
        """What runs have moved to a registry, and how long that took."""
        return self._fact(SPEEDS, registry)

    def remember_speed(self, registry: str, speed: Speed) -> None:
        """Keep what was moved to a registry."""
        self._keep(SPEEDS, speed, registry)

    def challenge(self, registry: str, *, has_login: bool) -> KnownChallenge | None:
        """How a registry wanted a login; a token server is named only by this user's own runs."""
        known = self._fact(CHALLENGES, registry, _asked_by(has_login=has_login))
        is_ours = self._seals.is_secret or (known is not None and known.challenge is None)
        return known if is_ours else None

    def remember_challenge(self, registry: str, known: KnownChallenge, *, has_login: bool) -> None:
        """Keep how a registry wanted a login."""
        self._keep(CHALLENGES, known, registry, _asked_by(has_login=has_login))

    def blob_place(self, registry: str, blob: Digest) -> str | None:
        """The repository of a registry that a run has sent a blob to."""
        return self._fact(BLOB_PLACES, registry, blob)

    def remember_blob_place(self, registry: str, blob: Digest, repository: str) -> None:
        """Keep where a blob was sent to."""
        self._keep(BLOB_PLACES, repository, registry, blob)

    def record(self, report: Report) -> Report:
        """Add a run to the history, and let the oldest go; one of the same id is replaced.

        What is to be remembered beside is written with it: all of it, where a database turns out
        to be damaged only now, goes into the next. The report comes back with what earlier runs
        found out of its images.
        """
        images = images_after(report, self._images_of(report))
        self._write(
            (
                (IMAGES.insert, map(image_row, images)),
                (_DROP_FACTS.format(IMAGES.name), [(_MOST_FACTS,)]),
                ("DELETE FROM results WHERE run_id = ?", [(report.run_id,)]),
                (RUNS.insert, [run_row(report)]),
                (RESULTS.insert, result_rows(report)),
                (_DROP_RUNS, [(self._most_runs,)]),
                (_DROP_RESULTS, [()]),
            )
        )
        return completed(report, images)

    def _images_of(self, report: Report) -> dict[str, MirroredImage]:
        """What is known of the destinations of a run, however many others there are."""
        places = {str(result.item.destination) for result in report.results}
        query = IMAGES.select_by_key
        found = (self._database.read(query, (place,), mirrored_image) for place in places)
        return {image.destination: image for images in found for image in images}

    def images(self) -> tuple[MirroredImage, ...]:
        """What is known of every destination that a run has worked on."""
        return self._database.read(IMAGES.select, (), mirrored_image)

    def runs(self, limit: int = 20) -> tuple[PastRun, ...]:
        """The newest runs, the newest first."""
        query = f"{RUNS.select} ORDER BY started DESC, run_id DESC LIMIT ?"
        return self._database.read(query, (limit,), past_run)

    def results(self, run_id: str) -> tuple[PastResult, ...]:
        """What a run copied, could not copy or deferred, in its order."""
        query = f"{RESULTS.select} WHERE run_id = ? ORDER BY position"
        return self._database.read(query, (run_id,), past_result)

    def flush(self) -> None:
        """Write what is to be remembered and is not written yet."""
        self._write(())

    def _write(self, more: Iterable[Statement]) -> None:
        """Write the same, and more, in one go."""
        with self._lock:
            unwritten, self._unwritten = self._unwritten, {}
            facts = tuple(_statements(unwritten)) if unwritten else ()
            statements = (*facts, *more)
            if statements:
                self._database.write(statements)

    def close(self) -> None:
        """Write the rest, and close; `contextlib.closing` does it at a block's end."""
        self.flush()
        self._database.close()

    def _keep(self, fact: Fact[T], value: T, *key: str) -> None:
        row = fact.row(self._seals, key, value)
        with self._lock:
            self._unwritten[fact.table.name, key] = row
            is_full = len(self._unwritten) >= _BATCH
        if is_full:
            self.flush()

    def _fact(self, fact: Fact[T], *key: str) -> T | None:
        with self._lock:
            unwritten = self._unwritten.get((fact.table.name, key))
            if unwritten:
                return fact.value_in(self._seals, unwritten)
            found = self._database.read(
                fact.table.select_by_key, key, lambda row: fact.value_in(self._seals, row)
            )
            return found[0] if found else None


def _asked_by(*, has_login: bool) -> str:
    return "login" if has_login else "nobody"


def _statements(unwritten: dict[tuple[str, Row], Row]) -> Iterator[Statement]:
    for table in (*TABLES, *NEWER_TABLES):
        yield table.insert, [row for (name, _), row in unwritten.items() if name == table.name]
        yield _DROP_FACTS.format(table.name), [(_MOST_FACTS,)]
