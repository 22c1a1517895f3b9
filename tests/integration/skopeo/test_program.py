"""Programs, with real ones: what they are given, what they see, and how they are ended."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import InterruptedRunError
from orchestrator.system.program import (
    ERRORS_LIMIT,
    OUTPUT_LIMIT,
    FinishedProgram,
    Movement,
    ProgramRunner,
    WatchdogIntervals,
)

PATH = os.environ["PATH"]
QUICK = WatchdogIntervals(every=0.02, grace=0.2)
PATIENCE = 30.0
SHOW_ARGUMENTS = "import json, sys; json.dump(sys.argv[1:], sys.stdout)"


@pytest.fixture
def programs() -> ProgramRunner:
    return ProgramRunner({"PATH": PATH}, watch=QUICK)


def shell(
    programs: ProgramRunner, script: str, *, stall_timeout: float = PATIENCE
) -> FinishedProgram:
    return programs.run(["/bin/sh", "-c", script], stall_timeout=stall_timeout)


@contextmanager
def in_background(work: Callable[[], FinishedProgram]) -> Iterator[Future[FinishedProgram]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def wait_for(claim: Callable[[], bool]) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2]
    except OSError:
        return False
    return state.split()[0] not in ("Z", "X")


def written(path: Path) -> int:
    """A process's id that a script has written, once it has."""
    wait_for(lambda: path.is_file() and path.read_text(encoding="ascii").endswith("\n"))
    return int(path.read_text(encoding="ascii"))


# What a program is given


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["a b", "", "  "], id="white space"),
        pytest.param(["$HOME", "`id`", "$(id)", "${x}"], id="a shell's own"),
        pytest.param(["a;b", "a|b", "a>b", "a&b", "*", "?", "~", "#x", "!x"], id="operators"),
        pytest.param(["'", '"', "\\", "a\nb", "\t"], id="quotes and line breaks"),
        pytest.param(["-x", "--", "--x=y z"], id="options"),
        pytest.param(["镜像", "\u202e"], id="other scripts"),
    ],
)
def test_arguments_arrive_as_they_are(programs: ProgramRunner, arguments: list[str]) -> None:
    argv = [sys.executable, "-c", SHOW_ARGUMENTS, *arguments]
    assert json.loads(programs.run(argv, stall_timeout=PATIENCE).stdout) == arguments


def test_a_program_sees_only_what_it_was_given() -> None:
    environ = {"PATH": PATH, "X": "a b\n$c", "LC_ALL": "de_DE"}
    argv = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
    seen = json.loads(ProgramRunner(environ).run(argv, stall_timeout=PATIENCE).stdout)
    assert seen == {**environ, "LC_ALL": "C"}


def test_there_is_no_terminal_and_nothing_to_read(programs: ProgramRunner) -> None:
    script = "for fd in 0 1 2; do test -t $fd && exit 7; done; cat; (: </dev/tty) 2>/dev/null"
    finished = shell(programs, f"{script} && exit 8; exit 0")
    assert (finished.status, finished.stdout) == (0, b"")


def test_a_program_leads_a_group_of_its_own(programs: ProgramRunner) -> None:
    argv = [sys.executable, "-c", "import os; print(os.getpid(), os.getpgrp(), os.getsid(0))"]
    process, group, session = programs.run(argv, stall_timeout=PATIENCE).stdout.split()
    assert process == group == session


def test_output_and_errors_are_apart_and_whole(programs: ProgramRunner) -> None:
    script = "head -c 3000000 /dev/zero; printf '\\377\\303' >&2; head -c 300000 /dev/zero >&2"
    finished = shell(programs, script)
    assert finished.stdout == bytes(3_000_000)
    assert finished.stderr == "\ufffd\ufffd" + "\0" * 300_000
    assert "zero" not in repr(finished)


@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param("exit 0", 0, id="success"),
        pytest.param("exit 1", 1, id="failure"),
        pytest.param("exit 255", 255, id="the highest"),
        pytest.param("kill -TERM $$", -15, id="ended by SIGTERM"),
        pytest.param("kill -KILL $$", -9, id="killed"),
        pytest.param("kill -SEGV $$", -11, id="crashed"),
    ],
)
def test_a_status_is_told_whatever_it_is(programs: ProgramRunner, script: str, status: int) -> None:
    finished = shell(programs, script)
    assert (finished.status, finished.has_stalled) == (status, False)


# Ending


def test_ending_reaches_children_and_grandchildren(programs: ProgramRunner, tmp_path: Path) -> None:
    script = (
        f"(sleep 60 & echo $! > {tmp_path}/grandchild; wait) & echo $! > {tmp_path}/child; wait"
    )
    with in_background(lambda: shell(programs, script)) as running:
        family = [written(tmp_path / name) for name in ("child", "grandchild")]
        assert all(map(is_alive, family))
        programs.end_all()
        with pytest.raises(InterruptedRunError):
            running.result(PATIENCE)
    wait_for(lambda: not any(map(is_alive, family)))


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("trap '' TERM; echo $$ > {}; while :; do sleep 0.05; done", id="deaf"),
        pytest.param(
            "(trap '' TERM; echo $(exec sh -c 'echo $PPID') > {}; while :; do sleep 0.05; done) & "
            "wait",
            id="a deaf child that outlives its parent",
        ),
    ],
)
def test_what_does_not_listen_is_killed_after_a_grace(
    programs: ProgramRunner, tmp_path: Path, script: str
) -> None:
    with in_background(lambda: shell(programs, script.format(tmp_path / "deaf"))) as running:
        deaf = written(tmp_path / "deaf")
        asked = time.monotonic()
        programs.end_all()
        with pytest.raises(InterruptedRunError):
            running.result(PATIENCE)
        assert QUICK.grace <= time.monotonic() - asked < PATIENCE
    wait_for(lambda: not is_alive(deaf))


def test_a_program_that_ends_in_good_order_when_asked_was_interrupted(
    programs: ProgramRunner, tmp_path: Path
) -> None:
    script = f"trap 'exit 1' TERM; echo $$ > {tmp_path}/ready; while :; do sleep 0.01; done"
    with in_background(lambda: shell(programs, script)) as running:
        written(tmp_path / "ready")
        programs.end_all()
        with pytest.raises(InterruptedRunError):
            running.result(PATIENCE)


def test_what_was_done_when_the_end_came_is_done(programs: ProgramRunner, tmp_path: Path) -> None:
    script = f"trap 'exit 0' TERM; echo $$ > {tmp_path}/ready; while :; do sleep 0.01; done"
    with in_background(lambda: shell(programs, script)) as running:
        written(tmp_path / "ready")
        programs.end_all()
        assert running.result(PATIENCE).status == 0


def test_all_that_run_are_ended_at_once(programs: ProgramRunner) -> None:
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(shell, programs, "sleep 60") for _ in range(8)]
        wait_for(lambda: sum(one.running() for one in running) == 8)
        programs.end_all()
        for one in running:
            assert isinstance(one.exception(PATIENCE), InterruptedRunError)


ORPHAN = """
import sys
from concurrent.futures import ThreadPoolExecutor
from orchestrator.system.program import ProgramRunner
programs = ProgramRunner({"PATH": "/bin:/usr/bin"})
script = f"echo $$ > {sys.argv[1]}; exec sleep 60"
with ThreadPoolExecutor(2) as pool:
    pool.submit(programs.run, ["/bin/sh", "-c", script], stall_timeout=60).result()
"""


def test_a_program_does_not_outlive_us_however_we_die(tmp_path: Path) -> None:
    argv = [sys.executable, "-W", "ignore", "-c", ORPHAN, str(tmp_path / "orphan")]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[3]) as us:
        orphan = written(tmp_path / "orphan")
        assert is_alive(orphan)
        us.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_alive(orphan))


# Stalls


def test_who_moves_nothing_is_ended(programs: ProgramRunner) -> None:
    finished = shell(programs, "exec sleep 60", stall_timeout=0.1)
    assert finished.has_stalled
    assert finished.status == -signal.SIGTERM


def test_who_moves_something_is_left_alone(programs: ProgramRunner) -> None:
    loop = "i=0; while [ $i -lt 25 ]; do echo x; i=$((i+1)); sleep 0.02; done"
    finished = shell(programs, loop, stall_timeout=0.3)
    assert (finished.status, finished.has_stalled) == (0, False)


def test_the_counter_that_was_passed_in_is_believed() -> None:
    asked: list[int] = []

    def stands_still(process: int) -> int:
        asked.append(process)
        return 5

    programs = ProgramRunner({"PATH": PATH}, read_moved=stands_still, watch=QUICK)
    assert shell(programs, "while :; do echo x; done", stall_timeout=0.1).has_stalled
    assert len(asked) > 1


def test_a_program_whose_bytes_others_move_on_has_not_stalled() -> None:
    moved = itertools.count()
    programs = ProgramRunner({"PATH": PATH}, read_moved=lambda _: 5, watch=QUICK)
    movement = Movement(by_others=lambda: next(moved))
    finished = programs.run(["/bin/sleep", "0.4"], stall_timeout=0.2, movement=movement)
    assert (finished.status, finished.has_stalled) == (0, False)


@pytest.mark.parametrize(
    ("size", "has_stalled"),
    [
        pytest.param(0, True, id="nothing to move"),
        pytest.param(16 * 1024, False, id="a second's worth"),
        pytest.param(None, False, id="nobody knows"),
    ],
)
def test_where_the_system_does_not_tell_a_size_does(size: int | None, has_stalled: bool) -> None:
    programs = ProgramRunner({"PATH": PATH}, read_moved=lambda _: None, watch=QUICK)
    argv = ["/bin/sleep", "0.4"]
    assert programs.run(argv, stall_timeout=0.05, size=size).has_stalled is has_stalled


@pytest.mark.parametrize("size", [1, 8])
def test_a_program_that_only_wakes_itself_has_stalled(programs: ProgramRunner, size: int) -> None:
    """As Go programs do, by a byte through a pipe or by an eventfd's eight."""
    script = f"""
import os, time
end, start = os.pipe()
while True:
    os.write(start, b"x" * {size})
    os.read(end, {size})
    time.sleep(0.01)
"""
    finished = programs.run([sys.executable, "-c", script], stall_timeout=0.5)
    assert finished.has_stalled


def test_a_helper_that_outlives_its_parent_is_ended_as_stalled(programs: ProgramRunner) -> None:
    finished = shell(programs, "sleep 60 & sleep 0.1; exit 0", stall_timeout=0.2)
    assert finished.has_stalled


# Many


def test_many_programs_leave_nothing_behind(programs: ProgramRunner) -> None:
    def status(number: int) -> int:
        return shell(programs, f"echo {number} >&2; exit {number % 7}").status

    threads = threading.active_count()
    status(0)
    wait_for(lambda: threading.active_count() <= threads)
    files = open_files()
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(status, range(64))) == [number % 7 for number in range(64)]
    wait_for(lambda: threading.active_count() <= threads)
    assert open_files() <= files


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("stream", [1, 2])
def test_who_prints_without_end_is_ended(programs: ProgramRunner, stream: int) -> None:
    limit = {1: OUTPUT_LIMIT, 2: ERRORS_LIMIT}[stream]
    finished = shell(programs, f"exec yes >&{stream}")
    assert not finished.is_whole
    assert finished.status == -15
    assert len(finished.stdout) + len(finished.stderr) <= limit


def test_who_does_not_listen_and_prints_without_end_is_killed() -> None:
    programs = ProgramRunner({"PATH": PATH}, watch=QUICK)
    finished = shell(programs, "trap '' TERM; yes >&2 & exec cat /dev/zero")
    assert (finished.status, finished.is_whole) == (-9, False)


def test_as_much_as_may_be_printed_is_kept_whole(programs: ProgramRunner) -> None:
    finished = shell(programs, f"head -c {OUTPUT_LIMIT} /dev/zero")
    assert finished.is_whole
    assert len(finished.stdout) == OUTPUT_LIMIT
