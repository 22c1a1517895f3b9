"""The process that has all modules imported and forks for each run: `python warm_server.py FD`.

It listens at the socket that is its file FD, serves one run at a time, and ends when its standard
input does.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import select
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TypedDict

_LAZY = "docker_image.reference encodings.utf_8_sig requests sh sqlite3 tabulate".split()
"""What the program imports when it comes to need it."""

_LARGEST_REQUEST = 1 << 20
_STREAMS = 3


_STATUS: list[int] = []
"""How a run has ended, once it has."""


class _Request(TypedDict):
    """What is to be run; `code` is what `python -c` would be given."""

    code: str
    arguments: list[str]
    folder: str
    environ: dict[str, str]


def _import_all() -> None:
    package = import_module("orchestrator")
    for found in pkgutil.walk_packages(package.__path__, "orchestrator."):
        import_module(found.name)
    for name in _LAZY:
        import_module(name)
    import_module("orchestrator.cli.parser").parse(["name"])  # compiles what is kept, as re does


def _leave() -> None:
    """The last of a run's exit functions: to take apart all that is imported would take long."""
    if _STATUS:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_STATUS[0])


def _serve(listener: socket.socket) -> None:
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        with connection:
            raw, files, _, _ = socket.recv_fds(connection, _LARGEST_REQUEST, _STREAMS)
            child = os.fork()
            if child == 0:
                connection.close()
                listener.close()
                _become(json.loads(raw), files)
            for file in files:
                os.close(file)
            _, status = os.waitpid(child, 0)
            connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(request: _Request, files: list[int]) -> NoReturn:
    """Python, as it would have been started."""
    for stream, file in enumerate(files):
        os.dup2(file, stream)
        os.close(file)
    # Anew, since those that there are go by what the files were: they would seek in a pipe.
    odd = "surrogateescape"
    sys.stdin = open(0, encoding="utf-8", errors=odd, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", errors=odd, closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environ"])
    sys.argv = ["-c", *request["arguments"]]
    sys.path[0] = ""
    try:
        exec(compile(request["code"], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102  (as for -c)
        sys.exit()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            _STATUS.append(ended.code or 0)
        raise


if __name__ == "__main__":
    atexit.register(_leave)
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    _import_all()
    gc.collect()
    gc.freeze()  # else each run's first collection would copy all that is imported
    _serve(socket.socket(fileno=int(sys.argv[1])))
