"""What a registry wanted of its clients in an earlier run is gone by, and never trusted blindly."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.config.authfile import Credentials, FoundLogin, NoCredentials
from orchestrator.errors import ErrorKind
from orchestrator.registry.challenge import Challenge, KnownChallenge
from orchestrator.registry.host import RegistryHost
from orchestrator.registry.responses import Inconclusive
from orchestrator.registry.transport import Request
from orchestrator.system.body import BodyStream
from orchestrator.system.http import BODY_LIMIT, HttpError, Response
from tests.support.scripted_http import Asked, ScriptedHttp, transport_over, unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "registry.example"
ROOT = f"https://{NAME}/v2/"
MANIFEST = f"{ROOT}a/x/manifests/1"
HEAD = Request("HEAD", "a/x", "manifests/1")
NOBODY, SOMEBODY = NoCredentials(), Credentials("name", "word")
NEAR, FAR = "https://near.example/token", "https://far.example/token"
WAYS = ("nothing", "basic", NEAR, FAR)
FINE = Response(200, {"docker-content-digest": "d"})
DAY = 24 * 3600.0
NOW = 100 * DAY


@dataclass
class Memory:
    """What runs leave behind."""

    kept: dict[tuple[str, bool], KnownChallenge] = field(default_factory=dict)

    def challenge(self, registry: str, *, has_login: bool) -> KnownChallenge | None:
        return self.kept.get((registry, has_login))

    def remember_challenge(self, registry: str, known: KnownChallenge, *, has_login: bool) -> None:
        self.kept[registry, has_login] = known


class World(ScriptedHttp):
    """A registry, and the token servers that are there.

    Args:
        wants: "nothing", "basic", or the token server whose tokens the registry takes.
        servers: The token servers that answer.
        hides: Whether strangers are told that an image is not there.
        scheme: How the registry is spoken to.
    """

    def __init__(
        self,
        wants: str,
        *,
        servers: tuple[str, ...] = (NEAR, FAR),
        hides: bool = False,
        scheme: str = "https",
        status: int = 200,
    ) -> None:
        super().__init__()
        self.wants, self.servers, self.hides, self.scheme = wants, servers, hides, scheme
        self.status = status

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | BodyStream | None = None,
        limit: int | None = BODY_LIMIT,
        verify: bool | Path = True,
    ) -> Response:
        del body, limit
        self.asked.append(Asked(method, url, headers, verify))
        if url.startswith(f"{self.scheme}://{NAME}/"):
            return self._said(url, headers.get("Authorization", ""))
        realm = url.partition("?")[0]
        if realm not in self.servers:
            raise unreachable()
        return Response(200, {}, json.dumps({"token": f"of-{realm}"}).encode())

    def _said(self, url: str, authorization: str) -> Response:
        is_in = {
            "nothing": True,
            "basic": authorization.startswith("Basic "),
        }.get(self.wants, authorization == f"Bearer of-{self.wants}")
        if is_in:
            return replace(FINE, status=self.status)
        if self.hides and not url.endswith("/v2/"):
            return Response(404)
        wanted = 'Basic realm="x"' if self.wants == "basic" else f'Bearer realm="{self.wants}"'
        return Response(401, {"www-authenticate": wanted})


def host(
    http: ScriptedHttp, memory: Memory, *, now: float = NOW, insecure: bool = False
) -> RegistryHost:
    transport = transport_over(
        http, insecure=frozenset({NAME} if insecure else ()), clock=lambda: now
    )
    return RegistryHost(NAME, transport, memory=memory)


def after(wanted: str, login: FoundLogin, *, now: float = NOW) -> Memory:
    """The memory of a run in which the registry wanted that."""
    memory = Memory()
    host(World(wanted), memory, now=now).ask(HEAD, login)
    return memory


@pytest.mark.parametrize(
    ("wanted", "login"),
    [(one, SOMEBODY) for one in WAYS] + [(one, NOBODY) for one in WAYS if one != "basic"],
)
def test_the_second_run_asks_nothing_that_it_knows(wanted: str, login: FoundLogin) -> None:
    memory, http = after(wanted, login), World(wanted)
    asked = host(http, memory)
    assert [asked.ask(HEAD, login) for _ in range(2)] == [FINE, FINE]
    tokens = [url.partition("?")[0] for url in http.urls if "/token" in url]
    assert tokens == ([wanted] if wanted.startswith("https:") else [])
    assert [url for url in http.urls if "/token" not in url] == [MANIFEST, MANIFEST]


@pytest.mark.parametrize("before", WAYS)
@pytest.mark.parametrize("now", WAYS)
@pytest.mark.parametrize(
    ("login", "hides"),
    [
        pytest.param(NOBODY, False, id="nobody"),
        pytest.param(SOMEBODY, False, id="somebody"),
        pytest.param(SOMEBODY, True, id="somebody, and strangers are told that nothing is there"),
    ],
)
@pytest.mark.parametrize("gone", [False, True], ids=["the old server answers", "it is gone"])
def test_what_it_wants_now_is_found_out_in_the_same_run(
    before: str, now: str, login: FoundLogin, *, gone: bool, hides: bool
) -> None:
    memory = after(before, login)
    servers = (now,) if gone else (NEAR, FAR)
    http = World(now, servers=servers, hides=hides)
    asked = host(http, memory)
    answers = [asked.ask(HEAD, login) for _ in range(2)]
    if login == NOBODY and now == "basic":
        assert all(isinstance(one, Inconclusive) for one in answers)
    else:
        assert answers == [FINE, FINE]
    next_run = World(now, servers=servers, hides=hides)
    assert host(next_run, memory).ask(HEAD, login) == answers[-1]
    assert len(next_run.asked) <= 2, "it is remembered as it is now"


@pytest.mark.parametrize("before", WAYS)
def test_a_registry_that_speaks_plain_http_now_is_found(before: str) -> None:
    memory = after(before, SOMEBODY)
    http = World("basic", scheme="http")
    assert host(http, memory, insecure=True).ask(HEAD, SOMEBODY) == FINE


def test_nothing_is_recalled_of_plain_http() -> None:
    memory = Memory()
    assert host(World("basic", scheme="http"), memory, insecure=True).ask(HEAD, SOMEBODY) == FINE
    assert not memory.kept


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(unreachable(), id="nobody answers"),
        pytest.param(unreachable(ErrorKind.TIMEOUT), id="it takes too long"),
        pytest.param(Response(429), id="too many requests"),
        pytest.param(Response(503), id="it is out of order"),
    ],
)
@pytest.mark.parametrize("login", [NOBODY, SOMEBODY], ids=["nobody", "somebody"])
def test_a_registry_that_fails_is_left_alone_as_ever(
    answer: Response | HttpError, login: FoundLogin
) -> None:
    known, unknown = ScriptedHttp(), ScriptedHttp()
    known.answers[MANIFEST] = unknown.answers[MANIFEST] = [answer]
    known.answers[ROOT] = unknown.answers[ROOT] = [answer]
    asked, fresh = host(known, after("nothing", login)), host(unknown, Memory())
    for _ in range(3):
        assert isinstance(asked.ask(HEAD, login), Inconclusive)
        assert isinstance(fresh.ask(HEAD, login), Inconclusive)
    assert asked.failure
    assert len(known.asked) <= len(unknown.asked)


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        pytest.param(FINE, True, id="fine"),
        pytest.param(Response(404), True, id="it has no such image"),
        pytest.param(Response(403), False, id="refused"),
        pytest.param(Response(401), False, id="a login is wanted, of no kind that we know"),
        pytest.param(Response(429), False, id="too many requests"),
        pytest.param(Response(500), False, id="out of order"),
        pytest.param(
            Response(401, {"www-authenticate": 'Bearer realm="https://u:p@near.example/"'}),
            False,
            id="a token server with a password in its address",
        ),
    ],
)
def test_only_what_is_clear_and_no_secret_is_kept(answer: Response, *, is_kept: bool) -> None:
    memory = Memory()
    host(ScriptedHttp({MANIFEST: [answer]}), memory).ask(HEAD, NOBODY)
    assert bool(memory.kept) is is_kept


@pytest.mark.parametrize(
    ("age", "pings", "kept_at"),
    [
        pytest.param(0.5 * DAY, 0, NOW - 0.5 * DAY, id="of today"),
        pytest.param(29 * DAY, 0, NOW, id="renewed, since it still holds"),
        pytest.param(31 * DAY, 1, NOW, id="too old"),
        pytest.param(-DAY, 1, NOW, id="of a clock that was ahead"),
    ],
)
def test_what_is_old_is_not_believed(age: float, pings: int, kept_at: float) -> None:
    memory, http = after(NEAR, SOMEBODY, now=NOW - age), World(NEAR)
    assert host(http, memory).ask(HEAD, SOMEBODY) == FINE
    assert http.urls.count(ROOT) == pings
    assert memory.kept[NAME, True] == KnownChallenge(Challenge("bearer", NEAR), kept_at)


def test_a_new_token_server_is_asked_for_all_repositories_together() -> None:
    http = World(FAR)
    asked = host(http, after(NEAR, NOBODY))
    asked.expect(NOBODY, ["a/x", "a/y"])
    others = Request("HEAD", "a/y", "manifests/1")
    assert [asked.ask(one, NOBODY) for one in (HEAD, others)] == [FINE, FINE]
    (token,) = [url for url in http.urls if url.startswith(FAR)]
    assert token.count("scope=") == 2


def test_an_image_for_all_does_not_show_that_nothing_is_wanted_of_whoever_has_a_login() -> None:
    memory = after("nothing", SOMEBODY, now=NOW - 29 * DAY)
    assert host(World("nothing"), memory).ask(HEAD, SOMEBODY) == FINE
    assert memory.kept[NAME, True].seen_at == NOW - 29 * DAY


def test_what_strangers_are_asked_is_kept_apart() -> None:
    memory, http = after("nothing", NOBODY), World(NEAR, hides=True)
    assert host(http, memory).ask(HEAD, SOMEBODY) == FINE
    assert http.urls[0] == ROOT


def test_where_all_is_as_it_was_a_missing_image_costs_one_question_in_a_run() -> None:
    memory, http = after("nothing", SOMEBODY), World("nothing", status=404)
    asked = host(http, memory)
    assert [asked.ask(HEAD, SOMEBODY) for _ in range(3)] == [Response(404, FINE.headers)] * 3
    assert (http.urls.count(ROOT), http.urls.count(MANIFEST)) == (1, 3)


def test_a_recalled_registry_does_not_pass_for_one_that_asks_late() -> None:
    asked = host(World(NEAR), after("nothing", SOMEBODY))
    assert asked.ask(HEAD, SOMEBODY) == FINE
    assert not asked.asks_late


def test_before_a_program_logs_in_a_recalled_registry_is_asked_who_it_is() -> None:
    http = World("http://near.example/token")
    asked = host(http, after("nothing", SOMEBODY))
    assert "can't be trusted with a login" in asked.danger(SOMEBODY)
    assert not any("Authorization" in one.headers for one in http.asked)


class Crowded(World):
    """Answers what it is first asked no sooner than so many ask at once."""

    def __init__(self, wants: str, crowd: int) -> None:
        super().__init__(wants)
        self.crowd = threading.Barrier(crowd, timeout=10)

    def open_ahead(
        self, url: str, number: int, *, verify: bool | Path = True
    ) -> list[threading.Thread]:
        assert (url, number, verify) == (f"https://{NAME}", 1, True)
        opening = threading.Thread(target=self.crowd.wait)
        opening.start()
        return [opening]

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | BodyStream | None = None,
        limit: int | None = BODY_LIMIT,
        verify: bool | Path = True,
    ) -> Response:
        if "/token" in url or self.wants == "nothing":
            self.crowd.wait()
        return super().request(method, url, headers=headers, body=body, limit=limit, verify=verify)


@pytest.mark.parametrize(
    ("wanted", "crowd"),
    [
        pytest.param("nothing", 4, id="all questions at once"),
        pytest.param(NEAR, 5, id="all connections, and the token"),
    ],
)
def test_no_first_question_waits_alone(wanted: str, crowd: int) -> None:
    http = Crowded(wanted, crowd)
    asked = host(http, after(wanted, NOBODY))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: asked.ask(HEAD, NOBODY), range(4)))
    assert answers == [FINE] * 4
    assert len(http.asked) == crowd
