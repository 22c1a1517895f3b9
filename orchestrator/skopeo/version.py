"""Which skopeo will do, and how to get it.

skopeo 1.9.3 is the oldest that has what we need (`--preserve-digests` came with 1.6, and 1.9.3 is
what Debian 12 has).
"""

from __future__ import annotations

import re

from orchestrator.errors import ToolMissingError
from orchestrator.system.files import checkout_file

OLDEST = (1, 9, 3)
_OLDEST_NAME = ".".join(map(str, OLDEST))
_VERSION = re.compile(rb"skopeo version (\d+)\.(\d+)\.(\d+)")


def checked_version(path: str, output: bytes) -> str:
    """The version that a skopeo says it is.

    Args:
        path: The program.
        output: What `--version` printed.

    Raises:
        ToolMissingError: It is too old, or says none.
    """
    match = _VERSION.search(output)
    if match is None:
        message = f"{path} does not say which version of skopeo it is"
        raise ToolMissingError(message, hint=install_hint())
    version = tuple(int(part) for part in match.groups())
    shown = ".".join(map(str, version))
    if version < OLDEST:
        message = f"skopeo {shown} is too old: {_OLDEST_NAME} is the oldest that will do"
        raise ToolMissingError(message, hint=install_hint())
    return shown


def install_hint() -> str:
    """How to get it: by the script that a checkout has and an installed package lacks."""
    script = checkout_file("bin/install-tools")
    first = f"run {script}, or " if script else ""
    return (
        f"{first}install skopeo {_OLDEST_NAME} or newer: apt-get install skopeo (Debian 12, Ubuntu "
        "24.04 and later), dnf install skopeo, brew install skopeo"
    )
