"""The goals, and whether what was measured meets them. Medians are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import ours, scenarios, tools
from benchmarks.far import copies, trips
from benchmarks.samples import MB
from benchmarks.traffic import ErrorKind

if TYPE_CHECKING:
    from benchmarks.measure import Run
    from benchmarks.scenarios import Bench

_SMALLEST_LAYER = 32 * 1024
"""Bytes; what is smaller in these images is a config, or weighs no more than one."""

Runs = Mapping[str, Sequence["Run"]]
"""What was measured, by scenario."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, what came out, and whether that meets it."""

    goal: str
    result: str
    is_met: bool


def judge(runs: Runs, bench: Bench) -> tuple[Verdict, ...]:
    """Every goal that what was measured can tell of."""
    return (
        *_judge_noop(_Measured(runs.get(scenarios.NOOP_ONE, ())), bench.images),
        *_judge_noop_all(_Measured(runs.get(scenarios.NOOP_ALL, ())), bench.images),
        *_judge_choices(_Measured(runs.get(scenarios.CHOICES, ())), bench),
        *_judge_copy(_Measured(runs.get(scenarios.COPY_LIMITED, ())), "bandwidth limited", 0.87),
        *_judge_copy(_Measured(runs.get(scenarios.COPY, ())), "no limit", 1.2),
        *_judge_newest(_Measured(runs.get(scenarios.COPY, ()))),
        *_judge_fan_out(_Measured(runs.get(scenarios.FAN_OUT, ()))),
        *_judge_far(_Measured(runs.get(scenarios.FAR, ()))),
        *_judge_trips(trips.counted(runs.get(scenarios.TRIPS, ()))),
        *_judge_scale(_Measured(runs.get(scenarios.SCALE, ())), bench.entries),
    )


class _Measured:
    """The runs of one scenario, by tool; those that failed prove nothing."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = [run for run in runs if not run.complaint]

    def of(self, tool: str) -> list[Run]:
        return [run for run in self._runs if run.tool == tool]

    def seconds(self, tool: str) -> float | None:
        found = self.of(tool)
        return median(run.seconds for run in found) if found else None

    def most(self, tool: str, figure: Callable[[Run], int]) -> int | None:
        """The worst of all its runs, for what must never be more."""
        return max(map(figure, self.of(tool)), default=None)

    def fastest_peer(self) -> str | None:
        ours_ = {tool.name for tool in (*ours.OURS, ours.BARE)}
        peers = {run.tool for run in self._runs} - ours_
        return min(peers, key=lambda name: self.seconds(name) or 0.0, default=None)


def _judge_noop(measured: _Measured, count: int) -> Iterator[Verdict]:
    warm, cold = ours.WARM.name, ours.COLD.name
    images = f"{count} in sync, one platform"
    heads = measured.most(warm, _count(ErrorKind.MANIFEST_HEAD))
    yield from _at_most(f"{images}: manifest HEADs", heads, 2 * count)
    gets = measured.most(warm, _count(ErrorKind.MANIFEST_GET, ErrorKind.BLOB_GET))
    yield from _at_most(f"{images}: GETs", gets, 0)
    starts = measured.most(warm, lambda run: run.programs or 0)
    yield from _at_most(f"{images}: skopeo processes", starts, 0)
    regsync, inspect = tools.REGSYNC.name, tools.SKOPEO_INSPECT.name
    yield from _times(measured, warm, regsync, 0.11, images)
    yield from _times(measured, warm, inspect, 1 / 15, images)
    pulls = measured.most(cold, lambda run: run.source.count(ErrorKind.MANIFEST_GET))
    yield from _at_most(f"{images}, no state: counted pulls", pulls, count)
    yield from _times(measured, cold, regsync, 1 / 2, f"{images}, no state")
    peak = measured.most(warm, lambda run: run.peak)
    yield from _megabytes(f"{images}: peak memory", peak, 80)


def _judge_noop_all(measured: _Measured, count: int) -> Iterator[Verdict]:
    title = f"{count} in sync, all platforms"
    yield from _times(measured, ours.TAGS.name, tools.REGSYNC.name, 1.3, f"{title}, VERIFY=tag")
    yield from _times(measured, ours.WARM.name, tools.REGSYNC.name, 3, f"{title} and children")
    heads = measured.most(ours.WARM.name, _count(ErrorKind.MANIFEST_HEAD))
    yield from _at_most(f"{title} and children: manifest HEADs", heads, 4 * count)


def _judge_choices(measured: _Measured, bench: Bench) -> Iterator[Verdict]:
    """Pages of tags, two HEADs for each tag that is chosen, and nothing else."""
    warm, heads = ours.WARM.name, 2 * 10 * bench.lines
    title = f"{bench.lines} lines that choose tags"
    asked = measured.most(warm, _count(ErrorKind.MANIFEST_HEAD))
    yield from _at_most(f"{title}: manifest HEADs", asked, heads)
    pages = measured.most(warm, _count(ErrorKind.TAGS))
    yield from _at_most(f"{title}: pages of tags", pages, bench.lines * -(-bench.tags // 1000))
    others = measured.most(
        warm,
        lambda run: (
            run.traffic.count() - run.traffic.count(ErrorKind.MANIFEST_HEAD, ErrorKind.TAGS)
        ),
    )
    yield from _at_most(f"{title}: other requests", others, 0)
    starts = measured.most(warm, lambda run: run.programs or 0)
    yield from _at_most(f"{title}: skopeo processes", starts, 0)


def _judge_copy(measured: _Measured, conditions: str, factor: float) -> Iterator[Verdict]:
    """What it does by itself beside the fastest peer; many at once beside as many bare copies."""
    tool, many = ours.COPYING.name, ours.COPYING_MANY.name
    title = f"cold copy, {conditions}"
    yield from _at_most(f"{title}: blobs sent twice", measured.most(tool, _sent_again), 0)
    yield from _read_once(f"{title}: blobs read twice", measured.of(tool))
    if peer := measured.fastest_peer():
        yield from _times(measured, tool, peer, factor, title)
    yield from _times(measured, many, ours.BARE.name, 1.05, f"{title}, our overhead")


def _judge_newest(measured: _Measured) -> Iterator[Verdict]:
    for tool in ours.NEWEST_SKOPEO:
        title = f"cold copy, no limit, {tool.name}"
        yield from _times(measured, tool.name, tools.REGSYNC.name, 1, title)


def _judge_fan_out(measured: _Measured) -> Iterator[Verdict]:
    tool = ours.COPYING.name
    yield from _read_once("two targets: blobs read twice from the source", measured.of(tool))
    yield from _times(measured, tool, tools.REGSYNC.name, 0.9, "two targets")


def _judge_far(measured: _Measured) -> Iterator[Verdict]:
    for peer in (tools.REGSYNC, copies.CRANE):
        yield from _times(measured, ours.COPYING.name, peer.name, 0.8, "far target")


_TRIP_GOALS = {
    trips.FOUR_LAYERS: (trips.TARGET, 9),
    trips.TWELVE_LAYERS: (trips.TARGET, 9),
    trips.WITH_TOKENS: (trips.TARGET, 9),
    trips.NOOP: (trips.BOTH, 4),
}
"""By task: the side that is far, and the round trips at most."""


def _judge_trips(counted: Sequence[trips.Trips]) -> Iterator[Verdict]:
    """With each skopeo; our own without the relay is what the peers are, a figure to compare."""
    judged = {trips.OURS.name, *(tool.name for tool in ours.OTHER_SKOPEOS)}
    for one in counted:
        side, most = _TRIP_GOALS.get(one.task, ("", 0))
        found = one.counts.get(side)
        if one.tool in judged and found is not None:
            goal = f"{one.task}, {one.tool}, far: {side}: {most} round trips at most"
            yield Verdict(goal, f"{found:.1f}", round(found, 1) <= most)


def _judge_scale(measured: _Measured, entries: int) -> Iterator[Verdict]:
    planning, title = scenarios.PLANNING, f"plan of {entries:,}"
    seconds = measured.seconds(planning)
    if seconds is not None:
        yield Verdict(f"{title}: 25 s at most", f"{seconds:.1f} s", seconds < 25)
    peak = measured.most(planning, lambda run: run.peak)
    yield from _megabytes(f"{title}: peak memory", peak, 200)


def _count(*kinds: ErrorKind) -> Callable[[Run], int]:
    return lambda run: run.traffic.count(*kinds)


def _sent_again(run: Run) -> int:
    return sum(times - 1 for times in run.targets.uploads.values())


def _read_once(what: str, runs: Sequence[Run]) -> Iterator[Verdict]:
    """Whether no layer was read twice; a config may be, to see which platform it is for."""
    if not runs:
        return
    again = [
        (run.source.sizes.get(digest, 0), times - 1)
        for run in runs
        for digest, times in run.source.downloads.items()
    ]
    layers = sum(times for size, times in again if size >= _SMALLEST_LAYER)
    small = sum(times for size, times in again if size < _SMALLEST_LAYER) // len(runs)
    result = f"{layers}, and {small} configs" if small else str(layers)
    yield Verdict(f"{what}, configs apart: 0 at most", result, layers == 0)


def _at_most(what: str, found: int | None, limit: int) -> Iterator[Verdict]:
    if found is not None:
        yield Verdict(f"{what}: {limit} at most", str(found), found <= limit)


def _megabytes(what: str, found: int | None, limit: int) -> Iterator[Verdict]:
    if found is not None:
        yield Verdict(f"{what}: {limit} MB at most", f"{found / MB:.0f} MB", found < limit * MB)


def _times(
    measured: _Measured, tool: str, other: str, factor: float, title: str
) -> Iterator[Verdict]:
    """Whether a tool takes at most so many times another one's time."""
    ours_, theirs = measured.seconds(tool), measured.seconds(other)
    if ours_ is None or theirs is None:
        return
    ratio = ours_ / theirs
    goal = f"{title}: {factor:.3g} of the time of {other} at most"
    yield Verdict(goal, f"{ratio:.3g} ({ours_:.2f} / {theirs:.2f} s)", ratio <= factor)
