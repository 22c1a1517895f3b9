"""The program started from a process that has its modules imported already.

Starting Python and importing takes most of a short run's time, and the suite has more than a
thousand of them. A process of each worker imports once and forks for each run: what the program
does, and in which folder, environment and streams, is the same as if it were started by itself.
What depends on how Python starts (its locale, its own variables) is for a real start.
"""

from __future__ import annotations

import atexit
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

_LAZY = ("docker_image.reference", "requests", "sqlite3", "tabulate")
"""What the program imports when it comes to need it."""

_OF_PYTHON = ("LANG", "LC_", "PYTHON", "TZ", "LD_")
"""How the variables begin that are read while Python starts; LANGUAGE is the program's own."""

_LARGEST_REQUEST = 1 << 20


class _Request(TypedDict):
    arguments: list[str]
    folder: str
    environ: dict[str, str]


def needs_real_start(environ: Mapping[str, str]) -> bool:
    """Whether a variable would come too late."""
    return any(name.startswith(_OF_PYTHON) and name != "LANGUAGE" for name in environ)


class WarmProgram:
    """Runs the program by forking; started at its first use."""

    def __init__(self) -> None:
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self, arguments: list[str], folder: Path, environ: Mapping[str, str], *, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """The exit status (negative: the signal that ended it) and what it wrote."""
        connection = self._connection or self._start()
        out, err = (os.memfd_create(name) for name in ("out", "err"))
        try:
            request = _Request(arguments=arguments, folder=str(folder), environ=dict(environ))
            socket.send_fds(connection, [json.dumps(request).encode()], [out, err])
            connection.settimeout(timeout)
            status = int(connection.recv(16))
            return status, _written(out), _written(err)
        except TimeoutError:
            self._kill()
            raise
        finally:
            os.close(out)
            os.close(err)

    def _stop(self) -> None:
        if self._connection is not None and self._process is not None:
            self._connection.close()
            self._process.wait()

    def _kill(self) -> None:
        """End it and the run that it has begun."""
        if self._connection is not None and self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._connection.close()
            self._connection = None

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._connection = ours
        atexit.register(self._stop)
        return ours


def _written(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(os.dup(file), "rb") as stream:
        return stream.read()


def _import_all() -> None:
    package = import_module("orchestrator")
    for found in pkgutil.walk_packages(package.__path__, "orchestrator."):
        import_module(found.name)
    for name in _LAZY:
        import_module(name)


def _serve(connection: socket.socket) -> None:
    while True:
        raw, files, _, _ = socket.recv_fds(connection, _LARGEST_REQUEST, 2)
        if not raw:
            return
        child = os.fork()
        if child == 0:
            connection.close()
            _become(json.loads(raw), *files)
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: _Request, out: int, err: int) -> NoReturn:
    """The program, as it would have been started."""
    from orchestrator.__main__ import main  # noqa: PLC0415  (on a path that the script has set)

    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv = ["orchestrator", *request["arguments"]]
    sys.exit(main())


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    _import_all()
    _serve(socket.socket(fileno=int(sys.argv[1])))
