"""The program started from a process that has its modules imported already.

Starting Python and importing takes most of a short run's time, and the suite has more than a
thousand of them. A process of each worker imports once and forks for each run: what the program
does, and in which folder, environment and streams, is the same as if it were started by itself.
What depends on how Python starts (its locale, its own variables) is for a real start.
"""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, final

from tests.support import warm_client, warm_server

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = "import sys; from orchestrator.__main__ import main; sys.exit(main())"


@final
class WarmProgram:
    """Runs the program by forking, one run at a time; started at its first use."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._address = str(Path(self._folder.name) / "socket")
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self._stop)

    def run(
        self, arguments: list[str], folder: Path, environ: Mapping[str, str], *, timeout: float
    ) -> tuple[int, bytes, bytes]:
        """The exit status (negative: the signal that ended it) and what it wrote."""
        self._start()
        request: dict[str, object] = {
            "code": _PROGRAM,
            "arguments": arguments,
            "folder": str(folder),
            "environ": dict(environ),
        }
        nothing = os.open(os.devnull, os.O_RDONLY)
        out, err = (os.memfd_create(name) for name in ("out", "err"))
        try:
            files = [nothing, out, err]
            status = warm_client.ask(self._address, request, files, timeout=timeout)
            return status, _written(out), _written(err)
        except TimeoutError:
            self._kill()
            raise
        finally:
            for file in (nothing, out, err):
                os.close(file)

    def python(self) -> str:
        """A program to start in the place of Python, which forks for what `-c` gives it.

        Of our modules it has those of this checkout. A signal ends it alone, and not what it has
        begun: what is to be stopped needs a real Python.
        """
        self._start()
        python = Path(self._folder.name) / "python"
        if not python.exists():
            client = shlex.join([sys.executable, "-IS", warm_client.__file__, self._address])
            python.write_text(f'#!/bin/sh\nexec {client} "$@"\n', encoding="utf-8")
            python.chmod(0o755)
        return str(python)

    def _start(self) -> None:
        if self._process is not None:
            return
        Path(self._address).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self._address)
            listener.listen()
            self._process = subprocess.Popen(
                [sys.executable, warm_server.__file__, str(listener.fileno())],
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )

    def _stop(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()
        self._folder.cleanup()

    def _kill(self) -> None:
        """End it and the run that it has begun."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


WARM = WarmProgram()
"""The one of this worker."""


def _written(file: int) -> bytes:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(os.dup(file), "rb") as stream:
        return stream.read()
