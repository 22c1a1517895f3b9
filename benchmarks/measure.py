"""Measuring one start of one tool: what it cost, and what went over the network meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.ours import ROOT, STARTS
from benchmarks.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.network import Network
    from benchmarks.tools import Command

_STOPWATCH = str(Path(__file__).with_name("stopwatch.py"))
_LONGEST = 900.0
"""Seconds after which a tool is ended; no scenario takes a tenth of it."""

_SHOWN = 600
"""Characters of a failed tool's output."""


@dataclass(frozen=True, slots=True)
class Way:
    """What a run did of which the round trips are counted, and how far that was.

    Attributes:
        task: In a few words.
        far: Which side was far: one, both, or none.
        delay: Seconds of a round trip to that side.
    """

    task: str
    far: str
    delay: float


@dataclass(frozen=True, slots=True)
class Run:
    """One start of one tool.

    Attributes:
        tool: Its name.
        seconds: Of the wall.
        processor: Seconds of the processor, its children's included.
        peak: Bytes of memory, of the largest of it and its children.
        source: What the source was asked, and sent.
        targets: What the targets were asked, and got.
        programs: How often it started skopeo; None where that was not counted.
        complaint: What went wrong; empty where nothing did.
        way: Where round trips are counted.
    """

    tool: str
    seconds: float
    processor: float = 0.0
    peak: int = 0
    source: Traffic = field(default_factory=Traffic)
    targets: Traffic = field(default_factory=Traffic)
    programs: int | None = None
    complaint: str = ""
    way: Way | None = None

    @property
    def traffic(self) -> Traffic:
        """Both sides together."""
        return self.source + self.targets


def measure(
    tool: str, command: Command, folder: Path, *, source: Network, targets: Iterable[Network]
) -> Run:
    """Run a tool to its end, and see what it asks of registries."""
    networks = (source, *targets)
    for network in networks:
        network.take()
    run = time_alone(tool, command, folder)
    watched = [Traffic.of(seen.exchanges, seen.busy) for seen in (one.take() for one in networks)]
    return Run(
        tool=tool,
        seconds=run.seconds,
        processor=run.processor,
        peak=run.peak,
        source=watched[0],
        targets=sum(watched[1:], Traffic()),
        programs=_starts(folder),
        complaint=run.complaint,
    )


def time_alone(tool: str, command: Command, folder: Path, *, expected: int = 0) -> Run:
    """Run a program to its end; another exit status than `expected` is a complaint."""
    result = folder / "cost"
    result.unlink(missing_ok=True)
    watch = (sys.executable, "-I", "-S", _STOPWATCH, str(result))
    output = folder / "output"
    with output.open("wb") as written:
        process = subprocess.Popen(
            (*watch, *command),
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        is_late = _wait(process)
    if is_late or not result.is_file():
        return Run(tool, 0.0, complaint="it did not end in time" if is_late else _end_of(output))
    status, seconds, processor, peak = result.read_text(encoding="ascii").split()
    complaint = "" if int(status) == expected else f"exit status {status}: {_end_of(output)}"
    return Run(tool, float(seconds), float(processor), 1024 * int(peak), complaint=complaint)


def _wait(process: subprocess.Popen[bytes]) -> bool:
    """Whether it had to be ended."""
    try:
        process.wait(timeout=_LONGEST)
    except BaseException as error:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return True
        raise
    return False


def _environment(folder: Path) -> dict[str, str]:
    """No login, proxy or setting of the user's has a part in what is measured."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(ROOT),
    }


def _starts(folder: Path) -> int | None:
    path = folder / STARTS
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else None


def _end_of(output: Path) -> str:
    return output.read_text(encoding="utf-8", errors="replace")[-_SHOWN:].strip()
