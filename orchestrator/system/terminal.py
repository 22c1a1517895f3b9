"""The log, colour and what a terminal can show; secrets are masked.

In the log DEBUG has the commands, INFO the steps, WARNING what we worked around.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from orchestrator.text import Redactor, one_line


def can_redraw(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a line may be drawn again: a terminal, and not one that only prints."""
    return stream.isatty() and environ.get("TERM") != "dumb"


def has_colour(choice: str, environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether to colour: as asked, else on a terminal that takes it (no-color.org)."""
    if choice != "auto":
        return choice == "always"
    return can_redraw(stream, environ) and not environ.get("NO_COLOR")


_CODES = {"red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m", "faint": "\x1b[2m"}
_RESET = "\x1b[0m"
_COLOURS = {logging.WARNING: "yellow", logging.ERROR: "red", logging.DEBUG: "faint"}


def coloured(text: str, colour: str) -> str:
    """The text in red, green, yellow or faint; as it is where the colour is empty."""
    return f"{_CODES[colour]}{text}{_RESET}" if colour else text


@dataclass(frozen=True)
class Screen:
    """What a text is shown on.

    Attributes:
        width: Its columns; None where nothing bounds them, as in a file.
        is_coloured: Whether it is to be in colour.
    """

    width: int | None = None
    is_coloured: bool = False


PLAIN = Screen()
"""A file, or a pipe."""


def screen_of(stream: TextIO, environ: Mapping[str, str], *, colour: str) -> Screen:
    """The screen behind a stream: a terminal, or something that is as wide as it takes.

    Args:
        stream: Where the text goes.
        environ: COLUMNS goes before what the terminal says of itself.
        colour: `auto`, `always` or `never`.
    """
    return Screen(width_of(stream, environ), has_colour(colour, environ, stream))


def width_of(stream: TextIO, environ: Mapping[str, str]) -> int | None:
    """Its columns; None where it is no terminal and COLUMNS says none either."""
    columns = environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return int(columns)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


_USUAL_WIDTH = 80


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
        return coloured(message, _COLOURS.get(record.levelno, "") if self._is_coloured else "")


def configure(stream: TextIO, *, level: int, redact: Redactor, is_coloured: bool = False) -> None:
    """Send the package's log to `stream`; calling it again replaces what was."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(redact, is_coloured=is_coloured))
    logger = logging.getLogger("orchestrator")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    logging.raiseExceptions = False  # a log that can't be written is no reason to say more
    # sh logs whole command lines at INFO.
    logging.getLogger("sh").setLevel(logging.WARNING)
