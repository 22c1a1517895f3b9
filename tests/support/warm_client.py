"""Asks a warm process for a run; as a script, it stands in for Python itself.

    python warm_client.py ADDRESS [what would be given to Python]

`-c CODE ...` is run by the warm process, in this one's folder and environment and on its streams;
whatever else Python may be asked for, Python does. It imports little, since each of a played
workflow's steps starts it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

_OF_PYTHON = ("LANG", "LC_", "PYTHON", "TZ", "LD_")
"""How the variables begin that are read while Python starts; LANGUAGE is the program's own."""

_COERCED = ("LC_CTYPE", "C.UTF-8")
"""What each Python sets that finds no locale (PEP 538)."""


def needs_real_start(names: list[str]) -> bool:
    """Whether a variable, of these that are set, would come too late."""
    return any(name.startswith(_OF_PYTHON) and name != "LANGUAGE" for name in names)


def ask(
    address: str, request: dict[str, object], files: list[int], *, timeout: float | None = None
) -> int:
    """Have it run on these streams; returns the exit status, or minus the signal that ended it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(timeout)
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(request).encode()], files)
        return int(connection.recv(16))


def _main(address: str, arguments: list[str]) -> int:
    given = [name for name, value in os.environ.items() if (name, value) != _COERCED]
    if arguments[:1] != ["-c"] or needs_real_start(given):
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606  (it becomes Python)
    _, code, *rest = arguments
    request: dict[str, object] = {
        "code": code,
        "arguments": rest,
        "folder": os.getcwd(),  # noqa: PTH109  (pathlib is slow to import)
        "environ": dict(os.environ),
    }
    status = ask(address, request, [0, 1, 2])
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
