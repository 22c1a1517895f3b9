"""What is gone upstream is told from what failed, and its return from all else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import parse_digest
from orchestrator.plan.decision import FailedItem
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.conflict import source_name
from orchestrator.sync.followup.gone import GoneSources
from tests.support.reports import failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.oci.reference import Digest, Reference

ITEM = failed().item
SOURCE, PLACE = source_name(ITEM), str(ITEM.destination)
UPSTREAM, MIRROR = ITEM.source.registry, ITEM.destination.registry
DIGEST = parse_digest("sha256:" + "1" * 64)
DAY = 86400.0


@dataclass
class Memory:
    """What a state directory would keep."""

    writers: dict[str, str] = field(default_factory=lambda: {PLACE: SOURCE})
    gone: dict[tuple[str, str], float | None] = field(default_factory=dict)

    def writer(self, destination: str) -> str | None:
        return self.writers.get(destination)

    def gone_since(self, destination: str, source: str) -> float | None:
        return self.gone.get((destination, source))

    def remember_gone(self, destination: str, source: str, since: float | None) -> None:
        self.gone[destination, source] = since


def has(digest: Digest | None) -> Callable[[Reference], Digest | None]:
    return lambda _: digest


def unreachable(_: Reference) -> Digest | None:
    raise ImageError(ErrorKind.UNREACHABLE, "x: no connection")


def gone(memory: Memory, *, now: float = DAY, is_writing: bool = True) -> GoneSources:
    return GoneSources(memory, has(DIGEST), now, is_writing)


def error(kind: ErrorKind, *, registry: str = UPSTREAM, may_be_absent: bool = False) -> ImageError:
    return ImageError(kind, "x: y", registry=registry, may_be_absent=may_be_absent)


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [
        pytest.param(error(ErrorKind.NOT_FOUND), True, id="not found"),
        pytest.param(error(ErrorKind.NOT_FOUND, registry=""), True, id="our own word for it"),
        pytest.param(error(ErrorKind.DENIED, may_be_absent=True), True, id="denied"),
        pytest.param(error(ErrorKind.UNAUTHORIZED, may_be_absent=True), True, id="or private"),
        pytest.param(error(ErrorKind.DENIED), False, id="withheld"),
        pytest.param(error(ErrorKind.UNAUTHORIZED), False, id="the login is wrong"),
        pytest.param(error(ErrorKind.NOT_FOUND, registry=MIRROR), False, id="at the destination"),
        *(
            pytest.param(error(kind, may_be_absent=True), False, id=kind.value)
            for kind in ErrorKind
            if kind not in (ErrorKind.NOT_FOUND, ErrorKind.DENIED, ErrorKind.UNAUTHORIZED)
        ),
    ],
)
def test_what_is_gone_is_what_the_registry_says_so_of(error: ImageError, is_kept: bool) -> None:
    memory = Memory()
    result = gone(memory).kept(FailedItem(ITEM, error))
    assert (result is not None) is is_kept
    assert bool(memory.gone) is is_kept


@pytest.mark.parametrize("before", [None, "docker.io/library/other:1"])
def test_what_was_never_filled_from_this_source_has_failed(before: str | None) -> None:
    memory = Memory({PLACE: before} if before else {})
    assert gone(memory).kept(FailedItem(ITEM, error(ErrorKind.NOT_FOUND))) is None


def test_what_is_not_known_to_be_in_the_mirror_has_failed() -> None:
    failed = FailedItem(ITEM, error(ErrorKind.NOT_FOUND))
    for digest_there in (has(None), unreachable):
        memory = Memory()
        assert replace(gone(memory), digest_there=digest_there).kept(failed) is None
        assert not memory.gone


def test_it_is_told_once_with_the_day_of_the_first_run_that_missed_it() -> None:
    memory, failed = Memory(), FailedItem(ITEM, error(ErrorKind.NOT_FOUND))
    told = [gone(memory, is_writing=False), gone(memory), gone(memory, now=9 * DAY)]
    results = [one.kept(failed) for one in told]
    assert [result and result.is_told for result in results] == [False, False, True]
    notes = {result and result.note for result in results}
    assert notes == {
        "its source is not found, first on 1970-01-02: the mirror may be the only copy"
    }


@pytest.mark.parametrize("outcome", list(Outcome))
def test_whose_source_could_be_read_is_back_once(outcome: Outcome) -> None:
    memory = Memory(gone={(PLACE, SOURCE): DAY})
    before = Result(ITEM, outcome, "why", note="a")
    is_back = outcome.value in ("copied", "skipped", "would-copy", "would-skip")
    note = "a; its source is back; it was missed since 1970-01-02" if is_back else "a"
    for is_writing in (False, True):
        (after,) = gone(memory, is_writing=is_writing).back((before,))
        assert after == replace(before, note=note)
    (again,) = gone(memory).back((before,))
    assert again == before
