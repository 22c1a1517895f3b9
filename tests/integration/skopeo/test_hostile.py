"""A hostile registry: whatever it sends for a manifest or a config, nothing of it is mirrored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import MIB, build_image, build_index
from demo.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Outcome, Site

IMAGE = build_image("linux/amd64", env=["HOSTILE=1"])
INDEX = build_index([IMAGE, build_image("linux/arm64", env=["HOSTILE=2"])])
OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
BAD = ("failed", "bad-manifest")
LIE = ("failed", "digest-mismatch")
CHILD = {
    "mediaType": OCI_IMAGE,
    "digest": IMAGE.digest,
    "size": len(IMAGE.manifest),
    "platform": {"os": "linux", "architecture": "amd64"},
}
EVIL = b'{"\x1b]0;pwned\x07\\n::error::owned":1}'


@pytest.fixture
def near(site: Site) -> Iterator[FaultProxy]:
    """What stands before the registry that images come from, and lies."""
    site.publish(INDEX)
    with FaultProxy(site.upstream.url) as proxy:
        yield proxy


def served(body: bytes, content_type: str = OCI_IMAGE, *, path: str = "/manifests/") -> Rule:
    return Rule(Response(200, {"Content-Type": content_type}, body), path=path, method="GET|HEAD")


def mirror(site: Site, proxy: FaultProxy, *options: str) -> Outcome:
    site.list_images(" ".join((*options, site.source(host=proxy.host))))
    return site.run("batch")


def refused(site: Site, outcome: Outcome, verdicts: list[tuple[str, str]]) -> None:
    assert outcome.status == 1, outcome.stderr[-500:]
    assert list(outcome.verdicts()) == verdicts, outcome.stdout
    assert site.writes() == ()
    for text in (outcome.stdout, outcome.stderr):
        assert "\x1b" not in text
        assert "Traceback" not in text


def packed(**fields: object) -> bytes:
    return json.dumps({"schemaVersion": 2, **fields}).encode()


def twice(body: bytes, key: str, value: object) -> bytes:
    return body.rstrip()[:-1] + f', "{key}": {json.dumps(value)}}}'.encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b'{"config":' * 50_000, OCI_IMAGE, id="deep"),
        pytest.param(b"[" * 3_000_000, OCI_INDEX, id="deeper"),
        pytest.param(twice(IMAGE.manifest, "layers", []), OCI_IMAGE, id="one key twice"),
        pytest.param(IMAGE.manifest + b" " * (4 * MIB), OCI_IMAGE, id="more than 4 MiB"),
        pytest.param(b"x" * (64 * MIB), OCI_IMAGE, id="64 MiB"),
        pytest.param(b"", OCI_IMAGE, id="nothing"),
        pytest.param(b"<html>log in</html>", "text/html", id="a page"),
        pytest.param(EVIL, OCI_IMAGE, id="words for a terminal and a runner"),
        pytest.param(
            packed(mediaType=OCI_INDEX, manifests=[CHILD] * 100_000),
            OCI_INDEX,
            id="an index of 100,000 children",
        ),
        pytest.param(
            packed(manifests=[CHILD], config={}, layers=[]), OCI_INDEX, id="image and index in one"
        ),
        pytest.param(
            packed(mediaType=OCI_INDEX, manifests=[{**CHILD, "size": -1}]), OCI_INDEX, id="size -1"
        ),
        pytest.param(
            packed(mediaType=OCI_INDEX, manifests=[{**CHILD, "digest": "sha256:../../etc"}]),
            OCI_INDEX,
            id="a path for a digest",
        ),
        pytest.param(
            packed(mediaType="application/x-evil\x1b[2J", config={}, layers=[]),
            "application/x-evil",
            id="another type",
        ),
    ],
)
def test_what_is_no_manifest_is_never_copied(
    site: Site, near: FaultProxy, body: bytes, content_type: str
) -> None:
    near.add(served(body, content_type))
    lines = [
        f"{options} {site.source(host=near.host)}" for options in ("", "--platform=all --name=all")
    ]
    site.list_images(*lines)
    refused(site, site.run("batch"), [BAD, BAD])


@pytest.mark.parametrize("options", ["", "--platform=all", "--platform=linux/amd64,linux/arm64"])
def test_a_child_that_is_not_what_its_digest_says_is_never_copied(
    site: Site, near: FaultProxy, options: str
) -> None:
    other = build_image("linux/amd64", env=["EVIL=1"]).manifest
    near.add(served(other, path=f"/manifests/{IMAGE.digest}"))
    outcome = mirror(site, near, options)
    assert outcome.verdict == LIE, outcome.error
    assert [one for one in site.writes() if "/manifests/1" in one.path] == []
    assert site.mirrored(host=near.host) is None


@pytest.mark.parametrize("size", [1, 7_000_000, 300 * MIB])
def test_a_config_of_another_size_than_is_said_is_never_copied(
    site: Site, near: FaultProxy, size: int
) -> None:
    manifest = json.loads(IMAGE.manifest)
    manifest["config"]["size"] = size
    near.add(served(json.dumps(manifest).encode()))
    outcome = mirror(site, near)
    refused(site, outcome, [BAD])


@pytest.mark.parametrize("content", [b" " * (64 * MIB), b"{}", b"\x1b[2J"])
def test_a_config_that_is_not_what_its_digest_says_is_never_copied(
    site: Site, near: FaultProxy, content: bytes
) -> None:
    config = json.loads(IMAGE.manifest)["config"]["digest"]
    near.add(served(content, "application/octet-stream", path=f"/blobs/{config}"))
    outcome = mirror(site, near)
    assert outcome.verdict in (BAD, LIE)
    assert site.writes() == ()
