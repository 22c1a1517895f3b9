"""The state directory, with real processes: one run at a time, and nothing private left behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError, ExitStatus, LockedError
from orchestrator.state.directory import locked, private_folder
from orchestrator.system.files import write_private, write_whole

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


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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


def test_the_lock_is_free_again_after_a_run_however_it_ended(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"), locked(tmp_path, run_id="one"):
        raise ValueError("a bug")
    with locked(tmp_path, run_id="two"):
        pass
    with locked(tmp_path, run_id="three"):
        pass


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="half"),
        pytest.param("[]", id="a list"),
        pytest.param('{"run": "x"}', id="a part"),
    ],
)
def test_a_holder_that_can_not_be_read_is_another_run(tmp_path: Path, content: str) -> None:
    with locked(tmp_path, run_id="one"):
        (tmp_path / "lock").write_text(content, encoding="utf-8")
        with (
            pytest.raises(LockedError, match="is held by another run"),
            locked(tmp_path, run_id="two"),
        ):
            pytest.fail("two runs at once")


def test_two_state_directories_are_two_runs(tmp_path: Path) -> None:
    with locked(tmp_path / "a", run_id="one"), locked(tmp_path / "b" / "c", run_id="two"):
        assert mode_of(tmp_path / "a") == mode_of(tmp_path / "b" / "c") == 0o700


def test_a_state_directory_that_is_none_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for state_dir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigurationError) as caught, locked(state_dir, run_id="x"):
            pytest.fail("there is no such folder")
        assert str(state_dir) in caught.value.message
        assert "STATE_DIR" in caught.value.hint


# The private folder


def test_only_the_user_can_read_what_is_private(tmp_path: Path) -> None:
    with private_folder(tmp_path / "state") as folder:
        write_private(folder / "auth.json", b"secret")
        assert mode_of(tmp_path / "state") == 0o700
        assert mode_of(folder) == 0o700
        assert mode_of(folder / "auth.json") == 0o600
        assert (folder / "auth.json").read_bytes() == b"secret"
    assert private_folders(tmp_path / "state") == []


def test_a_private_file_is_never_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "link", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def fail_with_a_folder(state_dir: Path) -> None:
    with private_folder(state_dir) as folder:
        write_private(folder / "auth.json", b"secret")
        raise ValueError("a bug")


def test_an_error_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"):
        fail_with_a_folder(tmp_path)
    assert private_folders(tmp_path) == []


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


def test_other_folders_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with private_folder(tmp_path):
        pass
    assert (tmp_path / "notes").is_dir()


def test_runs_that_begin_at_once_sweep_nothing_of_each_other(tmp_path: Path) -> None:
    all_here = threading.Barrier(8, timeout=30)

    def begin(_: int) -> bool:
        all_here.wait()
        for _ in range(20):
            with private_folder(tmp_path) as folder:
                write_private(folder / "auth.json", b"secret")
                if not (folder / "auth.json").is_file():
                    return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(begin, range(8)))
    assert private_folders(tmp_path) == []


# Whole files


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    for text in ("{}\n", "同步\n" * 1000, ""):
        write_whole(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert mode_of(path) == 0o644
    assert [one.name for one in path.parent.iterdir()] == ["report.json"]


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


@pytest.mark.parametrize(
    "below",
    [
        pytest.param("file/report.json", id="below a file"),
        pytest.param("folder", id="a folder"),
    ],
)
def test_what_can_not_be_written_is_told_and_leaves_nothing(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="can't be written: ") as caught:
        write_whole(tmp_path / below, "x")
    assert str(tmp_path / below) in caught.value.message
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(path, "old")
    with process(HAS_NO_SPACE, path) as (_, told):
        assert told == f"{path} can't be written: {os.strerror(errno.EFBIG)}"
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "half \udcff")
    assert path.read_text(encoding="utf-8") == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.json"]


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text, encoding="utf-8")
        write_whole(pipe, "{}\n")
        assert read.result(30) == "{}\n"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_stays_one(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real.json")
    for text in ("one", "two"):
        write_whole(link, text)
        assert (tmp_path / "real.json").read_text(encoding="utf-8") == text
    assert link.is_symlink()
