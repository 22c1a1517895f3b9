"""A fresh machine's first five minutes, in a bare system that debootstrap makes.

It takes minutes, root and a network, so it is only played where it is asked for, as root:

    FRESH=bookworm,noble make test ARGS='tests/setup/test_fresh_machine.py -n 0'
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITES = [suite for suite in os.environ.get("FRESH", "").split(",") if suite]
UBUNTU = frozenset({"jammy", "noble", "resolute"})
PACKAGES = "python3,make,git,ca-certificates"
USER = "newcomer"
TIMEOUT = 1800
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

pytestmark = [
    pytest.mark.skipif(not SUITES, reason="FRESH names no system"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may make a system"),
]


@dataclass(frozen=True)
class Machine:
    """A bare system with Python, git and make, and a checkout in a user's home."""

    root: Path

    def run(self, command: str, *, user: str = USER) -> subprocess.CompletedProcess[str]:
        """What a shell of WSL would do: the computer's name is in it as NAME."""
        passed = [f"{n}={v}" for n, v in os.environ.items() if n.lower().endswith("_proxy")]
        chroot = ["chroot", f"--userspec={user}", str(self.root), "env", "-i", "NAME=DESKTOP-1A2B"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        home = "/root" if user == "root" else f"/home/{USER}"
        shell = ["sh", "-c", f"cd /home/{USER}/mirror && {command}"]
        inner = [*chroot, path, f"HOME={home}", f"PIP_CERT={AUTHORITIES}", *passed, *shell]
        mounted = f'mount -t proc proc "{self.root}/proc" && exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", mounted, "sh", *inner],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def enabled_services(self) -> set[str]:
        folders = (self.root / "etc" / name for name in ("systemd/system", "rc2.d"))
        return {str(path) for folder in folders for path in folder.rglob("*")}


@pytest.fixture(params=SUITES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    suite = str(request.param)
    root = tmp_path / suite
    components = ["--components=main,universe"] if suite in UBUNTU else []
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", *components, suite]
    subprocess.run([*command, str(root)], check=True, capture_output=True, timeout=TIMEOUT)
    for file in (Path("/etc/resolv.conf"), Path("/etc/hosts"), AUTHORITIES):
        shutil.copy(file, root / file.relative_to("/"))
    made = Machine(root)
    subprocess.run(["chroot", str(root), "useradd", "--create-home", USER], check=True)
    clone = ["git", "clone", "--quiet", str(ROOT), str(root / "home" / USER / "mirror")]
    subprocess.run(clone, check=True)
    subprocess.run(["chroot", str(root), "chown", "-R", USER, f"/home/{USER}"], check=True)
    yield made
    shutil.rmtree(root)


def test_the_first_five_minutes(machine: Machine) -> None:
    before = machine.enabled_services()

    early = machine.run("bin/syncer name")
    assert early.returncode == 3
    assert early.stderr.startswith("syncer: it is not set up")

    without_rights = machine.run("make batch")
    assert without_rights.returncode != 0
    assert "sudo: not found" not in without_rights.stderr
    (command,) = re.findall(r"-> run as root: (.*)", without_rights.stderr)
    installed = machine.run(command, user="root")
    assert installed.returncode == 0, installed.stderr

    named = machine.run("ALIYUN_REGISTRY=registry.example.com ALIYUN_NAMESPACE=me make -s name")
    assert named.returncode == 0, named.stderr
    assert "DESKTOP" not in named.stdout
    assert len(named.stderr.splitlines()) < 10

    demo = machine.run("make demo 2>&1")
    assert demo.returncode == 0, demo.stdout
    preface, _, played = demo.stdout.partition("=====")
    assert len(preface.splitlines()) < 40
    assert re.search(r"127\.0\.0\.1:\d+/mirror/hello:1\b", played), "no address to pull"
    assert machine.enabled_services() == before


def test_root_needs_one_command(machine: Machine) -> None:
    done = machine.run("make demo 2>&1", user="root")
    assert done.returncode == 0, done.stdout
    assert len(done.stdout.partition("=====")[0].splitlines()) < 40
    assert not [name for name in machine.enabled_services() if "registry" in name]
