"""The fast path against real registries, and against all that may come in place of one."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from demo.faults import Corrupt, Refuse, Reset, Response, Rule, Truncate, WrongDigest
from demo.images import build_image, build_index, push
from demo.proxy import FaultProxy
from demo.registry import Login as User
from demo.registry import Registry, RegistryOptions
from orchestrator.config.authfile import merged
from orchestrator.config.registries_conf import RegistriesConf
from orchestrator.config.settings import Login
from orchestrator.hosts import is_loopback
from orchestrator.oci.manifest import DOCKER_INDEX, OCI_INDEX, OCI_MANIFEST, Image, parse_manifest
from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.client import RegistryClient
from orchestrator.registry.pull_limit import PullLimit
from orchestrator.registry.responses import Inconclusive, NotFound, WriteRefused
from orchestrator.system.body import BodyStream
from orchestrator.system.http import BODY_LIMIT, HttpClient
from orchestrator.system.http import Response as HttpAnswer
from tests.support.certificates import make_certificate
from tests.support.loopback import Loopback, Reply, Request, dead_url, serving
from tests.support.tokens import Account, TokenOptions, TokenServer

if TYPE_CHECKING:
    from demo.faults import Fault
    from demo.images import Media

ALICE = User("alice", "wonder:land")
OTHER_DIGEST = Digest(f"sha256:{'0' * 64}")
INDEX = build_index([build_image("linux/amd64"), build_image("linux/arm64")])


def no_authority(_: str) -> Path | None:
    return None


@dataclass
class Clock:
    """A time that goes on only where a test says so."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Opened(Protocol):
    """Makes a client; what a test doesn't name is as plain as it can be."""

    def __call__(
        self,
        logins: Iterable[Login] = (),
        *,
        is_insecure: Callable[[str], bool] = is_loopback,
        ca_of: Callable[[str], Path | None] = no_authority,
        conf: RegistriesConf | None = None,
        clock: Callable[[], float] | None = None,
        authfile: bytes | None = None,
    ) -> RegistryClient: ...


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Connections are closed at the end."""
    with closing(HttpClient(32, read_timeout=10)) as http:

        def make(
            logins: Iterable[Login] = (),
            *,
            is_insecure: Callable[[str], bool] = is_loopback,
            ca_of: Callable[[str], Path | None] = no_authority,
            conf: RegistriesConf | None = None,
            clock: Callable[[], float] | None = None,
            authfile: bytes | None = None,
        ) -> RegistryClient:
            return RegistryClient(
                http,
                authfile or merged([], logins),
                is_insecure=is_insecure,
                ca_of=ca_of,
                conf=conf or RegistriesConf(),
                clock=clock or Clock(),
            )

        yield make


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with Registry() as running:
        push(running.url, "some/image", "1", INDEX)
        push(running.url, "some/image", "single", INDEX.images[0])
        yield running


@pytest.fixture
def proxy(registry: Registry) -> Iterator[FaultProxy]:
    with FaultProxy(registry.url) as running:
        yield running


def image(host: str, tag: str = "1", repository: str = "some/image") -> Reference:
    return Reference(host, repository, tag)


def reason_of(found: object) -> str:
    assert isinstance(found, Inconclusive), found
    assert found.reason.isprintable()
    return found.reason


def raw_by_skopeo(reference: Reference, *options: str) -> bytes:
    command = ["skopeo", "inspect", "--raw", *options, f"docker://{reference}"]
    return subprocess.run(command, capture_output=True, check=True).stdout


# Plain registries


@pytest.mark.parametrize("media", ["oci", "docker"])
def test_digests_and_bytes_are_what_skopeo_says(media: Media, opened: Opened) -> None:
    images = [build_image(platform, media=media) for platform in ("linux/amd64", "linux/arm/v7")]
    with Registry() as registry:
        push(registry.url, "a/b", "all", build_index(images, media=media, attestations="new"))
        push(registry.url, "a/b", "one", images[1])
        client = opened()
        for tag in ("all", "one"):
            reference = image(registry.host, tag, "a/b")
            raw = raw_by_skopeo(reference, "--tls-verify=false")
            digest = client.head(reference)

            assert digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"
            assert client.read(reference) == raw
            assert client.head(reference.at(Digest(digest))) == digest
            assert client.read(reference.at(Digest(digest))) == raw


def test_a_config_is_read_and_checked(registry: Registry, opened: Opened) -> None:
    client, reference = opened(), image(registry.host, "single")
    raw = client.read(reference)
    assert isinstance(raw, bytes)
    manifest = parse_manifest(raw, of="it")
    assert isinstance(manifest, Image)

    assert client.read_blob(reference, manifest.config) == INDEX.images[0].config


@pytest.mark.parametrize(
    "reference",
    [
        pytest.param(("none", "some/image"), id="no such tag"),
        pytest.param(("1", "no/such"), id="no such repository"),
    ],
)
def test_what_is_not_there_is_absent(
    reference: tuple[str, str], registry: Registry, opened: Opened
) -> None:
    tag, repository = reference
    wanted = image(registry.host, tag, repository)

    assert opened().head(wanted) == NotFound()
    assert opened().read(wanted) == NotFound()
    assert opened().head(wanted.at(OTHER_DIGEST)) == NotFound()


def test_a_warm_question_is_one_request(registry: Registry, opened: Opened) -> None:
    client, before = opened(), len(registry.requests())
    for _ in range(3):
        assert client.head(image(registry.host)) == INDEX.digest

    asked = [(one.method, one.path) for one in registry.requests()[before:]]
    assert asked == [("HEAD", "/v2/some/image/manifests/1")] * 3


def test_many_threads_ask_at_once(registry: Registry, opened: Opened) -> None:
    client = opened()
    references = [image(registry.host, tag) for tag in ("1", "single", "none")] * 60
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(client.head, references))

    assert found == [INDEX.digest, INDEX.images[0].digest, NotFound()] * 60


def test_a_docker_list_is_not_converted(opened: Opened) -> None:
    index = build_index([build_image(media="docker")], media="docker")
    with Registry() as registry:
        push(registry.url, "a", "1", index)

        assert opened().head(image(registry.host, "1", "a")) == index.digest
        assert index.media_type == DOCKER_INDEX


def test_importing_it_all_imports_neither_requests_nor_sqlite() -> None:
    code = (
        "import sys, orchestrator.registry.client, orchestrator.state.store; "
        "print({'requests', 'urllib3', 'sqlite3'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


# Whatever surprises is Unknown


def answer(status: int, code: str = "TOOMANYREQUESTS", **headers: str) -> Response:
    return Response.error(status, code, "as the test wants it", headers)


@pytest.mark.parametrize(
    ("fault", "is_left_alone"),
    [
        pytest.param(Refuse(), True, id="EOF"),
        pytest.param(Reset(), True, id="reset"),
        pytest.param(answer(429), True, id="429"),
        pytest.param(answer(500), True, id="500"),
        pytest.param(answer(502), True, id="502"),
        pytest.param(answer(503), True, id="503"),
        pytest.param(answer(400), False, id="400"),
        pytest.param(answer(401, "UNAUTHORIZED"), False, id="401 without a challenge"),
        pytest.param(answer(403, "DENIED"), False, id="403"),
        pytest.param(Response(404, {"Content-Type": "text/html"}, b"<html>"), False, id="404 page"),
        pytest.param(Response(200, {"Content-Type": "text/html"}, b"<html>"), False, id="a page"),
        pytest.param(Response(200), False, id="nothing at all"),
        pytest.param(Response(302, {"Location": "/login"}), False, id="led in circles"),
        pytest.param(Response(302, {"Location": "http://[broken"}), False, id="led to nonsense"),
        pytest.param(Response(302, {"Location": "file:///etc/passwd"}), False, id="led to a file"),
        pytest.param(WrongDigest(""), False, id="no digest"),
        pytest.param(WrongDigest("sha256:short"), False, id="no real digest"),
    ],
)
def test_a_surprise_is_unknown(
    fault: Fault, is_left_alone: bool, proxy: FaultProxy, opened: Opened
) -> None:
    client = opened()
    proxy.add(Rule(fault, path="manifests|login"))
    head, read = client.head(image(proxy.host)), client.read(image(proxy.host))
    proxy.clear()
    afterwards = client.head(image(proxy.host))

    assert isinstance(head, Inconclusive)
    assert isinstance(read, Inconclusive)
    assert head.ends_host is is_left_alone
    if is_left_alone:
        assert "was left alone" in reason_of(read)
        assert "was left alone" in reason_of(afterwards)
    else:
        assert afterwards == INDEX.digest


@pytest.mark.parametrize(
    "fault", [Corrupt(offset=20), WrongDigest(), Truncate(after=10), Reset(after=10)]
)
def test_a_manifest_that_is_not_what_it_says_is_unknown(
    fault: Fault, proxy: FaultProxy, opened: Opened
) -> None:
    proxy.add(Rule(fault, method="GET"))

    assert isinstance(opened().read(image(proxy.host)), Inconclusive)


@pytest.mark.parametrize("fault", [Corrupt(offset=20), Truncate(after=10), answer(404)])
def test_a_config_that_is_not_what_it_says_is_unknown(
    fault: Fault, proxy: FaultProxy, opened: Opened
) -> None:
    proxy.add(Rule(fault, path="/blobs/"))
    manifest = parse_manifest(INDEX.images[0].manifest, of="it")
    assert isinstance(manifest, Image)

    assert isinstance(opened().read_blob(image(proxy.host), manifest.config), Inconclusive)


def test_a_registry_that_is_left_alone_is_not_asked_again(
    proxy: FaultProxy, opened: Opened
) -> None:
    client = opened()
    proxy.add(Rule(answer(503)))
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(client.head, [image(proxy.host)] * 64))

    assert all(isinstance(one, Inconclusive) for one in found)
    assert len(proxy.exchanges()) <= 16


def test_a_kept_connection_that_breaks_is_made_anew_once(proxy: FaultProxy, opened: Opened) -> None:
    client = opened()
    assert client.head(image(proxy.host)) == INDEX.digest
    proxy.add(Rule(Refuse(), times=1))

    assert client.head(image(proxy.host)) == INDEX.digest


def test_nobody_listens(opened: Opened) -> None:
    client = opened()
    with dead_url() as url:
        host = url.removeprefix("http://")
        first, second = client.head(image(host)), client.head(image(host))

    assert reason_of(first) == f"{host} can't be reached: Connection refused"
    assert reason_of(second) == f"{reason_of(first)}; {host} was left alone"


def test_a_host_that_may_not_be_plain_is_not_asked_in_the_clear(
    proxy: FaultProxy, opened: Opened
) -> None:
    client = opened([Login(proxy.host, "me", "secret")], is_insecure=lambda _: False)

    assert "TLS" in reason_of(client.head(image(proxy.host)))
    assert proxy.exchanges() == ()


def test_what_registries_conf_leads_elsewhere_is_left_to_skopeo(
    proxy: FaultProxy, opened: Opened
) -> None:
    client = opened(conf=RegistriesConf((f"{proxy.host}/some",)))

    assert "registries.conf" in reason_of(client.head(image(proxy.host)))
    assert client.head(image(proxy.host, "1", "other")) == NotFound()


def test_a_login_in_a_helper_is_left_to_skopeo(proxy: FaultProxy, opened: Opened) -> None:
    authfile = json.dumps({"credHelpers": {proxy.host: "pass"}}).encode()

    assert "docker-credential-pass" in reason_of(opened(authfile=authfile).head(image(proxy.host)))
    assert proxy.exchanges() == ()


# Redirects


def serve_index(_: Request) -> Reply:
    told = {"Content-Type": INDEX.media_type, "Docker-Content-Digest": INDEX.digest}
    return Reply(200, INDEX.manifest, told)


def lead_to(url: str) -> Callable[[Request], Reply]:
    """A registry that wants a login, and then leads elsewhere."""

    def handle(request: Request) -> Reply:
        if "authorization" not in request.headers:
            return Reply(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
        return Reply(307, headers={"Location": f"{url}/elsewhere"})

    return handle


def test_another_host_is_asked_without_the_login(opened: Opened) -> None:
    with serving(serve_index) as there, serving(lead_to(there.url)) as here:
        client = opened([Login(here.host, "alice", "secret")])

        assert client.head(image(here.host)) == INDEX.digest
        assert client.read(image(here.host)) == INDEX.manifest
    assert [request.path for request in there.requests] == ["/elsewhere"] * 2
    assert all("authorization" not in request.headers for request in there.requests)


def test_blobs_lie_on_other_hosts(opened: Opened) -> None:
    manifest = parse_manifest(INDEX.images[0].manifest, of="it")
    assert isinstance(manifest, Image)
    content = INDEX.images[0].config
    with serving(lambda _: Reply(200, content)) as there, serving(lead_to(there.url)) as here:
        client = opened([Login(here.host, "alice", "secret")])

        assert client.read_blob(image(here.host), manifest.config) == content
    assert all("authorization" not in request.headers for request in there.requests)


def test_another_host_can_not_ask_for_the_login(opened: Opened) -> None:
    with serving(lambda _: Reply(200, b'{"token": "t"}')) as thief:
        challenge = f'Bearer realm="{thief.url}/token"'
        refusal = Reply(401, headers={"WWW-Authenticate": challenge})
        with serving(lambda _: refusal) as there, serving(lead_to(there.url)) as here:
            client = opened([Login(here.host, "alice", "secret")])

            assert isinstance(client.head(image(here.host)), Inconclusive)
    assert thief.requests == []
    assert all("authorization" not in request.headers for request in there.requests)


def test_nobody_is_led_from_tls_into_the_clear(tmp_path: Path, opened: Opened) -> None:
    made = make_certificate(tmp_path)
    with serving(serve_index) as there:
        lead = lead_to(there.url)
        with serving(lead, certificate=(made.certificate, made.key)) as here:
            client = opened(
                [Login(here.host, "alice", "secret")],
                is_insecure=lambda _: False,
                ca_of=lambda _: made.authority,
            )

            assert "307" in reason_of(client.head(image(here.host)))
    assert there.requests == []


# Logins


def test_a_password_opens_a_registry(opened: Opened) -> None:
    with Registry(RegistryOptions(login=ALICE)) as registry:
        push(registry.url, "some/image", "1", INDEX, auth=ALICE)
        wanted = image(registry.host)
        known = opened([Login(registry.host, ALICE.user, ALICE.password)])

        assert known.head(wanted) == INDEX.digest
        assert known.head(image(registry.host, "none")) == NotFound()
        assert reason_of(opened().head(wanted)) == f"{registry.host} wants a login"
        wrong = opened([Login(registry.host, ALICE.user, "wrong")])
        assert "answered 401" in reason_of(wrong.head(wanted))


def test_a_login_is_sent_only_after_it_was_asked_for(opened: Opened) -> None:
    with serving(serve_index) as server:
        client = opened([Login(server.host, "alice", "secret")])

        assert client.head(image(server.host)) == INDEX.digest
    assert server.requests[0].path == "/v2/"
    assert all("authorization" not in request.headers for request in server.requests)


def test_a_registry_has_its_own_authority(tmp_path: Path, opened: Opened) -> None:
    made = make_certificate(tmp_path)
    with Registry(RegistryOptions(login=ALICE, certificate=made)) as registry:
        push(registry.url, "some/image", "1", INDEX, auth=ALICE, authority=made.authority)
        wanted, login = image(registry.host), [Login(registry.host, ALICE.user, ALICE.password)]
        trusting = opened(login, is_insecure=lambda _: False, ca_of=lambda _: made.authority)
        careless = opened(login)
        strict = opened(login, is_insecure=lambda _: False)

        assert trusting.head(wanted) == INDEX.digest
        assert careless.head(wanted) == INDEX.digest
        assert "TLS" in reason_of(strict.head(wanted))
        assert "was left alone" in reason_of(strict.head(wanted))


# Tokens

BOB = User("bob", "builder")
EVERYBODY = Account(pull="public/*", push="")
ACCOUNTS = (EVERYBODY, Account(ALICE), Account(BOB, pull="public/*"))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with TokenServer(tmp_path_factory.mktemp("tokens"), TokenOptions(accounts=ACCOUNTS)) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tokens: TokenServer) -> Iterator[Registry]:
    """A registry with 25 public images and a private one."""
    with Registry(RegistryOptions(login=ALICE, token=tokens.auth)) as registry:
        for number in range(25):
            push(registry.url, f"public/image{number}", "1", INDEX.images[0], auth=ALICE)
        push(registry.url, "private/image", "1", INDEX, auth=ALICE)
        yield registry


def public(registry: Registry) -> list[Reference]:
    return [image(registry.host, "1", f"public/image{number}") for number in range(25)]


def test_one_token_serves_many_repositories(
    guarded: Registry, tokens: TokenServer, opened: Opened
) -> None:
    client, before = opened(), len(tokens.grants())
    wanted = public(guarded)
    client.expect(wanted)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(client.head, [*wanted, *wanted]))

    assert found == [INDEX.images[0].digest] * 50
    asked = [len(grant.asked) for grant in tokens.grants()[before:]]
    assert sorted(asked) == [5, 20]


def test_without_a_word_before_each_repository_has_a_token(
    guarded: Registry, tokens: TokenServer, opened: Opened
) -> None:
    client, before = opened(), len(tokens.grants())
    for reference in public(guarded)[:3] * 2:
        assert client.head(reference) == INDEX.images[0].digest

    assert [len(grant.asked) for grant in tokens.grants()[before:]] == [1, 1, 1]


def test_a_token_is_renewed_before_it_runs_out(
    guarded: Registry, tokens: TokenServer, opened: Opened
) -> None:
    clock = Clock()
    client, before = opened(clock=clock), len(tokens.grants())
    for seconds in (0, 280, 20, 280):
        clock.now += seconds
        assert client.head(public(guarded)[0]) == INDEX.images[0].digest

    assert len(tokens.grants()) - before == 2


@pytest.mark.parametrize(
    ("user", "sees_private"),
    [
        pytest.param(ALICE, True, id="who may"),
        pytest.param(BOB, False, id="who may not"),
        pytest.param(None, False, id="a stranger"),
    ],
)
def test_a_token_holds_what_its_user_may(
    user: User | None, sees_private: bool, guarded: Registry, opened: Opened
) -> None:
    client = opened([Login(guarded.host, user.user, user.password)] if user else [])
    private, open_to_all = (
        image(guarded.host, "1", "private/image"),
        public(guarded)[0],
    )
    client.expect([private, open_to_all])

    if sees_private:
        assert client.head(private) == INDEX.digest
    else:
        assert "answered 401" in reason_of(client.head(private))
    assert client.head(open_to_all) == INDEX.images[0].digest


@dataclass
class Strict:
    """A registry and its token server in one, with rules of its own.

    Attributes:
        takes: Whether a token for these scopes opens this repository.
        issues: What the token server answers for these scopes.
    """

    takes: Callable[[str, str], bool]
    issues: Callable[[tuple[str, ...]], Reply]
    host: str = ""
    asked: tuple[str, ...] = ()

    def __call__(self, request: Request) -> Reply:
        if request.path == "/token":
            scopes = [part for part in request.query.split("&") if part.startswith("scope=")]
            names = tuple(scope.split("%3A")[1] for scope in scopes)
            self.asked += (" ".join(names),)
            return self.issues(names)
        repository = request.path.split("/")[2]
        _, _, token = request.headers.get("authorization", "").partition("Bearer ")
        if token and self.takes(token, repository):
            return serve_index(request)
        challenge = f'Bearer realm="http://{self.host}/token",service="strict"'
        return Reply(401, headers={"WWW-Authenticate": challenge})


def issue(text: str) -> Reply:
    return Reply(200, json.dumps({"token": text}).encode())


@pytest.fixture
def started() -> Iterator[Callable[[Strict], Loopback]]:
    """Start servers of a test's own rules; they end with it."""
    with ExitStack() as stack:

        def start(strict: Strict) -> Loopback:
            server = stack.enter_context(serving(strict))
            strict.host = server.host
            return server

        yield start


Started = Callable[[Strict], Loopback]


def names(host: str, *repositories: str) -> list[Reference]:
    return [image(host, "1", repository) for repository in repositories]


def test_a_token_for_several_that_opens_only_one_is_not_relied_on(
    started: Started, opened: Opened
) -> None:
    strict = Strict(
        takes=lambda token, repository: token == repository, issues=lambda asked: issue(asked[0])
    )
    wanted = names(started(strict).host, "a", "b", "c", "d")
    client = opened()
    client.expect(wanted)

    assert [client.head(one) for one in wanted] == [INDEX.digest] * 4
    assert strict.asked == ("a b c d", "b", "c", "d")


def test_a_registry_that_is_half_public_asks_late(started: Started, opened: Opened) -> None:
    strict = Strict(takes=lambda *_: True, issues=lambda asked: issue(asked[0]))
    server = started(strict)
    server.handle = lambda request: (
        serve_index(request) if "/public/" in request.path else strict(request)
    )
    wanted = names(server.host, "public", "a", "b", "c")
    client = opened()
    client.expect(wanted)

    assert [client.head(one) for one in wanted] == [INDEX.digest] * 4
    assert strict.asked == ("public a b c",)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_server_may_refuse_several(status: int, started: Started, opened: Opened) -> None:
    strict = Strict(
        takes=lambda token, repository: token == repository,
        issues=lambda asked: issue(asked[0]) if len(asked) == 1 else Reply(status),
    )
    server = started(strict)
    wanted = names(server.host, "a", "b")
    client = opened([Login(server.host, "alice", "secret")])
    client.expect(wanted)

    assert [client.head(one) for one in wanted] == [INDEX.digest] * 2
    assert strict.asked == ("a b", "a", "b")


def test_a_wrong_password_is_not_sent_again_and_again(started: Started, opened: Opened) -> None:
    strict = Strict(takes=lambda *_: False, issues=lambda _: Reply(401))
    server = started(strict)
    wanted = names(server.host, *(f"image{number}" for number in range(25)))
    client = opened([Login(server.host, "alice", "wrong")])
    client.expect(wanted)
    reasons = {reason_of(client.head(reference)) for reference in wanted}

    assert reasons == {f"{server.host} gave no token (it answered 401)"}
    assert len(strict.asked) <= 3


def test_a_token_that_was_called_back_is_renewed_once(started: Started, opened: Opened) -> None:
    issued: list[str] = []

    def give(_: tuple[str, ...]) -> Reply:
        issued.append(f"t{len(issued)}")
        return issue(issued[-1])

    strict = Strict(takes=lambda token, _: token == issued[-1], issues=give)
    (wanted,) = names(started(strict).host, "a")
    client = opened()
    assert client.head(wanted) == INDEX.digest
    issued.append("called back")
    assert client.head(wanted) == INDEX.digest
    assert client.head(wanted) == INDEX.digest
    strict.takes = lambda *_: False
    before = len(strict.asked)

    assert isinstance(client.head(wanted), Inconclusive)
    assert len(strict.asked) - before == 1


@pytest.mark.parametrize(
    ("reply", "is_left_alone"),
    [
        pytest.param(Reply(200, b"<html>"), False, id="a page"),
        pytest.param(Reply(200, b'{"token": "a\\r\\nX: y"}'), False, id="a header in a token"),
        pytest.param(Reply(200, b"{}"), False, id="no token"),
        pytest.param(Reply(302, headers={"Location": "/v2/a/b"}), False, id="led elsewhere"),
        pytest.param(Reply(403), False, id="denied"),
        pytest.param(Reply(429), True, id="429"),
        pytest.param(Reply(503), True, id="503"),
        pytest.param(Reply(200, b"{", promised=50), True, id="cut"),
    ],
)
def test_a_token_server_may_surprise_too(
    reply: Reply, is_left_alone: bool, started: Started, opened: Opened
) -> None:
    strict = Strict(takes=lambda *_: True, issues=lambda _: reply)
    (wanted,) = names(started(strict).host, "a")
    client = opened()
    found = client.head(wanted)

    assert isinstance(found, Inconclusive)
    assert found.ends_host is is_left_alone
    assert ("was left alone" in reason_of(client.head(wanted))) is is_left_alone


@pytest.mark.parametrize(
    "challenge",
    [
        pytest.param('Bearer realm="http://{realm}/token"', id="in the clear"),
        pytest.param('Bearer realm="//{realm}/token"', id="no scheme"),
        pytest.param('Bearer realm="https://a:b@{realm}/token"', id="a login of its own"),
        pytest.param('Bearer service="x"', id="no realm"),
        pytest.param('Bearer realm="', id="broken"),
        pytest.param("Bearer " + "a" * 30_000, id="long"),
        pytest.param("Negotiate", id="unknown"),
        pytest.param("\u00ff\u00fe", id="noise"),
    ],
)
def test_a_login_goes_to_no_token_server_that_others_can_hear(
    challenge: str, opened: Opened
) -> None:
    with serving(lambda _: issue("t")) as realm:
        told = {"WWW-Authenticate": challenge.format(realm=realm.host)}
        with serving(lambda _: Reply(401, headers=told)) as server:
            client = opened(
                [Login(server.host, "alice", "secret")],
                is_insecure=lambda host: host == server.host,
            )
            assert isinstance(client.head(image(server.host)), Inconclusive)

    assert realm.requests == []
    assert all("authorization" not in request.headers for request in server.requests)


# Docker Hub


class Rerouted(HttpClient):
    """HTTP whose way to Docker Hub ends on this machine."""

    def __init__(self, there: str) -> None:
        super().__init__()
        self.there = there

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | BodyStream | None = None,
        limit: int | None = BODY_LIMIT,
        verify: bool | Path = True,
    ) -> HttpAnswer:
        url = url.replace("https://registry-1.docker.io/", f"{self.there}/")
        return super().request(method, url, headers=headers, body=body, limit=limit, verify=verify)


def test_docker_hub_is_asked_at_its_own_address_and_tells_the_pull_limit() -> None:
    limits = iter(("100;w=21600", "", "nonsense"))

    def serve(request: Request) -> Reply:
        told = {"ratelimit-limit": next(limits), "ratelimit-remaining": "20;w=21600"}
        return replace(serve_index(request), headers={**serve_index(request).headers, **told})

    with serving(serve) as server, closing(Rerouted(server.url)) as http:
        client = RegistryClient(
            http, b"{}", is_insecure=is_loopback, ca_of=no_authority, conf=RegistriesConf()
        )
        assert client.pull_limit() is None
        for _ in range(3):
            assert client.head(Reference.parse("redis:7")) == INDEX.digest
            assert client.pull_limit() == PullLimit(100, 20, 21600)
    assert {request.path for request in server.requests} == {"/v2/library/redis/manifests/7"}


def test_others_have_no_say_in_the_pull_limit(opened: Opened) -> None:
    told = {"ratelimit-limit": "1;w=1", "ratelimit-remaining": "0;w=1"}
    with serving(lambda request: replace(serve_index(request), headers=told)) as server:
        client = opened()
        client.head(image(server.host))

    assert client.pull_limit() is None


# What is written


def index_of(*images: str) -> bytes:
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": one, "size": 1, "artifactType": "application/x"}
        for one in images
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(document).encode()


@pytest.mark.parametrize("is_met", [False, True], ids=["at first", "later"])
def test_an_index_is_written_by_who_may(
    opened: Opened, guarded: Registry, tokens: TokenServer, is_met: bool
) -> None:
    raw = index_of(INDEX.images[0].digest)
    there = image(guarded.host, f"list-{is_met}", "private/image")
    client = opened([Login(guarded.host, ALICE.user, ALICE.password)])
    client.expect([there, *public(guarded)])
    if is_met:
        assert client.head(replace(there, tag="1")) == INDEX.digest
    assert client.put_index(raw, there) is None
    assert client.read(there) == raw
    assert any("repository:private/image:pull,push" in one.asked for one in tokens.grants())


def test_an_index_is_written_by_nobody_else(opened: Opened, guarded: Registry) -> None:
    client = opened()
    there = image(guarded.host, "stolen", "public/image1")
    refused = client.put_index(index_of(INDEX.images[0].digest), there)
    assert isinstance(refused, WriteRefused)
    assert "unauthorized" in refused.text or "denied" in refused.text
    assert isinstance(client.head(replace(there, tag="1")), str), "it is asked on"


def test_an_index_without_its_children_is_refused(opened: Opened, registry: Registry) -> None:
    refused = opened().put_index(index_of(OTHER_DIGEST), image(registry.host, "broken"))
    assert isinstance(refused, WriteRefused)
    assert refused.text.startswith("manifest blob unknown")


@pytest.mark.parametrize(
    ("fault", "times", "words"),
    [
        pytest.param(Response(503), 1, "HTTP status: 503", id="503"),
        pytest.param(Refuse(), 2, "connection lost", id="closed, and again"),
        pytest.param(
            Response(307, {"Location": "http://127.0.0.1:1/"}), 1, "status: 307", id="led on"
        ),
    ],
)
def test_a_fault_in_writing_is_no_end_of_reading(
    opened: Opened, proxy: FaultProxy, fault: Fault, times: int, words: str
) -> None:
    raw = index_of(INDEX.images[0].digest)
    client = opened()
    proxy.add(Rule(fault, method="PUT", times=times))
    refused = client.put_index(raw, image(proxy.host, "faulty"))
    assert isinstance(refused, WriteRefused)
    assert words in refused.text
    assert client.head(image(proxy.host)) == INDEX.digest
    assert client.put_index(raw, image(proxy.host, "faulty")) is None


def test_what_needs_a_helper_is_not_written(opened: Opened, registry: Registry) -> None:
    helped = json.dumps({"credHelpers": {registry.host: "none"}}).encode()
    found = opened(authfile=helped).put_index(index_of(), image(registry.host, "helped"))
    assert isinstance(found, Inconclusive)


def test_a_registry_without_the_api_has_no_referrers(opened: Opened, registry: Registry) -> None:
    there = image(registry.host).at(Digest(INDEX.digest))
    assert opened().referrers(there) == NotFound()
