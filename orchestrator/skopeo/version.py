"""Which skopeo will do, and how to get it.

skopeo 1.9.3 (Debian 12) has all that we need. 1.4 (Ubuntu 22.04) lacks `--preserve-digests`, which
came with 1.6, and `--multi-arch`: it will do where the relay stands in for a target, which takes no
manifest but the one that was planned.
"""

from __future__ import annotations

import re

from orchestrator.errors import ErrorKind, ImageError, ToolMissingError
from orchestrator.oci.reference import Reference
from orchestrator.system.files import checkout_file
from orchestrator.system.parallel import OncePerKey
from orchestrator.system.program import ProgramRunner

OLDEST = (1, 4, 0)
OLDEST_ALONE = (1, 9, 3)
"""The oldest that keeps digests by itself."""

_OLDEST_NAME = "1.4"
_ALONE_NAME = ".".join(map(str, OLDEST_ALONE))
_VERSION = re.compile(rb"skopeo version (\d+)\.(\d+)\.(\d+)")


class InstalledSkopeo:
    """The skopeo that is found; it is asked for its version once, when it is first needed.

    Args:
        programs: Starts it.
        patience: Seconds for an answer.

    Raises:
        ToolMissingError: It is not there. One that is too old is noticed when it is first used.
    """

    def __init__(self, programs: ProgramRunner, patience: float) -> None:
        self.path = programs.find("skopeo", hint=install_hint())
        self._programs = programs
        self._patience = patience
        self._asked = OncePerKey(self._ask)
        self.used_version = ""

    def version(self) -> tuple[int, ...]:
        """Its version, which is new enough.

        Raises:
            ToolMissingError: It is too old, or says none.
        """
        return self._asked(self.path)

    def keeps_digests(self) -> bool:
        """Whether it can be told to keep digests, and to push an index alone."""
        return self.version() >= OLDEST_ALONE

    def _ask(self, path: str) -> tuple[int, ...]:
        output = self._programs.run([path, "--version"], stall_timeout=self._patience).stdout
        version = checked_version(path, output)
        self.used_version = ".".join(map(str, version))
        return version


def checked_version(path: str, output: bytes) -> tuple[int, ...]:
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
    if version < OLDEST:
        shown = ".".join(map(str, version))
        message = f"skopeo {shown} is too old: {_OLDEST_NAME} is the oldest that will do"
        raise ToolMissingError(message, hint=install_hint())
    return version


def too_old_alone(destination: Reference, version: str) -> ImageError:
    """What to say of a target that is not relayed to a skopeo that keeps no digests."""
    return ImageError(
        ErrorKind.TOOL,
        f"{destination.familiar}: skopeo {version} is too old to push to {destination.registry} "
        "itself",
        hint=f"install skopeo {_ALONE_NAME} or newer; or set RELAY=auto and a login that the "
        "relay can use (syncer doctor says which registries it pushes to)",
        registry=destination.registry,
    )


def install_hint() -> str:
    """How to get it: by the script that a checkout has and an installed package lacks."""
    script = checkout_file("bin/install-tools")
    first = f"run {script}, or " if script else ""
    return (
        f"{first}install skopeo {_ALONE_NAME} or newer: apt-get install skopeo (Debian 12, Ubuntu "
        "24.04 and later), dnf install skopeo, brew install skopeo"
    )
