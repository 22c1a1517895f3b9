"""One registry: how it is found, how it wants a login, and when it is left alone."""

from __future__ import annotations

import json

import pytest

from orchestrator.config.authfile import Credentials, FoundLogin, NeedsHelper, NoCredentials
from orchestrator.errors import ErrorKind
from orchestrator.oci.reference import DOCKER_HUB
from orchestrator.registry.host import RegistryHost
from orchestrator.registry.responses import Inconclusive
from orchestrator.registry.transport import Request
from orchestrator.system.http import HttpError, Response
from tests.support.scripted_http import ScriptedHttp, transport_over, unreachable

NAME = "registry.example"
ROOT = f"https://{NAME}/v2/"
MANIFEST = f"{ROOT}a/x/manifests/1"
HEAD = Request("HEAD", "a/x", "manifests/1")
NOBODY = NoCredentials()
SOMEBODY = Credentials("name", "word")
FINE = Response(200, {"docker-content-digest": "d"})
REALM = "https://auth.example/token"
BEARER = Response(401, {"www-authenticate": f'Bearer realm="{REALM}",service="s"'})
BASIC = Response(401, {"www-authenticate": 'Basic realm="x"'})
TOKEN = Response(200, {}, json.dumps({"token": "t"}).encode())
TOKEN_URL = f"{REALM}?service=s&scope=repository%3Aa%2Fx%3Apull"


def host(http: ScriptedHttp, name: str = NAME, *, insecure: bool = False) -> RegistryHost:
    return RegistryHost(name, transport_over(http, insecure=frozenset({name} if insecure else ())))


def test_an_open_registry_is_asked_at_once() -> None:
    http = ScriptedHttp({MANIFEST: [FINE]})
    asked = host(http)
    assert [asked.ask(HEAD, NOBODY) for _ in range(2)] == [FINE, FINE]
    assert http.urls == [MANIFEST, MANIFEST]


def test_docker_hub_has_another_address_than_name() -> None:
    url = "https://registry-1.docker.io/v2/a/x/manifests/1"
    http = ScriptedHttp({url: [FINE]})
    assert host(http, DOCKER_HUB).ask(HEAD, NOBODY) == FINE


def test_all_four_types_of_manifests_are_accepted() -> None:
    http = ScriptedHttp({MANIFEST: [FINE]})
    host(http).ask(HEAD, NOBODY)
    assert http.asked[0].headers["Accept"].count(",") == 3


def test_who_has_a_login_asks_first_who_is_there() -> None:
    http = ScriptedHttp({ROOT: [BASIC], MANIFEST: [FINE]})
    assert host(http).ask(HEAD, SOMEBODY) == FINE
    assert http.urls == [ROOT, MANIFEST]
    assert http.asked[1].headers["Authorization"].startswith("Basic ")


def test_a_token_is_fetched_where_the_registry_says() -> None:
    http = ScriptedHttp({MANIFEST: [BEARER, FINE], TOKEN_URL: [TOKEN]})
    assert host(http).ask(HEAD, NOBODY) == FINE
    assert http.urls == [MANIFEST, TOKEN_URL, MANIFEST]
    assert http.asked[2].headers["Authorization"] == "Bearer t"


PLAIN = Response(401, {"www-authenticate": 'Bearer realm="http://auth.example/token"'})
NAMED = Response(401, {"www-authenticate": 'Bearer realm="https://u:p@auth.example/token"'})
MOVED = Response(307, {"location": "https://elsewhere.example/v2/"})
ELSEWHERE = "https://elsewhere.example/v2/"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param({ROOT: [BEARER]}, "", id="a token server by TLS"),
        pytest.param({ROOT: [BASIC]}, "", id="basic"),
        pytest.param({ROOT: [FINE]}, "", id="open"),
        pytest.param({}, "", id="nobody there"),
        pytest.param(
            {ROOT: [PLAIN]},
            "its token server auth.example can't be trusted with a login",
            id="a token server by plain HTTP",
        ),
        pytest.param(
            {ROOT: [NAMED]},
            "its token server auth.example can't be trusted with a login",
            id="a token server with a name in its address",
        ),
        pytest.param(
            {ROOT: [MOVED], ELSEWHERE: [BEARER]},
            "another host, where it leads, asks for its login",
            id="the challenge of another host",
        ),
        pytest.param({ROOT: [MOVED], ELSEWHERE: [FINE]}, "", id="another host that asks none"),
    ],
)
@pytest.mark.parametrize("login", [SOMEBODY, NeedsHelper("a helper has it")])
def test_a_login_that_we_would_not_send_is_in_danger(
    answers: dict[str, list[Response | HttpError]], reason: str, login: FoundLogin
) -> None:
    http = ScriptedHttp(answers)
    asked = host(http)
    assert asked.danger(login) == reason
    assert asked.danger(login) == reason
    assert asked.danger(NOBODY) == ""
    assert not any("Authorization" in one.headers for one in http.asked)


def test_a_registry_that_nobody_logged_in_to_is_asked_once_more_who_it_is() -> None:
    http = ScriptedHttp({MANIFEST: [FINE], ROOT: [PLAIN]})
    asked = host(http)
    asked.ask(HEAD, NOBODY)
    assert asked.danger(SOMEBODY)
    assert asked.danger(SOMEBODY)
    assert http.urls == [MANIFEST, ROOT]


def test_a_registry_that_wants_a_name_does_not_settle_it_for_nobody() -> None:
    answer = host(ScriptedHttp({MANIFEST: [BASIC]})).ask(HEAD, NOBODY)
    assert isinstance(answer, Inconclusive)
    assert (answer.kind, answer.ends_host) == (ErrorKind.UNAUTHORIZED, False)


@pytest.mark.parametrize(
    ("insecure", "urls"),
    [
        pytest.param(False, [MANIFEST] * 2, id="TLS alone"),
        pytest.param(True, [MANIFEST] * 2 + [MANIFEST.replace("https", "http")], id="plain, too"),
    ],
)
def test_plain_http_comes_second_and_only_where_it_is_allowed(
    insecure: bool, urls: list[str]
) -> None:
    http = ScriptedHttp({MANIFEST.replace("https", "http"): [FINE]})
    answer = host(http, insecure=insecure).ask(HEAD, NOBODY)
    assert (answer == FINE) is insecure
    assert http.urls == urls


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(unreachable(), id="nobody answers"),
        pytest.param(unreachable(ErrorKind.TIMEOUT), id="it takes too long"),
        pytest.param(Response(429), id="too many requests"),
        pytest.param(Response(502), id="it is out of order"),
    ],
)
def test_a_registry_that_failed_is_left_alone(answer: Response) -> None:
    http = ScriptedHttp({MANIFEST: [answer]})
    asked = host(http)
    assert isinstance(asked.ask(HEAD, NOBODY), Inconclusive)
    before = len(http.asked)
    again = asked.ask(HEAD, NOBODY)
    assert isinstance(again, Inconclusive)
    assert "left alone" in again.reason
    assert len(http.asked) == before


def test_a_write_goes_on_where_a_question_has_failed() -> None:
    http = ScriptedHttp({ROOT: [FINE], MANIFEST: [FINE, Response(502)]})
    asked = host(http)
    assert asked.ask(HEAD, NOBODY) == FINE
    assert isinstance(asked.ask(HEAD, NOBODY), Inconclusive)
    http.answers[MANIFEST] = [FINE]
    put = Request("PUT", "a/x", "manifests/1", body=b"{}")
    assert isinstance(asked.ask(HEAD, NOBODY), Inconclusive)
    assert asked.ask(put, NOBODY) == FINE


def test_a_write_that_failed_is_its_own_fault() -> None:
    http = ScriptedHttp({ROOT: [FINE], MANIFEST: [Response(503)]})
    put = Request("PUT", "a/x", "manifests/1", body=b"{}", content_type="t")
    asked = host(http)
    assert asked.ask(put, NOBODY) == Response(503)
    http.answers[MANIFEST] = [FINE]
    assert asked.ask(HEAD, NOBODY) == FINE


def test_the_registrys_clock_is_read_by_the_way() -> None:
    dated = Response(200, {"date": "Thu, 01 Jan 1970 00:01:00 GMT"})
    asked = host(ScriptedHttp({MANIFEST: [dated]}))
    assert asked.skew is None
    asked.ask(HEAD, NOBODY)
    assert asked.skew == -60
