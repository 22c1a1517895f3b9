"""The `serve` command: a read-only registry front that answers original names from the mirror."""

from __future__ import annotations

import errno
import logging
import re
import threading
import time
from contextlib import closing
from pathlib import Path

from orchestrator.commands.inputs import Invocation, chosen_targets, read_images
from orchestrator.config.authfile import ready_targets, run_logins
from orchestrator.config.targets import Target
from orchestrator.errors import ExitStatus, FormatError, SyncerError, UsageError
from orchestrator.front.mirror import MirrorReader
from orchestrator.front.places import Places
from orchestrator.front.server import MOST_CONNECTIONS, FrontServer
from orchestrator.front.wishes import Wishes
from orchestrator.hosts import is_loopback
from orchestrator.oci.platform import PlatformChoice
from orchestrator.plan.items import name_items
from orchestrator.registry.client import RegistryClient, client_of
from orchestrator.state.directory import make_ready
from orchestrator.sync.session import StopSignal
from orchestrator.system.http import HttpClient
from orchestrator.text import first_lines

_log = logging.getLogger(__name__)

_LISTEN = "127.0.0.1:5100"
_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:]+)\]|(?P<four>[A-Za-z0-9.-]+)):(?P<port>[0-9]{1,5})"
)
_HINTS = {
    errno.EADDRINUSE: "another program has that port; choose another one with --listen",
    errno.EACCES: "choose a port from 1024 on with --listen; those below are root's",
}
WISHED = "wished.txt"
_LOOK_EVERY = 2.0
"""Seconds between looks whether the list has changed."""
_PATIENCE = 30.0
"""Seconds for the mirror's next bytes."""


def run(invocation: Invocation) -> ExitStatus:
    """Serve until a signal asks for the end.

    Raises:
        UsageError: `--listen` or `--platform` is wrong, or the address is taken.
        ConfigurationError: The list can't be read, or a target is not set up.
    """
    arguments, settings = invocation.arguments, invocation.settings
    targets = ready_targets(settings, chosen_targets(arguments, settings))
    if not targets:
        raise UsageError("SYNC_MODE is none: there is no mirror to serve", hint="name one: --to")
    address = parse_address(arguments.listen or _LISTEN)
    listed = _ListedPlaces(invocation, targets)
    make_ready(settings.state_dir)
    options = f"--platform={arguments.platform} " if arguments.platform else ""
    wishes = Wishes(settings.state_dir / WISHED, options)
    stop = StopSignal()
    http = HttpClient(MOST_CONNECTIONS, read_timeout=_PATIENCE, deadline=_PATIENCE)
    logins = run_logins(settings, tuple(targets.values()))

    def make_client() -> RegistryClient:
        return client_of(settings, http, logins)

    with closing(http), stop.on_signals():
        mirror = MirrorReader(make_client, listed.current, wishes)
        _serve(_listening(address, mirror), stop, invocation)
    return ExitStatus.OK


def parse_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`; an IPv6 address stands in brackets.

    Raises:
        UsageError: It is neither.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535:
        raise UsageError(f"--listen: '{text}' is no address", hint=f"write it as {_LISTEN}")
    return found["six"] or found["four"], int(found["port"])


def _listening(address: tuple[str, int], mirror: MirrorReader) -> FrontServer:
    try:
        return FrontServer(address, mirror)
    except OSError as error:
        hint = _HINTS.get(error.errno or 0, f"name an address of this machine, as {_LISTEN}")
        where = f"{address[0]}:{address[1]}"
        raise UsageError(f"{where} can't be listened on: {error.strerror}", hint=hint) from None


def _serve(server: FrontServer, stop: StopSignal, invocation: Invocation) -> None:
    if not is_loopback(server.host):
        _log.warning(
            "others reach %s, too: whoever does pulls from the mirror with your login",
            server.host,
        )
    out = invocation.streams.out
    print(f"serving http://{server.host}, until Ctrl-C", file=out)
    out.flush()
    thread = threading.Thread(target=server.serve_forever, name="front", daemon=True)
    thread.start()
    try:
        stop.event.wait()
    finally:
        server.shutdown()
        server.server_close()
        server.end_connections()


class _ListedPlaces:
    """Where the list puts its images; read again when the file has changed."""

    def __init__(self, invocation: Invocation, targets: dict[str, Target]) -> None:
        self._invocation = invocation
        self._targets = targets
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._seen = self._state_of_file()
        self._places = self._read()

    def current(self) -> Places:
        """As the list is now, or was before somebody broke it."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= _LOOK_EVERY:
                self._looked = now
                self._look()
            return self._places

    def _look(self) -> None:
        seen = self._state_of_file()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._places = self._read()
        except SyncerError as error:
            _log.warning("%s; what it said before still holds", error.message)
        else:
            _log.info("the list has changed: %d images", len(self._places))

    def _state_of_file(self) -> tuple[int, int]:
        arguments, settings = self._invocation.arguments, self._invocation.settings
        path = Path(arguments.file) if arguments.file else settings.base / "images.txt"
        try:
            found = path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size

    def _read(self) -> Places:
        arguments, settings = self._invocation.arguments, self._invocation.settings
        images = read_images(arguments, settings)
        named = name_items(
            images.with_placeholders(),
            targets=self._targets,
            others=settings.usable_targets,
            default_platform=settings.default_platform,
        )
        for problem in first_lines(named.problems, of="bad lines"):
            _log.warning("left out: %s", self._invocation.redact(problem))
        given = _platform(arguments.platform)
        served = given or settings.default_platform
        return Places(images, named, self._targets, platform=served, prefix=given)


def _platform(typed: str | None) -> PlatformChoice | None:
    try:
        return PlatformChoice.parse(typed) if typed else None
    except FormatError as error:
        raise UsageError(f"--platform: {error.message}", hint=error.hint) from None
