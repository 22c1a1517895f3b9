"""Real registries for the demo, the tests and the benchmarks: Debian's `docker-registry`.

Each one listens on a free loopback port, keeps its images in a temporary folder and is gone,
folder and all, when its `with` ends.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, final
from urllib.parse import urljoin

from requests import Response, Session, codes

from demo.binaries import find_registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""All four are asked for always: a registry converts what a client doesn't say it accepts."""

USER_AGENT = "laboratory"
TIMEOUT = 30.0

_LISTENING = re.compile(r"listening on [\d.]+:(\d+)")
_ACCESS = re.compile(r'"(?P<method>[A-Z]+) (?P<path>\S+) [^"]*" (?P<status>\d+) .*"(?P<agent>.*)"$')
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Login:
    """Who a client says it is."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The PEM files of a TLS server, and of the authority that its clients have to trust."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class TokenAuth:
    """The token server that a registry sends its clients to (distribution's auth.token)."""

    realm: str
    service: str
    issuer: str
    root_certificates: Path


@dataclass(frozen=True, slots=True)
class RegistryOptions:
    """How a registry differs from the plain one: open to everybody, plain HTTP.

    With `token`, `login` is the one that the laboratory's own questions use. Layers that may only
    be fetched from elsewhere are refused, unless it says otherwise. `program` is another one than
    Debian's.
    """

    login: Login | None = None
    certificate: Certificate | None = None
    token: TokenAuth | None = None
    host: str = "127.0.0.1"
    allows_foreign_layers: bool = False
    program: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One line of a registry's access log."""

    method: str
    path: str
    status: int
    user_agent: str


class RegistryFailedError(Exception):
    """The registry did not start; the text is the end of its log."""


@final
class Registry:
    """A running registry, as long as its `with` lasts."""

    def __init__(self, options: RegistryOptions | None = None) -> None:
        self.options = options or RegistryOptions()
        self.host = ""
        self._storage = tempfile.TemporaryDirectory(prefix="registry-")
        self._folder = Path(self._storage.name)
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self._asked: list[Request] = []

    def __enter__(self) -> Registry:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address with its scheme, without a slash at the end."""
        return f"{'https' if self.options.certificate else 'http'}://{self.host}"

    def stop(self) -> None:
        """Ends the registry and deletes what it stored; twice is once."""
        if self._process is not None:
            _end(self._process)
        self._storage.cleanup()

    def requests(self) -> tuple[Request, ...]:
        """What clients asked so far, in the order answered; the laboratory's own calls left out."""
        with self._log("access").open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        requests_ = (_parse_access(line) for line in whole.decode().splitlines())
        self._asked += (r for r in requests_ if r is not None and r.user_agent != USER_AGENT)
        return tuple(self._asked)

    def tags(self, repository: str) -> tuple[str, ...]:
        """The repository's tags, sorted; none where there is no such repository."""
        response = self._ask("GET", f"/v2/{repository}/tags/list")
        return tuple(sorted(response.json()["tags"] or ())) if response else ()

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest of a tag, or None where there is no such tag."""
        response = self._ask("HEAD", f"/v2/{repository}/manifests/{reference}")
        return response.headers["Docker-Content-Digest"] if response else None

    def manifest(self, repository: str, reference: str) -> bytes:
        """The manifest's bytes as they are stored."""
        response = self._ask("GET", f"/v2/{repository}/manifests/{reference}")
        if response is None:
            raise LookupError(f"{self.host} has no {repository}, {reference}")
        return bytes(response.content)

    def delete(self, repository: str, digest: str, *, kind: str = "manifests") -> None:
        """Takes a manifest, or with `kind="blobs"` a blob, away, as a cleanup does."""
        if self._ask("DELETE", f"/v2/{repository}/{kind}/{digest}") is None:
            raise LookupError(f"{self.host} has no {repository}, {digest}")

    def _ask(self, method: str, path: str) -> Response | None:
        authority = self.options.certificate.authority if self.options.certificate else None
        accept = {"Accept": ", ".join(MANIFEST_TYPES)}
        with Client(self.url, self.options.login, authority=authority) as client:
            response = client.ask(method, path, headers=accept)
        if response.status_code == codes.not_found:
            return None
        response.raise_for_status()
        return response

    def _start(self) -> None:
        config = self._folder / "config.yml"
        config.write_text(_configuration(self.options, self._folder), encoding="utf-8")
        with self._log("access").open("wb") as access, self._log("registry").open("wb") as log:
            self._process = _start(self.options.program, config, access, log)
        self._wait_until_listening(self._process)

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _wait_until_listening(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and process.poll() is None:
            log = self._log("registry").read_text(encoding="utf-8")
            if found := _LISTENING.search(log):
                self.host = f"{self.options.host}:{found[1]}"
                return
            time.sleep(0.01)
        raise RegistryFailedError(self._log("registry").read_text(encoding="utf-8")[-2000:])


@final
class Client:
    """Speaks to one registry, and answers its Basic and Bearer challenges.

    Proxies and login files of the environment play no part.
    """

    def __init__(
        self, url: str, login: Login | None = None, *, authority: Path | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._login = (login.user, login.password) if login else None
        self._session = Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        if authority:
            self._session.verify = str(authority)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._session.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """The answer, whatever its status; `path` may be a Location, whole or relative."""
        url = urljoin(f"{self._url}/", path)
        response = self._session.request(method, url, headers=headers, data=body, timeout=TIMEOUT)
        challenge = response.headers.get("WWW-Authenticate")
        if response.status_code != codes.unauthorized or not challenge:
            return response
        self._session.headers.pop("Authorization", None)
        self._session.headers["Authorization"] = self._meet(challenge)
        return self._session.request(method, url, headers=headers, data=body, timeout=TIMEOUT)

    def _meet(self, challenge: str) -> str:
        if challenge.startswith("Bearer "):
            return f"Bearer {self._fetch_token(dict(_CHALLENGE.findall(challenge)))}"
        return f"Basic {b64encode(':'.join(self._login or ('', '')).encode()).decode()}"

    def _fetch_token(self, challenge: Mapping[str, str]) -> str:
        asked = {name: challenge[name] for name in ("service", "scope") if name in challenge}
        response = self._session.get(
            challenge["realm"], params=asked, auth=self._login, timeout=TIMEOUT
        )
        response.raise_for_status()
        return str(response.json()["token"])


def _start(
    other: str | None, config: Path, access: IO[bytes], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    program = other or find_registry()
    if program is None:
        raise RegistryFailedError("docker-registry is not there; run: make setup-dev")
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "OTEL_TRACES_EXPORTER": "none",
        "GOGC": "1000",  # a third of its time went into the collection of a few megabytes
    }
    return subprocess.Popen(
        [program, "serve", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=access,
        stderr=log,
        env=environ,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _parse_access(line: str) -> Request | None:
    if not (found := _ACCESS.search(line)):
        return None
    return Request(found["method"], found["path"], int(found["status"]), found["agent"])


def _configuration(options: RegistryOptions, folder: Path) -> str:
    """The registry's YAML, written as JSON: a YAML reader takes both.

    `http.host` stays unset and URLs relative, so that a proxy may stand in front; port 0 lets the
    kernel choose, so that no two registries ever race for one.
    """
    http: dict[str, object] = {
        "addr": f"{options.host}:0",
        "relativeurls": True,
        "secret": "laboratory",
    }
    if tls := options.certificate:
        http["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
    storage = {
        "filesystem": {"rootdirectory": str(folder / "images")},
        "delete": {"enabled": True},
        "cache": {"blobdescriptor": "inmemory"},
        "maintenance": {"uploadpurging": {"enabled": False}},
    }
    log = {"level": "info", "accesslog": {"disabled": False}}
    parts = {"version": "0.1", "log": log, "storage": storage, "http": http}
    if options.allows_foreign_layers:
        parts["validation"] = {"manifests": {"urls": {"allow": ["^https://"]}}}
    if auth := _authentication(options, folder):
        parts["auth"] = auth
    return json.dumps(parts, indent=1)


def _authentication(options: RegistryOptions, folder: Path) -> Mapping[str, object]:
    if options.token:
        names = {"root_certificates": "rootcertbundle"}
        values = asdict(options.token).items()
        return {"token": {names.get(name, name): str(value) for name, value in values}}
    if options.login:
        users = folder / "htpasswd"
        users.write_text(_htpasswd(options.login), encoding="utf-8")
        return {"htpasswd": {"realm": "laboratory", "path": str(users)}}
    return {}


def _htpasswd(login: Login) -> str:
    import bcrypt  # noqa: PLC0415  (only registries with a login need it)

    hashed = bcrypt.hashpw(login.password.encode(), bcrypt.gensalt(rounds=4))
    return f"{login.user}:{hashed.decode()}\n"
