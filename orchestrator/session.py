"""What a run needs while it runs, set up around it and gone after it.

The lock, the private folder with the logins, skopeo, the fast path and the state
database: they come in this order and go in the other.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from orchestrator.authfile import merged, parse_authfile, secrets_in
from orchestrator.command import Programs
from orchestrator.errors import ConfigurationError
from orchestrator.http import Http
from orchestrator.plan import Item
from orchestrator.pulls import Pulls
from orchestrator.registries_conf import read_registries_conf, usual_paths
from orchestrator.registry import RegistryClient
from orchestrator.settings import Login, Settings
from orchestrator.skopeo import Connection, Skopeo
from orchestrator.state import State
from orchestrator.targets import Target
from orchestrator.text import Redactor
from orchestrator.workspace import locked, private_folder, write_private

HEADS_AT_ONCE = 32
"""Questions to one registry at once; they are small, and none is counted."""

_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 10.0
"""Seconds; what the fast path can't have soon, skopeo asks for with more patience."""


class Ending:
    """Set once by Ctrl-C or SIGTERM: nothing new begins, and what runs is ended."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._is_asked = False

    def sleep(self, seconds: float) -> bool:
        """Wait; True where the run is to end meanwhile."""
        return self.event.wait(seconds)

    @contextmanager
    def on_signals(self, *end_all: Callable[[], None]) -> Iterator[None]:
        """End the run in good order when a signal asks for it, by calling these."""

        def end(_number: int, _frame: FrameType | None) -> None:
            # A second signal may come while the first is handled, and Event.set() would then
            # wait for itself.
            if self._is_asked:
                return
            self._is_asked = True
            self.event.set()
            for one in end_all:
                one()

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class Session:
    """The run's tools.

    Attributes:
        skopeo: Looks closely, and copies.
        client: Asks for digests over HTTP.
        state: What is remembered between runs.
        pulls: What Docker Hub has counted of this run.
    """

    skopeo: Skopeo
    client: RegistryClient
    state: State
    pulls: Pulls


@contextmanager
def session(
    settings: Settings, items: tuple[Item, ...], *, run_id: str, is_writing: bool, ending: Ending
) -> Iterator[Session]:
    """The tools for these items; a run that writes holds the lock all the while.

    Raises:
        LockedError: Another run holds the state directory.
        ToolMissingError: There is no skopeo.
        ConfigurationError: A file that is needed can't be read or written.
    """
    programs = Programs(settings.tool_environ)
    targets = tuple({item.target.name: item.target for item in items}.values())
    pulls = Pulls()
    with ExitStack() as stack:
        if is_writing:
            stack.enter_context(locked(settings.state_dir, run_id=run_id))
        folder = stack.enter_context(private_folder(settings.state_dir))
        http = stack.enter_context(
            closing(
                Http(
                    HEADS_AT_ONCE,
                    connect_timeout=_CONNECT_TIMEOUT,
                    read_timeout=min(_READ_TIMEOUT, settings.stall_timeout),
                )
            )
        )
        stack.enter_context(ending.on_signals(programs.end_all, http.end_all))
        logins = run_logins(settings, targets)
        state = stack.enter_context(closing(State(settings.state_dir)))
        client = RegistryClient(
            http,
            logins,
            is_insecure=settings.is_insecure,
            ca_of=settings.ca_of,
            conf=read_registries_conf(usual_paths(settings.tool_environ)),
        )
        connection = connection_of(settings, targets, folder, logins)
        skopeo = Skopeo(
            programs,
            connection,
            pulls,
            patience=settings.stall_timeout,
            put_index=client.put_index,
        )
        yield Session(skopeo, client, state, pulls)


def run_logins(settings: Settings, targets: tuple[Target, ...]) -> bytes:
    """The run's authfile: the user's own logins, with ours on top."""
    ours = [
        Login(target.base, target.username, target.password)
        for target in targets
        if target.username
    ]
    documents = (
        parse_authfile(path.read_bytes(), origin=str(path))
        for path in settings.user_authfiles
        if _is_readable(path)
    )
    return merged(documents, [*ours, *settings.logins])


def connection_of(
    settings: Settings, targets: tuple[Target, ...], folder: Path, logins: bytes
) -> Connection:
    """Write the run's authfile and the registries' own CAs, and say where they are."""
    authfile = folder / "auth.json"
    write_private(authfile, logins)
    certificates = {
        target.registry: _certificates(target.ca, folder / f"ca-{target.name}")
        for target in targets
        if target.ca
    }
    return Connection(
        authfile=authfile,
        is_insecure=settings.is_insecure,
        certificates=certificates.get,
        login_of=settings.login_of,
        redact=Redactor((*settings.secrets, *secrets_in(logins))),
    )


def _certificates(ca: Path, folder: Path) -> Path:
    """A folder as skopeo wants it: whatever ends in .crt there is an authority (certs.d(5))."""
    folder.mkdir()
    try:
        shutil.copyfile(ca, folder / "ca.crt")
    except OSError as error:
        raise ConfigurationError(f"{ca} can't be read: {error.strerror}") from None
    return folder


def _is_readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)
