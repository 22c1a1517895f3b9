"""How far the work is, as it moves: a line that a terminal draws anew, or lines in the log."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

from orchestrator.system.terminal import can_redraw, width_of
from orchestrator.text import cut_to_width, human_rate, human_seconds, human_share

if TYPE_CHECKING:
    from tqdm import tqdm

_log = logging.getLogger(__name__)

_REDRAWN_EVERY = 1.0
_LOGGED_EVERY = 30.0
"""Seconds; often enough that a reader of a log does not begin to wonder."""

_RATE_OVER = 10.0
"""Seconds that a rate is the mean of."""

_MOST_SHOWN = 3
"""Copies that are named in one line."""


class Transfer:
    """One copy under way.

    Args:
        name: What is copied, for people.
        sizes: Bytes of its blobs by digest; empty where nobody knows.
        clock: Seconds.
    """

    def __init__(self, name: str, sizes: Mapping[str, int], clock: Callable[[], float]) -> None:
        self._name = name
        self._sizes = dict(sizes)
        self._clock = clock
        self._moved = 0
        self._marks = deque([(clock(), 0)])

    def moved(self, count: int) -> None:
        """So many bytes have arrived since the last call."""
        self._moved += count
        now = self._clock()
        self._marks.append((now, self._moved))
        while len(self._marks) > 2 and now - self._marks[0][0] > _RATE_OVER:
            self._marks.popleft()

    def was_there(self, digest: str) -> None:
        """A blob need not be moved."""
        self._sizes.pop(digest, None)

    def __str__(self) -> str:
        """As `nginx:alpine 45 of 130 MiB, 3.1 MB/s, 27 s left`."""
        size = sum(self._sizes.values())
        if not self._moved:
            return self._name
        moved = min(self._moved, size) if size else self._moved
        parts = [f"{self._name} {human_share(moved, size)}"]
        (begun, before), (_, now) = self._marks[0], self._marks[-1]
        seconds = self._clock() - begun
        rate = (now - before) / seconds if seconds > 0 else 0.0
        parts.append(human_rate(rate))
        if rate > 0 and size > moved:
            parts.append(f"{human_seconds((size - moved) / rate)} left")
        return ", ".join(parts)


class Transfers:
    """All copies under way; safe to be used by many threads.

    Attributes:
        total: Bytes that all copies have moved, those that have ended included.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self._clock = clock
        self._active: dict[str, Transfer] = {}
        self._busy: dict[str, float] = {}
        self._busy_since: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def begun(self, destination: str, *, name: str, sizes: Mapping[str, int]) -> Iterator[None]:
        """Show a copy to `destination`, by tag, as under way until the block ends."""
        registry = _host(destination)
        with self._lock:
            self._active[destination] = Transfer(name, sizes, self._clock)
            self._busy_since.setdefault(registry, self._clock())
        try:
            yield
        finally:
            with self._lock:
                self._active.pop(destination, None)
                if registry not in map(_host, self._active):
                    since = self._busy_since.pop(registry, self._clock())
                    self._busy[registry] = self._busy.get(registry, 0.0) + self._clock() - since

    def seconds_to(self, registry: str) -> float:
        """How long there was at least one copy to a registry; one that goes on does not count."""
        with self._lock:
            return self._busy.get(registry, 0.0)

    def moved(self, destination: str, count: int) -> None:
        """So many bytes have arrived there since the last call."""
        with self._lock:
            self.total += count
            for transfer in self._to(destination):
                transfer.moved(count)

    def was_there(self, destination: str, digest: str) -> None:
        """A blob need not be moved there."""
        with self._lock:
            for transfer in self._to(destination):
                transfer.was_there(digest)

    def _to(self, destination: str) -> tuple[Transfer, ...]:
        """The copy to a place; the parts of an index go by digest to their repository."""
        if destination in self._active:
            return (self._active[destination],)
        name, at, _ = destination.partition("@")
        of_index = (one for tag, one in self._active.items() if at and tag.startswith(f"{name}:"))
        return tuple(of_index)[:1]

    def __str__(self) -> str:
        """The first few, and how many more there are; empty where there are none."""
        with self._lock:
            active = tuple(map(str, self._active.values()))
        shown = list(active[:_MOST_SHOWN])
        if len(active) > _MOST_SHOWN:
            shown.append(f"and {len(active) - _MOST_SHOWN} more")
        return "; ".join(shown)


def _host(destination: str) -> str:
    return destination.partition("/")[0]


class Progress(Protocol):
    """Shows how far the work is."""

    def step(self, line: str, *, is_news: bool = True) -> None:
        """One more is done; `line` says what became of it, or is empty.

        What is no news is shown to those only who want to see everything.
        """
        ...


class LogProgress:
    """Counts in the log: `[3/20] ...`, and says now and then what is under way."""

    def __init__(self, total: int, transfers: Transfers) -> None:
        self._total = total
        self._done = 0
        self._transfers = transfers

    def step(self, line: str, *, is_news: bool = True) -> None:
        """One more is done."""
        self._done += 1
        if line:
            level = logging.INFO if is_news else logging.DEBUG
            _log.log(level, "[%d/%d] %s", self._done, self._total, line)

    def tick(self) -> None:
        """Some time has passed."""
        if self._done < self._total:
            under_way = f"copying {self._transfers}" if str(self._transfers) else "still checking"
            _log.info("%d of %d done; %s", self._done, self._total, under_way)


class _LiveProgress:
    """Keeps one line up to date, below the log."""

    def __init__(self, bar: tqdm[NoReturn], title: str, transfers: Transfers, width: int) -> None:
        self._bar = bar
        self._title = title
        self._transfers = transfers
        self._width = width
        self._done = 0

    def step(self, line: str, *, is_news: bool = True) -> None:
        self._done += 1
        if line:
            _log.log(logging.INFO if is_news else logging.DEBUG, "%s", line)
        self._bar.update()
        self.tick()

    def tick(self) -> None:
        seconds = human_seconds(self._bar.format_dict["elapsed"], is_whole=True)
        text = f"{self._title} {self._done} of {self._bar.total}, {seconds}"
        under_way = str(self._transfers)
        whole = f"{text}: {under_way}" if under_way else text
        self._bar.set_description_str(cut_to_width(whole, self._width - 1))


@contextmanager
def progress(
    stream: TextIO,
    *,
    total: int,
    title: str,
    environ: Mapping[str, str],
    transfers: Transfers,
    every: float | None = None,
) -> Iterator[Progress]:
    """Show how many of `total` steps are done, as the stream can show it.

    Args:
        stream: A terminal, or what a log goes to.
        total: Steps.
        title: What is done.
        environ: Says what the terminal can do.
        transfers: What is under way.
        every: Seconds from one look at them to the next.
    """
    is_live = can_redraw(stream, environ) and _log.isEnabledFor(logging.INFO)
    if not is_live:
        logged = LogProgress(total, transfers)
        with _ticking(logged.tick, every or _LOGGED_EVERY):
            yield logged
        return
    from tqdm import tqdm  # noqa: PLC0415  (starting up stays fast)
    from tqdm.contrib.logging import logging_redirect_tqdm  # noqa: PLC0415

    logger = logging.getLogger("orchestrator")
    bar = tqdm(total=total, file=stream, leave=False, bar_format="{desc}")
    with logging_redirect_tqdm(loggers=[logger]), bar:
        live = _LiveProgress(bar, title, transfers, width_of(stream, environ) or 80)
        with _ticking(live.tick, every or _REDRAWN_EVERY):
            yield live


@contextmanager
def _ticking(tick: Callable[[], None], every: float) -> Iterator[None]:
    """Call something now and then, until the block ends."""
    is_over = threading.Event()

    def tick_on() -> None:
        while not is_over.wait(every):
            tick()

    thread = threading.Thread(target=tick_on, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
