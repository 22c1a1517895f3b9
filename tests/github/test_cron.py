"""Cron on a small server: an account of nobody's, with no home, no terminal, and little PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, push
from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.github import Network

NOBODY = 65534
OURS = Path(sys.executable).resolve()
CRON = ["env", "-i", "PATH=/usr/bin:/bin"]


def requirements(name: str, found: set[str]) -> set[str]:
    """A distribution, and all that it needs to run."""
    for line in distribution(name).requires or ():
        wanted, _, marker = line.partition(";")
        needed = "".join(c if c.isalnum() or c in "-_" else " " for c in wanted).split()[0]
        if "extra" in marker or needed.lower() in found:
            continue
        try:
            distribution(needed)
        except PackageNotFoundError:  # for another system or Python
            continue
        found.add(needed.lower())
        requirements(needed, found)
    return found


def is_for_all(program: Path) -> bool:
    """Whether any account can start it."""
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


def python_for_nobody() -> Path | None:
    """A Python that nobody can start, and that takes our compiled packages; None: there is none."""
    found = (OURS, Path(f"/usr/bin/python3.{sys.version_info.minor}"))
    return next((python for python in found if python.exists() and is_for_all(python)), None)


def make_environment(checkout: Path) -> None:
    """What `make setup` would make, without a network: of our own packages."""
    venv = checkout / ".venv"
    python = python_for_nobody() or OURS
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    for name in requirements("docker-image-syncer", set()):
        for file in distribution(name).files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.is_file():
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, site / file)
    (venv / ".ready").touch()


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A checkout that anybody can read, and that belongs to the account that cron runs."""
    with tempfile.TemporaryDirectory(prefix="cron-") as name:
        folder = Path(name) / "mirror"
        for part in ("orchestrator", "bin"):
            shutil.copytree(
                ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        for part in ("Makefile", "pyproject.toml"):
            shutil.copy2(ROOT / part, folder / part)
        make_environment(folder)
        Path(name).chmod(0o755)
        yield folder


def as_nobody(checkout: Path) -> list[str]:
    """The command's beginning that makes it another account's, where we may do that.

    We may not where we are no root, and not where the only Python of our version is in a home
    that nobody else can read; it still has no home then.
    """
    if os.geteuid() != 0 or not python_for_nobody():
        return []
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def configure(checkout: Path, network: Network, namespace: str) -> None:
    push(network.upstream.url, f"{namespace}/app", "1", build_image())
    image = f"{network.upstream.host}/{namespace}/app:1"
    (checkout / "images.txt").write_text(f"{image}\n", encoding="utf-8")
    (checkout / "config.env").write_text(
        "SYNC_MODE=ghcr\nGHCR_TOKEN_FILE=token\nGHCR_USERNAME=octocat\n"
        f"GHCR_REGISTRY={network.ghcr.host}\nGHCR_NAMESPACE={namespace}\n",
        encoding="utf-8",
    )
    login = network.ghcr.options.login
    assert login
    (checkout / "token").write_text(f"{login.password}\n", encoding="utf-8")
    (checkout / "token").chmod(0o600)


@pytest.mark.parametrize(
    "home", [pytest.param([], id="no HOME"), pytest.param(["HOME=/nonexistent"], id="no home")]
)
def test_a_batch_works_from_cron(checkout: Path, network: Network, home: list[str]) -> None:
    namespace = f"cron{len(home)}-{os.getpid()}"
    configure(checkout, network, namespace)
    account = as_nobody(checkout)
    command = [*account, *CRON, *home, "bin/syncer", "batch"]
    for expected in ("1 copied, 0 in sync", "0 copied, 1 in sync"):
        done = subprocess.run(
            command,
            cwd=checkout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
        assert "warning" not in done.stderr
    if account:
        remembered = list((checkout / ".syncer" / "data").rglob("blob-info-cache*"))
        assert remembered, "skopeo remembers no blobs"
