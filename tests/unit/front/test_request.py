"""A path of the distribution specification becomes an original name, or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.front.request import parse_range, parse_wanted

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("target", "image"),
    [
        pytest.param(
            "/v2/library/nginx/manifests/1.27?ns=docker.io",
            "docker.io/library/nginx:1.27",
            id="containerd",
        ),
        pytest.param(
            "/v2/library/nginx/manifests/1.27", "docker.io/library/nginx:1.27", id="docker"
        ),
        pytest.param("/v2/nginx/manifests/1.27", "docker.io/library/nginx:1.27", id="short"),
        pytest.param("/v2/bitnami/redis/manifests/7", "docker.io/bitnami/redis:7", id="user"),
        pytest.param(
            "/v2/coreos/etcd/manifests/v3?ns=quay.io", "quay.io/coreos/etcd:v3", id="namespace"
        ),
        pytest.param(
            "/v2/quay.io/coreos/etcd/manifests/v3", "quay.io/coreos/etcd:v3", id="podman's prefix"
        ),
        pytest.param(
            "/v2/docker.io/library/nginx/manifests/1", "docker.io/library/nginx:1", id="hub prefix"
        ),
        pytest.param(
            "/v2/library/nginx/manifests/1?ns=registry-1.docker.io",
            "docker.io/library/nginx:1",
            id="the hub's own host",
        ),
        pytest.param(
            "/v2/a/b/manifests/1?ns=registry.example:5000",
            "registry.example:5000/a/b:1",
            id="port",
        ),
        pytest.param(
            f"/v2/library/nginx/manifests/{DIGEST}",
            f"docker.io/library/nginx@{DIGEST}",
            id="digest",
        ),
        pytest.param(
            f"/v2/library/nginx/blobs/{DIGEST.replace(':', '%3A')}",
            f"docker.io/library/nginx@{DIGEST}",
            id="blob, its colon escaped",
        ),
    ],
)
def test_a_pull_is_read(target: str, image: str) -> None:
    wanted = parse_wanted(target)
    assert wanted
    assert str(wanted.image) == image


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v2/nginx/tags/list",
        "/v2/_catalog",
        "/v2/../etc/passwd/manifests/1",
        "/v2/a/%2e%2e/b/manifests/1",
        "/v2/a//b/manifests/1",
        "/v2/A/manifests/1",
        "/v2/a/manifests/-x",
        "/v2/a/manifests/a%0d%0ab",
        "/v2/a/manifests/a/b",
        "/v2/a/manifests/sha256:ab",
        "/v2/a/manifests/sha512:" + "ab" * 64,
        "/v2/a/blobs/latest",
        "/v2/a/blobs/uploads/",
        "/v2/a/manifests/" + "t" * 129,
        "/v2/" + "a" * 3000 + "/manifests/1",
        "/v2/a/manifests/1?ns=",
        "/v2/a/manifests/1?ns=a%0d%0ab" + "&ns=b",
        "/v2/a/manifests/1?ns=http://evil",
        "/v2/a/manifests/1?ns=user@host",
        "/v2/a/manifests/1?ns=a.b&ns=c.d",
        "/v2/a/manifests/1?" + "&".join(f"a{number}=1" for number in range(50)),
        "http://other/v2/a/manifests/1",
        "//other/v2/a/manifests/1",
        "//[/v2/a/manifests/1",
        "*",
        "/v2/%ff/manifests/1",
    ],
)
def test_what_is_no_pull_is_none(target: str) -> None:
    found = parse_wanted(target)
    assert found is None or (target.endswith("?ns=") and found.image.registry == "docker.io")


@given(st.text())
@settings(max_examples=40)
def test_any_text_is_read_or_refused(text: str) -> None:
    for target in (text, f"/v2/{text}", f"/v2/a/manifests/{text}", f"/v2/a/manifests/1?ns={text}"):
        wanted = parse_wanted(target)
        if wanted:
            assert str(wanted.image).isascii()
            assert str(wanted.image).isprintable()


@pytest.mark.parametrize("text", ["bytes=0-", "bytes=5-9", "bytes=-100"])
def test_one_range_is_asked_for(text: str) -> None:
    assert parse_range(text) == text


@pytest.mark.parametrize(
    "text", ["", "bytes=", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", "bytes=1-\r\nx: y"]
)
def test_any_other_range_is_left_out(text: str) -> None:
    assert parse_range(text) == ""
