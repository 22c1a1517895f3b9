"""Bearer tokens: one for many repositories, kept as long as they hold."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.config.authfile import Credentials, NoCredentials
from orchestrator.errors import ErrorKind
from orchestrator.registry.challenge import Challenge, Token
from orchestrator.registry.responses import Inconclusive
from orchestrator.registry.tokens import Tokens
from orchestrator.system.http import Response
from tests.support.scripted_http import ScriptedHttp, transport_over, unreachable

REALM = "https://auth.example/token"
CHALLENGE = Challenge("bearer", REALM, "registry.example")
NOBODY = NoCredentials()
SOMEBODY = Credentials("name", "word")


class TokenServer(ScriptedHttp):
    """Gives a token of its own to each that asks; or answers as it was told."""

    def __init__(self, *answers: Response) -> None:
        super().__init__()
        self.given = list(answers)

    def answer_to(self, url: str) -> Response:
        del url
        if self.given:
            return self.given.pop(0)
        document = {"token": f"t{len(self.asked)}", "expires_in": 100}
        return Response(200, {}, json.dumps(document).encode())

    @property
    def scopes(self) -> list[list[str]]:
        return [parse_qs(urlsplit(url).query)["scope"] for url in self.urls]


def text_of(found: Token | Inconclusive) -> str:
    assert isinstance(found, Token)
    return found.text


def test_repositories_that_are_expected_share_a_token() -> None:
    server = TokenServer()
    tokens = Tokens(transport_over(server))
    tokens.expect(NOBODY, ["a/x", "a/y", "a/x"])
    assert [text_of(tokens.get(CHALLENGE, NOBODY, name)) for name in ("a/x", "a/y")] == ["t1"] * 2
    assert server.scopes == [["repository:a/x:pull", "repository:a/y:pull"]]


def test_a_token_names_at_most_twenty_repositories() -> None:
    server = TokenServer()
    tokens = Tokens(transport_over(server))
    names = [f"a/{number}" for number in range(41)]
    tokens.expect(NOBODY, names)
    for name in names:
        tokens.get(CHALLENGE, NOBODY, name)
    assert [len(scope) for scope in server.scopes] == [20, 20, 1]


def test_a_token_to_write_is_for_one_repository_alone() -> None:
    server = TokenServer()
    tokens = Tokens(transport_over(server))
    tokens.expect(SOMEBODY, ["a/x", "a/y"])
    tokens.get(CHALLENGE, SOMEBODY, "a/x", actions="pull,push")
    assert server.scopes == [["repository:a/x:pull,push"]]


def test_a_token_is_kept_until_it_runs_out_or_will_not_do() -> None:
    now = 0.0
    server = TokenServer()
    tokens = Tokens(transport_over(server, clock=lambda: now))
    assert [text_of(tokens.get(CHALLENGE, NOBODY, "a/x")) for _ in range(3)] == ["t1"] * 3
    assert text_of(tokens.get(CHALLENGE, NOBODY, "a/x", is_fresh=True)) == "t2"
    now = 95.0  # of its hundred seconds, ten are for the way
    assert text_of(tokens.get(CHALLENGE, NOBODY, "a/x")) == "t3"


def test_where_several_are_refused_each_is_asked_for_by_itself() -> None:
    server = TokenServer(Response(400))
    tokens = Tokens(transport_over(server))
    tokens.expect(NOBODY, ["a/x", "a/y"])
    assert text_of(tokens.get(CHALLENGE, NOBODY, "a/x")) == "t2"
    assert server.scopes[1:] == [["repository:a/x:pull"]]


def test_a_login_that_is_wrong_is_sent_once() -> None:
    server = TokenServer(Response(401))
    tokens = Tokens(transport_over(server))
    found = [tokens.get(CHALLENGE, SOMEBODY, name) for name in ("a/x", "a/y")]
    assert [one.kind for one in found if isinstance(one, Inconclusive)] == [
        ErrorKind.UNAUTHORIZED
    ] * 2
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "ends_host", "kind"),
    [
        pytest.param(Response(403), False, ErrorKind.UNAUTHORIZED, id="denied"),
        pytest.param(Response(429), True, None, id="too many"),
        pytest.param(Response(503), True, None, id="out of order"),
        pytest.param(Response(200, {}, b"{}"), False, None, id="no token in it"),
    ],
)
def test_what_is_no_token_says_whether_the_host_is_well(
    answer: Response, ends_host: bool, kind: ErrorKind | None
) -> None:
    found = Tokens(transport_over(TokenServer(answer))).get(CHALLENGE, NOBODY, "a/x")
    assert isinstance(found, Inconclusive)
    assert (found.ends_host, found.kind) == (ends_host, kind)


def test_a_token_server_that_is_not_there_ends_its_registry() -> None:
    http = ScriptedHttp({REALM: [unreachable()]})
    found = Tokens(transport_over(http)).get(CHALLENGE, NOBODY, "a/x")
    assert isinstance(found, Inconclusive)
    assert found.ends_host


@pytest.mark.parametrize(
    "realm",
    [
        pytest.param("http://auth.example/token", id="plain HTTP"),
        pytest.param("https://name:word@auth.example/token", id="a login in it"),
        pytest.param("/token", id="no host"),
    ],
)
def test_a_login_is_sent_to_no_server_that_can_not_be_trusted(realm: str) -> None:
    server = TokenServer()
    challenge = Challenge("bearer", realm, "")
    assert isinstance(Tokens(transport_over(server)).get(challenge, SOMEBODY, "a/x"), Inconclusive)
    assert server.asked == []
