"""What the action installs: by hash, from a lock file that has all that the program asks for."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from pathlib import Path

LOCK = ROOT / ".github" / "actions" / "sync" / "requirements.txt"
PYPROJECT = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
NEEDED = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]


def locked() -> list[tuple[Requirement, int]]:
    """Each requirement of the lock file, and how many hashes it has."""
    text = LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [
        (Requirement(line.partition(" --hash=")[0]), line.count(" --hash=sha256:"))
        for line in lines
    ]


@pytest.mark.parametrize("needed", NEEDED, ids=[needed.name for needed in NEEDED])
def test_a_requirement_is_locked_within_its_range(needed: Requirement) -> None:
    pins = [pin for pin, _ in locked() if canonicalize_name(pin.name) == needed.name]
    assert pins
    for pin in pins:
        (version,) = pin.specifier
        assert needed.specifier.contains(version.version)


def test_each_locked_package_is_one_version_with_its_hashes() -> None:
    for pin, hashes in locked():
        assert [one.operator for one in pin.specifier] == ["=="]
        assert pin.url is None
        assert hashes


def test_nothing_else_stands_in_the_lock_file() -> None:
    """No index, and no option: whose packages they are is the user's choice."""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        assert re.match(r"#|[a-z0-9]|    --hash=sha256:[0-9a-f]{64}( \\)?$", line), line


def test_the_action_takes_nothing_that_is_not_in_it(tmp_path: Path) -> None:
    """A stand-in for Python makes its own environment, and says what pip was told."""
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\necho "$*" >>"$RUNNER_TEMP/said"\n'
        '[ "$2" != venv ] || { mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; }\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    (tmp_path / "skopeo").write_text("#!/bin/sh\necho skopeo version 1.13.3\n")
    (tmp_path / "skopeo").chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHON": str(python),
        "RUNNER_TEMP": str(tmp_path),
    }
    subprocess.run([str(ROOT / "bin" / "actions-setup")], env=environ, check=True)
    _, installed = (tmp_path / "said").read_text(encoding="utf-8").splitlines()
    assert installed.startswith("-m pip install ")
    assert "--require-hashes" in installed
    assert installed.endswith(f" --requirement {LOCK.relative_to(ROOT)}")
