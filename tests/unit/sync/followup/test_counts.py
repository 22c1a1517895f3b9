"""What a plan comes to for each target, and what it knows of time."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.config.targets import ALIYUN_PERSONAL, Target
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.manifest import Descriptor
from orchestrator.oci.reference import Reference, digest_of
from orchestrator.report.result import Outcome, Result, Speed
from orchestrator.state.store import State
from orchestrator.sync.followup.counts import counts_of, remember_speeds
from orchestrator.system.progress import Transfers
from tests.support.reports import an_item

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
NEAR = Target("near", "near.example", "lab", profile=ALIYUN_PERSONAL)
SAME = Target("same", "near.example", "other")
FAR = Target("far", "far.example", "lab")


def layers(**sizes: int) -> tuple[Descriptor, ...]:
    return tuple(Descriptor("", digest_of(name.encode()), size) for name, size in sizes.items())


def to_copy(source: str, *, to: Target = NEAR, pulls: int = 0, **sizes: int) -> Result:
    """An image to copy; nothing of it is on the way already."""
    return Result(
        an_item(source, target=to),
        Outcome.WOULD_COPY,
        "missing",
        layers=layers(**sizes),
        size=sum(sizes.values()),
        bytes=sum(sizes.values()),
        pulls=pulls,
    )


def in_sync(source: str, *, to: Target = NEAR) -> Result:
    return Result(an_item(source, target=to), Outcome.WOULD_SKIP, "same-digest")


def nothing(_: str) -> None:
    """No run has measured anything, and nothing bounds the way."""


def test_repositories_and_tags_are_all_of_the_list_and_the_rest_is_what_is_to_copy() -> None:
    error = ImageError(ErrorKind.NOT_FOUND, "it is not there")
    results = (
        to_copy("nginx:1", pulls=1, base=30, top=5),
        to_copy("nginx:2", pulls=2, base=30, other=7),
        in_sync("nginx:3"),
        in_sync("redis:7"),
        Result(an_item("mysql:8", target=NEAR), Outcome.FAILED, "not-found", error=error),
    )
    (found,) = counts_of(results, nothing, nothing)
    assert (found.target, found.repositories, found.most_repositories) == ("near", 3, 300)
    assert (found.tags, found.copies, found.pulls) == (5, 2, 3)
    assert (found.layers, found.largest_layer, found.unread) == (3, 30, 0)


def test_each_target_has_its_own_and_a_registry_gets_a_layer_once() -> None:
    results = (
        to_copy("nginx:1", to=FAR, base=30),
        to_copy("nginx:1", base=30),
        to_copy("nginx:1", to=SAME, base=30, more=1),
    )
    found = counts_of(results, nothing, nothing)
    assert [(one.target, one.layers) for one in found] == [("far", 1), ("near", 1), ("same", 1)]
    assert [one.largest_layer for one in found] == [30, 30, 30]


FAST = Speed(10 * MIB, 5.0)


@pytest.mark.parametrize(
    ("measured", "bandwidth", "seconds"),
    [
        pytest.param(FAST, None, 3.0, id="as earlier runs measured"),
        pytest.param(FAST, MIB, 6.0, id="no faster than it may be"),
        pytest.param(FAST, 9 * MIB, 3.0, id="no faster than it was"),
        pytest.param(None, None, None, id="nothing was measured"),
        pytest.param(None, MIB, None, id="a bound alone tells nothing"),
        pytest.param(Speed(1000, 5.0), None, None, id="too little was moved"),
        pytest.param(Speed(10 * MIB, 0.0), None, None, id="in no time"),
    ],
)
def test_a_forecast_goes_by_what_was_measured_and_by_nothing_else(
    measured: Speed | None, bandwidth: int | None, seconds: float | None
) -> None:
    asked: list[str] = []

    def speed(registry: str) -> Speed | None:
        asked.append(registry)
        return measured

    (found,) = counts_of([to_copy("nginx:1", base=6 * MIB)], speed, lambda _: bandwidth)
    assert found.seconds == seconds
    assert bool(found.no_forecast) is (seconds is None)
    assert asked == ["near.example"]


def test_what_was_not_read_is_counted_and_spoils_the_forecast() -> None:
    results = (to_copy("nginx:1", base=MIB), to_copy("redis:7"))
    (found,) = counts_of(results, lambda _: FAST, nothing)
    assert (found.unread, found.copies, found.seconds) == (1, 2, None)
    assert found.no_forecast == "not every image's size is known beforehand"


def test_where_nothing_is_to_be_copied_no_time_is_needed() -> None:
    (found,) = counts_of([in_sync("nginx:1")], nothing, nothing)
    assert (found.seconds, found.no_forecast, found.copies) == (0.0, "", 0)
    assert counts_of([], nothing, nothing) == ()


# What runs measure


def transfers_of(seconds: float, *, to: Target = NEAR) -> Transfers:
    """A run that copied to a registry for so long."""
    now = [0.0]
    transfers = Transfers(lambda: now[0])
    with transfers.begun(f"{to.base}/x:1", name="x", sizes={}):
        now[0] = seconds
    return transfers


def copied(source: str, count: int, *, to: Target = NEAR) -> Result:
    one = to_copy(source, to=to)
    return replace(one, outcome=Outcome.COPIED, bytes=count, attempts=1)


def test_the_last_runs_weigh_most(tmp_path: Path) -> None:
    with closing(State(tmp_path)) as state:
        remember_speeds([copied("a:1", MIB), copied("b:1", MIB)], transfers_of(4.0), state)
        assert state.speed("near.example") == Speed(2 * MIB, 4.0)
        assert state.speed("far.example") is None
        remember_speeds([copied("c:1", 4 * MIB)], transfers_of(1.0), state)
    with closing(State(tmp_path)) as state:
        assert state.speed("near.example") == Speed(5 * MIB, 3.0)


@pytest.mark.parametrize(
    "spoiling",
    [
        pytest.param(
            replace(copied("b:1", 0), outcome=Outcome.FAILED), id="a copy failed on its way"
        ),
        pytest.param(replace(copied("b:1", 0), outcome=Outcome.DEFERRED), id="it was ended"),
    ],
)
def test_a_run_whose_copies_failed_tells_nothing_of_the_way(
    tmp_path: Path, spoiling: Result
) -> None:
    with closing(State(tmp_path)) as state:
        remember_speeds([copied("a:1", MIB), spoiling], transfers_of(4.0), state)
        assert state.speed("near.example") is None


def test_what_never_began_spoils_nothing(tmp_path: Path) -> None:
    failed = replace(copied("b:1", 0), outcome=Outcome.FAILED, attempts=0)
    with closing(State(tmp_path)) as state:
        remember_speeds([copied("a:1", MIB), failed], transfers_of(4.0), state)
        assert state.speed("near.example") == Speed(MIB, 4.0)


def test_nothing_is_kept_of_a_plan_or_a_run_without_news(tmp_path: Path) -> None:
    with closing(State(tmp_path)) as state:
        remember_speeds([to_copy("a:1", base=5), in_sync("b:1")], transfers_of(4.0), state)
        assert state.speed("near.example") is None


def test_a_destination_is_where_its_reference_says() -> None:
    place = replace(an_item(target=NEAR), destination=Reference.parse("elsewhere.example/lab/x:1"))
    one = replace(to_copy("nginx:1", base=6 * MIB), item=place)
    asked: list[str] = []
    counts_of([one], asked.append, nothing)
    assert asked == ["elsewhere.example"]
