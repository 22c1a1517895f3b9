"""How round trips are told from seconds, and what the page and the goals make of them."""

from __future__ import annotations

import pytest

from benchmarks import document, ours, scenarios
from benchmarks.far import trips
from benchmarks.far.trips import BOTH, NEAR, SOURCE, TARGET, Trips
from benchmarks.judge import judge
from benchmarks.measure import Run, Way
from benchmarks.scenarios import Bench
from benchmarks.tools import other_skopeos

TASK = trips.FOUR_LAYERS


def timed(far: str, *seconds: float, tool: str = "syncer", task: str = TASK) -> list[Run]:
    return [Run(tool, one, way=Way(task, far, 0.25)) for one in seconds]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([], (), id="nothing was timed"),
        pytest.param([Run("syncer", 1.0)], (), id="a run elsewhere"),
        pytest.param(
            timed(NEAR, 0.5) + timed(TARGET, 3.0) + timed(SOURCE, 1.5),
            (Trips(TASK, "syncer", 0.5, {TARGET: 10.0, SOURCE: 4.0}),),
            id="either side",
        ),
        pytest.param(
            timed(NEAR, 0.5, 9.0, 0.25) + timed(TARGET, 0.1, 2.5, 8.0),
            (Trips(TASK, "syncer", 0.5, {TARGET: 8.0}),),
            id="medians are compared",
        ),
        pytest.param(
            [*timed(NEAR, 1.0), Run("syncer", 0.0, complaint="no", way=Way(TASK, TARGET, 0.25))],
            (Trips(TASK, "syncer", 1.0, {}),),
            id="what failed is not counted",
        ),
        pytest.param(
            [Run("syncer", 0.0, complaint="no", way=Way(TASK, NEAR, 0.25)), *timed(TARGET, 1.0)],
            (Trips(TASK, "syncer", None, {}),),
            id="nothing to compare with",
        ),
        pytest.param(
            timed(NEAR, 1.0) + timed(NEAR, 2.0, tool="crane copy") + timed(NEAR, 3.0, task="b"),
            (
                Trips(TASK, "syncer", 1.0, {}),
                Trips(TASK, "crane copy", 2.0, {}),
                Trips("b", "syncer", 3.0, {}),
            ),
            id="tools and tasks are apart, in their order",
        ),
    ],
)
def test_round_trips_are_what_distance_adds(runs: list[Run], expected: tuple[Trips, ...]) -> None:
    assert trips.counted(runs) == expected


def test_a_table_has_a_row_for_each_task_and_tool() -> None:
    good = timed(NEAR, 0.5) + timed(TARGET, 3.0) + timed(BOTH, 5.5)
    bad = [Run("crane copy", 0.0, complaint="no", way=Way(TASK, NEAR, 0.25))]
    assert document.trip_rows([*good, *bad]) == (
        (TASK, "syncer", "0.50", "10.0", "", "20.0"),
        (TASK, "crane copy", "failed", "", "", ""),
    )
    shown = document.text("Round trips", [*good, *bad])
    assert "trips, target far" in shown
    assert "FAILED crane copy: no" in shown


@pytest.mark.parametrize(
    ("task", "far", "tool", "seconds", "met"),
    [
        pytest.param(TASK, TARGET, "syncer", 2.75, [True], id="nine"),
        pytest.param(TASK, TARGET, "syncer", 2.76, [True], id="nine, and what a clock adds"),
        pytest.param(TASK, TARGET, "syncer", 3.0, [False], id="ten"),
        pytest.param(TASK, SOURCE, "syncer", 3.0, [], id="the source has no goal"),
        pytest.param(TASK, TARGET, "crane copy", 2.0, [], id="a peer has none"),
        pytest.param(TASK, TARGET, ours.RELAY_OFF.name, 2.0, [], id="nor has skopeo's own push"),
        pytest.param(trips.NOOP, BOTH, "syncer", 1.5, [True], id="in sync: four"),
        pytest.param(trips.NOOP, BOTH, "syncer", 1.75, [False], id="in sync: five"),
        pytest.param(trips.NOOP_WITH_TOKENS, BOTH, "syncer", 9.0, [], id="tokens have no goal"),
    ],
)
def test_round_trips_have_goals(
    task: str, far: str, tool: str, seconds: float, met: list[bool]
) -> None:
    runs = timed(NEAR, 0.5, tool=tool, task=task) + timed(far, seconds, tool=tool, task=task)
    assert [one.is_met for one in judge({scenarios.TRIPS: runs}, Bench())] == met


def test_the_versions_of_skopeo_are_in_their_order() -> None:
    versions = [tuple(map(int, version.split("."))) for version, _ in other_skopeos()]
    assert versions == sorted(versions)
    assert [tool.program for tool in ours.OTHER_SKOPEOS] == [name for _, name in other_skopeos()]
