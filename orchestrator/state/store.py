"""What is remembered between runs: what can never change, and what past runs did.

All of it can be found out anew, so that a lost, locked or damaged database costs time, never
truth, and nothing here stands in the way of a run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from orchestrator.oci.reference import Digest
from orchestrator.plan.decision import KnownImage
from orchestrator.report.history import PastResult, PastRun
from orchestrator.report.result import Report
from orchestrator.state.database import Database, Row, Schema, Statement, Table
from orchestrator.state.facts import (
    CONVERTED,
    EXPECTED,
    converted_in,
    converted_row,
    expected_row,
    remembered_in,
)
from orchestrator.state.history import RESULTS, RUNS, past_result, past_run, result_rows, run_row

T = TypeVar("T")

_SCHEMA = Schema(1, (EXPECTED, CONVERTED, RUNS, RESULTS))
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

    def __init__(self, folder: Path, *, busy_timeout: float = _BUSY_TIMEOUT) -> None:
        """Open `state.db`, or make it.

        Args:
            folder: The state directory.
            busy_timeout: Seconds that another process may hold the database before this run
                does without it.
        """
        self._database = Database(folder / "state.db", _SCHEMA, busy_timeout=busy_timeout)
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
        return self._fact(EXPECTED, (index, choice), remembered_in)

    def remember_expected(self, index: Digest, choice: str, found: KnownImage) -> None:
        """Keep what follows from an index and a platform choice."""
        self._keep(EXPECTED, expected_row(index, choice, found))

    def converted(self, destination: str, source: Digest) -> Digest | None:
        """What a source became at a destination that has it in another form."""
        return self._fact(CONVERTED, (destination, source), converted_in)

    def remember_converted(self, destination: str, source: Digest, digest: Digest) -> None:
        """Keep what a source became at a destination."""
        self._keep(CONVERTED, converted_row(destination, source, digest))

    def record(self, report: Report) -> None:
        """Add a run to the history, and let the oldest go; one of the same id is replaced."""
        self.flush()
        self._database.write(
            (
                ("DELETE FROM results WHERE run_id = ?", [(report.run_id,)]),
                (RUNS.insert, [run_row(report)]),
                (RESULTS.insert, result_rows(report)),
                (_DROP_RUNS, [(_MOST_RUNS,)]),
                (_DROP_RESULTS, [()]),
            )
        )

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
        with self._lock:
            unwritten, self._unwritten = self._unwritten, {}
            if unwritten:
                self._database.write(_statements(unwritten))

    def close(self) -> None:
        """Write the rest, and close; `contextlib.closing` does it at a block's end."""
        self.flush()
        self._database.close()

    def _keep(self, table: Table, row: Row) -> None:
        with self._lock:
            self._unwritten[table.name, row[: len(table.key)]] = row
            is_full = len(self._unwritten) >= _BATCH
        if is_full:
            self.flush()

    def _fact(self, table: Table, key: Row, read: Callable[[Row], T]) -> T | None:
        with self._lock:
            unwritten = self._unwritten.get((table.name, key))
            if unwritten:
                return read(unwritten)
            found = self._database.read(table.select_by_key, key, read)
            return found[0] if found else None


def _statements(unwritten: dict[tuple[str, Row], Row]) -> Iterator[Statement]:
    for table in (EXPECTED, CONVERTED):
        yield table.insert, [row for (name, _), row in unwritten.items() if name == table.name]
        yield _DROP_FACTS.format(table.name), [(_MOST_FACTS,)]
