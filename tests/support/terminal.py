"""The program on a terminal of its own: what is drawn there, and how wide it is."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.runs import Site

_CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class Terminal:
    """What a program draws; reading waits for it."""

    master: int
    drawn: str = ""
    _raw: bytearray = field(default_factory=bytearray)

    def read_until(self, words: str) -> None:
        """Read until this is drawn, or nothing more will be."""
        while words not in self.drawn and self._read():
            pass
        assert words in self.drawn, self.drawn[-500:]

    def read_all(self) -> str:
        """Read to the end."""
        while self._read():
            pass
        return self.drawn

    def _read(self) -> bool:
        piece = b""
        with suppress(OSError):  # the other end is closed
            piece = os.read(self.master, 65536)
        self._raw += piece
        self.drawn = self._raw.decode("utf-8", "ignore")
        return bool(piece)

    @property
    def lines(self) -> list[str]:
        """Every line that was drawn, those that were drawn over too, without colour."""
        return [line.rstrip() for line in re.split(r"[\r\n]+", _CODES.sub("", self.drawn))]


@contextmanager
def on_terminal(
    site: Site, *arguments: str, width: int, environ: Mapping[str, str]
) -> Iterator[Terminal]:
    """Run the program of a site on a terminal of this width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    usual = {"PATH": os.environ["PATH"], "HOME": str(site.home), "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=site.folder,
        env={**usual, **environ},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        os.close(slave)
        try:
            yield Terminal(master)
        finally:
            process.kill()
            os.close(master)
