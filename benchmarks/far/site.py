"""A source and its targets as they are on the internet: TLS, and tokens where those are asked for.

What the tools trust, and the login to the targets, reach them as they reach any program: by the
environment, and by a file of logins in the home folder.
"""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from benchmarks.far.line import ANYWHERE, Line
from benchmarks.measure import Run, time_alone
from benchmarks.samples import PLATFORM
from benchmarks.tools import Job
from benchmarks.traffic import Traffic
from demo.proxy import Exchange, FaultProxy
from demo.registry import Certificate, Login, Registry, RegistryOptions, TokenAuth
from tests.support.certificates import make_certificate
from tests.support.tokens import Account, TokenOptions, TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.samples import Sample
    from benchmarks.tools import Tool

LOGIN = Login("mirror", "mirror-password")
"""Whose the targets are, where there are tokens; all others may only read."""

_ACCOUNTS = (Account(LOGIN), Account(push=""))


@dataclass(frozen=True)
class Side:
    """A registry, and the lines to it: its own, and one to its token server."""

    registry: Registry
    lines: tuple[Line, ...]

    @property
    def host(self) -> str:
        """What the tools call it."""
        return self.lines[0].host

    def watch(self, *, delay: float) -> _Watch:
        """See what is asked from now on, with a round trip of so many seconds."""
        for line in self.lines:
            line.take(delay=delay)
        return _Watch(self, len(self.registry.requests()))


@dataclass(frozen=True)
class _Watch:
    side: Side
    before: int

    def seen(self) -> Traffic:
        """What was asked since; of the bytes, those of TLS are counted as well."""
        asked = self.side.registry.requests()[self.before :]
        traffic = Traffic.of(Exchange(one.method, one.path, one.status, 0, 0) for one in asked)
        carried = self.side.lines[0].take(delay=0.0)
        return replace(traffic, up=carried.up, down=carried.down, busy=carried.busy)


@dataclass(frozen=True)
class Site:
    """The source, the targets, and how a tool gets at them."""

    folder: Path
    authority: Path
    source: Side
    targets: tuple[Side, ...]
    login: Login | None = None

    def job(self, images: Sequence[Sample], *, processes: int = 1) -> Job:
        """These images, from the source to all targets."""
        hosts = tuple(side.host for side in self.targets)
        return Job(
            self.source.host, hosts, tuple(images), PLATFORM, is_secure=True, processes=processes
        )

    def run(self, tool: Tool, job: Job, *, to_source: float, to_targets: float) -> Run:
        """Let a tool do the job, with so many seconds a round trip to either side."""
        folder = self.folder / "".join(filter(str.isalnum, tool.name))
        folder.mkdir(exist_ok=True)
        self._write_login(folder)
        command = tool.prepare(job, folder)
        trust = (f"SSL_CERT_FILE={self.authority}", f"REQUESTS_CA_BUNDLE={self.authority}")
        near = self.source.watch(delay=to_source)
        far = [side.watch(delay=to_targets) for side in self.targets]
        run = time_alone(tool.name, ("env", *trust, *command), folder)
        uploads = sum((watch.seen() for watch in far), Traffic())
        return replace(run, source=near.seen(), targets=uploads)

    def _write_login(self, home: Path) -> None:
        if self.login is None:
            return
        coded = b64encode(f"{self.login.user}:{self.login.password}".encode()).decode()
        auths = {side.host: {"auth": coded} for side in self.targets}
        path = home / ".docker" / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"auths": auths}), encoding="utf-8")


@contextmanager
def opened(
    folder: Path, *, targets: int = 1, has_tokens: bool = False, rate: int | None = None
) -> Iterator[Site]:
    """Registries of their own, with nothing in them; `rate` is each line's, in bytes a second."""
    certificate = make_certificate(folder, addresses=("127.0.0.1", ANYWHERE))
    with ExitStack() as stack:
        server = _token_server(stack, folder, certificate) if has_tokens else None
        login = LOGIN if has_tokens else None
        sides = [_side(stack, certificate, server, rate) for _ in range(1 + targets)]
        yield Site(folder, certificate.authority, sides[0], tuple(sides[1:]), login)


@contextmanager
def another_target(site: Site, *, rate: int | None = None) -> Iterator[Site]:
    """The same source with one new target, which has no image and nobody knows."""
    certificate = site.source.registry.options.certificate
    assert certificate is not None  # noqa: S101  (a site's registries speak TLS)
    with ExitStack() as stack:
        yield replace(site, targets=(_side(stack, certificate, None, rate),))


@dataclass(frozen=True)
class _TokenServer:
    """What registries are told of it, and its port, where it speaks TLS."""

    auth: TokenAuth
    port: int


def _token_server(stack: ExitStack, folder: Path, certificate: Certificate) -> _TokenServer:
    server = stack.enter_context(TokenServer(folder, TokenOptions(_ACCOUNTS)))
    where = urlsplit(server.auth.realm)
    proxy = FaultProxy(f"http://{where.netloc}", certificate=certificate)
    stack.enter_context(proxy)
    return _TokenServer(server.auth, _port_of(proxy.host))


def _side(
    stack: ExitStack, certificate: Certificate, server: _TokenServer | None, rate: int | None
) -> Side:
    tokens = [stack.enter_context(Line(server.port))] if server else []
    auth = replace(server.auth, realm=f"https://{_named(tokens[0])}/token") if server else None
    options = RegistryOptions(certificate=certificate, token=auth, login=LOGIN if server else None)
    registry = stack.enter_context(Registry(options))
    line = stack.enter_context(Line(_port_of(registry.host), rate=rate))
    return Side(registry, (line, *tokens))


def _named(line: Line) -> str:
    """A name, as crane takes no token from an address that can't be on the internet."""
    return f"localhost:{_port_of(line.host)}"


def _port_of(host: str) -> int:
    return int(host.rpartition(":")[2])
