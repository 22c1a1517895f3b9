"""The state directory, with real processes: one run at a time, and nothing private left behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError, ExitStatus, LockedError
from orchestrator.state.directory import locked, private_folder
from orchestrator.system.files import write_whole

HOLDS_THE_LOCK = """
import sys, time
from pathlib import Path
from orchestrator.state.directory import locked
with locked(Path(sys.argv[1]), run_id="20260101T000000Z-abcdef"):
    print("ready", flush=True)
    time.sleep(60)
"""
HAS_A_FOLDER = """
import sys, time
from pathlib import Path
from orchestrator.state.directory import private_folder
from orchestrator.system.files import write_private
with private_folder(Path(sys.argv[1])) as folder:
    write_private(folder / "auth.json", b"secret")
    print(folder, flush=True)
    time.sleep(60)
"""
IS_WRITING = """
import sys
from pathlib import Path
from orchestrator.system.files import write_whole
path = Path(sys.argv[1])
print("ready", flush=True)
number = 0
while True:
    write_whole(path, f"{number:07} " * 20_000)
    number += 1
"""
HAS_NO_SPACE = """
import resource, sys
from pathlib import Path
from orchestrator.errors import ConfigurationError
from orchestrator.system.files import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path(sys.argv[1]), "x" * 100_000)
except ConfigurationError as error:
    print(error.message, flush=True)
"""


@contextmanager
def process(script: str, argument: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python of its own, and the first line it has said."""
    command = [sys.executable, "-c", script, str(argument)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        try:
            yield running, running.stdout.readline().strip()
        finally:
            running.kill()


def private_folders(state_dir: Path) -> list[Path]:
    return sorted(path for path in state_dir.iterdir() if path.is_dir())


# The lock


def test_a_second_run_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    with process(HOLDS_THE_LOCK, tmp_path) as (other, _):
        with pytest.raises(LockedError) as caught, locked(tmp_path, run_id="mine"):
            pytest.fail("two runs at once")
        assert caught.value.exit_status is ExitStatus.LOCKED
        holder = f"run 20260101T000000Z-abcdef (process {other.pid} on "
        assert caught.value.message.startswith(f"{tmp_path} is held by {holder}")
        assert "STATE_DIR" in caught.value.hint


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_dies_with_its_holder(tmp_path: Path, number: signal.Signals) -> None:
    with process(HOLDS_THE_LOCK, tmp_path) as (other, _):
        other.send_signal(number)
        other.wait()
        with locked(tmp_path, run_id="mine"):
            held = json.loads((tmp_path / "lock").read_text(encoding="utf-8"))
    assert (held["run"], held["process"]) == ("mine", os.getpid())


# The private folder


def test_what_a_killed_run_left_the_next_one_removes(tmp_path: Path) -> None:
    with process(HAS_A_FOLDER, tmp_path) as (killed, left):
        killed.kill()
        killed.wait()
        assert (Path(left) / "auth.json").read_bytes() == b"secret"
        with private_folder(tmp_path) as mine:
            assert private_folders(tmp_path) == [mine]


def test_what_another_run_is_using_stays(tmp_path: Path) -> None:
    with process(HAS_A_FOLDER, tmp_path) as (_, other), private_folder(tmp_path) as mine:
        assert private_folders(tmp_path) == sorted([mine, Path(other)])
        assert (Path(other) / "auth.json").is_file()


# Whole files


def test_a_writer_that_is_killed_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, "before")
    for _ in range(5):
        with process(IS_WRITING, path) as (writer, _):
            for _ in range(50):
                words = path.read_text(encoding="utf-8").split()
                assert len(words) in (1, 20_000)
                assert len(set(words)) == 1
            writer.kill()
        assert len(set(path.read_text(encoding="utf-8").split())) == 1


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, "old")
    with process(HAS_NO_SPACE, path) as (_, told):
        assert told == f"{path} can't be written: {os.strerror(errno.EFBIG)}"
    assert path.read_text(encoding="utf-8") == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    "name", ["lock", "private.lock", "data", "state.db", "state.db-wal", "state.db-shm"]
)
@pytest.mark.parametrize("target", ["precious", "nothing"])
def test_no_link_in_the_state_directory_is_followed(tmp_path: Path, name: str, target: str) -> None:
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)
    (tmp_path / "precious").write_text("precious", encoding="ascii")
    (state_dir / name).symlink_to(tmp_path / target)
    for hold in (locked(state_dir, run_id="x"), private_folder(state_dir)):
        with pytest.raises(ConfigurationError, match="is a link, and is not followed"), hold:
            pass
    assert (tmp_path / "precious").read_text(encoding="ascii") == "precious"
    assert not (tmp_path / "nothing").exists()


def test_a_link_that_looks_like_a_dead_runs_folder_is_left_alone(tmp_path: Path) -> None:
    state_dir, precious = tmp_path / "state", tmp_path / "precious"
    state_dir.mkdir(mode=0o700)
    precious.mkdir()
    (precious / "file").touch()
    (state_dir / "private-x").symlink_to(precious)
    with private_folder(state_dir):
        pass
    assert [one.name for one in precious.iterdir()] == ["file"]


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
def test_a_state_directory_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with (
        pytest.raises(ConfigurationError, match="can be written by others") as refused,
        private_folder(tmp_path),
    ):
        pass
    assert refused.value.hint == f"take that right away: chmod go-w {tmp_path}"
    tmp_path.chmod(0o755)
    with private_folder(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_state_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12345)
    with (
        pytest.raises(ConfigurationError, match="belongs to another user"),
        locked(tmp_path, run_id="x"),
    ):
        pass
