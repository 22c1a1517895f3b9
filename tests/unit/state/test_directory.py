"""The state directory: one run at a time, and a private folder for each."""

from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError, LockedError
from orchestrator.state.directory import locked, private_folder
from orchestrator.system.files import write_private


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def private_folders(state_dir: Path) -> list[Path]:
    return sorted(path for path in state_dir.iterdir() if path.is_dir())


# The lock


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


def fail_with_a_folder(state_dir: Path) -> None:
    with private_folder(state_dir) as folder:
        write_private(folder / "auth.json", b"secret")
        raise ValueError("a bug")


def test_an_error_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"):
        fail_with_a_folder(tmp_path)
    assert private_folders(tmp_path) == []


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
