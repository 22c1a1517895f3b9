"""Whoever else is on the machine, and a skopeo that lies: nothing is written, nothing is told."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.faults import Call, Rule
from demo.images import build_image
from demo.proxy import FaultProxy
from orchestrator.config.authfile import Credentials
from orchestrator.config.registries_conf import RegistriesConf
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.challenge import basic_authorization
from orchestrator.registry.client import RegistryClient
from orchestrator.relay.relay import Relay
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.system.http import HttpClient
from tests.support.runs import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Site

BLOB = b"b" * 1000
PATIENCE = 10.0
CONNECTIONS = 200
TOO_MANY = 600
"""More than the relay takes at once."""


@dataclass(frozen=True)
class Door:
    """The relay while a copy is open, as one sees it who knows the key.

    Attributes:
        base: Path of the copy's repository.
        login: The header that skopeo has and nobody else.
    """

    host: str
    base: str
    login: str
    password: str

    def connect(self) -> socket.socket:
        host, _, port = self.host.partition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE)

    def say(self, text: str) -> bytes:
        """All that is answered until the relay closes, once the other side says no more."""
        with self.connect() as connection:
            connection.sendall(text.encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer

    def request(self, line: str, *headers: str, body: str = "") -> bytes:
        """The answer to a well-formed request of skopeo's."""
        given = (f"Host: {self.host}", f"Authorization: {self.login}", *headers)
        return self.say("\r\n".join((f"{line} HTTP/1.1", *given, "", body)))

    def filled(self, text: str) -> str:
        names = {"base": self.base, "host": self.host, "login": self.login}
        for name, value in names.items():
            text = text.replace(f"<{name}>", value)
        return text.replace("\n", "\r\n")


def status_of(answer: bytes) -> int | None:
    """The first answer's status; None where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer else None


@pytest.fixture(scope="module")
def relay() -> Iterator[Relay]:
    """A relay to any registry."""
    with ExitStack() as stack:
        http = stack.enter_context(closing(HttpClient()))
        client = RegistryClient(
            http, b"{}", is_insecure=lambda _: True, ca_of=lambda _: None, conf=RegistriesConf()
        )
        yield stack.enter_context(closing(Relay(client, client.reason_against, port=0)))


@contextmanager
def door_of(site: Site, relay: Relay, *, blob: bytes = b"", tag: str = "1") -> Iterator[Door]:
    """A copy that is open, of an image that has this blob."""
    destination = Reference.parse(f"{site.mirror.host}/{site.namespace}/app:{tag}")
    request = CopyRequest(
        source=Reference.parse(site.source()).at(Digest("sha256:" + "1" * 64)),
        destination=destination,
        platform=Platform.parse("linux/amd64"),
        keeps_digests=False,
        blobs={digest_of(blob): len(blob)} if blob else {},
    )
    login = Credentials(relay.login.username, relay.login.password)
    with relay.route(request) as route:
        base = f"/v2/{route.address.repository}"
        host = relay.login.registry
        yield Door(host, base, basic_authorization(login), relay.login.password)


def written(site: Site) -> list[str]:
    """What was written at the target, and stays."""
    return [one.path for one in site.writes() if one.method == "PUT" and one.status < 300]


LOGIN = "Host: <host>\nAuthorization: <login>\n"
MANIFEST = "PUT <base>/manifests/1 HTTP/1.1\n" + LOGIN + "Content-Type: x\n"
SECOND = "PUT <base>/manifests/1 HTTP/1.1\n" + LOGIN + "Content-Length: 2\n\n{}"
ROWS: dict[str, tuple[str, int | None]] = {
    # Another user of this machine: knows the port and, by skopeo's command line, the key.
    "no password": ("GET /v2/ HTTP/1.1\nHost: <host>\n\n", 401),
    "the key alone": ("POST <base>/blobs/uploads/ HTTP/1.1\nHost: <host>\n\n", 401),
    "the key alone, a manifest": (MANIFEST.replace("<login>", "") + "Content-Length: 2\n\n{}", 401),
    "wrong password": (MANIFEST.replace("<login>", "Basic eDp5") + "\n", 401),
    "password as a token": (MANIFEST.replace("<login>", "Bearer x") + "\n", 401),
    "login of no text": ("GET /v2/ HTTP/1.1\nAuthorization: Basic \xff\xfe\n\n", 401),
    "second request without": ("GET /v2/ HTTP/1.1\n\n" + SECOND, 401),
    "a request line too long": (f"GET /{'a' * 70_000} HTTP/1.1\n\n", 414),
    "too many headers": ("GET /v2/ HTTP/1.1\n" + "X: y\n" * 200 + "\n", 431),
    "headers too long": ("GET /v2/ HTTP/1.1\n" + f"X: {'y' * 20_000}\n" * 4 + "\n", 431),
    "HTTP 0.9": ("GET /v2/\n\n", None),
    "HTTP 2": ("GET /v2/ HTTP/2.0\n\n", None),
    "no HTTP": ("EHLO mail\n\n", None),
    "no such method": ("BREW /v2/ HTTP/1.1\n\n", 501),
    "a proxy's method": ("CONNECT 127.0.0.1:22 HTTP/1.1\n\n", 501),
    # skopeo itself, or whoever has its login.
    "another tag": (MANIFEST.replace("/1 ", "/2 ") + "Content-Length: 2\n\n{}", 403),
    "another digest": (MANIFEST.replace("/1 ", f"/sha256:{'0' * 64} ") + "\n", 403),
    "another repository": (MANIFEST.replace("<base>", "<base>/x") + "\n", 404),
    "a path that climbs": (MANIFEST.replace("<base>", "<base>/../x") + "\n", 404),
    "an escaped path": (MANIFEST.replace("<base>", "<base>%2f..%2fx") + "\n", 404),
    "no such key": (MANIFEST.replace("<base>", f"/v2/{'0' * 32}/app") + "\n", 404),
    "a path with a zero": ("GET /v2/\0 HTTP/1.1\n" + LOGIN + "\n", 404),
    "a whole URL": ("GET http://registry.test/v2/ HTTP/1.1\n" + LOGIN + "\n", 404),
    "a deletion": ("DELETE <base>/manifests/1 HTTP/1.1\n" + LOGIN + "\n", 405),
    "a blob read": (f"GET <base>/blobs/sha256:{'0' * 64} HTTP/1.1\n" + LOGIN + "\n", 405),
    "no digest": ("HEAD <base>/blobs/sha256:zz HTTP/1.1\n" + LOGIN + "\n", 404),
    "an upload that nobody began": (
        "PATCH <base>/blobs/uploads/none HTTP/1.1\n" + LOGIN + "Content-Length: 1\n\nx",
        404,
    ),
    "another host's name": (SECOND.replace("<host>", "registry.test"), 421),
    "two hosts": (SECOND.replace("Host:", "Host: registry.test\nHost:"), 421),
    "no host": (SECOND.replace("Host: <host>\n", ""), 421),
    "a manifest too large": (MANIFEST + "Content-Length: 4194305\n\n{}", 413),
    "a manifest of unknown length": (
        MANIFEST + "Transfer-Encoding: chunked\n\n2\n{}\n0\n\n",
        413,
    ),
    "a manifest cut short": (MANIFEST + "Content-Length: 500\n\n{}", None),
    "length and chunks": (
        MANIFEST + "Content-Length: 2\nTransfer-Encoding: chunked\n\n{}" + SECOND,
        400,
    ),
    "two lengths": (MANIFEST + "Content-Length: 2\nContent-Length: 9\n\n{}", 400),
    "a list of lengths": (MANIFEST + "Content-Length: 2, 2\n\n{}", 400),
    "a negative length": (MANIFEST + "Content-Length: -2\n\n{}", 400),
    "a signed length": (MANIFEST + "Content-Length: +2\n\n{}", 400),
    "a length beyond all": (MANIFEST + f"Content-Length: {'9' * 30}\n\n", 400),
    "a space before the colon": (MANIFEST + "Content-Length : 2\n\n{}", 400),
    "an unknown coding": (MANIFEST + "Transfer-Encoding: gzip, chunked\n\n", 400),
    "a request in a HEAD's body": (
        "HEAD <base>/manifests/1 HTTP/1.1\n" + LOGIN + "Content-Length: 999\n\n" + SECOND,
        404,
    ),
    "a request behind a POST's chunks": (
        "POST <base>/blobs/uploads/ HTTP/1.1\n" + LOGIN + "Transfer-Encoding: chunked\n\n" + SECOND,
        202,
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_whoever_comes_writes_nothing_and_learns_nothing(
    site: Site, relay: Relay, name: str
) -> None:
    text, status = ROWS[name]
    with door_of(site, relay) as door:
        answer = door.say(door.filled(text))
        assert status_of(door.request("GET /v2/")) == 200, "it goes on"
    assert status_of(answer) == status
    assert answer.count(b"HTTP/1.1 ") <= 1, "a body is no request"
    assert door.password.encode() not in answer
    if status != 202:  # which names the upload
        assert door.base.split("/")[2].encode() not in answer
    assert not written(site)
    assert site.mirror.digest(f"{site.namespace}/app", "1") is None


@pytest.mark.parametrize(
    ("head", "body", "claimed"),
    [
        pytest.param(
            "Transfer-Encoding: chunked",
            f"3e8\r\n{'b' * 1000}\r\n0\r\n\r\n",
            b"other",
            id="another digest",
        ),
        pytest.param("Content-Length: 1000", "y" * 1000, BLOB, id="other bytes of its size"),
        pytest.param("Content-Length: 1001", "b" * 1001, BLOB, id="a byte more"),
        pytest.param("Content-Length: 999", "b" * 999, BLOB, id="a byte less"),
        pytest.param("Content-Length: 1000", "b" * 999, BLOB, id="less than its length"),
        pytest.param("Content-Length: 999", "b" * 1000, BLOB, id="more than its length"),
        pytest.param(
            "Transfer-Encoding: chunked", f"3e7\r\n{'b' * 999}\r\n0\r\n\r\n", BLOB, id="chunks"
        ),
        pytest.param("Transfer-Encoding: chunked", f"3e9\r\n{'b' * 1000}", BLOB, id="cut chunk"),
        pytest.param(
            "Transfer-Encoding: chunked", f"3e7\r\n{'b' * 1000}\r\n0\r\n\r\n", BLOB, id="long chunk"
        ),
        pytest.param(
            "Transfer-Encoding: chunked", f"{'f' * 9}\r\n{'b' * 1000}", BLOB, id="vast chunk"
        ),
    ],
)
def test_a_body_that_lies_becomes_no_blob_and_no_tag(
    site: Site, relay: Relay, head: str, body: str, claimed: bytes
) -> None:
    with door_of(site, relay, blob=BLOB) as door:
        door.request(f"HEAD {door.base}/blobs/{digest_of(BLOB)}")
        begun = door.request(f"POST {door.base}/blobs/uploads/", "Content-Length: 0").decode()
        place = begun.partition("Location: ")[2].partition("\r\n")[0]
        door.request(f"PATCH {place}", head, body=body)
        ended = f"PUT {place}?digest={digest_of(claimed)}"
        answers = [status_of(door.request(ended, "Content-Length: 0"))]
        put = ("Content-Length: 2", "Content-Type: x")
        answers.append(status_of(door.request(f"PUT {door.base}/manifests/1", *put, body="{}")))
    assert answers[-1] != 201
    assert not written(site)


def test_a_run_goes_on_while_strangers_hold_all_connections(site: Site) -> None:
    """They have what another user of the machine can see: skopeo's command line."""
    image = build_image(layers=[site.noise(20_000)])
    site.publish(image)
    gate = Gate()
    with FaultProxy(site.mirror.url) as far, ExitStack() as stack:
        far.add(Rule(Call(gate), method="PATCH|PUT", path="/uploads/", times=1))
        site.configure(ALIYUN_REGISTRY=far.host, RELAY="auto")
        site.list_images(site.source())
        with site.running("batch") as run:
            gate.wait()
            host, key = seen_from_outside(site.mirrored_name().rpartition("/")[2])
            door = Door(host, f"/v2/{key}/{site.mirrored_name()}", "Basic eDp5", "")
            held = [stack.enter_context(door.connect()) for _ in range(TOO_MANY)]
            for connection in held[:CONNECTIONS]:
                connection.sendall(f"PUT {door.base}/manifests/1 HTTP/1.1\r\nHost:".encode())
            answers = {
                status_of(door.request(f"{method} {door.base}/{path}"))
                for method in ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")
                for path in ("blobs/uploads/", "manifests/1")
            }
            gate.open()
            outcome = run.finish()
    assert answers == {401}
    assert outcome.verdict == ("copied", "missing"), outcome.stderr
    assert outcome.item["attempts"] == 1
    assert site.mirrored() == image.digest
    assert key not in outcome.stdout + outcome.stderr


def seen_from_outside(repository: str) -> tuple[str, str]:
    """Host and key of the relay, as the list of processes shows them to everybody."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        for word in words:
            if word.startswith("docker://127.0.0.1:") and f"/{repository}:" in word:
                host, key = word.removeprefix("docker://").split("/")[:2]
                if len(key) == 32:
                    return host, key
    raise AssertionError("no skopeo is there")
