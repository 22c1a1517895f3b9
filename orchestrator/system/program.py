"""The one door to programs: starts them, waits, and ends them when it must.

Programs get their arguments as a list (no shell is ever involved), an
environment without our secrets, no terminal, and a process group of their own.
None outlives us by more than an instant, even where we are killed (Linux).
"""

from __future__ import annotations

import io
import logging
import math
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from orchestrator.errors import ImageError, InterruptedRunError, ToolMissingError, image_fault

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from sh import RunningCommand

_log = logging.getLogger(__name__)

OUTPUT_LIMIT = 8 * 1024 * 1024
"""Bytes a program may print; a manifest or a config has no more than 4 MiB."""

ERRORS_LIMIT = 64 * 1024 * 1024
"""The same of its complaints: a copy of an index tells of every blob in it."""

_PIECE = 64 * 1024
"""Bytes that sh hands on at once."""

_LINES = 1
"""To sh: each line by itself, as it comes."""

_ANY_STATUS = tuple(range(-64, 256))

_SLOWEST = 16 * 1024
"""Bytes a second: what is slower has stalled, where the system doesn't tell what is moved."""

_WAKE_UP = 8
"""Bytes that a call has to move before it counts."""

_PR_SET_PDEATHSIG = 1
_TOLD_AFTER = 10.0
"""Seconds of waiting for an answer after which the log says whose."""


@dataclass(frozen=True)
class WatchdogIntervals:
    """How often running programs are watched, in seconds.

    Attributes:
        every: Between two checks of what each has moved.
        grace: From SIGTERM to SIGKILL.
    """

    every: float = 1.0
    grace: float = 5.0


_USUAL_WATCH = WatchdogIntervals()


@dataclass(frozen=True)
class FinishedProgram:
    """A program that has ended: its output and how it ended.

    Attributes:
        status: Its exit status; negative where a signal ended it.
        has_stalled: Whether we ended it because it had moved nothing for too long.
        is_whole: Whether it printed no more than it may; else we ended it.
    """

    status: int
    stdout: bytes = field(repr=False)
    stderr: str = field(repr=False)
    has_stalled: bool = False
    is_whole: bool = True


def _nothing() -> None:
    """Before there is anything to be ended."""


class _Bounded(io.BytesIO):
    """Keeps so many bytes, and has whoever writes more ended."""

    def __init__(self, limit: int, on_piece: Callable[[bytes], None] | None = None) -> None:
        super().__init__()
        self._limit = limit
        self._on_chunk = on_piece
        self.is_over = False
        self.end: Callable[[], None] = _nothing

    def write(self, chunk: ReadableBuffer, /) -> int:
        """Keep a chunk, as long as there is room; the rest is dropped."""
        size = memoryview(chunk).nbytes
        self.is_over = self.is_over or self.tell() + size > self._limit
        if self.is_over:
            self.end()
            return size
        if self._on_chunk:
            self._on_chunk(bytes(chunk))
        return super().write(chunk)


@dataclass(frozen=True)
class Question:
    """What a program asks, where it only asks.

    Attributes:
        of: Whom; the log names it once it takes long.
        longest: Seconds that it may take, whatever it moves.
    """

    of: str
    longest: float


@dataclass(frozen=True)
class Movement:
    """The bytes that are moved in the course of a program.

    Attributes:
        on_moved: Called with those moved since its last call, by a thread.
        by_others: Those that others have moved for it so far.
    """

    on_moved: Callable[[int], None] = lambda _: None
    by_others: Callable[[], int] = lambda: 0


_OWN = Movement()


@dataclass(eq=False)
class _Running:
    process: RunningCommand
    stall_timeout: float
    longest: float
    movement: Movement
    question: Question | None = None
    started: float = field(default_factory=time.monotonic)
    moved: int | None = None
    moved_at: float = field(default_factory=time.monotonic)
    asked_to_end_at: float | None = None
    has_stalled: bool = False
    is_told: bool = False


class ProgramRunner:
    """Starts programs for many threads at once, and can end them all.

    Args:
        environ: What the programs see.
        read_moved: How many bytes a process has read and written so far; None where the
            system doesn't tell. A program that moves no more is stalled; where the system
            never tells, one that takes longer than its size explains is.
        watch: How often programs are looked after.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        read_moved: Callable[[int], int | None] | None = None,
        watch: WatchdogIntervals = _USUAL_WATCH,
    ) -> None:
        self._environ = {**environ, "LC_ALL": "C"}
        self._read_moved = read_moved or moved_bytes
        self._watch_rule = watch
        self._running: set[_Running] = set()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._watchdog: threading.Thread | None = None
        self._bind = _ends_with_us()

    def find(self, name: str, *, hint: str) -> str:
        """The path of a program.

        Raises:
            ToolMissingError: It is not on PATH.
        """
        path = which(name, path=self._environ.get("PATH"))
        if path is None:
            raise ToolMissingError(f"{name} is not installed, or not on PATH", hint=hint)
        return path

    def run(
        self,
        argv: Sequence[str],
        *,
        stall_timeout: float,
        size: int | None = 0,
        on_stderr_line: Callable[[bytes], None] | None = None,
        movement: Movement = _OWN,
        question: Question | None = None,
    ) -> FinishedProgram:
        """Run a program to its end.

        Args:
            argv: The program's path and its arguments; no secret may be among them.
            stall_timeout: Seconds without a byte moved after which it is ended.
            size: Bytes that it has to move; None where nobody knows.
            on_stderr_line: Called with each line on its standard error as it comes, by a thread.
            movement: Who learns what it moves.
            question: What it asks, where that is all that it does.

        Raises:
            ImageError: It could not be started; another try may.
            InterruptedRunError: `end_all` was called before or meanwhile.
        """
        import sh  # noqa: PLC0415  (starting up stays fast)

        _log.debug("running %s", shlex.join(argv))
        output, errors = _Bounded(OUTPUT_LIMIT), _Bounded(ERRORS_LIMIT, on_stderr_line)
        with self._lock:
            if self._ending.is_set():
                raise InterruptedRunError
            start = partial(
                sh.Command(argv[0]),
                *argv[1:],
                _bg=True,
                _bg_exc=False,
                _env=self._environ,
                _err=errors,
                _err_bufsize=_LINES if on_stderr_line else _PIECE,
                _in=None,
                _new_session=True,
                _ok_code=_ANY_STATUS,
                _out=output,
                _out_bufsize=_PIECE,
                _preexec_fn=self._bind,
                _tty_out=False,
            )
            process = self._started(start, argv[0])
            longest = math.inf if size is None else stall_timeout + size / _SLOWEST
            running = _Running(process, stall_timeout, longest, movement, question)
            output.end = errors.end = partial(_ask_to_end_once, running)
            self._running.add(running)
            self._watch()
        if self._ending.is_set():  # the call came in between
            _ask_to_end(running)
        try:
            process.wait()
        finally:
            with self._lock:
                self._running.discard(running)
        if self._ending.is_set() and process.exit_code != 0:
            raise InterruptedRunError
        text = errors.getvalue().decode("utf-8", "replace")
        is_whole = not output.is_over and not errors.is_over
        return FinishedProgram(
            process.exit_code, output.getvalue(), text, running.has_stalled, is_whole
        )

    def _started(self, start: Callable[[], RunningCommand], path: str) -> RunningCommand:
        import sh  # noqa: PLC0415

        try:
            return start()
        except (OSError, RuntimeError, sh.ForkException) as error:
            # Whatever is lacking, other programs may give it back when they end.
            fault = image_fault(error, of=f"{Path(path).name} can't be started")
            raise ImageError(fault.kind, fault.message, hint=fault.hint, transient=True) from None

    def end_all(self) -> None:
        """End every running program and start no more; safe in a signal handler."""
        self._ending.set()
        for running in tuple(self._running):
            _ask_to_end(running)

    def _watch(self) -> None:
        if self._watchdog is None or not self._watchdog.is_alive():
            watchdog = threading.Thread(target=self._watch_all, daemon=True, name="watchdog")
            with suppress(RuntimeError):  # no more threads: the next program tries again
                watchdog.start()
                self._watchdog = watchdog

    def _watch_all(self) -> None:
        """Look after the running programs until none is left."""
        while True:
            time.sleep(self._watch_rule.every)
            with self._lock:
                if not self._running:
                    self._watchdog = None
                    return
                running = tuple(self._running)
            for one in running:
                self._look_after(one, time.monotonic())

    def _look_after(self, running: _Running, now: float) -> None:
        if running.asked_to_end_at is not None:
            if now - running.asked_to_end_at > self._watch_rule.grace:
                _signal(running, signal.SIGKILL)
            return
        if running.question and self._asks_too_long(running, running.question, now):
            return
        own, others = self._read_moved(running.process.pid), running.movement.by_others()
        moved = None if own is None and not others else (own or 0) + others
        if moved is None and running.moved is None:
            if now - running.started > running.longest:
                running.has_stalled = True
                _ask_to_end(running)
        elif moved is not None and (running.moved is None or moved > running.moved):
            running.movement.on_moved(moved - (running.moved or 0))
            running.moved, running.moved_at = moved, now
        elif now - running.moved_at > running.stall_timeout:
            running.has_stalled = True
            _ask_to_end(running)

    def _asks_too_long(self, running: _Running, question: Question, now: float) -> bool:
        age = now - running.started
        if age > question.longest:
            running.has_stalled = True
            _ask_to_end(running)
            return True
        if age > _TOLD_AFTER and not running.is_told:
            running.is_told = True
            _log.info("waiting for %s, which has been silent or slow for 10 s", question.of)
        return False


def _ends_with_us() -> Callable[[], None] | None:
    """What a new process does to be killed when we die, however we do; None where it can't.

    prctl(2) means the death of the *thread* that forked; that one waits in `ProgramRunner.run`
    until the program has ended, so that it can only die with us.
    """
    if sys.platform != "linux":
        return None
    import ctypes  # noqa: PLC0415  (starting up stays fast)

    prctl, us = ctypes.CDLL(None).prctl, os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != us:  # we died before
            os.kill(os.getpid(), signal.SIGKILL)

    return bind


def moved_bytes(pid: int) -> int | None:
    """Bytes that a process has read and written, by whatever way (proc(5), /proc/PID/io).

    The first eight of each call are left out: a Go program wakes itself by calls of one byte or of
    eight, also while nothing comes, and the more so the busier the machine is.
    """
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    counters = dict(line.split(": ", 1) for line in lines)
    moved, calls = (
        sum(int(counters[one]) for one in pair) for pair in (("rchar", "wchar"), ("syscr", "syscw"))
    )
    return moved - _WAKE_UP * calls


def _ask_to_end_once(running: _Running) -> None:
    """What goes on writing meanwhile is not given more time for it."""
    if running.asked_to_end_at is None:
        _ask_to_end(running)


def _ask_to_end(running: _Running) -> None:
    running.asked_to_end_at = time.monotonic()
    _signal(running, signal.SIGTERM)


def _signal(running: _Running, number: int) -> None:
    """Signal the whole group, which has the id of its first process, even once that is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(running.process.pid, number)
