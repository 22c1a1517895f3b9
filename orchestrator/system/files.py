"""Files written whole, or privately; and those of the checkout that the program runs from."""

from __future__ import annotations

import errno
import os
import select
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import ConfigurationError


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user can read, from its first byte on.

    Raises:
        ConfigurationError: It can't be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error.strerror}") from None


_PIECE = 4096
"""Bytes; a pipe that is ready takes so many at once (pipe(7), PIPE_BUF)."""
_PAUSE = 0.05
_PATIENCE = 10.0
"""Seconds that the reader of a pipe may take to come, and then to read on."""


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one, never half of one.

    What is no file (`/dev/stdout`, a pipe) is written to, and a link stays one. What is no text
    is written as a backslash and its number, which in JSON still means what it was.

    Raises:
        ConfigurationError: It can't be written, or nobody reads it.
    """
    content = text.encode("utf-8", "backslashreplace")
    try:
        if path.exists() and not path.is_file():
            _pour(path, content)
        else:
            _replace(path.resolve(), content)
    except TimeoutError:
        raise ConfigurationError(f"{path} can't be written: nobody reads it") from None
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error.strerror}") from None


def checkout_file(path: str) -> Path | None:
    """A file of the checkout that the program runs from; None where it was installed without one.

    Args:
        path: Below the checkout, as `bin/install-tools`.
    """
    file = Path(__file__).resolve().parents[2] / path
    return file if file.is_file() else None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)
        raise


def _pour(path: Path, content: bytes) -> None:
    """Write to a pipe or a device, without waiting for a reader that never reads."""
    left = memoryview(content)
    with open(_opened(path), "wb", buffering=0) as file:
        while left:
            _, ready, _ = select.select((), (file,), (), _PATIENCE)
            if not ready:
                raise TimeoutError
            left = left[os.write(file.fileno(), left[:_PIECE]) :]


def _opened(path: Path) -> int:
    """A descriptor that never waits; a pipe that nobody has opened is tried for a while."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(path.stat().st_mode):
                raise
            if time.monotonic() > until:
                raise TimeoutError from None
        time.sleep(_PAUSE)
