"""What an item costs in lists of any length, and what a list costs as shards: docs/scale.md.

Registries are on loopback without delay, and nothing goes over a proxy. Items in sync are one
platform of an index that bears a tag of its own: the first run knows nothing, the second what the
first learned. Items that are copied are images of one small layer, each in a repository of its own:
new ones, and then the same ones after all have moved on.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ours, samples, tools
from benchmarks.measure import Run, time_alone
from demo.registry import Registry

if TYPE_CHECKING:
    from benchmarks.tools import Command

LENGTHS = (100, 1_000, 10_000)
COPIES = (100, 1_000)
"""Longer lists of copies cost the same an item, and take hours."""
SHARDS = 8
_TAGS = 50
_TABLE = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- /measured -->)", re.DOTALL)


@dataclass(frozen=True)
class Cost:
    """What a run cost, or several one after the other.

    Attributes:
        requests: To both registries.
    """

    what: str
    items: int
    run: Run
    requests: int

    @property
    def row(self) -> str:
        """A line of the table; what an item takes is in milliseconds."""
        run, items = self.run, self.items
        if run.complaint:
            return f"| {self.what} | {items:,} | {run.complaint} | | | | |"
        cells = (
            self.what,
            f"{items:,}",
            f"{run.seconds:.1f}",
            f"{1000 * run.seconds / items:.2f}",
            f"{1000 * run.processor / items:.2f}",
            f"{self.requests / items:.2f}",
            f"{run.peak / 1024**2:.0f}",
        )
        return f"| {' | '.join(cells)} |"


_HEAD = (
    "| run | items | seconds | ms an item | CPU ms an item | requests an item | peak MiB |\n"
    "|---|--:|--:|--:|--:|--:|--:|"
)


def measured(lengths: tuple[int, ...] = LENGTHS, copies: tuple[int, ...] = COPIES) -> str:
    """The table of docs/scale.md."""
    rows = [cost.row for length in copies for cost in _of_copies(length)]
    rows += [cost.row for length in lengths for cost in _of_list(length)]
    return "\n".join((_HEAD, *rows))


def write(page: Path, table: str, machine: str) -> None:
    """Put the table into the page, with when and on what it was measured."""
    text = page.read_text(encoding="utf-8")
    page.write_text(_TABLE.sub(lambda _: f"{table}\n\n{machine}\n", text), encoding="utf-8")


def _of_list(length: int) -> list[Cost]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        Registry() as source,
        Registry() as target,
    ):
        folder = Path(name)
        repositories = max(1, length // _TAGS)
        images = samples.push_tags(
            source.url, target.url, repositories=repositories, tags=length // repositories
        )
        job = tools.Job(source.host, (target.host,), images, samples.PLATFORM)
        ours.write_files(job, folder)
        costs = [
            _cost(what, _batch(folder), folder, (source, target), length)
            for what in ("in sync, first run", "in sync, second run")
        ]
        if length == LENGTHS[-1]:
            costs.append(_as_shards(_batch(folder), folder, (source, target), length))
        return costs


def _of_copies(length: int) -> list[Cost]:
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        Registry() as source,
        Registry() as target,
    ):
        folder = Path(name)
        costs = []
        for version, what in enumerate(("new", "moved on")):
            images = samples.push_version(source.url, images=length, version=version)
            job = tools.Job(source.host, (target.host,), images, samples.PLATFORM)
            ours.write_files(job, folder)
            costs.append(_cost(what, _batch(folder), folder, (source, target), length))
        return costs


def _batch(folder: Path) -> Command:
    return (*ours.SYNCER, "batch", "--quiet", "--no-notify", f"--file={folder}/images.txt")


def _cost(
    what: str, command: Command, folder: Path, registries: tuple[Registry, ...], items: int
) -> Cost:
    before = sum(len(one.requests()) for one in registries)
    done = time_alone(what, command, folder)
    asked = sum(len(one.requests()) for one in registries) - before
    print(f"  {items:,} items, {what}: {done.seconds:.1f} s", file=sys.stderr, flush=True)
    return Cost(what, items, done, asked)


def _as_shards(batch: Command, folder: Path, registries: tuple[Registry, ...], items: int) -> Cost:
    """Shards one after the other, each as on a machine that knows nothing; the largest's peak."""
    parts = []
    for number in range(1, SHARDS + 1):
        shutil.rmtree(folder / ".syncer", ignore_errors=True)
        command = (*batch, f"--shard={number}/{SHARDS}")
        parts.append(_cost(f"shard {number} of {SHARDS}", command, folder, registries, items))
    whole = Run(
        "shards",
        sum(part.run.seconds for part in parts),
        sum(part.run.processor for part in parts),
        max(part.run.peak for part in parts),
        complaint="".join(part.run.complaint for part in parts),
    )
    requests = sum(part.requests for part in parts)
    return Cost(f"{SHARDS} shards, one after the other", items, whole, requests)
