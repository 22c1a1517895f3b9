"""Files written whole, or privately."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.system.files import write_private, write_whole


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_is_never_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="File exists"):
        write_private(tmp_path / "link", b"secret")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_no_text_is_written_so_that_json_still_means_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "report.json", '"half \udcff"')
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == "half \udcff"


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    for text in ("{}\n", "同步\n" * 1000, ""):
        write_whole(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert mode_of(path) == 0o644
    assert [one.name for one in path.parent.iterdir()] == ["report.json"]


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
