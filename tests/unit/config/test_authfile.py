from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from orchestrator.config.authfile import (
    Authfile,
    Credentials,
    FoundLogin,
    NeedsHelper,
    NoCredentials,
    credentials_for,
    merged,
    parse_authfile,
    sealing_logins,
    without,
)
from orchestrator.config.load import load_settings
from orchestrator.config.settings import Login
from orchestrator.errors import ConfigurationError
from orchestrator.registry.challenge import basic_authorization
from tests.support.logins import LOGIN_CASES, LoginCase, document, entry

NOBODY = document({})


def found_in(raw: bytes, name: str) -> FoundLogin:
    registry, _, repository = name.partition("/")
    return credentials_for([parse_authfile(raw, origin="auth.json")], registry, repository)


def username_in(raw: bytes, name: str) -> str:
    found = found_in(raw, name)
    assert not isinstance(found, NeedsHelper)
    return found.username if isinstance(found, Credentials) else ""


def merge(documents: Sequence[bytes], *logins: Login) -> bytes:
    return merged((parse_authfile(raw, origin="auth.json") for raw in documents), logins)


@pytest.mark.parametrize("case", LOGIN_CASES, ids=lambda case: case.about)
def test_a_login_is_found_as_skopeo_finds_it(case: LoginCase) -> None:
    assert username_in(case.document, case.name) == case.username


SPEAKING_CASES = [case for case in LOGIN_CASES if "empty entry" not in case.about]
"""Entries that say nothing are left out of the run's document, and hide nothing there."""


@pytest.mark.parametrize("case", SPEAKING_CASES, ids=lambda case: case.about)
def test_merging_one_document_with_nothing_keeps_what_it_says(case: LoginCase) -> None:
    assert username_in(merge([case.document]), case.name) == case.username


def test_a_password_may_hold_anything() -> None:
    assert found_in(document({"h.io": entry("me", "a:b é\0")}), "h.io/a") == Credentials(
        "me", "a:b é"
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(
            document({"h.io/a": entry("me")}, credHelpers={"h.io": "ecr-login"}),
            "its login is kept by docker-credential-ecr-login",
            id="a helper goes before every key",
        ),
        pytest.param(
            document({"h.io": entry("me", "", identitytoken="t")}),
            "its login is an identity token",
            id="an identity token",
        ),
        pytest.param(
            document({"h.io": {"auth": "%%"}}),
            "its login in the authfile is not base64",
            id="not base64",
        ),
        pytest.param(
            document({"h.io": {"auth": "/w"}}),
            "its login in the authfile is not base64",
            id="no padding",
        ),
    ],
)
def test_a_login_that_can_not_be_read_is_told_from_none(raw: bytes, reason: str) -> None:
    assert found_in(raw, "h.io/a/b") == NeedsHelper(reason)


def test_the_first_document_that_knows_a_login_is_believed() -> None:
    documents = [
        Authfile(),
        parse_authfile(document({"h.io": {}}), origin="1"),
        parse_authfile(document({"h.io": entry("second")}), origin="2"),
        parse_authfile(document({"h.io/a": entry("third")}), origin="3"),
    ]

    assert credentials_for(documents, "h.io", "a") == Credentials("second", "secret")
    assert credentials_for(documents, "g.io", "a") == NoCredentials()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'{"auths": []}',
        b'{"auths": {"h.io": 1}}',
        b'{"auths": {"h.io": {"auth": 1}}}',
        b'{"credHelpers": {"h.io": 1}}',
        b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda raw: raw[:30].decode("latin-1") or "empty",
)
def test_what_is_no_document_is_refused_without_a_word_of_it(raw: bytes) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_authfile(raw, origin="/home/me/auth.json")

    assert str(caught.value) == "/home/me/auth.json is not a file of logins"
    assert "/home/me/auth.json" in caught.value.hint


OURS = Login("h.io/mine", "ours", "secret")


@pytest.mark.parametrize(
    ("documents", "name", "username"),
    [
        pytest.param([NOBODY], "h.io/mine/redis", "ours", id="the target's namespace"),
        pytest.param([NOBODY], "h.io/other/redis", "ours", id="a source nobody has a login for"),
        pytest.param(
            [document({"h.io": entry("user")})],
            "h.io/mine/redis",
            "ours",
            id="the target wins over the user's login",
        ),
        pytest.param(
            [document({"h.io": entry("user")})],
            "h.io/other/redis",
            "user",
            id="a source in the target's registry keeps the user's login",
        ),
        pytest.param(
            [document({"https://h.io/v1/": entry("user")})],
            "h.io/other/redis",
            "user",
            id="even where that is a URL",
        ),
        pytest.param(
            [document({"h.io/mine/redis": entry("user")})],
            "h.io/mine/redis",
            "ours",
            id="the target wins over the user's longer key",
        ),
        pytest.param(
            [document({"h.io/other": entry("user")})],
            "h.io/other/redis",
            "user",
            id="the user's key for another namespace stays",
        ),
        pytest.param(
            [document({"h.io/minery": entry("user")})],
            "h.io/minery/redis",
            "user",
            id="half a name is no namespace",
        ),
        pytest.param(
            [document({}, credHelpers={"h.io": "none"})],
            "h.io/mine/redis",
            "ours",
            id="the target wins over the user's helper",
        ),
        pytest.param(
            [document({"h.io": entry("first")}), document({"h.io/other": entry("second")})],
            "h.io/other/redis",
            "first",
            id="a weaker document's longer key does not count",
        ),
        pytest.param(
            [document({"h.io/other": entry("first")}), document({"h.io": entry("second")})],
            "h.io/redis",
            "second",
            id="a weaker document fills the gaps",
        ),
        pytest.param(
            [document({"g.io": {}}), document({"g.io": entry("second")})],
            "g.io/redis",
            "second",
            id="an entry that says nothing hides nothing",
        ),
        pytest.param(
            [document({"g.io/a": entry("first")}), document({}, credHelpers={"g.io": "none"})],
            "g.io/a",
            "first",
            id="a weaker document's helper does not hide a login",
        ),
    ],
)
def test_the_run_has_one_document(documents: list[bytes], name: str, username: str) -> None:
    assert username_in(merge(documents, OURS), name) == username


def test_a_whole_registry_may_be_a_target() -> None:
    whole = Login("h.io", "ours", "secret")
    theirs = document({"h.io": entry("user"), "h.io/a": entry("user")})

    assert username_in(merge([theirs], whole), "h.io/a/b") == "ours"


def test_docker_hub_has_one_name_and_the_strongest_login_comes_first() -> None:
    theirs = document({"https://index.docker.io/v1/": entry("user"), "docker.io": entry("user")})
    logins = [Login("index.docker.io/me", "target", "secret"), Login("docker.io", "source", "s")]
    raw = merge([theirs], *logins)

    assert username_in(raw, "docker.io/me/redis") == "target"
    assert username_in(raw, "docker.io/library/redis") == "source"
    assert "user" not in [username_in(raw, key) for key in json.loads(raw)["auths"]]


def test_helpers_and_the_store_are_kept() -> None:
    raw = merge(
        [
            document({}, credHelpers={"a.io": "one"}, credsStore="desktop"),
            document({"a.io": entry("x")}, credHelpers={"a.io": "two", "b.io": "two"}),
        ],
        OURS,
    )

    kept = json.loads(raw)
    assert kept["credHelpers"] == {"a.io": "one", "b.io": "two"}
    assert kept["credsStore"] == "desktop"
    assert set(kept["auths"]) == {"h.io", "h.io/mine"}


@pytest.mark.parametrize(
    ("registry", "left"),
    [
        pytest.param("h.io", {"h.io:5000", "docker.io", "ah.io"}, id="a host, its namespaces"),
        pytest.param("h.io:5000", {"h.io", "h.io/a", "docker.io", "ah.io"}, id="a port"),
        pytest.param("index.docker.io", {"h.io", "h.io/a", "h.io:5000", "ah.io"}, id="docker.io"),
    ],
)
def test_a_document_can_do_without_a_registry(registry: str, left: set[str]) -> None:
    hosts = ("h.io", "h.io/a", "h.io:5000", "https://index.docker.io/v1/", "ah.io")
    whole = merge([document({host: entry("x") for host in hosts}, credHelpers={"h.io": "one"})])
    kept = json.loads(without(whole, [registry]))
    assert set(kept["auths"]) == left
    assert ("h.io" in kept.get("credHelpers", {})) == (registry != "h.io")


def test_no_password_shows() -> None:
    parsed = parse_authfile(document({"h.io": entry("me", "hidden")}), origin="x")

    assert "hidden" not in repr((parsed, parsed.auths["h.io"].read()))
    assert parsed.auths["h.io"].auth not in repr(parsed)


ALIYUN = {"ALIYUN_REGISTRY": "r.example", "ALIYUN_NAMESPACE": "mine"}
OWN = {**ALIYUN, "ALIYUN_USERNAME": "me", "ALIYUN_PASSWORD": "secret"}
GHCR = {"GHCR_NAMESPACE": "octocat", "GHCR_USERNAME": "octocat"}


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        pytest.param({}, [], id="nobody"),
        pytest.param(OWN, [("r.example", "me", "secret")], id="the target's own"),
        pytest.param(ALIYUN, [("r.example", "you", "kept")], id="the user's"),
        pytest.param({**GHCR, "GHCR_TOKEN": "ghs_of_this_job"}, [], id="a job's token"),
        pytest.param(
            {**GHCR, "GHCR_TOKEN": "ghp_x", **OWN},
            [("r.example", "me", "secret"), ("ghcr.io", "octocat", "ghp_x")],
            id="of two targets",
        ),
        pytest.param(
            {**OWN, "DOCKERHUB_USERNAME": "hub", "DOCKERHUB_TOKEN": "dckr"},
            [("r.example", "me", "secret"), ("docker.io", "hub", "dckr")],
            id="a source's comes last",
        ),
    ],
)
def test_what_is_remembered_is_sealed_with_the_logins_that_last(
    environ: Mapping[str, str], found: list[tuple[str, str, str]]
) -> None:
    settings = load_settings(environ, base=Path("/nowhere"))
    logins = sealing_logins(settings, document({"r.example/mine": entry("you", "kept")}))
    assert [(one.registry, one.username, one.password) for one in logins] == found


def test_a_password_that_is_no_utf_8_stays_the_bytes_that_it_is() -> None:
    login = Login("h.io", "me", b"p\xffw".decode("utf-8", "surrogateescape"))
    raw = merged((), [login])
    assert base64.b64decode(json.loads(raw)["auths"]["h.io"]["auth"]) == b"me:p\xffw"
    found = credentials_for([parse_authfile(raw, origin="x")], "h.io", "a/b")
    assert found == Credentials("me", login.password)
    assert (
        basic_authorization(found).removeprefix("Basic ") == base64.b64encode(b"me:p\xffw").decode()
    )
