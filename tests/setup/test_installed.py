"""The program out of a wheel, as pip and pipx install it: there is no checkout beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.runs import path_without_skopeo
from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Installation:
    """Where the wheel was installed; its requirements are those of the tests.

    Attributes:
        command: The console script, linked into another folder, as pipx does it.
    """

    site: Path
    command: Path

    def run(
        self, *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.site), "HOME": str(cwd)}
        return subprocess.run(
            [str(self.command), *arguments],
            cwd=cwd,
            env={**given, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    site = folder / "site"
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, capture_output=True)
    command = folder / "linked" / "syncer"
    command.parent.mkdir()
    command.symlink_to(site / "bin" / "syncer")
    yield Installation(site, command)
    shutil.rmtree(folder)


def test_init_writes_what_a_first_run_needs(installed: Installation, tmp_path: Path) -> None:
    done = installed.run("init", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {"config.env", "images.txt"}
    assert (tmp_path / "config.env").read_bytes() == (ROOT / "config.env").read_bytes()
    place = {"ALIYUN_REGISTRY": "registry.example.com", "ALIYUN_NAMESPACE": "me"}
    named = installed.run("name", cwd=tmp_path, environ=place)
    assert named.returncode == 0, named.stderr
    assert named.stdout.count("registry.example.com/me/") == 3
    shown = installed.run("catalog", cwd=tmp_path, environ=place)
    assert shown.stdout == "3 images: catalog/index.html, catalog/images.md\n", shown.stderr


def test_a_wheel_brings_all_that_a_checkout_has(installed: Installation, tmp_path: Path) -> None:
    folders = tmp_path / "wheel", tmp_path / "checkout"
    for folder in folders:
        folder.mkdir()
    assert installed.run("init", "--workflows", cwd=folders[0]).returncode == 0
    environ = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = installed.run("init", "--workflows", cwd=folders[1], environ=environ)
    assert done.returncode == 0
    assert contents_of(folders[0]) == contents_of(folders[1])
    assert os.access(folders[0] / "bin" / "actions-sync", os.X_OK)
    assert (folders[0] / ".github" / "actions" / "sync" / "action.yml").is_file()


def contents_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_init_writes_over_nothing(installed: Installation, tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text("redis\n", encoding="utf-8")
    done = installed.run("init", "--workflows", cwd=tmp_path)
    assert done.returncode == 2
    assert "images.txt: there already, so nothing was written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["images.txt"]
    assert (tmp_path / "images.txt").read_text(encoding="utf-8") == "redis\n"


def test_no_hint_names_a_file_that_is_not_there(installed: Installation, tmp_path: Path) -> None:
    installed.run("init", cwd=tmp_path)
    path = {"PATH": path_without_skopeo(tmp_path / "programs")}
    place = {"ALIYUN_REGISTRY": "127.0.0.1:9", "ALIYUN_NAMESPACE": "me"}
    done = installed.run("batch", cwd=tmp_path, environ={**path, **place})
    assert done.returncode == 3
    assert "apt-get install skopeo" in done.stderr
    assert "bin/" not in done.stderr
    assert "make" not in done.stderr


def test_half_an_installation_says_so(installed: Installation, tmp_path: Path) -> None:
    """Without its requirements, as after the system's Python became another one."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "orchestrator", "batch"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed.site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "syncer: it is not set up, or only half (No module named" in done.stderr
    assert "  -> install it again, as by: pipx reinstall docker-image-syncer" in done.stderr


@pytest.mark.parametrize("python", [None, "-S"], ids=["no Python", "no requirements"])
def test_a_checkout_that_is_not_set_up_says_so(tmp_path: Path, python: str | None) -> None:
    checkout, programs = tmp_path / "mirror", tmp_path / "programs"
    path_without_skopeo(programs)
    (programs / "dirname").symlink_to(shutil.which("dirname") or "")
    shutil.copytree(
        ROOT / "orchestrator", checkout / "orchestrator", ignore=shutil.ignore_patterns("*.pyc")
    )
    (checkout / "bin").mkdir()
    shutil.copy(ROOT / "bin" / "syncer", checkout / "bin")
    shutil.copy(ROOT / "Makefile", checkout)
    if python:
        script = f'#!/bin/sh\nexec "{sys.executable}" {python} "$@"\n'
        (programs / "python3").write_text(script, encoding="utf-8")
        (programs / "python3").chmod(0o755)
    done = subprocess.run(
        [checkout / "bin" / "syncer", "batch"],
        cwd=tmp_path,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("syncer: it is not set up")
    assert done.stderr.endswith(f"  -> run: make -C {checkout} setup\n")
