"""Many images to a target that is far, from a source that is near: how most mirrors are filled."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ours, samples, tools
from benchmarks.far.site import another_target, opened
from benchmarks.scenarios import is_there
from benchmarks.tools import Tool

if TYPE_CHECKING:
    from benchmarks.measure import Run
    from benchmarks.scenarios import Bench

_TO_SOURCE = 0.02
"""Seconds of a round trip to the source."""

_AT_ONCE = 16

CRANE = Tool(f"crane copy, {_AT_ONCE} at once", "crane", tools.crane_copy)
REGCTL = Tool(f"regctl image copy, {_AT_ONCE} at once", "regctl", tools.regctl_copy)

_TOOLS = (
    ours.COPYING,
    ours.RELAY_OFF,
    *ours.NEWEST_SKOPEO,
    tools.REGSYNC,
    CRANE,
    REGCTL,
)


def copy(bench: Bench) -> tuple[Run, ...]:
    """Everything is missing; each run has a target of its own.

    A path so far is idle most of the time, so the peers get as many processes as regsync has
    copies, and not as many as two cores like.
    """
    runs = []
    rate = bench.far_rate
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        opened(Path(folder), targets=0, rate=rate) as site,
    ):
        images = samples.push_large(
            site.source.registry.url,
            images=bench.copies,
            size=bench.far_size,
            authority=site.authority,
        )
        for tool in bench.turns(_TOOLS):
            with another_target(site, rate=rate) as there:
                job = there.job(images, processes=_AT_ONCE)
                run = there.run(tool, job, to_source=_TO_SOURCE, to_targets=bench.trip)
                run = is_there(run, images, [side.registry for side in there.targets])
            bench.tell(run)
            runs.append(run)
    return tuple(runs)
