"""The chart of past runs: how many images changed or failed in each, and what it moved. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.report.history import PastRun

MOST_BARS = 30

_HEIGHT = 100.0
_SLOT = 10
_LEAST = 2.0
"""Of a bar that is not nothing, so that it is seen."""


@dataclass(frozen=True)
class Bar:
    """One run, in units of the chart: 100 is the height of the highest bar.

    Attributes:
        x: Where its slot begins.
        copied_height: Of what changed; what failed stands upon it.
    """

    x: int
    run: PastRun
    copied_height: float
    failed_height: float
    bytes_height: float

    @property
    def failed(self) -> int:
        """Images and lines that failed."""
        return self.run.totals.failed + self.run.totals.invalid


@dataclass(frozen=True)
class Chart:
    """The bars of the last runs, the oldest first.

    Attributes:
        most_images: What the highest bar of images stands for.
        most_bytes: What the highest bar of bytes stands for.
    """

    bars: tuple[Bar, ...] = ()
    most_images: int = 0
    most_bytes: int = 0

    @property
    def width(self) -> int:
        """Of all slots, the empty ones too: few runs make no broad bars."""
        return MOST_BARS * _SLOT

    @property
    def first(self) -> datetime | None:
        """When the oldest run began."""
        return self.bars[0].run.started if self.bars else None

    @property
    def last(self) -> datetime | None:
        """When the newest run began."""
        return self.bars[-1].run.started if self.bars else None


def chart_of(runs: Sequence[PastRun]) -> Chart:
    """A chart of past runs of the whole list.

    Runs of a part of the list are left out, as one of them says nothing of the others, and dry
    runs, as they changed nothing.

    Args:
        runs: The newest first, as the history has them.
    """
    whole = [run for run in runs if not run.shard and not run.is_dry_run][:MOST_BARS]
    whole.reverse()
    most_images = max((_images_of(run) for run in whole), default=0)
    most_bytes = max((run.totals.bytes for run in whole), default=0)
    first = MOST_BARS - len(whole)
    bars = tuple(
        Bar(
            x=(first + place) * _SLOT,
            run=run,
            copied_height=_height(run.totals.copied, most_images),
            failed_height=_height(run.totals.failed + run.totals.invalid, most_images),
            bytes_height=_height(run.totals.bytes, most_bytes),
        )
        for place, run in enumerate(whole)
    )
    return Chart(bars, most_images, most_bytes)


def _images_of(run: PastRun) -> int:
    totals = run.totals
    return totals.copied + totals.failed + totals.invalid


def _height(count: int, most: int) -> float:
    return max(_LEAST, round(_HEIGHT * count / most, 1)) if count else 0.0
