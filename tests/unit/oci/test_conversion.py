"""Manifests in the other types: Docker's as skopeo 1.9.3 writes them, OCI's, what has no type."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.conversion import ConvertedManifest, convert_index, convert_manifest
from orchestrator.oci.index import ManifestTypes, PushIndex, index_for_choice
from orchestrator.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    Index,
    parse_manifest,
)
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import digest_of

if TYPE_CHECKING:
    from demo.images import Image as BuiltImage
    from demo.images import Index as BuiltIndex

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker"
AMD = build_image("linux/amd64", env=["A=<b>&"])
V7 = build_image("linux/arm/v7")


def image_of(built: BuiltImage) -> Image:
    parsed = parse_manifest(built.manifest, of="app")
    assert isinstance(parsed, Image)
    return parsed


def to_docker_manifest(image: Image) -> ConvertedManifest | None:
    return convert_manifest(image, ManifestTypes.DOCKER, of="app")


def list_of(index: BuiltIndex, types: ManifestTypes = ManifestTypes.DOCKER) -> PushIndex:
    parsed = parse_manifest(index.manifest, of="app")
    assert isinstance(parsed, Index)
    keeps = types is ManifestTypes.OCI
    subset = index_for_choice(parsed, PlatformChoice(), keeps_attestations=keeps, of="app")
    becomes = [convert_manifest(image_of(one), types, of="app") for one in index.images]
    return convert_index(subset, becomes, types, of="app")


def retyped(media_type: str, *, of: str = "layers") -> BuiltImage:
    document = json.loads(AMD.manifest)
    parts = [document["config"]] if of == "config" else document["layers"]
    for part in parts:
        part["mediaType"] = media_type
    return replace(AMD, manifest=json.dumps(document).encode())


def test_an_image_is_written_as_skopeo_writes_it() -> None:
    became = to_docker_manifest(image_of(AMD))
    assert became
    assert became.raw.decode() == (
        '{"schemaVersion":2,'
        '"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
        '"config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":375,'
        '"digest":"sha256:0d5fd2cd09321a8a2af298aefe7cef95b49cf5a0776736dd3878325f48e08c06"},'
        '"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":117,'
        '"digest":"sha256:233bffe530de5b69deb001ea7e267f0d956f3deb4c2b4f7bdfaec805ef34ed08"}]}'
    )
    assert became.origin == AMD.digest
    assert became.digest == digest_of(became.raw)


def test_an_index_is_written_as_skopeo_writes_it() -> None:
    became = list_of(build_index([AMD, V7], annotations={"a": "b"}))
    assert became.raw.decode() == (
        '{"schemaVersion":2,'
        '"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json",'
        '"manifests":[{"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
        '"size":423,'
        '"digest":"sha256:11a63bdbc5a26e76cbee3ecfe19c63cb7aa838ee00c9cf805f7d7be49a7ceac0",'
        '"platform":{"architecture":"amd64","os":"linux"}},'
        '{"mediaType":"application/vnd.docker.distribution.manifest.v2+json","size":423,'
        '"digest":"sha256:af26fa0d3e1123fe0b8842684831b4283ec4ed7b8f91eef98168ec2e66a2c4a7",'
        '"platform":{"architecture":"arm","os":"linux","variant":"v7"}}]}'
    )
    assert not became.is_whole
    assert [child.digest for child in became.children] == [
        child["digest"] for child in json.loads(became.raw)["manifests"]
    ]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (f"{OCI}.layer.v1.tar", f"{DOCKER}.image.rootfs.diff.tar"),
        (f"{OCI}.layer.v1.tar+gzip", f"{DOCKER}.image.rootfs.diff.tar.gzip"),
        (
            f"{OCI}.layer.nondistributable.v1.tar+gzip",
            f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip",
        ),
        (f"{DOCKER}.image.rootfs.diff.tar.gzip", f"{DOCKER}.image.rootfs.diff.tar.gzip"),
    ],
)
def test_each_layer_has_its_type(was: str, becomes: str) -> None:
    became = to_docker_manifest(image_of(retyped(was)))
    assert became
    (layer,) = json.loads(became.raw)["layers"]
    assert layer["mediaType"] == becomes
    assert layer["digest"] == AMD.layers[0].digest


def test_a_layer_from_elsewhere_keeps_its_urls() -> None:
    document = json.loads(AMD.manifest)
    document["layers"][0]["urls"] = ["https://example.com/layer"]
    image = replace(AMD, manifest=json.dumps(document).encode())
    became = to_docker_manifest(image_of(image))
    assert became
    assert json.loads(became.raw)["layers"][0]["urls"] == ["https://example.com/layer"]


def test_what_has_dockers_types_stays_as_it_is() -> None:
    docker = build_image(media="docker")
    assert to_docker_manifest(image_of(docker)) is None
    index = build_index([docker], media="docker")
    assert list_of(index).raw == index.manifest


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(build_index([build_image(media="docker")]), id="Docker's in an OCI index"),
        pytest.param(build_index([AMD], media="docker"), id="OCI in Docker's list"),
    ],
)
def test_a_mixed_index_becomes_dockers_alone(index: BuiltIndex) -> None:
    document = json.loads(list_of(index).raw)
    types = {document["mediaType"], *(one["mediaType"] for one in document["manifests"])}
    assert types == {DOCKER_INDEX, DOCKER_MANIFEST}


@pytest.mark.parametrize(
    ("image", "words"),
    [
        pytest.param(build_image(compression="zstd"), "packed with zstd", id="zstd"),
        pytest.param(retyped("application/vnd.wasm"), "'application/vnd.wasm'", id="a layer"),
        pytest.param(
            retyped("application/vnd.oci.empty.v1+json", of="config"),
            "'application/vnd.oci.empty.v1+json'",
            id="an artifact",
        ),
    ],
)
def test_what_docker_has_no_type_for_says_so(image: BuiltImage, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        to_docker_manifest(image_of(image))
    assert caught.value.kind is ErrorKind.BAD_MANIFEST
    assert caught.value.message.startswith("app: ")
    assert words in caught.value.message
    assert "OCI's types" in caught.value.hint


def test_a_list_wants_a_platform_of_each_image() -> None:
    document = json.loads(build_index([AMD]).manifest)
    del document["manifests"][0]["platform"]
    index = replace(build_index([AMD]), manifest=json.dumps(document).encode())
    with pytest.raises(ImageError, match="names no platform for an image"):
        list_of(index)


def test_windows_versions_stay_in_a_list() -> None:
    document = json.loads(build_index([AMD]).manifest)
    platform = {"architecture": "amd64", "os": "windows", "os.version": "10.0.1", "x": "y"}
    document["manifests"][0]["platform"] = platform
    index = replace(build_index([AMD]), manifest=json.dumps(document).encode())
    (entry,) = json.loads(list_of(index).raw)["manifests"]
    assert entry["platform"] == {"architecture": "amd64", "os": "windows", "os.version": "10.0.1"}


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        pytest.param(f"{DOCKER}.image.rootfs.diff.tar", f"{OCI}.layer.v1.tar", id="tar"),
        pytest.param(f"{DOCKER}.image.rootfs.diff.tar.gzip", f"{OCI}.layer.v1.tar+gzip", id="gzip"),
        pytest.param(f"{DOCKER}.image.rootfs.diff.tar.zstd", f"{OCI}.layer.v1.tar+zstd", id="zstd"),
        pytest.param(
            f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip",
            f"{OCI}.layer.nondistributable.v1.tar+gzip",
            id="foreign",
        ),
        pytest.param(f"{OCI}.layer.v1.tar+gzip", f"{OCI}.layer.v1.tar+gzip", id="OCI's own"),
        pytest.param("application/vnd.wasm", "application/vnd.wasm", id="any other"),
    ],
)
def test_each_layer_has_its_type_in_ocis(was: str, becomes: str) -> None:
    docker = build_image(media="docker")
    document = json.loads(docker.manifest)
    document["layers"][0] |= {"mediaType": was, "urls": ["https://example.com/layer"]}
    image = replace(docker, manifest=json.dumps(document).encode())
    became = convert_manifest(image_of(image), ManifestTypes.OCI, of="app")
    assert became
    written = json.loads(became.raw)
    assert (written["mediaType"], became.media_type) == (OCI_MANIFEST, OCI_MANIFEST)
    assert written["config"] == document["config"] | {"mediaType": f"{OCI}.config.v1+json"}
    assert written["layers"] == [document["layers"][0] | {"mediaType": becomes}]
    assert became.origin == digest_of(image.manifest)


def test_what_has_ocis_types_stays_as_it_is() -> None:
    assert convert_manifest(image_of(AMD), ManifestTypes.OCI, of="app") is None
    index = build_index([AMD, V7], annotations={"a": "b"})
    assert list_of(index, ManifestTypes.OCI).raw == index.manifest


def test_a_list_becomes_an_index_whose_attestations_name_what_their_images_became() -> None:
    images = [build_image(one, media="docker") for one in ("linux/amd64", "windows/amd64")]
    index = build_index(images, media="docker", attestations="new")
    written = list_of(index, ManifestTypes.OCI)
    document = json.loads(written.raw)
    assert document["mediaType"] == OCI_INDEX
    amd, windows, *attestations = document["manifests"]
    became = [convert_manifest(image_of(one), ManifestTypes.OCI, of="app") for one in images]
    assert [amd["digest"], windows["digest"]] == [one.digest for one in became if one]
    assert {one["mediaType"] for one in document["manifests"]} == {OCI_MANIFEST}
    subjects = [one["annotations"]["vnd.docker.reference.digest"] for one in attestations]
    assert subjects == [amd["digest"], windows["digest"]]
    assert [one.digest for one in written.children] == [
        one["digest"] for one in document["manifests"]
    ]
