"""The scripts beside the program: what they do, and what they refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOSTED = {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "github-hosted"}


def run(
    script: str, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "bin" / script), *arguments],
        env={"PATH": os.environ["PATH"], **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A file tree with two toolchains, and what is none."""
    for folder in ("usr/share/dotnet", "usr/local/lib/android", "home/me", "usr/share/doc"):
        (tmp_path / "machine" / folder).mkdir(parents=True)
        (tmp_path / "machine" / folder / "content").write_bytes(b"x" * 2_000_000)
    return tmp_path / "machine"


def contents(machine: Path) -> set[str]:
    return {str(path.parent.relative_to(machine)) for path in machine.rglob("content")}


ALL = {"usr/share/dotnet", "usr/local/lib/android", "home/me", "usr/share/doc"}
KEPT = {"home/me", "usr/share/doc"}


def test_free_disk_removes_toolchains_alone_and_tallies_them(machine: Path) -> None:
    done = run("free-disk", "--root", str(machine), environ=HOSTED)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(machine) == KEPT
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["1.9", "MiB", "/usr/share/dotnet"] in lines
    assert lines[-2][:2] == ["3.8", "MiB"]
    assert lines[-2][2:] == ["freed,", "in", "2", "folders"]


def test_free_disk_dry_run_only_says_so(machine: Path) -> None:
    done = run("free-disk", "--dry-run", "--root", str(machine))
    assert done.returncode == 0
    assert contents(machine) == ALL
    assert "would be freed, in 2 folders" in done.stdout


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="a laptop"),
        pytest.param({"RUNNER_ENVIRONMENT": "github-hosted"}, id="half a runner"),
        pytest.param(
            {"GITHUB_ACTIONS": "true", "RUNNER_ENVIRONMENT": "self-hosted"}, id="a runner of ours"
        ),
    ],
)
def test_free_disk_refuses_elsewhere(machine: Path, environ: Mapping[str, str]) -> None:
    done = run("free-disk", "--root", str(machine), environ=environ)
    assert done.returncode == 2
    assert contents(machine) == ALL


def test_free_disk_may_be_forced(machine: Path) -> None:
    assert run("free-disk", "--force", "--root", str(machine)).returncode == 0
    assert contents(machine) == KEPT


def test_free_disk_finds_nothing_on_a_bare_machine(tmp_path: Path) -> None:
    done = run("free-disk", "--root", str(tmp_path), environ=HOSTED)
    assert done.returncode == 0
    assert "0 KiB  freed, in 0 folders" in done.stdout


def test_free_disk_says_what_it_could_not_remove(machine: Path) -> None:
    programs = machine / "programs"
    programs.mkdir()
    (programs / "rm").symlink_to("/bin/false")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    done = run("free-disk", "--force", "--root", str(machine), environ={"PATH": path})
    assert done.returncode == 1
    assert contents(machine) == ALL
    assert "/usr/share/dotnet could not be removed" in done.stderr
    assert "run it as root" in done.stderr
    assert "freed, in 0 folders" in done.stdout


def test_free_disk_follows_no_link(machine: Path) -> None:
    shutil.rmtree(machine / "usr/share/dotnet")
    (machine / "usr/share/dotnet").symlink_to(machine / "home/me")
    shutil.rmtree(machine / "usr/local/lib")
    (machine / "usr/local/lib").symlink_to(machine / "home")
    (machine / "home/android").mkdir()
    assert run("free-disk", "--root", str(machine), environ=HOSTED).returncode == 0
    assert contents(machine) == KEPT
    assert (machine / "home/android").is_dir()


@pytest.mark.parametrize("arguments", [["--root"], ["--root", "/no/such"], ["/tmp"], ["--all"]])
def test_free_disk_takes_nothing_else(arguments: list[str]) -> None:
    assert run("free-disk", *arguments).returncode == 2


def system(folder: Path, version: str | None) -> dict[str, str]:
    """A PATH with no package manager, and with a skopeo of this version or none."""
    folder.mkdir()
    for name in ("sh", "sed", "sort", "head", "id", "env"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    if version:
        (folder / "skopeo").write_text(f"#!/bin/sh\necho skopeo version {version}\n")
        (folder / "skopeo").chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("version", ["1.4.1", "1.9.3", "1.13.3", "1.22.2", "1.21.0-dev", "2.0.0"])
def test_install_tools_is_content_with_a_skopeo_that_will_do(tmp_path: Path, version: str) -> None:
    done = run("install-tools", "skopeo", environ=system(tmp_path / "bin", version))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("version", ["1.3.9", "1.2.3", "0.1.41"])
def test_install_tools_says_what_to_do_about_an_old_skopeo(tmp_path: Path, version: str) -> None:
    done = run("install-tools", "skopeo", environ=system(tmp_path / "bin", version))
    assert done.returncode == 3
    assert f"skopeo {version} is too old" in done.stderr
    assert "runs-on: ubuntu-24.04" in done.stderr


def test_install_tools_says_what_to_do_without_skopeo(tmp_path: Path) -> None:
    done = run("install-tools", environ=system(tmp_path / "bin", None))
    assert done.returncode == 3
    assert "skopeo is missing" in done.stderr
