"""The log, the progress bar and colour, on stderr; secrets are masked.

In the log DEBUG has the commands, INFO the steps, WARNING what we worked around.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, Protocol, TextIO

from orchestrator.text import Redactor, one_line

if TYPE_CHECKING:
    from tqdm import tqdm

_log = logging.getLogger(__name__)


def has_colour(wish: str, environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether to colour: as asked, else on a terminal that takes it (no-color.org)."""
    if wish != "auto":
        return wish == "always"
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.DEBUG: "\x1b[2m"}
_RESET = "\x1b[0m"


class _Formatter(logging.Formatter):
    def __init__(self, redact: Redactor, *, is_coloured: bool) -> None:
        super().__init__("%(asctime)s %(message)s", datefmt="%H:%M:%S")
        self._redact = redact
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        message = one_line(self._redact(super().format(record)))
        if record.levelno >= logging.WARNING:
            clock, _, rest = message.partition(" ")
            message = f"{clock} {record.levelname.lower()}: {rest}"
        colour = _COLOURS.get(record.levelno, "") if self._is_coloured else ""
        return f"{colour}{message}{_RESET}" if colour else message


def configure(stream: TextIO, *, level: int, redact: Redactor, is_coloured: bool = False) -> None:
    """Send the package's log to `stream`; calling it again replaces what was."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(redact, is_coloured=is_coloured))
    logger = logging.getLogger("orchestrator")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    # sh logs whole command lines at INFO.
    logging.getLogger("sh").setLevel(logging.WARNING)


class Progress(Protocol):
    """Shows how far the work is."""

    def step(self, line: str) -> None:
        """One more is done; `line` says what became of it, or is empty."""
        ...


class LogProgress:
    """Counts in the log: `[3/20] ...`."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def step(self, line: str) -> None:
        """One more is done."""
        self._done += 1
        if line:
            _log.info("[%d/%d] %s", self._done, self._total, line)


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

    def step(self, line: str) -> None:
        if line:
            _log.info("%s", line)
        self._bar.update()
