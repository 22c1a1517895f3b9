"""What a registry takes: one kind of types alone, foreign layers or none, and what it then has."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import Image, Index, build_image, build_index, digest_of, push
from demo.proxy import FaultProxy
from demo.registry import Client, Registry, RegistryOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.images import Media
    from tests.support.runs import Site

SEVERAL = "linux/amd64,linux/arm64"
OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution.manifest"
IN_CODE = pytest.param(Response.error(400, "MANIFEST_INVALID", "manifest invalid"), id="400")
BARE = pytest.param(Response(415), id="bare 415")
IN_WORDS = pytest.param(
    Response(415, {"Content-Type": "text/plain"}, b"Unsupported"), id="415 in words"
)
AS_A_PAGE = pytest.param(
    Response(415, {"Content-Type": "text/html"}, b"<html><title>no</title></html>"),
    id="415 as a page",
)


def refusing(media: str, answer: Response) -> Rule:
    return Rule(answer, method="PUT", path="/manifests/", content=rf"vnd\.{media}\.")


@pytest.fixture
def far(site: Site) -> Iterator[FaultProxy]:
    """The mirror, behind what makes another registry of it; Aliyun's rules are not its own."""
    with FaultProxy(site.mirror.url) as proxy:
        site.configure(SYNC_MODE="ghcr", GHCR_REGISTRY=proxy.host, GHCR_NAMESPACE=site.namespace)
        yield proxy


def build_app(media: Media = "docker") -> Index:
    platforms = ("linux/amd64", "linux/arm64", "linux/arm/v7")
    return build_index([build_image(one, media=media) for one in platforms], media=media)


def types_there(site: Site, image: str) -> tuple[str, set[str]]:
    """The type of what a tag names in the mirror, and those of its children."""
    document = json.loads(site.mirror.manifest(site.mirrored_name(image), "1"))
    return document["mediaType"], {one["mediaType"] for one in document.get("manifests", ())}


def configs_there(site: Site, image: str) -> set[str]:
    repository = site.mirrored_name(image)
    document = json.loads(site.mirror.manifest(repository, "1"))
    children = [
        json.loads(site.mirror.manifest(repository, one["digest"])) for one in document["manifests"]
    ]
    return {child["config"]["digest"] for child in children}


@pytest.mark.parametrize("answer", [IN_CODE, BARE])
def test_a_registry_of_ocis_types_alone_gets_lists_and_choices_in_them(
    site: Site, far: FaultProxy, answer: Response
) -> None:
    far.add(refusing("docker", answer))
    index = build_app()
    for image in ("one:1", "all:1", "two:1"):
        site.publish(index, image)
    lines = (
        site.source("one:1"),
        f"--platform=all {site.source('all:1')}",
        f"--platform={SEVERAL} {site.source('two:1')}",
    )
    report = site.sync(*lines).report
    assert [one["action"] for one in report["items"]] == ["copied"] * 3
    assert {one["note"] for one in report["items"]} == {
        "converted to OCI's manifest types, since the registry refuses Docker's"
    }
    assert types_there(site, "one") == (f"{OCI}.manifest.v1+json", set())
    for image, many in (("all", 3), ("two", 2)):
        assert types_there(site, image) == (
            f"{OCI}.index.v1+json",
            {f"{OCI}.manifest.v1+json"},
        )
        assert configs_there(site, image) == {one.config_digest for one in index.images[:many]}
    assert_same_content(site, *lines)


def assert_same_content(site: Site, *lines: str) -> None:
    """In sync, with what is remembered and without; nothing is written."""
    before = len(site.asked(site.mirror))
    assert set(site.sync(*lines).verdicts()) == {("skipped", "same-content")}
    shutil.rmtree(site.state)
    assert set(site.sync(*lines).verdicts()) == {("skipped", "same-content")}
    assert not site.writes(since=before)


def test_a_form_that_one_index_had_to_have_is_the_first_that_the_next_one_gets(
    site: Site, far: FaultProxy
) -> None:
    refusal = refusing("docker", Response.error(415, "MANIFEST_INVALID", "manifest invalid"))
    far.add(refusal)
    for number in (1, 2, 3):
        site.publish(build_app(), f"app{number}:1")
    lines = [f"--platform=all {site.source(f'app{number}:1')}" for number in (1, 2, 3)]
    site.sync(lines[0])
    asked = far.struck(refusal)
    site.list_images(*lines)
    assert site.run("batch", "--jobs=1").status == 0
    children = 3  # whose blobs skopeo brings, with a manifest that is refused
    assert far.struck(refusal) == 2 * asked + children, "of two new ones, one index was refused"


@pytest.mark.parametrize("answer", [IN_WORDS, AS_A_PAGE])
def test_a_registry_of_dockers_types_alone_says_so_in_any_words(
    site: Site, far: FaultProxy, answer: Response
) -> None:
    far.add(refusing("oci", answer))
    site.publish(build_app("oci"))
    site.publish(build_app("oci"), "one:1")
    lines = (f"--platform=all {site.source()}", site.source("one:1"))
    report = site.sync(*lines).report
    assert [one["action"] for one in report["items"]] == ["copied"] * 2
    assert types_there(site, "app") == (f"{DOCKER}.list.v2+json", {f"{DOCKER}.v2+json"})
    assert types_there(site, "one") == (f"{DOCKER}.v2+json", set())
    assert_same_content(site, *lines)


def test_a_registry_that_is_known_to_take_ocis_types_is_in_sync_by_digest(
    site: Site, far: FaultProxy
) -> None:
    refusal = refusing("docker", Response.error(415, "MANIFEST_INVALID", "manifest invalid"))
    far.add(refusal)
    (site.folder / "targets.toml").write_text('[targets.ghcr]\nprofile = "zot"\n')
    site.publish(build_app())
    line = f"--platform=all {site.source()}"
    first = site.sync(line).item
    assert first["destination_digest"] == first["expected_digest"]
    assert site.sync(line).verdict == ("skipped", "same-digest")
    # skopeo brings the blobs under the source's own manifest, which may be refused
    assert types_there(site, "app")[0] == f"{OCI}.index.v1+json"


def test_what_no_form_suits_is_told_with_what_is_left_to_do(site: Site, far: FaultProxy) -> None:
    answer = Response.error(400, "MANIFEST_INVALID", "manifest invalid")
    far.add(Rule(answer, method="PUT", path="/manifests/"))
    site.publish(build_app())
    site.list_images(f"--platform=all {site.source()}", f"{site.source()} --name=one:1")
    outcome = site.run("batch")
    (several, one) = (item["error"] for item in outcome.report["items"])
    assert several
    assert one
    asked = f"ask the operator of {far.host} which manifest types it takes"
    assert several["hint"] == f"name one platform with --platform, or {asked}"
    assert one["hint"] == asked
    assert not site.mirror.tags(site.mirrored_name())


def windows_image() -> Image:
    """Its base layer is at Microsoft's, and nowhere else."""
    image = build_image("windows/amd64", media="docker", runtime={"Cmd": ["cmd"]})
    document = json.loads(image.manifest)
    base = digest_of(b"windows base")
    document["layers"].insert(
        0,
        {
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "digest": base,
            "size": 12,
            "urls": [f"https://mcr.microsoft.com/v2/windows/nanoserver/blobs/{base}"],
        },
    )
    return replace(image, manifest=json.dumps(document).encode())


@pytest.fixture(scope="module")
def allowing() -> Iterator[Registry]:
    """A registry that takes foreign layers."""
    with Registry(RegistryOptions(allows_foreign_layers=True)) as registry:
        yield registry


def test_foreign_layers_go_where_the_registry_takes_their_addresses(
    site: Site, allowing: Registry
) -> None:
    image = windows_image()
    push(allowing.url, f"{site.namespace}/win", "1", image)
    site.configure(ALIYUN_REGISTRY=allowing.host)
    line = f"--platform=windows/amd64 {allowing.host}/{site.namespace}/win:1 --name=w:1"
    assert site.sync(line).verdict == ("copied", "missing")
    assert allowing.digest(f"{site.namespace}/w", "1") == image.digest
    assert site.sync(line).verdict == ("skipped", "same-digest")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="distribution 2.8"),
        pytest.param(
            Response.error(400, "MANIFEST_INVALID", "manifest invalid: invalid URL on layer"),
            id="distribution 3",
        ),
    ],
)
def test_foreign_layers_that_are_refused_are_told_as_what_they_are(
    site: Site, allowing: Registry, far: FaultProxy, answer: Response | None
) -> None:
    if answer:
        far.add(Rule(answer, method="PUT", path="/manifests/"))
    push(allowing.url, f"{site.namespace}/win", "1", windows_image())
    site.list_images(f"--platform=windows/amd64 {allowing.host}/{site.namespace}/win:1")
    outcome = site.run("batch")
    assert outcome.error["kind"] == "bad-manifest"
    assert "foreign layers" in outcome.error["message"]
    assert "validation.manifests.urls.allow" in outcome.error["hint"]
    assert outcome.item["attempts"] == 1


def test_an_index_of_the_same_images_in_other_bytes_is_rewritten_once(site: Site) -> None:
    index = build_app("oci")
    site.publish(index)
    document = json.loads(index.manifest)
    other = json.dumps({**document, "annotations": {"by": "another tool"}}).encode()
    site.place(replace(index, manifest=other))
    line = f"--platform=all {site.source()}"
    assert site.sync(line).verdict == ("copied", "index-differs")
    assert site.mirrored() == index.digest
    assert site.sync(line).verdict == ("skipped", "same-digest")


@pytest.mark.parametrize("platform", ["linux/amd64", "all", SEVERAL])
def test_an_index_whose_images_are_gone_is_told_with_its_tag(site: Site, platform: str) -> None:
    index = build_app("oci")
    site.publish(index)
    with Client(site.upstream.url) as client:
        for image in index.images:
            path = f"/v2/{site.namespace}/app/manifests/{image.digest}"
            client.ask("DELETE", path).raise_for_status()
    site.list_images(f"--platform={platform} {site.source()}")
    outcome = site.run("batch")
    assert outcome.error["kind"] == "source-incomplete"
    assert outcome.error["message"].startswith(f"{site.source()}: its index is there, but ")
    assert "name and the tag" not in outcome.error["hint"]
    assert site.mirrored() is None
