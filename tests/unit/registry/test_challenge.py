from __future__ import annotations

import base64
import json
import math
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.config.authfile import Credentials, NoCredentials
from orchestrator.registry.challenge import (
    Challenge,
    Token,
    basic_authorization,
    is_realm_safe,
    parse_challenges,
    parse_token,
    token_url,
    usable_challenge,
)

HUB = Challenge("bearer", "https://auth.docker.io/token", "registry.docker.io")
NOW = 1_700_000_000.0
ALICE = Credentials("alice", "wonder:länd")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param(
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
            'scope="repository:library/redis:pull,push"',
            (HUB,),
            id="Docker Hub's, with a comma in its scope",
        ),
        pytest.param(
            'BEARER Realm = "https://auth.docker.io/token" , SERVICE=registry.docker.io',
            (HUB,),
            id="any case, spaces, no quotes",
        ),
        pytest.param(
            'Basic realm="Registry Realm"', (Challenge("basic", "Registry Realm"),), id="basic"
        ),
        pytest.param("Basic", (Challenge("basic"),), id="a scheme alone"),
        pytest.param(
            'Negotiate, Basic realm="a", Bearer realm="b",service="c"',
            (Challenge("negotiate"), Challenge("basic", "a"), Challenge("bearer", "b", "c")),
            id="several",
        ),
        pytest.param(
            'Negotiate YWJj==, Basic realm="a"',
            (Challenge("negotiate"), Challenge("basic", "a")),
            id="a scheme with base64",
        ),
        pytest.param(
            r'Basic realm="a \"quoted\" \\ realm, service=x"',
            (Challenge("basic", 'a "quoted" \\ realm, service=x'),),
            id="escapes and commas within quotes",
        ),
        pytest.param(
            'Basic realm="first", realm="second"', (Challenge("basic", "first"),), id="said twice"
        ),
        pytest.param(', ,Basic realm="a",,', (Challenge("basic", "a"),), id="stray commas"),
        pytest.param('Bearer realm="never closed', (), id="an open quote"),
        pytest.param('Bearer realm="a" service="b"', (), id="a comma is missing"),
        pytest.param('realm="a"', (), id="no scheme"),
        pytest.param('Bearer realm="a",=', (), id="no name"),
        pytest.param("<html>", (), id="a page"),
        pytest.param('Bearer realm="ä"', (Challenge("bearer", "ä"),), id="not ASCII"),
    ],
)
def test_a_challenge_is_read_by_its_grammar(header: str, expected: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == expected


def test_a_long_hostile_challenge_takes_no_time() -> None:
    assert parse_challenges('Bearer realm="' + '\\"' * 30_000) == ()
    assert len(parse_challenges("a, " * 20_000)) == 20_000


@pytest.mark.parametrize(
    ("header", "scheme"),
    [
        pytest.param('Negotiate, Bearer realm="a"', "bearer", id="what we don't know is passed by"),
        pytest.param('Basic realm="a", Bearer realm="b"', "basic", id="the first that we know"),
        pytest.param("Negotiate", None, id="nothing that we know"),
    ],
)
def test_the_first_known_scheme_is_used(header: str, scheme: str | None) -> None:
    challenge = usable_challenge(header)

    assert (challenge.scheme if challenge else None) == scheme


@pytest.mark.parametrize(
    ("realm", "is_safe"),
    [
        ("https://auth.docker.io/token", True),
        ("https://registry.example:5443/token?x=1", True),
        ("http://insecure.example/token", True),
        ("http://registry.example/token", False),
        ("http://insecure.example:81/token", False),
        ("ftp://insecure.example/token", False),
        ("//auth.docker.io/token", False),
        ("/token", False),
        ("", False),
        ("https://", False),
        ("https://user:password@auth.docker.io/token", False),
        ("https://auth.docker.io:99999/token", False),
        ("https://auth.docker.io:0/token", False),
        ("https://[::1/token", False),
        ("https://auth.docker.io/a b", False),
        ("https://auth.docker.io/\r\nX: y", False),
        ("file:///etc/passwd", False),
    ],
)
def test_a_login_goes_only_where_nobody_listens_in(realm: str, is_safe: bool) -> None:
    assert is_realm_safe(realm, lambda host: host == "insecure.example") is is_safe


def test_a_token_for_several_repositories_is_asked_for_at_once() -> None:
    url = token_url(HUB, ["library/redis", "bitnami/redis"], ALICE)

    assert url.startswith("https://auth.docker.io/token?")
    assert parse_qs(urlsplit(url).query) == {
        "account": ["alice"],
        "service": ["registry.docker.io"],
        "scope": ["repository:library/redis:pull", "repository:bitnami/redis:pull"],
    }


def test_a_realm_keeps_its_own_query_and_strangers_name_no_account() -> None:
    challenge = Challenge("bearer", "https://h.io/token?tenant=a#part")

    url = token_url(challenge, ["a"], NoCredentials())
    assert url == "https://h.io/token?tenant=a&scope=repository%3Aa%3Apull"


def test_basic_is_base64_of_utf8() -> None:
    scheme, _, coded = basic_authorization(ALICE).partition(" ")

    assert (scheme, base64.b64decode(coded).decode()) == ("Basic", "alice:wonder:länd")


@pytest.mark.parametrize(
    ("answer", "lives"),
    [
        pytest.param({"expires_in": 300}, 290, id="ten seconds are kept for the way"),
        pytest.param({}, 50, id="a minute where nothing is said"),
        pytest.param({"expires_in": 8}, 6, id="a short one loses a quarter"),
        pytest.param({"expires_in": 0}, 50, id="none"),
        pytest.param({"expires_in": -5}, 50, id="negative"),
        pytest.param({"expires_in": "300"}, 50, id="a text"),
        pytest.param({"expires_in": True}, 50, id="a truth"),
        pytest.param({"expires_in": math.nan}, 50, id="no number"),
        pytest.param({"expires_in": math.inf}, 86_390, id="for ever is a day"),
        pytest.param({"expires_in": 10**30}, 86_390, id="for ages is a day"),
        pytest.param(
            {"expires_in": 300, "issued_at": "2023-11-14T22:12:20Z"}, 230, id="a minute ago"
        ),
        pytest.param(
            {"expires_in": 300, "issued_at": "2023-11-14T22:12:20.123456789Z"},
            230,
            id="with nanoseconds",
        ),
        pytest.param(
            {"expires_in": 300, "issued_at": "2023-11-15T06:12:20+08:00"}, 230, id="in China"
        ),
        pytest.param(
            {"expires_in": 300, "issued_at": "2020-01-01T00:00:00Z"}, 290, id="a wrong clock"
        ),
        pytest.param({"expires_in": 300, "issued_at": "2099-01-01T00:00:00Z"}, 290, id="to come"),
        pytest.param({"expires_in": 300, "issued_at": "yesterday"}, 290, id="no time"),
        pytest.param({"expires_in": 300, "issued_at": 5}, 290, id="a number for a time"),
    ],
)
def test_a_token_lives_as_long_as_it_is_said(answer: dict[str, object], lives: float) -> None:
    body = json.dumps({"token": "t", **answer}).encode()

    assert parse_token(body, now=NOW) == Token("t", NOW + lives)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(b'{"token": "a"}', "a", id="token"),
        pytest.param(b'{"access_token": "b"}', "b", id="OAuth2's name"),
        pytest.param(b'{"token": "", "access_token": "b"}', "b", id="an empty one"),
        pytest.param(b'{"token": "a", "access_token": "b"}', "a", id="both"),
        pytest.param(b'{"token": "a\\r\\nX: y"}', None, id="a header hidden in it"),
        pytest.param(b'{"token": "a b"}', None, id="a space"),
        pytest.param('{"token": "ä"}'.encode(), None, id="not ASCII"),
        pytest.param(b'{"token": 5}', None, id="a number"),
        pytest.param(b"{}", None, id="nothing"),
        pytest.param(b"[]", None, id="a list"),
        pytest.param(b"<html>", None, id="a page"),
        pytest.param(b"\xff", None, id="noise"),
        pytest.param(b"[" * 200_000, None, id="a deep one"),
    ],
)
def test_only_what_may_travel_in_a_header_is_a_token(body: bytes, text: str | None) -> None:
    token = parse_token(body, now=NOW)

    assert (token.text if token else None) == text


def test_no_token_shows() -> None:
    assert "hidden" not in repr(Token("hidden", NOW))
