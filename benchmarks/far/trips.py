"""How many round trips a tool makes one after the other, to either side.

The same is done with all sides near, and with one of them far: what is longer then, by the seconds
of a round trip, is how often the tool has waited for one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import ours, tools
from benchmarks.far.site import Site, opened
from benchmarks.measure import Run, Way
from benchmarks.samples import PLATFORM, SOURCE_NAMESPACE, TARGET_NAMESPACE, Sample
from benchmarks.scenarios import is_there
from benchmarks.tools import Tool, with_skopeo
from demo.images import Image, build_image, noise_layer, push

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.far.site import Side
    from benchmarks.scenarios import Bench

NEAR = "none"
SOURCE = "source"
TARGET = "target"
BOTH = "both"

FOUR_LAYERS = "copy, 4 layers"
TWELVE_LAYERS = "copy, 12 layers"
WITH_TOKENS = "copy, 4 layers, tokens"
NOOP = "6 in sync"
NOOP_WITH_TOKENS = "6 in sync, tokens"

_IN_SYNC = 6
_LAYER = 16_384
"""Bytes by which a layer is larger than the one before: no two of them look alike."""

OURS = Tool("syncer", "skopeo", ours.copy_default)
OURS_KNOWING = Tool("syncer", "skopeo", ours.copy_known)
CHECKING = Tool("syncer", "skopeo", ours.check_warm)

_PEERS = (
    Tool("skopeo copy", "skopeo", tools.skopeo_copy),
    Tool("crane copy", "crane", tools.crane_copy),
    Tool("regctl image copy", "regctl", tools.regctl_copy),
    Tool("regsync", "regsync", tools.regsync),
)
_OTHER_SKOPEOS = tuple(
    Tool(f"skopeo {version} copy", program, with_skopeo(tools.skopeo_copy, program))
    for version, program in tools.other_skopeos()
)
_CHECKING_PEERS = (
    Tool("skopeo inspect", "skopeo", tools.skopeo_inspect),
    Tool("crane digest", "crane", tools.crane_digest),
    Tool("regsync", "regsync", tools.regsync),
)


@dataclass(frozen=True)
class Task:
    """What is done, by whom, and with which side far.

    Attributes:
        layers: Of the image that is copied; the config is one blob more.
    """

    name: str
    layers: int
    of: tuple[Tool, ...]
    far: tuple[str, ...] = (NEAR, TARGET, SOURCE)
    has_tokens: bool = False


TOKENS = Task(WITH_TOKENS, 4, (OURS_KNOWING, *_PEERS), has_tokens=True)
_COPIES = (
    Task(FOUR_LAYERS, 4, (OURS, ours.RELAY_OFF, *ours.OTHER_SKOPEOS, *_PEERS, *_OTHER_SKOPEOS)),
    Task(TWELVE_LAYERS, 12, (OURS, ours.RELAY_OFF, *_PEERS)),
    TOKENS,
)
_TO_ALL = (NEAR, TARGET, SOURCE, BOTH)
_CHECKS = (
    Task(NOOP, 2, (CHECKING, *_CHECKING_PEERS), far=_TO_ALL),
    Task(NOOP_WITH_TOKENS, 2, (CHECKING, *_CHECKING_PEERS), far=_TO_ALL, has_tokens=True),
)


def trips(bench: Bench) -> tuple[Run, ...]:
    """One image is copied, and a few are found in sync."""
    copied = (run for task in _COPIES for run in _copies(bench, task))
    return (*copied, *(run for task in _CHECKS for run in _checks(bench, task)))


def _copies(bench: Bench, task: Task) -> Iterator[Run]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        opened(Path(folder), has_tokens=task.has_tokens) as site,
    ):
        yield from copies_on(bench, site, task)


def copies_on(bench: Bench, site: Site, task: Task) -> Iterator[Run]:
    """Each run has an image of its own, of which neither side nor tool has seen a blob."""
    numbers = count()
    for tool in bench.turns(task.of):
        for far in task.far:
            image = _push(site.source, next(numbers), task.layers)
            run = _timed(bench, site, tool, (image,), Way(task.name, far, bench.trip))
            yield is_there(run, (image,), [side.registry for side in site.targets])


def _checks(bench: Bench, task: Task) -> Iterator[Run]:
    """Nothing is to be done, and the tool has been here before."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        opened(Path(folder), has_tokens=task.has_tokens) as site,
    ):
        images = [_push(site.source, number, task.layers) for number in range(_IN_SYNC)]
        for number in range(_IN_SYNC):
            _push(site.targets[0], number, task.layers, namespace=TARGET_NAMESPACE)
        if bench.wants(CHECKING):
            site.run(CHECKING, site.job(images), to_source=0.0, to_targets=0.0)
        for tool in bench.turns(task.of):
            for far in task.far:
                yield _timed(bench, site, tool, images, Way(task.name, far, bench.trip))


def _timed(bench: Bench, site: Site, tool: Tool, images: Sequence[Sample], way: Way) -> Run:
    run = site.run(
        tool,
        site.job(images, processes=len(images)),
        to_source=way.delay if way.far in (SOURCE, BOTH) else 0.0,
        to_targets=way.delay if way.far in (TARGET, BOTH) else 0.0,
    )
    bench.tell(replace(run, tool=f"{tool.name} ({way.task}, far: {way.far})"))
    return replace(run, way=way)


def _push(side: Side, number: int, layers: int, *, namespace: str = SOURCE_NAMESPACE) -> Sample:
    name, image = f"trip-{number:03}", _image(number, layers)
    registry = side.registry
    certificate = registry.options.certificate
    push(
        registry.url,
        f"{namespace}/{name}",
        "1",
        image,
        auth=registry.options.login,
        authority=certificate.authority if certificate else None,
    )
    return Sample.of(f"{name}:1", image)


def _image(number: int, layers: int) -> Image:
    """An image whose last layer is the small one of its files."""
    larger = range(1, layers)
    noise = [noise_layer(place * _LAYER, seed=1000 * (number + 1) + place) for place in larger]
    return build_image(PLATFORM, {"number": str(number).encode()}, layers=noise)


@dataclass(frozen=True, slots=True)
class Trips:
    """How often a tool waits for a side that is far, in one task.

    Attributes:
        near: Seconds that the task takes where nothing is far; None where all of that failed.
        counts: The round trips, by the side that is far.
    """

    task: str
    tool: str
    near: float | None
    counts: dict[str, float]


def counted(runs: Iterable[Run]) -> tuple[Trips, ...]:
    """What runs tell of round trips, in the order of their first turns; medians are compared."""
    seconds: dict[tuple[str, str], dict[str, list[float]]] = {}
    delays = {}
    for run in runs:
        if run.way is None:
            continue
        of_tool = seconds.setdefault((run.way.task, run.tool), {})
        delays[run.way.task] = run.way.delay
        if not run.complaint:
            of_tool.setdefault(run.way.far, []).append(run.seconds)
    return tuple(
        _counted(task, tool, {far: median(those) for far, those in found.items()}, delays[task])
        for (task, tool), found in seconds.items()
    )


def _counted(task: str, tool: str, seconds: dict[str, float], delay: float) -> Trips:
    near = seconds.pop(NEAR, None)
    if near is None or not delay:
        return Trips(task, tool, near, {})
    return Trips(task, tool, near, {far: (at - near) / delay for far, at in seconds.items()})
