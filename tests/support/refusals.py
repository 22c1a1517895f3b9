"""What registries say when they refuse, and what is to be made of it: refusals.txt, as values.

Each row is an answer to one request of a pull or a push. Real skopeo meets it at a stand-in
before a real registry. Where a row's words were seen, docs/registries.md says.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from demo.faults import Response, Rule
from demo.images import build_image, push
from demo.proxy import FaultProxy
from orchestrator.errors import ErrorKind, Side
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Reference, parse_digest
from orchestrator.skopeo.adapter import Skopeo
from orchestrator.skopeo.arguments import Connection, CopyRequest
from orchestrator.system.program import ProgramRunner
from tests.support.logins import document, entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.images import Image
    from demo.registry import Registry

LOGIN = "MIRROR_USERNAME and MIRROR_PASSWORD"
"""What holds the credentials of the registry that refuses."""

_CHALLENGE = 'Bearer realm="http://HOST/token",service="registry",scope="repository:a/b:pull"'
_PAGES = ("html", "text", "empty")
_HEADERS: Mapping[str, tuple[str, str]] = {
    "scope": ("WWW-Authenticate", f'{_CHALLENGE},error="insufficient_scope"'),
    "basic": ("WWW-Authenticate", 'Basic realm="registry"'),
    "pause": ("Retry-After", "1"),
}


@dataclass(frozen=True)
class Step:
    """One request of a pull or a push."""

    name: str
    side: Side
    method: str
    path: str


_SOURCE, _DESTINATION = Side.SOURCE, Side.DESTINATION
PING = Step("GET /v2/", _SOURCE, "GET", "^/v2/$")
TOKEN = Step("GET token", _SOURCE, "GET", "^/token")
MANIFEST = Step("GET manifest", _SOURCE, "GET", "/manifests/")
CONFIG = Step("GET config", _SOURCE, "GET", "/blobs/CONFIG")
LAYER = Step("GET layer", _SOURCE, "GET", "/blobs/LAYER")
PUSH_PING = Step("push: GET /v2/", _DESTINATION, "GET", "^/v2/$")
PUSH_TOKEN = Step("push: GET token", _DESTINATION, "GET", "^/token")
HEAD = Step("HEAD blob", _DESTINATION, "HEAD", "/blobs/sha256")
POST = Step("POST upload", _DESTINATION, "POST", "/blobs/uploads/")
PATCH = Step("PATCH upload", _DESTINATION, "PATCH", "/blobs/uploads/")
PUT_BLOB = Step("PUT upload", _DESTINATION, "PUT", "/blobs/uploads/")
PUT_MANIFEST = Step("PUT manifest", _DESTINATION, "PUT", "/manifests/")


STEPS = (
    PING,
    TOKEN,
    MANIFEST,
    CONFIG,
    LAYER,
    PUSH_PING,
    PUSH_TOKEN,
    HEAD,
    POST,
    PATCH,
    PUT_BLOB,
    PUT_MANIFEST,
)


@dataclass(frozen=True)
class Refusal:
    """One row.

    Attributes:
        name: What a test calls it, and what its words are recorded under.
        answer: With HOST for the registry's own address.
        says: What the message says, before the registry's own words.
        hint: With NAME, REGISTRY and LOGIN for what they are.
        is_transient: Whether it is tried again.
        has_login: Whether skopeo has a login for the registry.
        gives_token: Whether the registry sends its clients to a token server, which lets them in.
    """

    name: str
    step: Step
    answer: Response
    kind: ErrorKind
    says: str
    hint: str
    is_transient: bool
    has_login: bool
    gives_token: bool

    def hint_for(self, image: Reference) -> str:
        """The hint, with the image's own names in it."""
        named = self.hint.replace("NAME", image.name).replace("REGISTRY", image.registry)
        return named.replace("LOGIN", LOGIN)


def _rows(text: str) -> Iterator[Refusal]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield _row(*(cell.strip() for cell in line.split("|")))


def _row(
    registry: str,
    step: str,
    status: str,
    code: str,
    words: str,
    flags: str,
    kind: str,
    says: str,
    hint: str,
) -> Refusal:
    flag = set(flags.split())
    headers = {name: text for mark, (name, text) in _HEADERS.items() if mark in flag}
    return Refusal(
        name=f"{registry}, {step}: {status} {code} {words}{' with a login' * ('login' in flag)}",
        step=next(one for one in STEPS if one.name == step),
        answer=_answer(int(status), code, words, headers),
        kind=ErrorKind(kind),
        says=says,
        hint=hint,
        is_transient="again" in flag,
        has_login="login" in flag,
        gives_token="token" in flag,
    )


def _answer(status: int, code: str, words: str, headers: Mapping[str, str]) -> Response:
    """A page is what stands before a registry; the rest answers as the specification writes it."""
    if code in _PAGES:
        page = f"<html><title>{words}</title></html>" if code == "html" else words
        return Response(status, {"Content-Type": f"text/{code}", **headers}, page.encode())
    return Response.error(status, code, words, headers)


REFUSALS = tuple(_rows((Path(__file__).parent / "refusals.txt").read_text(encoding="utf-8")))


@contextmanager
def standing_in(row: Refusal, image: Image, registry: Registry) -> Iterator[FaultProxy]:
    """A registry that refuses what the row says, and is the real one otherwise."""
    with FaultProxy(registry.url) as proxy:
        if row.gives_token or "token" in row.step.name:
            challenge = {"WWW-Authenticate": _CHALLENGE.replace("HOST", proxy.host)}
            proxy.add(Rule(Response(401, challenge), path="^/v2/$"))
        if row.gives_token:
            proxy.add(Rule(Response(200, {}, b'{"token":"x"}'), path="^/token"))
        headers = {
            name: text.replace("HOST", proxy.host) for name, text in row.answer.headers.items()
        }
        path = row.step.path.replace("CONFIG", image.config_digest)
        path = path.replace("LAYER", image.layers[0].digest)
        answer = replace(row.answer, headers=headers)
        proxy.add(Rule(answer, method=row.step.method, path=path))
        yield proxy


def meet(row: Refusal, upstream: Registry, mirror: Registry, repository: str, folder: Path) -> None:
    """Have skopeo meet the refusal.

    Args:
        upstream: Gets what is pulled.
        mirror: Where it goes.
        repository: In both; nobody else uses it.
        folder: For the authfile.

    Raises:
        ImageError: As it is to be.
    """
    image = build_image(files={"etc/motd": repository.encode()})
    push(upstream.url, repository, "1", image)
    is_push = row.step.side is Side.DESTINATION
    with standing_in(row, image, mirror if is_push else upstream) as proxy:
        hosts = (upstream.host, proxy.host) if is_push else (proxy.host, mirror.host)
        source = Reference.parse(f"{hosts[0]}/{repository}:1")
        destination = Reference.parse(f"{hosts[1]}/{repository}:1")
        skopeo = _skopeo(row, proxy.host, folder)
        if row.step in (PING, TOKEN, MANIFEST):
            skopeo.read_manifest(source)
        request = CopyRequest(
            source.at(parse_digest(image.digest)), destination, Platform("linux", "amd64")
        )
        skopeo.copy(request)


def _skopeo(row: Refusal, host: str, folder: Path) -> Skopeo:
    authfile = folder / "auth.json"
    authfile.write_bytes(document({host: entry("me")} if row.has_login else {}))
    connection = Connection(
        authfile,
        is_insecure=lambda _: True,
        certificates=lambda _: None,
        login_of=lambda _: LOGIN,
        has_login=lambda _: row.has_login,
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return Skopeo(ProgramRunner(environ), connection)
