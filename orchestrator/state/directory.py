"""The state directory: one run at a time, and a private folder for each.

The lock is the kernel's (flock), so it dies with its holder: a killed run
leaves nothing to be cleared away by hand. The private folder holds the
authfile; what a killed run left of it, the next run removes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from orchestrator.errors import ConfigurationError, LockedError

_PREFIX = "private-"
_ALIVE = "alive"
_OURS = ("lock", "private.lock", "data", "wished.txt")
_DATABASE = "state.db"
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_GUARD = "private.lock"
"""Held for an instant, so that no run sweeps a folder away which another one is making."""


@contextmanager
def locked(state_dir: Path, *, run_id: str) -> Iterator[None]:
    """Hold the state directory for one run.

    Raises:
        LockedError: Another run holds it; the message says which.
        ConfigurationError: The directory can't be written.
    """
    make_ready(state_dir)
    with _opened(state_dir / "lock") as file:
        if not _try_lock(file):
            raise LockedError(
                f"{state_dir} is held by {_holder(file)}",
                hint="wait until it has ended, or give this run a STATE_DIR of its own",
            )
        _name_holder(file, run_id, state_dir)
        yield
        file.truncate(0)


@contextmanager
def private_folder(state_dir: Path) -> Iterator[Path]:
    """A folder that only this user can read, gone at the end.

    What earlier runs that were killed have left is removed first.

    Raises:
        ConfigurationError: The state directory can't be written.
    """
    make_ready(state_dir)
    with ExitStack() as stack:
        with _opened(state_dir / _GUARD) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            _sweep(state_dir)
            folder = _new_folder(state_dir)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            _try_lock(stack.enter_context(_opened(folder / _ALIVE)))
        yield folder


def make_ready(state_dir: Path) -> None:
    """Make the state directory where it is missing, and see that nobody else writes there.

    Raises:
        ConfigurationError: It can't be written, or others can write to it.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(state_dir, error) from None
    if not os.access(state_dir, os.W_OK | os.X_OK):
        raise _unusable(state_dir, PermissionError(13, "permission denied"))
    _check_owner(state_dir)
    for name in (*_OURS, *(f"{_DATABASE}{suffix}" for suffix in _SUFFIXES)):
        if (state_dir / name).is_symlink():
            raise ConfigurationError(
                f"{state_dir / name} is a link, and is not followed", hint="remove it"
            )


def _check_owner(state_dir: Path) -> None:
    """Only who runs the program may write there: what is remembered is believed.

    Whoever else could write there could have any image called in sync, or have a file of this
    user's written over. Root may anyway; a group of this user's own is nobody else.
    """
    found = state_dir.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(
            f"the state directory {state_dir} belongs to another user",
            hint="set STATE_DIR to a folder of your own",
        )
    is_own_group = found.st_gid == os.getegid()
    if found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not is_own_group):
        raise ConfigurationError(
            f"the state directory {state_dir} can be written by others",
            hint=f"take that right away: chmod go-w {shlex.quote(str(state_dir))}",
        )


def _name_holder(file: IO[str], run_id: str, state_dir: Path) -> None:
    """Say in the lock who has it."""
    holder = {"run": run_id, "process": os.getpid(), "host": socket.gethostname()}
    try:
        file.truncate(0)
        file.write(json.dumps(holder))
        file.flush()
    except OSError as error:
        raise _unusable(state_dir, error) from None


def _new_folder(state_dir: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=state_dir))
    except OSError as error:
        raise _unusable(state_dir, error) from None


def _unusable(state_dir: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"the state directory {state_dir} can't be used: {error.strerror}",
        hint="set STATE_DIR to a folder that you can write",
    )


def _opened(path: Path) -> IO[str]:
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(path, flags, 0o600), "a+", encoding="utf-8")
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
        if folder.is_symlink():
            continue
        try:
            with _opened(folder / _ALIVE) as file:
                if not _try_lock(file):
                    continue
        except ConfigurationError:
            continue
        shutil.rmtree(folder, ignore_errors=True)
