"""The laboratory works: real registries, real skopeo, faults where rules put them."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from requests import Session

from demo.binaries import fetch_busybox
from demo.faults import (
    Call,
    Corrupt,
    Drip,
    Hang,
    Refuse,
    Reset,
    Response,
    Rule,
    Stall,
    Truncate,
    WrongDigest,
)
from demo.images import MIB, build_image, build_index, digest_of, noise_layer, push
from demo.proxy import FaultProxy
from demo.registry import Client, Login, Registry, RegistryOptions
from tests.support.certificates import make_certificate
from tests.support.tokens import Account, TokenOptions, TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.faults import Fault
    from demo.images import Attestations, Compression, Index, Media

ALICE = Login("alice", "wonder:land")
BOB = Login("bob", "builder")


def run_skopeo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ("skopeo", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def copy(source: str, destination: str, *options: str) -> subprocess.CompletedProcess[str]:
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    return run_skopeo("copy", *plain, *options, f"docker://{source}", f"docker://{destination}")


@pytest.fixture
def source() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


@pytest.fixture
def target() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


@pytest.mark.parametrize(
    ("media", "compression"),
    [("oci", "gzip"), ("oci", "none"), ("oci", "zstd"), ("docker", "gzip"), ("docker", "none")],
)
def test_skopeo_copies_what_we_build(
    source: Registry, target: Registry, media: Media, compression: Compression
) -> None:
    image = build_image("linux/arm/v7", media=media, compression=compression, env=["A=1"])
    assert image == build_image("linux/arm/v7", media=media, compression=compression, env=["A=1"])
    assert push(source.url, "some/image", "1", image) == image.digest
    copied = copy(f"{source.host}/some/image:1", f"{target.host}/copy:1", "--preserve-digests")
    assert copied.returncode == 0, copied.stderr
    assert target.digest("copy", "1") == source.digest("some/image", "1") == image.digest
    assert target.manifest("copy", "1") == image.manifest
    assert target.tags("copy") == ("1",)


@pytest.mark.parametrize("media", ["oci", "docker"])
@pytest.mark.parametrize("attestations", [None, "old", "new"])
def test_an_index_keeps_its_digest(
    source: Registry, target: Registry, media: Media, attestations: Attestations | None
) -> None:
    index = build_two_platforms(media, attestations)
    push(source.url, "image", "all", index)
    copied = copy(f"{source.host}/image:all", f"{target.host}/image:all", "--all")
    assert copied.returncode == 0, copied.stderr
    assert target.digest("image", "all") == index.digest


def build_two_platforms(media: Media, attestations: Attestations | None) -> Index:
    images = [build_image(platform, media=media) for platform in ("linux/amd64", "linux/arm64")]
    return build_index(images, media=media, attestations=attestations)


def test_an_index_can_lie_about_a_platform(source: Registry) -> None:
    lie = build_index([("linux/arm64", build_image("linux/amd64"))])
    push(source.url, "image", "lie", lie)
    arm = ("--override-os=linux", "--override-arch=arm64")
    told = run_skopeo(
        *arm, "inspect", "--config", "--tls-verify=false", f"docker://{source.host}/image:lie"
    )
    assert json.loads(told.stdout)["architecture"] == "amd64"


def test_a_registry_tells_what_was_asked_of_it(source: Registry) -> None:
    push(source.url, "image", "1", build_image())
    run_skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{source.host}/image:1")
    asked = [(one.method, one.path, one.status) for one in source.requests()]
    assert asked == [("GET", "/v2/", 200), ("GET", "/v2/image/manifests/1", 200)]
    assert source.digest("image", "2") is None
    assert source.tags("nothing") == ()


def test_a_registry_asks_for_a_login(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with Registry(RegistryOptions(login=ALICE, certificate=certificate)) as registry:
        digest = push(
            registry.url, "image", "1", build_image(), auth=ALICE, authority=certificate.authority
        )
        assert registry.digest("image", "1") == digest
        options = (f"--cert-dir={certificate.authority.parent}", f"docker://{registry.host}/image")
        trusted = run_skopeo("list-tags", "--creds=alice:wonder:land", *options)
        assert json.loads(trusted.stdout)["Tags"] == ["1"]
        refused = run_skopeo("list-tags", "--creds=alice:no", *options).stderr
        assert "authentication required" in refused


def test_tokens_hold_what_their_user_may(tmp_path: Path) -> None:
    accounts = (Account(ALICE), Account(BOB, push=""), Account(pull="public/*", push=""))
    with (
        TokenServer(tmp_path, TokenOptions(accounts)) as tokens,
        Registry(RegistryOptions(login=ALICE, token=tokens.auth)) as registry,
    ):
        push(registry.url, "public/image", "1", build_image(), auth=ALICE)
        public, private = f"{registry.host}/public/image:1", f"{registry.host}/private/image:1"
        assert "denied" in copy(public, private, "--dest-creds=bob:builder").stderr
        assert "unauthorized" in copy(public, private, "--dest-creds=bob:wrong").stderr
        assert copy(public, private, "--dest-creds=alice:wonder:land").returncode == 0
        assert registry.digest("private/image", "1") == registry.digest("public/image", "1")
        assert "alice" in {grant.user for grant in tokens.grants()}
        assert ("repository:public/image:pull",) in {grant.granted for grant in tokens.grants()}


def test_a_token_ends_when_it_says(tmp_path: Path) -> None:
    with (
        TokenServer(tmp_path, TokenOptions(lifetime=-1)) as tokens,
        Registry(RegistryOptions(token=tokens.auth)) as registry,
        Client(registry.url) as client,
    ):
        assert client.ask("GET", "/v2/image/manifests/1").status_code == 401


MANIFEST = "/manifests/"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(Refuse(), "EOF", id="refuse"),
        pytest.param(Reset(), "connection reset by peer", id="reset"),
        pytest.param(Response(502), "502 Bad Gateway", id="502"),
        pytest.param(Response(200, body=b"<html>"), "invalid character", id="html"),
        pytest.param(Response.error(403, "DENIED", "not you"), "denied: not you", id="denied"),
        pytest.param(Truncate(10), "unexpected EOF", id="truncate"),
        pytest.param(Reset(10), "connection reset by peer", id="reset in the body"),
        pytest.param(Corrupt(0), "invalid character", id="corrupt"),
    ],
)
def test_faults_look_real_to_skopeo(source: Registry, fault: Fault, words: str) -> None:
    push(source.url, "image", "1", build_image())
    rule = Rule(fault, path=MANIFEST, times=1)
    before = threading.active_count()
    with FaultProxy(source.url) as proxy:
        proxy.add(rule)
        inspect = ("inspect", "-n", "--tls-verify=false", f"docker://{proxy.host}/image:1")
        assert words in run_skopeo(*inspect).stderr
        assert proxy.struck(rule) == 1
        assert run_skopeo(*inspect).returncode == 0
    assert threading.active_count() == before


def test_a_copy_goes_through_proxies_on_both_sides(target: Registry, tmp_path: Path) -> None:
    image = build_image(layers=[noise_layer(MIB, seed) for seed in range(3)])
    tls = make_certificate(tmp_path)
    trust = f"--src-cert-dir={tls.authority.parent}"
    with (
        Registry(RegistryOptions(certificate=tls)) as source,
        FaultProxy(source.url, certificate=tls, authority=tls.authority) as near,
        FaultProxy(target.url) as far,
    ):
        push(near.url, "image", "1", image, authority=tls.authority)
        command = ("copy", trust, "--dest-tls-verify=false", f"docker://{near.host}/image:1")
        copied = run_skopeo(*command, f"docker://{far.host}/image:1")
        read, written = near.exchanges(), far.exchanges()
    assert copied.returncode == 0, copied.stderr
    assert target.digest("image", "1") == image.digest
    layers = {len(one.content) for one in image.layers}
    assert layers <= {one.received_bytes for one in read if one.method == "GET"}
    assert layers <= {one.sent_bytes for one in written if one.method == "PATCH"}
    assert written[-1].method == "PUT"
    assert written[-1].status == 201


def test_a_tag_can_move_before_it_is_read(source: Registry) -> None:
    push(source.url, "image", "1", build_image(env=["A=1"]))
    moved = build_image(env=["A=2"])
    with FaultProxy(source.url) as proxy, Client(proxy.url) as client:
        proxy.add(Rule(Call(lambda: push(source.url, "image", "1", moved)), path=MANIFEST))
        accept = {"Accept": moved.media_type}
        read = client.ask("GET", "/v2/image/manifests/1", headers=accept).content
    assert digest_of(read) == moved.digest


def test_a_digest_can_be_wrong(source: Registry) -> None:
    image = build_image()
    push(source.url, "image", "1", image)
    with FaultProxy(source.url) as proxy, Client(proxy.url) as client:
        proxy.add(Rule(WrongDigest("sha256:lie"), method="HEAD"))
        proxy.add(Rule(WrongDigest(""), method="GET"))
        path, accept = "/v2/image/manifests/1", {"Accept": image.media_type}
        lie = client.ask("HEAD", path, headers=accept)
        silence = client.ask("GET", path, headers=accept)
    assert lie.headers["Docker-Content-Digest"] == "sha256:lie"
    assert "Docker-Content-Digest" not in silence.headers
    assert silence.content == image.manifest


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        pytest.param(Rule(Hang(), path="/blobs/"), "deadline", id="silence"),
        pytest.param(Rule(Stall(1000), path="/blobs/"), "deadline", id="silence in a body"),
        pytest.param(Rule(Drip(1000), path="/blobs/"), "deadline", id="too slow"),
        pytest.param(Rule(Corrupt(99), path="/blobs/"), "did not match", id="corrupt layer"),
    ],
)
def test_a_layer_does_not_arrive(
    source: Registry, target: Registry, rule: Rule, words: str
) -> None:
    push(source.url, "image", "1", build_image(layers=[noise_layer(MIB)]))
    with FaultProxy(source.url) as proxy:
        proxy.add(rule)
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
        names = (f"docker://{proxy.host}/image:1", f"docker://{target.host}/image:1")
        copied = run_skopeo("--command-timeout=2s", "copy", *plain, *names)
    assert words in copied.stderr
    assert target.digest("image", "1") is None


def test_an_early_answer_reaches_a_client_that_still_sends(tmp_path: Path) -> None:
    layer = noise_layer(16 * MIB)
    with (
        TokenServer(tmp_path) as tokens,
        Registry(RegistryOptions(token=tokens.auth)) as registry,
        FaultProxy(registry.url) as proxy,
        Session() as session,
    ):
        upload = f"{proxy.url}/v2/image/blobs/uploads/unknown"
        answer = session.patch(upload, data=iter((layer.blob.content,)), timeout=30)
    assert answer.status_code == 401


def test_a_platform_without_a_package_gets_the_file_of_this_machine(tmp_path: Path) -> None:
    (own,) = fetch_busybox(("plan9/amd64",), tmp_path / "cache")
    assert own.platform == "plan9/amd64"
    assert "of this machine, since" in own.origin
    assert own.content
