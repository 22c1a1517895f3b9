"""The scenarios: each sets its registries up, and lets the tools take turns on them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ours, samples, tools
from benchmarks.measure import Run, measure, time_alone
from benchmarks.network import Conditions, Network
from benchmarks.traffic import ErrorKind
from demo.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.samples import Sample
    from benchmarks.tools import Job, Tool

NOOP_ONE = "noop-single"
NOOP_ALL = "noop-all"
COPY = "copy"
COPY_LIMITED = "copy-limited"
FAN_OUT = "fanout"
CHOICES = "choices"
SCALE = "scale"
TRIPS = "trips"
FAR = "far"

NAMING = "parse and name"
PLANNING = "plan, all in sync"


@dataclass(frozen=True)
class Bench:
    """How the benchmarks are run.

    Attributes:
        runs: How often each tool takes its turn.
        delay: Seconds that each request waits.
        rate: Bytes a second of a registry, where bandwidth is limited.
        images: How many are found in sync.
        copies: How many are copied.
        size: Bytes of each that is copied.
        entries: Lines of the long list.
        lines: Lines that choose tags.
        tags: Tags of each repository that they choose from.
        trip: Seconds of a round trip to what is far.
        far_size: Bytes of each image that is copied to a far target.
        far_rate: Bytes a second of a line to a registry, where the target is far.
        wants: Whether a tool is to take part.
        tell: Is told of each run as it ends.
    """

    runs: int = 3
    delay: float = 0.025
    rate: int = 40 * samples.MB
    images: int = 200
    copies: int = 20
    size: int = 30 * samples.MB
    entries: int = 10_000
    lines: int = 40
    tags: int = 3_000
    trip: float = 0.25
    far_size: int = 10 * samples.MB
    far_rate: int = 10 * samples.MB
    wants: Callable[[Tool], bool] = lambda _: True
    tell: Callable[[Run], None] = lambda _: None

    def turns(self, of: Sequence[Tool]) -> Iterator[Tool]:
        """The tools one after the other, again and again; each turn begins with another one."""
        present = [tool for tool in of if tool.is_here and self.wants(tool)]
        for turn in range(self.runs if present else 0):
            first = turn % len(present)
            yield from (*present[first:], *present[:first])


@contextmanager
def _pair(bench: Bench) -> Iterator[tuple[Registry, _Place]]:
    """A source, and a place with one target; each request to either waits."""
    conditions = Conditions(bench.delay)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Registry() as source,
        Registry() as target,
        Network(source.url, conditions) as near,
        Network(target.url, conditions) as far,
    ):
        yield source, _Place(Path(folder), near, (far,), (target,))


def noop(bench: Bench, platform: str) -> tuple[Run, ...]:
    """Everything is in sync; with a target that a tool writes to, it is put right again."""
    with _pair(bench) as (source, place):
        images = samples.push_in_sync(
            source.url, place.targets[0].url, images=bench.images, platform=platform
        )
        job = tools.Job(place.near.host, (place.far[0].host,), images, platform)
        if bench.wants(ours.WARM):
            place.run(ours.WARM, job)
        ways = (ours.WARM, ours.COLD) if platform == samples.PLATFORM else _CHECKING_INDEXES
        checking = (*ways, *tools.CHECKING_PEERS)
        return tuple(_checked(bench, place, job, tool) for tool in bench.turns(checking))


_CHECKING_INDEXES = (ours.WARM, ours.TAGS, ours.COLD)


def _checked(bench: Bench, place: _Place, job: Job, tool: Tool) -> Run:
    run = place.run(tool, job)
    bench.tell(run)
    if run.targets.count(ErrorKind.MANIFEST_PUT):
        samples.tag(place.targets[0].url, samples.TARGET_NAMESPACE, job.samples)
    return run


def choices(bench: Bench) -> tuple[Run, ...]:
    """Lines choose tags of repositories that have many; what they choose is in sync."""
    with _pair(bench) as (source, place):
        lines, images = samples.push_choices(
            source.url,
            place.targets[0].url,
            lines=bench.lines,
            repositories=max(1, bench.lines // 10),
            tags=bench.tags,
        )
        job = tools.Job(place.near.host, (place.far[0].host,), images, samples.PLATFORM, lines)
        if bench.wants(ours.WARM):
            place.run(ours.WARM, job)
        choosing = (ours.WARM, tools.REGSYNC)
        return tuple(_checked(bench, place, job, tool) for tool in bench.turns(choosing))


def copy(bench: Bench, *, targets: int = 1, is_limited: bool = False) -> tuple[Run, ...]:
    """Everything is missing. Each run has targets of its own, so no cache of skopeo's can help.

    (skopeo remembers by registry which blobs it has seen where; a new one it has never seen.)
    """
    conditions = Conditions(bench.delay, bench.rate if is_limited else None)
    runs = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Registry() as source,
        Network(source.url, conditions) as near,
    ):
        images = samples.push_large(source.url, images=bench.copies, size=bench.size)
        copying = (
            ours.COPYING,
            ours.COPYING_MANY,
            ours.RELAY_OFF,
            *ours.NEWEST_SKOPEO,
            *tools.COPYING_PEERS,
        )
        for tool in bench.turns(copying if targets > 1 else (*copying, ours.BARE)):
            with _empty_targets(targets, conditions) as (registries, networks):
                hosts = tuple(network.host for network in networks)
                job = tools.Job(near.host, hosts, images, samples.PLATFORM)
                place = _Place(Path(folder), near, networks, registries)
                run = is_there(place.run(tool, job), images, registries)
            bench.tell(run)
            runs.append(run)
    return tuple(runs)


def scale(bench: Bench) -> tuple[Run, ...]:
    """A long list with a few repositories and many tags; no proxy, and registries at their best."""
    repositories = max(1, bench.entries // 500)
    runs = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        Registry() as source,
        Registry() as target,
    ):
        folder = Path(name)
        images = samples.push_tags(
            source.url,
            target.url,
            repositories=repositories,
            tags=bench.entries // repositories,
        )
        job = tools.Job(source.host, (target.host,), images, samples.PLATFORM)
        ours.write_files(job, folder)
        options = ("--quiet", f"--file={folder / 'images.txt'}")
        plan = (*ours.SYNCER, "plan", *options)
        time_alone("warm-up", (*ours.SYNCER, "batch", *options), folder)
        for _ in range(bench.runs):
            runs.append(_named(plan, folder))
            runs.append(time_alone(PLANNING, plan, folder))
            for run in runs[-2:]:
                bench.tell(run)
    return tuple(runs)


def _named(plan: tuple[str, ...], folder: Path) -> Run:
    """With one bad line, `--strict` ends the program when all have been parsed and named."""
    path = folder / "images.txt"
    good = path.read_text(encoding="utf-8")
    path.write_text(f"{good}--bad\n", encoding="utf-8")
    try:
        return time_alone(NAMING, (*plan, "--strict"), folder, expected=1)
    finally:
        path.write_text(good, encoding="utf-8")


@dataclass(frozen=True)
class _Place:
    """Where a scenario plays: its folder, the networks, and the registries behind them."""

    folder: Path
    near: Network
    far: tuple[Network, ...]
    targets: tuple[Registry, ...]

    def run(self, tool: Tool, job: Job) -> Run:
        """Let a tool do the job, in the folder that it always gets here."""
        folder = self.folder / "".join(filter(str.isalnum, tool.name))
        folder.mkdir(exist_ok=True)
        command = tool.prepare(job, folder)
        return measure(tool.name, command, folder, source=self.near, targets=self.far)


@contextmanager
def _empty_targets(
    number: int, conditions: Conditions
) -> Iterator[tuple[tuple[Registry, ...], tuple[Network, ...]]]:
    with ExitStack() as stack:
        registries = tuple(stack.enter_context(Registry()) for _ in range(number))
        yield (
            registries,
            tuple(stack.enter_context(Network(one.url, conditions)) for one in registries),
        )


def is_there(run: Run, images: Sequence[Sample], registries: Sequence[Registry]) -> Run:
    """A tool that says it has copied, and has not, failed."""
    missing = [
        f"{registry.host}/{sample.name}"
        for registry in registries
        for sample in images
        if not _has(registry, sample)
    ]
    if not missing or run.complaint:
        return run
    return replace(run, complaint=f"{len(missing)} images are not there, as {missing[0]}")


def _has(registry: Registry, sample: Sample) -> bool:
    repository, _, tag = sample.name.partition(":")
    return registry.digest(f"{samples.TARGET_NAMESPACE}/{repository}", tag) is not None
