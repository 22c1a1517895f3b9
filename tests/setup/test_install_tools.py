"""What is said and done where a program is missing: with rights, without, and on other systems.

The package managers, sudo and id are stand-ins: a test may install nothing on its machine.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = ("sh", "sed", "sort", "head", "env", "mktemp", "cat", "rm", "chmod")
APT = "apt-get update && {0}apt-get install -y --no-install-recommends {1}"
WORDS = "echo 'Reading package lists...'; echo 'Setting up things' >&2; "
SKOPEO = (
    WORDS + "printf '#!/bin/sh\\necho skopeo version 1.13.3\\n' >{0}/skopeo; chmod +x {0}/skopeo"
)


class Machine:
    """A PATH with what is named, and no more."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "programs"
        (folder / "bin").mkdir()
        self.programs.mkdir()
        shutil.copy(ROOT / "bin" / "install-tools", folder / "bin")
        self.script = folder / "bin" / "install-tools"
        for name in NEEDED:
            found = shutil.which(name)
            assert found
            (self.programs / name).symlink_to(found)

    def has(self, name: str, script: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{script.format(self.programs)}\n", encoding="utf-8")
        path.chmod(0o755)

    def is_user(self, number: int) -> None:
        self.has("id", f"echo {number}")

    def install(self, *tools: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.script), *tools],
            env={"PATH": str(self.programs)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("sudo", "lead", "prefix"),
    [
        pytest.param(None, "run as root: ", "", id="no sudo"),
        pytest.param("echo 'a password is required' >&2; exit 1", "run: sudo ", "sudo ", id="asks"),
    ],
)
def test_without_rights_the_command_for_this_system_is_told(
    machine: Machine, sudo: str | None, lead: str, prefix: str
) -> None:
    machine.is_user(1000)
    machine.has("apt-get", "exit 9")
    if sudo:
        machine.has("sudo", sudo)
    done = machine.install("venv", "skopeo")
    assert done.returncode == 3
    command = lead + APT.format(prefix, "python3-venv skopeo")
    assert done.stderr.splitlines() == [
        "install-tools: python3 is missing, or its module venv",
        "install-tools: skopeo is missing",
        f"  -> {command}",
    ]


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        ("dnf", "dnf install -y python3 skopeo"),
        ("apk", "apk add python3 skopeo"),
        ("pacman", "pacman -S --noconfirm --needed python skopeo"),
        ("zypper", "zypper --non-interactive install python3 skopeo"),
    ],
)
def test_each_system_has_its_command(machine: Machine, manager: str, command: str) -> None:
    machine.is_user(1000)
    machine.has(manager, "exit 9")
    done = machine.install("venv", "skopeo")
    assert done.returncode == 3
    assert f"  -> run as root: {command}\n" in done.stderr


@pytest.mark.parametrize("user", [pytest.param(0, id="root"), pytest.param(1000, id="sudo")])
@pytest.mark.parametrize("manager", ["apt-get", "dnf", "apk", "pacman", "zypper"])
def test_with_rights_it_is_installed_and_what_was_said_is_not_shown(
    machine: Machine, user: int, manager: str
) -> None:
    machine.is_user(user)
    machine.has(manager, SKOPEO)
    if user:
        machine.has("sudo", 'shift; "$@"')
    done = machine.install("skopeo")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "installing skopeo\n")
    again = machine.install("skopeo")
    assert (again.returncode, again.stderr) == (0, "")


def test_what_the_package_manager_said_is_shown_where_it_failed(machine: Machine) -> None:
    machine.is_user(0)
    machine.has("apt-get", 'echo "E: no space left for $*" >&2; exit 100')
    done = machine.install("skopeo")
    assert done.returncode == 3
    assert "E: no space left for install -qq -y" in done.stderr
    assert "  -> run: apt-get update && apt-get install" in done.stderr


def test_an_old_skopeo_that_has_no_newer_one_is_no_matter_of_installing(machine: Machine) -> None:
    machine.is_user(0)
    machine.has("skopeo", "echo skopeo version 1.3.1")
    machine.has("apt-get", "exit 0")
    done = machine.install("skopeo")
    assert done.returncode == 3
    assert "skopeo 1.3.1 is too old" in done.stderr
    assert "Ubuntu 24.04" in done.stderr.partition("->")[2]
    assert "-> run" not in done.stderr


def test_on_an_unknown_system_the_need_is_told(machine: Machine) -> None:
    machine.is_user(1000)
    done = machine.install()
    assert done.returncode == 3
    assert "install-tools: skopeo is missing" in done.stderr
    assert "package manager" in done.stderr
