"""What was asked for and is not mirrored, written down as lines for the list."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from orchestrator.errors import SyncerError
from orchestrator.oci.reference import Reference
from orchestrator.system.files import write_whole

_log = logging.getLogger(__name__)

MOST = 1000
"""Lines that are kept; a client that asks for ever more fills no disk."""

_HEAD = "# Asked for through `syncer serve`, and not mirrored: lines for images.txt.\n"


class Wishes:
    """The lines, each once, in the order in which they were first asked for.

    Args:
        path: The file that keeps them.
        options: What goes before each image, such as `--platform=linux/arm64 `.
    """

    def __init__(self, path: Path, options: str = "") -> None:
        self._path = path
        self._options = options
        self._lock = threading.Lock()
        self._lines = dict.fromkeys(_lines_of(path))
        self._has_warned = False

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, image: Reference) -> None:
        """Write an image down, unless it is there or there are too many."""
        line = f"{self._options}{image.familiar}"
        with self._lock:
            if line in self._lines:
                return
            if len(self._lines) >= MOST:
                self._warn(f"{self._path} has {MOST} lines, and gets no more")
                return
            self._lines[line] = None
            self._write()
        _log.info("not mirrored: %s (written down in %s)", line, self._path)

    def drop(self, image: Reference) -> None:
        """Forget an image: now it is there."""
        line = f"{self._options}{image.familiar}"
        with self._lock:
            if line in self._lines:
                del self._lines[line]
                self._write()

    def _write(self) -> None:
        try:
            write_whole(self._path, _HEAD + "".join(f"{line}\n" for line in self._lines))
        except SyncerError as error:
            self._warn(error.message)

    def _warn(self, message: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            _log.warning("%s", message)


def _lines_of(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))[:MOST]
