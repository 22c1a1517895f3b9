"""A step's process, as GitHub's runner starts it, reads it and ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMEOUT = 120
SIGINT_GRACE, SIGTERM_GRACE = 7.5, 2.5
"""Seconds after each signal, before the next means is taken (ProcessInvoker.cs)."""


@dataclass(frozen=True)
class Stop:
    """Somebody who cancels the run, or the job's time that is up.

    Attributes:
        at: A word; the first line of a log that has it sets it off.
        is_timeout: Whether this job alone is ended; a cancelled one ends the workflow.
        is_kill: Whether the machine itself goes: at once, with all that was on it.
        shard: Of a matrix, the part that it befalls; empty for all of them.
    """

    at: str
    is_timeout: bool = False
    is_kill: bool = False
    shard: str = ""


@dataclass
class _Stopper:
    """Ends a step as the runner does: its shell alone gets the signals, and at last all die."""

    process: subprocess.Popen[str]
    stop: Stop | None
    is_asked: bool = False

    def heed(self, line: str) -> None:
        if self.stop and self.stop.at in line and not self.is_asked:
            self.is_asked = True
            threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        if self.stop and self.stop.is_kill:
            os.killpg(self.process.pid, signal.SIGKILL)
            return
        for number, grace in ((signal.SIGINT, SIGINT_GRACE), (signal.SIGTERM, SIGTERM_GRACE)):
            self.process.send_signal(number)
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                continue
            break
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


def run_step(
    command: list[str], environ: Mapping[str, str], directory: Path, stop: Stop | None
) -> tuple[int, tuple[str, ...]]:
    """Run it, and read its two streams as the runner does: each by itself, line by line."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    lines: list[str] = []
    stopper = _Stopper(process, stop)

    def read(stream: IO[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            stopper.heed(line)

    with process:
        assert process.stdout
        assert process.stderr
        readers = [
            threading.Thread(target=read, args=(s,)) for s in (process.stdout, process.stderr)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(TIMEOUT)
        status = process.wait(TIMEOUT)
    return status, tuple(lines)
