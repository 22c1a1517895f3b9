"""A second registry beside Debian's: distribution 3, where `make peers` has installed it by Go."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def second_registry() -> tuple[str, str]:
    """Its program and its version; both empty where there is none."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which("registry", path=beside) or shutil.which("registry") or ""
    return (program, _version_of(program)) if program else ("", "")


def _version_of(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"v?(\d+\.\d+\.\d+\S*)", done.stdout)
    return found[1] if found else "of an unknown version"
