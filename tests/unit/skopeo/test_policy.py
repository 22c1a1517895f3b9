"""Which keys a policy of signatures asks for: by the narrowest scope, as skopeo looks them up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigurationError, ErrorKind, ImageError
from orchestrator.oci.reference import Reference
from orchestrator.skopeo.hints import ASKED_FOR
from orchestrator.skopeo.policy import SignaturePolicy, read_policy

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "1" * 64
SOURCE = Reference.parse(f"sub.quay.io/acme/team/app:1@{DIGEST}")
SCOPES = (
    f"sub.quay.io/acme/team/app@{DIGEST}",
    "sub.quay.io/acme/team/app",
    "sub.quay.io/acme/team",
    "sub.quay.io/acme",
    "sub.quay.io",
    "*.quay.io",
    "*.io",
    "",
)


def signed_by(key: str) -> list[object]:
    return [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": key}]


def a_policy(path: Path, scopes: dict[str, list[object]]) -> SignaturePolicy:
    file = path / "policy.json"
    rules = {"default": signed_by("/default"), "transports": {"docker": scopes}}
    file.write_text(json.dumps(rules), encoding="utf-8")
    return read_policy(file)


@pytest.mark.parametrize("at", range(len(SCOPES)), ids=[scope or "all" for scope in SCOPES])
def test_the_narrowest_scope_counts(tmp_path: Path, at: int) -> None:
    scopes = {scope: signed_by(f"/{place}") for place, scope in enumerate(SCOPES) if place >= at}
    assert a_policy(tmp_path, scopes).keys_for(SOURCE) == (f"/{at}",)


@pytest.mark.parametrize("scope", ["quay.io", "sub.quay.io/ac", "sub.quay.io/acme/team/app:1"])
def test_another_scope_does_not_count(tmp_path: Path, scope: str) -> None:
    assert a_policy(tmp_path, {scope: signed_by("/x")}).keys_for(SOURCE) == ("/default",)


def test_docker_hub_is_called_as_skopeo_calls_it(tmp_path: Path) -> None:
    policy = a_policy(tmp_path, {"docker.io/library/redis": signed_by("/redis")})
    assert policy.keys_for(Reference.parse("redis:7")) == ("/redis",)


@pytest.mark.parametrize(
    ("rules", "keys"),
    [
        pytest.param([{"type": "reject"}], (), id="none"),
        pytest.param([{"keyPaths": ["/a", "/b", "/a"]}], ("/a", "/b"), id="several"),
        pytest.param([{"keyPath": "/a"}, {"keyPath": "/b"}], ("/a", "/b"), id="several rules"),
        pytest.param([{"keyData": "c2VjcmV0"}], ("a key that stands in it",), id="inline"),
        pytest.param([{"fulcio": {}}], ("a certificate (fulcio)",), id="fulcio"),
        pytest.param("odd", (), id="no list"),
        pytest.param([1, {"keyPaths": "/a"}], (), id="odd values"),
    ],
)
def test_each_way_to_name_a_key_is_known(
    tmp_path: Path, rules: list[object], keys: tuple[str, ...]
) -> None:
    assert a_policy(tmp_path, {"": rules}).keys_for(SOURCE) == keys


def test_only_a_refusal_names_the_keys(tmp_path: Path) -> None:
    policy = a_policy(tmp_path, {})
    other = ImageError(ErrorKind.NOT_FOUND, "app: gone")
    assert policy.explained(other, SOURCE) is other
    refused = policy.explained(ImageError(ErrorKind.UNSIGNED, "app: no", registry="r"), SOURCE)
    assert refused.message == "app: no; policy.json asks for /default"
    assert (refused.kind, refused.registry) == (ErrorKind.UNSIGNED, "r")


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        pytest.param(ASKED_FOR, "publisher signs each platform's image", id="nothing is known"),
        pytest.param("install 1.11", "install 1.11", id="skopeo is too old"),
    ],
)
def test_what_skopeo_said_goes_before_a_general_hint(tmp_path: Path, hint: str, words: str) -> None:
    error = ImageError(ErrorKind.UNSIGNED, "app: no", hint=hint)
    assert words in a_policy(tmp_path, {}).explained(error, SOURCE).hint


def test_where_no_key_helps_none_is_named(tmp_path: Path) -> None:
    policy = a_policy(tmp_path, {"": [{"type": "reject"}]})
    refused = policy.explained(ImageError(ErrorKind.UNSIGNED, "app: no"), SOURCE)
    assert refused.message == "app: no; policy.json lets nothing in from there"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "is no JSON", id="no JSON"),
        pytest.param("[]", "has no default", id="no object"),
        pytest.param("{}", "has no default", id="no default"),
        pytest.param(None, "can't be read: No such file", id="not there"),
    ],
)
def test_a_file_that_is_no_policy_is_told(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "policy.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"POLICY: {file} {words}"):
        read_policy(file)
