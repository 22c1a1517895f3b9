"""Files written whole, or privately; and those of the checkout that the program runs from."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from orchestrator.errors import ConfigurationError


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this user can read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader finds the old one or the new one, never half of one.

    What is no file (`/dev/stdout`, a pipe) is written to, and a link stays one.

    Raises:
        ConfigurationError: It can't be written.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
        else:
            _replace(path.resolve(), text)
    except OSError as error:
        raise ConfigurationError(f"{path} can't be written: {error.strerror}") from None


def checkout_file(path: str) -> Path | None:
    """A file of the checkout that the program runs from; None where it was installed without one.

    Args:
        path: Below the checkout, as `bin/install-tools`.
    """
    file = Path(__file__).resolve().parents[2] / path
    return file if file.is_file() else None


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
