"""`syncer serve` as a user starts it, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 60


@dataclass(frozen=True)
class Front:
    """A running front.

    Attributes:
        url: Where it listens.
        wished: The file of what was asked for and is not mirrored.
    """

    process: subprocess.Popen[str]
    url: str
    wished: Path

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.partition("://")[2]

    def most_memory(self) -> int:
        """Bytes that it had in memory at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        (kilobytes,) = re.findall(r"^VmHWM:\s*([0-9]+) kB$", status, re.MULTILINE)
        return int(kilobytes) * 1024


@contextmanager
def front(folder: Path, config: dict[str, str], *lines: str) -> Iterator[Front]:
    """A front for a list; it has to end by itself when it is asked to."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = "".join(f"{name}={value}\n" for name, value in config.items())
    (folder / "config.env").write_text(settings, encoding="utf-8")
    (folder / "images.txt").write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "serve", "--listen", "127.0.0.1:0"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            found = re.fullmatch(r"serving (http://127\.0\.0\.1:[0-9]+), until Ctrl-C\n", said)
            assert found, said
            yield Front(process, found[1], folder / ".syncer" / "wished.txt")
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0
        finally:
            process.kill()
