"""Requests to hosts: what is believed of certificates, and where redirects may lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ErrorKind
from orchestrator.system.http import HttpError, Response
from tests.support.scripted_http import ScriptedHttp, transport_over, unreachable

HERE = "https://registry.example/v2/x"
THERE = "https://store.example/blob"
LOGIN = {"Authorization": "Bearer t", "Accept": "a"}
FINE = Response(200, {}, b"it")


def moved(location: str, status: int = 307) -> Response:
    return Response(status, {"location": location})


@pytest.mark.parametrize(
    ("insecure", "ca", "expected"),
    [
        pytest.param(False, None, True, id="the usual authorities"),
        pytest.param(False, Path("/ca.pem"), Path("/ca.pem"), id="its own"),
        pytest.param(True, Path("/ca.pem"), False, id="insecure goes before its own"),
    ],
)
def test_how_a_hosts_certificate_is_checked(
    insecure: bool, ca: Path | None, expected: bool | Path
) -> None:
    http = ScriptedHttp({HERE: [FINE]})
    hosts = frozenset({"registry.example"} if insecure else ())
    transport_over(http, insecure=hosts, ca_of=lambda _: ca).ask("GET", HERE, {}, limit=9)
    assert [one.verify for one in http.asked] == [expected]


def test_a_login_does_not_go_along_to_another_host_nor_come_back() -> None:
    challenge = Response(401, {"www-authenticate": "Bearer realm=x", "other": "kept"})
    http = ScriptedHttp({HERE: [moved(THERE)], THERE: [challenge]})
    answer = transport_over(http).follow("GET", HERE, LOGIN, limit=9)
    assert [one.headers for one in http.asked] == [LOGIN, {"Accept": "a"}]
    assert answer.headers == {"other": "kept"}


def test_a_login_goes_along_on_the_same_host() -> None:
    http = ScriptedHttp({HERE: [moved("/v2/y")], "https://registry.example/v2/y": [FINE]})
    assert transport_over(http).follow("GET", HERE, LOGIN, limit=9) == FINE
    assert [one.headers for one in http.asked] == [LOGIN, LOGIN]


@pytest.mark.parametrize(
    ("location", "is_followed"),
    [
        pytest.param(THERE, True, id="TLS"),
        pytest.param("http://store.example/blob", False, id="plain HTTP"),
        pytest.param("http://127.0.0.1:5000/blob", True, id="plain HTTP where that is allowed"),
        pytest.param("https://name:word@store.example/", False, id="a login in the address"),
        pytest.param("file:///etc/passwd", False, id="a file"),
        pytest.param("", False, id="nowhere"),
    ],
)
def test_a_redirect_is_followed_where_that_is_safe(location: str, is_followed: bool) -> None:
    http = ScriptedHttp({HERE: [moved(location)], location: [FINE]})
    transport = transport_over(http, insecure=frozenset({"127.0.0.1:5000"}))
    answer = transport.follow("GET", HERE, {}, limit=9)
    assert answer.status == (200 if is_followed else 307)
    assert http.urls == [HERE, location][: 1 + is_followed]


def test_a_chain_of_redirects_has_an_end() -> None:
    http = ScriptedHttp({HERE: [moved(HERE)]})
    assert transport_over(http).follow("GET", HERE, {}, limit=9).status == 307
    assert len(http.asked) == 5


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        pytest.param(ErrorKind.UNREACHABLE, 2, id="it broke"),
        pytest.param(ErrorKind.TIMEOUT, 1, id="it took too long"),
        pytest.param(ErrorKind.TLS, 1, id="it is not trusted"),
    ],
)
def test_only_a_connection_that_broke_is_made_anew(kind: ErrorKind, tries: int) -> None:
    http = ScriptedHttp({HERE: [unreachable(kind)]})
    with pytest.raises(HttpError):
        transport_over(http).follow("GET", HERE, {}, limit=9)
    assert len(http.asked) == tries


@pytest.mark.parametrize(
    ("method", "body", "times"),
    [
        pytest.param("POST", b"", 2, id="the beginning of an upload"),
        pytest.param("PUT", b"{}", 2, id="what names its own digest"),
        pytest.param("PUT", b"", 1, id="the end of an upload, whose answer may have been lost"),
    ],
)
def test_what_is_brought_is_brought_again_where_that_is_safe(
    method: str, body: bytes, times: int
) -> None:
    http = ScriptedHttp({HERE: [unreachable(), unreachable()]})
    with pytest.raises(HttpError):
        transport_over(http).write(method, HERE, LOGIN, body)
    assert len(http.asked) == times
