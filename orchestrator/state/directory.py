"""The state directory: one run at a time, and a private folder for each.

The lock is the kernel's (flock), so it dies with its holder: a killed run
leaves nothing to be cleared away by hand. The private folder holds the
authfile; what a killed run left of it, the next run removes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from orchestrator.errors import ConfigurationError, LockedError

_PREFIX = "private-"
_ALIVE = "alive"
_GUARD = "private.lock"
"""Held for an instant, so that no run sweeps a folder away which another one is making."""


@contextmanager
def locked(state_dir: Path, *, run_id: str) -> Iterator[None]:
    """Hold the state directory for one run.

    Raises:
        LockedError: Another run holds it; the message says which.
        ConfigurationError: The directory can't be written.
    """
    _make(state_dir)
    path = state_dir / "lock"
    with _opened(path) as file:
        if not _try_lock(file):
            raise LockedError(
                f"{state_dir} is held by {_holder(file)}",
                hint="wait until it has ended, or give this run a STATE_DIR of its own",
            )
        file.truncate(0)
        holder = {"run": run_id, "process": os.getpid(), "host": socket.gethostname()}
        file.write(json.dumps(holder))
        file.flush()
        yield
        file.truncate(0)


@contextmanager
def private_folder(state_dir: Path) -> Iterator[Path]:
    """A folder that only this user can read, gone at the end.

    What earlier runs that were killed have left is removed first.

    Raises:
        ConfigurationError: The state directory can't be written.
    """
    _make(state_dir)
    with ExitStack() as stack:
        with _opened(state_dir / _GUARD) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            _sweep(state_dir)
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=state_dir))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            _try_lock(stack.enter_context(_opened(folder / _ALIVE)))
        yield folder


def _make(state_dir: Path) -> None:
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(state_dir, error) from None
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise _unusable(state_dir, PermissionError(13, "permission denied"))


def _unusable(state_dir: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the state directory {state_dir} can't be used: {error.strerror}",
        hint="set STATE_DIR to a folder that you can write",
    )


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise _unusable(path.parent, error) from None


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        return f"run {holder['run']} (process {holder['process']} on {holder['host']})"
    except (ValueError, KeyError, TypeError):
        return "another run"


def _sweep(state_dir: Path) -> None:
    """Remove the folders whose runs are gone: nobody holds their lock any more."""
    for folder in state_dir.glob(f"{_PREFIX}*"):
        try:
            with (folder / _ALIVE).open("a+", encoding="utf-8") as file:
                if not _try_lock(file):
                    continue
        except OSError:
            continue
        shutil.rmtree(folder, ignore_errors=True)
