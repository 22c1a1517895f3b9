"""Copies through the relay, with real skopeo and a real registry behind it."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from demo.images import MIB, build_image, build_index, noise_layer
from demo.registry import Login, Registry, RegistryOptions
from orchestrator.config.registries_conf import RegistriesConf
from orchestrator.oci.reference import Reference
from orchestrator.registry.client import RegistryClient
from orchestrator.registry.responses import Inconclusive
from orchestrator.relay.relay import Relay
from orchestrator.system.http import HttpClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Site

RELAYED = {"RELAY": "auto"}


def uploads(site: Site) -> list[str]:
    """The blobs that were sent to the mirror whole, by their digests."""
    return [
        one.path.partition("digest=")[2].replace("%3A", ":")
        for one in site.writes()
        if one.method == "PUT" and "/uploads/" in one.path and one.status == 201
    ]


def test_a_blob_that_many_images_share_is_sent_once(site: Site) -> None:
    base = site.noise(MIB)
    images = [build_image(files={"app": f"{n}".encode()}, layers=[base]) for n in range(8)]
    for n, image in enumerate(images):
        site.publish(image, f"app{n}:1")
    site.configure(JOBS=8, **RELAYED)
    outcome = site.sync(*(site.source(f"app{n}:1") for n in range(8)))
    assert outcome.report["totals"]["copied"] == 8
    sent = uploads(site)
    assert len(sent) == len(set(sent))
    assert len(sent) == 1 + 2 * len(images)
    for n, image in enumerate(images):
        assert site.mirrored(f"app{n}:1") == image.digest


def test_a_blob_that_an_earlier_run_has_sent_elsewhere_is_mounted(site: Site) -> None:
    base = site.noise(50_000)
    images = [build_image(files={"app": f"{n}".encode()}, layers=[base]) for n in range(2)]
    site.configure(**RELAYED)
    for n, image in enumerate(images):
        site.publish(image, f"app{n}:1")
        site.sync(site.source(f"app{n}:1"))
        assert site.mirrored(f"app{n}:1") == image.digest
    shared = set.intersection(*({one.digest for one in image.layers} for image in images))
    assert [uploads(site).count(one) for one in shared] == [1]
    mounts = [one for one in site.writes() if one.method == "POST" and one.status == 201]
    assert [site.mirrored_name("app0").replace("/", "%2F") in one.path for one in mounts] == [True]


def test_a_small_image_takes_few_requests(site: Site) -> None:
    site.publish(build_image(layers=[site.noise()]))
    site.configure(**RELAYED)
    site.sync(site.source())
    methods = [one.method for one in site.writes()]
    assert sorted(one for one in methods if one != "PATCH") == ["POST"] * 3 + ["PUT"] * 4
    assert methods.count("PATCH") in (0, 3), "all as to a registry that is near, or none"


def test_a_bandwidth_holds_for_all_copies_together(site: Site) -> None:
    for n in range(4):
        site.publish(build_image(layers=[noise_layer(300_000, seed=70 + n)]), f"app{n}:1")
    site.configure(JOBS=4, BANDWIDTH="1MB/s", **RELAYED)
    began = time.monotonic()
    outcome = site.sync(*(site.source(f"app{n}:1") for n in range(4)))
    totals = outcome.report["totals"]
    assert totals["copied"] == 4
    assert totals["bytes"] > 4 * 300_000
    assert time.monotonic() - began > 1.1


def test_an_index_of_several_platforms_arrives_whole(site: Site) -> None:
    index = build_index([build_image(), build_image("linux/arm64")])
    site.publish(index)
    site.configure(**RELAYED)
    outcome = site.sync(f"--platform=all {site.source()}")
    assert outcome.verdict == ("copied", "missing")
    assert site.mirrored() == index.digest


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    """Registries over HTTP."""
    with closing(HttpClient()) as http:
        yield RegistryClient(
            http, b"{}", is_insecure=lambda _: True, ca_of=lambda _: None, conf=RegistriesConf()
        )


@pytest.fixture
def relay(client: RegistryClient) -> Iterator[Relay]:
    """A relay to any registry."""
    with closing(Relay(client, client.reason_against, port=0)) as under_test:
        yield under_test


def test_a_target_that_http_does_not_reach_is_skopeos_to_push_to(
    relay: Relay, client: RegistryClient
) -> None:
    """skopeo may know the way: by a SOCKS proxy, or an authority in certs.d."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
        destination = Reference.parse(f"{host}/mirror/app:1")
        assert relay.reason_against(destination) == ""
        assert isinstance(client.head(destination), Inconclusive)
        assert "can't be reached" in relay.reason_against(destination)


LOGIN = Login("alice", "never-given-4711")
WATCHED = """#!/bin/sh
for one; do case $one in --authfile=*) cat "${one#--authfile=}" >> authfiles ;; esac; done
exec skopeo_itself "$@"
"""


@pytest.mark.parametrize(("relay", "is_seen"), [("auto", False), ("off", True)])
def test_skopeo_gets_the_targets_login_only_without_the_relay(
    site: Site, relay: str, *, is_seen: bool
) -> None:
    image = build_image(layers=[site.noise()])
    site.publish(image)
    skopeo = shutil.which("skopeo")
    assert skopeo
    watched = site.folder / "bin" / "skopeo"
    watched.parent.mkdir()
    watched.write_text(WATCHED.replace("skopeo_itself", skopeo), encoding="utf-8")
    watched.chmod(0o755)
    with Registry(RegistryOptions(login=LOGIN)) as mirror:
        site.configure(
            ALIYUN_REGISTRY=mirror.host,
            ALIYUN_USERNAME=LOGIN.user,
            ALIYUN_PASSWORD=LOGIN.password,
            RELAY=relay,
        )
        site.list_images(site.source())
        outcome = site.run("batch", environ={"PATH": f"{watched.parent}:{os.environ['PATH']}"})
        assert outcome.verdict == ("copied", "missing"), outcome.stderr
        found = mirror.digest(f"{site.namespace}/{site.mirrored_name().partition('/')[2]}", "1")
        assert found == image.digest
        seen = (site.folder / "authfiles").read_text(encoding="utf-8")
        assert (
            base64.b64encode(f"{LOGIN.user}:{LOGIN.password}".encode()).decode() in seen
        ) == is_seen
        assert (mirror.host in seen) == is_seen
