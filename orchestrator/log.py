"""Logging: to stderr, one line an event, with secrets blotted out.

DEBUG has the commands, INFO the steps, WARNING what we worked around.
"""

from __future__ import annotations

import logging
from typing import TextIO

from orchestrator.text import Redactor, one_line

_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.DEBUG: "\x1b[2m"}
_RESET = "\x1b[0m"


class _Formatter(logging.Formatter):
    def __init__(self, redact: Redactor, *, has_colour: bool) -> None:
        super().__init__("%(asctime)s %(message)s", datefmt="%H:%M:%S")
        self._redact = redact
        self._has_colour = has_colour

    def format(self, record: logging.LogRecord) -> str:
        message = one_line(self._redact(super().format(record)))
        if record.levelno >= logging.WARNING:
            clock, _, rest = message.partition(" ")
            message = f"{clock} {record.levelname.lower()}: {rest}"
        colour = _COLOURS.get(record.levelno, "") if self._has_colour else ""
        return f"{colour}{message}{_RESET}" if colour else message


def configure(stream: TextIO, *, level: int, redact: Redactor, has_colour: bool = False) -> None:
    """Send the package's log to `stream`; calling it again replaces what was."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(redact, has_colour=has_colour))
    logger = logging.getLogger("orchestrator")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    # sh logs whole command lines at INFO.
    logging.getLogger("sh").setLevel(logging.WARNING)
