"""The virtual environment: made, left alone, and made anew where it is half made.

venv and pip are real; what they install is a project that needs no network.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYPROJECT = """\
[project]
name = "small"
version = "1"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = '''\
"""Builds a package with the module that bin/make-venv looks for, or what REFUSE and WAIT say."""
import os, pathlib, signal, sys, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    if "REFUSE" in os.environ:
        sys.exit("no such package")
    if "WAIT" in os.environ:
        pathlib.Path(os.environ["WAIT"]).write_text("here")
        signal.pause()
    name, about = "small-1-py3-none-any.whl", "small-1.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("sh.py", "")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\\nName: small\\nVersion: 1\\n")
        tag = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr(f"{about}/WHEEL", tag)
        wheel.writestr(f"{about}/RECORD", "")
    return name
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    (tmp_path / "backend.py").write_text(BACKEND, encoding="utf-8")
    return tmp_path


def environ(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PIP_NO_INDEX": "1", **more}


COMMAND = (str(ROOT / "bin" / "make-venv"), sys.executable, ".venv")


def make(project: Path, given: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND, cwd=project, env=given, capture_output=True, text=True, timeout=120, check=False
    )


def is_whole(project: Path) -> bool:
    python = project / ".venv" / "bin" / "python"
    done = subprocess.run([python, "-c", "import sh, pip"], capture_output=True, check=False)
    return done.returncode == 0 and (project / ".venv" / ".ready").exists()


def interrupt(project: Path) -> None:
    """The end while pip builds, of the whole group of processes, as by Ctrl-C or a power cut.

    SIGKILL, since SIGINT is ignored below a shell that has put the tests into the background.
    """
    fifo = project / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(
        COMMAND, cwd=project, env=environ(WAIT=str(fifo)), start_new_session=True
    ) as it:
        assert select.select([reader], [], [], 120)[0], "pip never built it"
        os.killpg(it.pid, signal.SIGKILL)
        assert it.wait(60) != 0
    os.close(reader)


def test_what_is_half_made_is_made_anew_and_what_is_whole_is_left_alone(project: Path) -> None:
    """One long test, since each virtual environment takes seconds."""
    without_pip = [sys.executable, "-m", "venv", "--without-pip", ".venv"]
    subprocess.run(without_pip, cwd=project, check=True)
    done = make(project, environ())
    assert done.returncode == 0, done.stderr
    assert is_whole(project)

    again = make(project, environ(REFUSE="1"))
    assert (again.returncode, again.stderr) == (0, "")

    os.utime(project / "pyproject.toml")
    refused = make(project, environ(REFUSE="1"))
    assert refused.returncode == 3
    assert "make-venv: the Python packages could not be installed" in refused.stderr
    assert is_whole(project), "what was there still runs the program"

    (lib,) = (project / ".venv" / "lib").iterdir()
    lib.rename(lib.with_name("python3.1"))
    assert not is_whole(project), "as after an upgrade of the system's Python"
    interrupt(project)
    assert not is_whole(project)
    assert make(project, environ()).returncode == 0
    assert is_whole(project)


def test_an_old_python_is_told_of(project: Path) -> None:
    old = project / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)
    command = [COMMAND[0], str(old), ".venv"]
    done = subprocess.run(
        command, cwd=project, env=environ(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "Python 3.10 or newer is needed" in done.stderr
