"""What was measured, as text: tables for the terminal, and the page docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import date
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.far import trips
from benchmarks.samples import MB
from benchmarks.tools import other_skopeos
from benchmarks.traffic import ErrorKind, Traffic
from demo.binaries import find_registry
from orchestrator import __version__
from orchestrator.report.tables import Columns, markdown_table, text_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.judge import Verdict
    from benchmarks.measure import Run

BEGIN = "<!-- measured -->"
END = "<!-- /measured -->"

_HEADERS = (
    "tool", "seconds", "least", "most", "times ours", "requests", "HEADs", "pulls", "tags written",
    "MB down", "MB up", "CPU s", "peak MB",
)  # fmt: skip
_RIGHT = frozenset(range(1, len(_HEADERS)))
_SHORT_HEADERS = ("step", "seconds", "least", "most", "CPU s", "peak MB")
_TRIP_HEADERS = (
    "task", "tool", "seconds, near", "trips, target far", "trips, source far", "trips, both far",
)  # fmt: skip
_GOALS = ("goal", "result", "")
_VERSIONS = {
    "skopeo": ("--version",),
    "docker-registry": ("--version",),
    "crane": ("version",),
    "regctl": ("version",),
    "regsync": ("version",),
    "image-syncer": (),
}
_VERSION = re.compile(r"v?\d+\.\d+\.\d+")


def rows(runs: Sequence[Run]) -> tuple[tuple[str, ...], ...]:
    """A row for each tool, in the order of their first turns; the first one is ours."""
    tools = dict.fromkeys(run.tool for run in runs)
    good = {tool: [one for one in runs if one.tool == tool and not one.complaint] for tool in tools}
    ours = next((median(run.seconds for run in those) for those in good.values() if those), 0.0)
    return tuple(_row(tool, those, ours) for tool, those in good.items())


def _row(tool: str, runs: Sequence[Run], ours: float) -> tuple[str, ...]:
    if not runs:
        return (tool, "failed", *[""] * (len(_HEADERS) - 2))

    def middle(figure: Callable[[Run], float]) -> float:
        return median(map(figure, runs))

    seconds = middle(lambda run: run.seconds)
    traffic = [run.traffic for run in runs]
    return (
        tool,
        f"{seconds:.2f}",
        f"{min(run.seconds for run in runs):.2f}",
        f"{max(run.seconds for run in runs):.2f}",
        f"{seconds / ours:.2f}" if ours else "",
        f"{median(map(Traffic.count, traffic)):.0f}",
        f"{middle(lambda run: run.traffic.count(ErrorKind.MANIFEST_HEAD)):.0f}",
        f"{middle(lambda run: run.source.count(ErrorKind.MANIFEST_GET)):.0f}",
        f"{middle(lambda run: run.targets.count(ErrorKind.MANIFEST_PUT)):.0f}",
        f"{middle(lambda run: run.source.down) / MB:.1f}",
        f"{middle(lambda run: run.targets.up) / MB:.1f}",
        f"{middle(lambda run: run.processor):.2f}",
        f"{max(run.peak for run in runs) / MB:.0f}",
    )


def _table_of(runs: Sequence[Run], *, is_markdown: bool) -> str:
    """One scenario's table; without a network, its columns are left out."""
    table = markdown_table if is_markdown else text_table
    if any(run.way for run in runs):
        right = frozenset(range(2, len(_TRIP_HEADERS)))
        return table(Columns(_TRIP_HEADERS, right=right), trip_rows(runs))
    cells = rows(runs)
    if not any(run.traffic.requests for run in runs):
        short = [_HEADERS.index(name) for name in _SHORT_HEADERS[1:]]
        return table(
            Columns(_SHORT_HEADERS, right=frozenset(range(1, len(_SHORT_HEADERS)))),
            [(row[0], *(row[column] for column in short)) for row in cells],
        )
    return table(Columns(_HEADERS, right=_RIGHT), cells)


def trip_rows(runs: Iterable[Run]) -> tuple[tuple[str, ...], ...]:
    """A row for each task and tool."""
    return tuple(_trip_row(one) for one in trips.counted(runs))


def _trip_row(one: trips.Trips) -> tuple[str, ...]:
    ways = (trips.TARGET, trips.SOURCE, trips.BOTH)
    near = "failed" if one.near is None else f"{one.near:.2f}"
    trips_ = (f"{one.counts[way]:.1f}" if way in one.counts else "" for way in ways)
    return (one.task, one.tool, near, *trips_)


def text(title: str, runs: Sequence[Run]) -> str:
    """One scenario for the terminal."""
    lines = [f"\n{title}\n", _table_of(runs, is_markdown=False)]
    lines += [f"FAILED {run.tool}: {run.complaint}" for run in runs if run.complaint]
    if any(run.traffic.requests for run in runs):
        busiest = max(runs, key=_load)
        lines.append(f"the busiest proxy used {_load(busiest):.0%} of a core ({busiest.tool})")
    return "\n".join(lines)


def _load(run: Run) -> float:
    return run.traffic.busy / run.seconds if run.seconds else 0.0


def goals(verdicts: Iterable[Verdict]) -> str:
    """The goals for the terminal."""
    return text_table(Columns(_GOALS), map(_goal, verdicts))


def _goal(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.goal, verdict.result, "met" if verdict.is_met else "NOT met"


def page(
    before: str,
    measured: Mapping[str, Sequence[Run]],
    verdicts: Sequence[Verdict],
    titles: Mapping[str, str],
) -> str:
    """The page with new figures between its two marks."""
    blocks = [machine()]
    for scenario, runs in measured.items():
        blocks += [f"### {titles[scenario]}", _table_of(runs, is_markdown=True)]
    blocks += ["### Goals", markdown_table(Columns(_GOALS), map(_goal, verdicts))]
    head, _, rest = before.partition(BEGIN)
    tail = rest.partition(END)[2]
    return "\n\n".join((f"{head}{BEGIN}", *blocks, f"{END}{tail}"))


def machine() -> str:
    """When and on what it was measured."""
    found = {name: _version(name) for name in _VERSIONS}
    versions = [f"{name} {version}" for name, version in found.items() if version]
    versions += [f"skopeo {version}" for version, _ in other_skopeos()]
    missing = [name for name, version in found.items() if not version]
    absent = f" Not there: {', '.join(missing)}." if missing else ""
    return (
        f"{date.today().isoformat()}; {os.cpu_count()} cores, "  # noqa: DTZ011  (the reader's day)
        f"Python {platform.python_version()}, syncer {__version__}, {', '.join(versions)}.{absent}"
    )


def _version(program: str) -> str:
    """What a program says of itself; image-syncer says nothing."""
    path = find_registry() if program == "docker-registry" else shutil.which(program)
    if not path:
        return ""
    options = _VERSIONS[program]
    if not options:
        return "(its version is not told)"
    done = subprocess.run((path, *options), capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else "(its version is not told)"


def write(path: Path, content: str) -> None:
    """Write the page."""
    path.write_text(content, encoding="utf-8")
