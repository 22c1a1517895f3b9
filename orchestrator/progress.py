"""How far the run is: a bar on a terminal, a line for each result in a log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

if TYPE_CHECKING:
    from tqdm import tqdm

_log = logging.getLogger(__name__)


class Progress(Protocol):
    """Is told of each step; `told` is empty where there is nothing to say of it."""

    def step(self, told: str) -> None:
        """One more is done."""
        ...


class LogProgress:
    """Counts in the log: `[3/20] ...`."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def step(self, told: str) -> None:
        """One more is done."""
        self._done += 1
        if told:
            _log.info("[%d/%d] %s", self._done, self._total, told)


@contextmanager
def progress(stream: TextIO, *, total: int, title: str) -> Iterator[Progress]:
    """Show how many of `total` steps are done, as the stream can show it."""
    is_shown = stream.isatty() and _log.isEnabledFor(logging.INFO)
    if not is_shown:
        yield LogProgress(total)
        return
    from tqdm import tqdm  # noqa: PLC0415  (starting up stays fast)
    from tqdm.contrib.logging import logging_redirect_tqdm  # noqa: PLC0415

    logger = logging.getLogger("orchestrator")
    bar = tqdm(total=total, desc=title, file=stream, unit="", leave=False, dynamic_ncols=True)
    with logging_redirect_tqdm(loggers=[logger]), bar:
        yield _BarProgress(bar)


class _BarProgress:
    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def step(self, told: str) -> None:
        if told:
            _log.info("%s", told)
        self._bar.update()
