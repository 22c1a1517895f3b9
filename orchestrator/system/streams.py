"""Standard streams that may be closed, full or gone: what can't be said costs nothing else."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TextIO

_ODD = "backslashreplace"
"""A name that is no text (bytes of another encoding) is shown escaped."""


class _Forgiving(io.TextIOWrapper):
    """Standard error: what it can't take is lost, since there is nowhere to say so."""

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def standard_streams() -> tuple[TextIO, TextIO]:
    """Standard output and standard error, whatever the caller has made of them.

    A descriptor that was closed (`>&-`) leads nowhere from now on: else the next file or
    connection would get its number, and what is printed would go there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            _lead_nowhere(number)
    out = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors=_ODD)
    encoding = sys.stderr.encoding if sys.stderr else "utf-8"
    raw = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115
    sys.stderr = _Forgiving(raw, encoding, _ODD, write_through=True)
    sys.stdout = out
    return out, sys.stderr


def finish(out: TextIO) -> None:
    """Write what waits to be written, or let it go, as the interpreter would fail for it."""
    try:
        out.flush()
    except OSError:
        _lead_nowhere(1)
        with suppress(OSError):
            out.flush()


def is_reader_gone(error: OSError) -> bool:
    """Whether nobody reads any more, as behind `| head`: that is no fault."""
    return error.errno == errno.EPIPE


def _lead_nowhere(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
