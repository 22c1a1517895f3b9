"""What is read of a source, and what a destination has to become by it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from demo.images import Image as BuiltImage
from demo.images import Index as BuiltIndex
from demo.images import build_image, build_index
from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.index import DOCKER_FORM, ManifestForm
from orchestrator.oci.reference import Reference, digest_of
from orchestrator.plan.items import Item
from orchestrator.plan.sources import Sources
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import AMD, ARM, ATTESTED, INDEX, SOURCE, item

USUAL = ManifestForm()


def at_docker_hub(one: Item) -> Item:
    return replace(one, source=Reference.parse("team/app:1"))


def reads(registries: FakeRegistries) -> list[str]:
    """What was read of a source, by the last part of its name."""
    return [where.rpartition("/")[2] for _, where in registries.asked]


def named(*images: BuiltImage | BuiltIndex) -> list[str]:
    return [f"app@{image.digest}" for image in images]


@pytest.mark.parametrize(
    ("content", "platform", "first", "more"),
    [
        pytest.param(INDEX, "linux/amd64", [], named(AMD, AMD), id="one of an index"),
        pytest.param(INDEX, "all", [], named(AMD, ARM), id="a whole index"),
        pytest.param(AMD, "all", [], [], id="a single image as it is"),
        pytest.param(AMD, "linux/amd64", named(AMD), [], id="a single image, whose config tells"),
    ],
)
def test_no_more_is_read_than_is_needed(
    content: BuiltImage | BuiltIndex, platform: str, first: list[str], more: list[str]
) -> None:
    registries = FakeRegistries()
    registries.put(f"{SOURCE}:1", content)
    sources = Sources(registries)
    sources.upstream(item(platform), USUAL)
    assert reads(registries) == ["app:1", *first]
    sources.whole(item(platform), USUAL)
    assert reads(registries) == ["app:1", *first, *more]
    sources.whole(item(platform), USUAL)
    assert reads(registries) == ["app:1", *first, *more], "each is read once"


def test_the_children_of_docker_hubs_indexes_are_not_read_beforehand() -> None:
    registries = FakeRegistries()
    registries.put("team/app:1", INDEX)
    upstream = Sources(registries).whole(at_docker_hub(item("all")), USUAL)
    assert (upstream.expected, upstream.blobs) == (INDEX.digest, ())
    assert reads(registries) == ["app:1"]
    assert upstream.manifests == 3


def test_where_their_types_change_they_are_read_and_their_layers_known() -> None:
    registries = FakeRegistries()
    registries.put("team/app:1", INDEX)
    upstream = Sources(registries).whole(at_docker_hub(item("all")), DOCKER_FORM)
    assert {one: len(found) for one, found in upstream.layers.items()} == {
        "linux/amd64": 2,
        "linux/arm64": 2,
    }
    manifests, configs = named(AMD, ARM), named(AMD, ARM)
    assert reads(registries) == ["app:1", *manifests, *configs], "each is read once"


def test_what_is_copied_is_what_was_read_and_not_what_the_tag_has_become() -> None:
    registries = FakeRegistries()
    registries.put(f"{SOURCE}:1", INDEX)
    sources = Sources(registries)
    before = sources.upstream(item(), USUAL)
    registries.put(f"{SOURCE}:1", build_index([ARM]))
    assert sources.whole(item(), USUAL).expected == before.expected == AMD.digest


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        pytest.param(USUAL, ATTESTED.digest, id="as it is"),
        pytest.param(ManifestForm(keeps_attestations=False), None, id="without attestations"),
        pytest.param(DOCKER_FORM, None, id="in Docker's types"),
    ],
)
def test_each_form_is_another_index_of_the_same_reading(
    form: ManifestForm, expected: str | None
) -> None:
    registries = FakeRegistries()
    registries.put(f"{SOURCE}:1", ATTESTED)
    upstream = Sources(registries).upstream(item("all"), form)
    assert upstream.digest == ATTESTED.digest
    assert (upstream.expected == expected) is (expected is not None)
    assert bool(upstream.rewritten) is (form == DOCKER_FORM)


def test_a_rewritten_image_comes_from_its_own_and_brings_its_config() -> None:
    registries = FakeRegistries()
    registries.put(f"{SOURCE}:1", AMD)
    upstream = Sources(registries).whole(item(), DOCKER_FORM)
    (became,) = upstream.rewritten
    assert upstream.origin == became.origin == AMD.digest
    assert upstream.expected == became.digest != AMD.digest
    assert became.config == AMD.config


class Liar(FakeRegistries):
    """Sends another config than the manifest names."""

    def __init__(self, config: bytes) -> None:
        super().__init__()
        self.config = config

    def read_config(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes:
        assert reference.digest
        assert side is Side.SOURCE
        return self.config


OTHER = build_image("linux/amd64", env=["A=2"])


@pytest.mark.parametrize(
    ("content", "config", "kind"),
    [
        pytest.param(AMD, OTHER.config, ErrorKind.DIGEST_MISMATCH, id="another config"),
        pytest.param(AMD, b"<html>", ErrorKind.BAD_MANIFEST, id="no config at all"),
        pytest.param(INDEX, OTHER.config, ErrorKind.DIGEST_MISMATCH, id="of a child"),
    ],
)
def test_a_config_that_is_not_the_manifests_is_refused(
    content: BuiltImage | BuiltIndex, config: bytes, kind: ErrorKind
) -> None:
    registries = Liar(config)
    registries.put(f"{SOURCE}:1", content)
    with pytest.raises(ImageError) as caught:
        Sources(registries).whole(item(), USUAL)
    assert caught.value.kind is kind


def test_an_index_is_no_image() -> None:
    registries = FakeRegistries()
    registries.put(f"{SOURCE}:1", INDEX)
    with pytest.raises(ImageError) as caught:
        Sources(registries).image(item().source, item().source)
    assert caught.value.kind is ErrorKind.BAD_MANIFEST


@pytest.mark.parametrize(
    ("version", "is_taken"),
    [
        pytest.param(None, True, id="the config tells none"),
        pytest.param("10.0.1", True, id="the same"),
        pytest.param("10.0.2", False, id="another"),
    ],
)
def test_a_version_of_windows_is_compared_where_the_config_tells_one(
    version: str | None, is_taken: bool
) -> None:
    image = build_image("windows/amd64")
    config = json.loads(image.config) | ({"os.version": version} if version else {})
    raw = json.dumps(config).encode()
    manifest = json.loads(image.manifest)
    manifest["config"] |= {"digest": digest_of(raw), "size": len(raw)}
    image = replace(image, config=raw, manifest=json.dumps(manifest).encode())
    index = json.loads(build_index([image]).manifest)
    index["manifests"][0]["platform"]["os.version"] = "10.0.1"
    registries = FakeRegistries()
    registries.put(f"{SOURCE}:1", image)
    registries.put_raw(f"{SOURCE}:1", json.dumps(index).encode())
    one = item("windows(10.0.1)/amd64")
    if is_taken:
        assert Sources(registries).whole(one, USUAL).expected == digest_of(image.manifest)
        return
    with pytest.raises(ImageError) as caught:
        Sources(registries).whole(one, USUAL)
    assert caught.value.kind is ErrorKind.PLATFORM_MISMATCH
