"""Manifests and configs: what registries send, what proxies send, and what nobody should."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.json_text import Json
from orchestrator.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    LARGEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Image,
    ImageConfig,
    Index,
    Manifest,
    is_converted_to_oci,
    parse_config,
    parse_manifest,
)
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, digest_of

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ATTESTATION = {"vnd.docker.reference.type": "attestation-manifest"}
REMOVED: Json = "(removed)"

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["mediaType", "digest", "size", "platform", "os", "diff_ids", "Env", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    "schemaVersion mediaType config layers manifests annotations rootfs created os variant".split()
)


def digest(name: str) -> Digest:
    return digest_of(name.encode())


def packed(document: Json) -> bytes:
    return json.dumps(document).encode()


def descriptor(name: str, **fields: Json) -> dict[str, Json]:
    whole: dict[str, Json] = {"mediaType": OCI_LAYER, "digest": digest(name), "size": len(name)}
    whole.update(fields)
    return {key: value for key, value in whole.items() if value != REMOVED}


def image(**fields: Json) -> bytes:
    whole: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("config", mediaType=OCI_CONFIG),
        "layers": [descriptor("base"), descriptor("top")],
    }
    whole.update(fields)
    return packed({key: value for key, value in whole.items() if value != REMOVED})


def index(*manifests: Json, **fields: Json) -> bytes:
    whole: dict[str, Json] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": list(manifests),
    }
    whole.update(fields)
    return packed({key: value for key, value in whole.items() if value != REMOVED})


def child(name: str, platform: str = "", **fields: Json) -> dict[str, Json]:
    """An entry of an index; its digest is its name's, its platform as `os/arch/variant`."""
    if not platform:
        return descriptor(name, mediaType=OCI_MANIFEST, **fields)
    parts = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
    return descriptor(name, mediaType=OCI_MANIFEST, platform=parts, **fields)


def attestation(name: str) -> dict[str, Json]:
    return child(name, "unknown/unknown", annotations=ATTESTATION)


def config(**fields: Json) -> bytes:
    whole: dict[str, Json] = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-05-01T10:00:00Z",
        "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [digest("base"), digest("top")]},
        "history": [],
    }
    whole.update(fields)
    return packed({key: value for key, value in whole.items() if value != REMOVED})


def manifest_of(raw: bytes) -> Manifest:
    return parse_manifest(raw, of="quay.io/a/b:1")


def index_of(*manifests: Json) -> Index:
    found = manifest_of(index(*manifests))
    assert isinstance(found, Index)
    return found


def config_of(**fields: Json) -> ImageConfig:
    return parse_config(config(**fields), of="quay.io/a/b:1")


def refusal_of(raw: bytes) -> ImageError:
    with pytest.raises(ImageError) as refused:
        manifest_of(raw)
    assert refused.value.kind is ErrorKind.BAD_MANIFEST
    return refused.value


@pytest.mark.parametrize(
    ("media_type", "found_type"),
    [
        pytest.param(OCI_MANIFEST, OCI_MANIFEST, id="OCI"),
        pytest.param(DOCKER_MANIFEST, DOCKER_MANIFEST, id="Docker"),
        pytest.param(REMOVED, OCI_MANIFEST, id="no type is OCI"),
        pytest.param(None, OCI_MANIFEST, id="null"),
    ],
)
def test_an_image_is_a_config_and_its_layers(media_type: Json, found_type: str) -> None:
    raw = image(mediaType=media_type)
    assert manifest_of(raw) == Image(
        digest=digest_of(raw),
        media_type=found_type,
        config=Descriptor(OCI_CONFIG, digest("config"), 6),
        layers=(
            Descriptor(OCI_LAYER, digest("base"), 4),
            Descriptor(OCI_LAYER, digest("top"), 3),
        ),
    )


def test_layers_go_before_the_config_that_names_them() -> None:
    found = manifest_of(image())
    assert isinstance(found, Image)
    assert [blob.digest for blob in found.blobs] == [
        digest("base"),
        digest("top"),
        digest("config"),
    ]


@pytest.mark.parametrize(
    ("media_type", "found_type"),
    [
        pytest.param(OCI_INDEX, OCI_INDEX, id="OCI"),
        pytest.param(DOCKER_INDEX, DOCKER_INDEX, id="Docker"),
        pytest.param(REMOVED, OCI_INDEX, id="no type is OCI"),
    ],
)
def test_an_index_lists_its_children(media_type: Json, found_type: str) -> None:
    raw = index(child("a", "linux/amd64"), attestation("x"), mediaType=media_type)
    assert manifest_of(raw) == Index(
        digest=digest_of(raw),
        media_type=found_type,
        manifests=(
            Descriptor(OCI_MANIFEST, digest("a"), 1, Platform("linux", "amd64")),
            Descriptor(OCI_MANIFEST, digest("x"), 1, Platform("unknown", "unknown"), True),
        ),
    )


def test_an_image_without_layers_and_an_index_without_children_are_taken() -> None:
    assert isinstance(manifest_of(image(layers=[])), Image)
    assert index_of().manifests == ()


def test_the_digest_is_that_of_the_bytes_down_to_white_space() -> None:
    assert manifest_of(image()).digest != manifest_of(image() + b"\n").digest


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        pytest.param("linux/amd64", ["linux/arm64", "linux/amd64"], 1, id="the one that fits"),
        pytest.param("linux/s390x", ["linux/arm64", "linux/amd64"], None, id="none fits"),
        pytest.param("linux/arm/v7", ["linux/arm/v5", "linux/arm/v7"], 1, id="v7: v7"),
        pytest.param("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], 1, id="v7: v6 before v5"),
        pytest.param("linux/arm/v7", ["linux/arm/v5"], 0, id="v7: v5"),
        pytest.param("linux/arm/v7", ["linux/arm"], 0, id="v7: none"),
        pytest.param("linux/arm/v7", ["linux/arm", "linux/arm/v5"], 1, id="v7: v5 before none"),
        pytest.param("linux/arm/v7", ["linux/arm/v8"], None, id="v7: never v8"),
        pytest.param("linux/arm/v6", ["linux/arm/v7"], None, id="v6: never v7"),
        pytest.param("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], 1, id="v6: v5"),
        pytest.param("linux/arm64", ["linux/arm64/v8"], 0, id="arm64: v8"),
        pytest.param("linux/arm64/v8", ["linux/arm64"], 0, id="arm64 v8: none"),
        pytest.param("linux/arm64/v9", ["linux/arm64/v8"], 0, id="arm64 v9: v8, which is none"),
        pytest.param("linux/arm64", ["linux/arm/v8"], None, id="arm64: never arm v8"),
        pytest.param("linux/amd64/v4", ["linux/amd64/v3"], None, id="amd64 v4: never v3"),
        pytest.param("linux/amd64/v4", ["linux/amd64/v3", "linux/amd64"], 1, id="amd64 v4: plain"),
        pytest.param("linux/amd64/v3", ["linux/amd64", "linux/amd64/v3"], 1, id="amd64 v3: v3"),
        pytest.param("linux/amd64", ["linux/amd64/v2"], None, id="amd64: never v2"),
        pytest.param("linux/amd64", ["windows/amd64", "linux/amd64"], 1, id="the system counts"),
        pytest.param("linux/amd64", ["linux/amd64", "linux/amd64"], 0, id="of two the first"),
        pytest.param("linux/amd64", ["Linux/x86_64"], 0, id="other spellings"),
        pytest.param("linux/amd64", ["", "linux/amd64"], 1, id="declared before undeclared"),
        pytest.param("linux/amd64", ["linux/arm64", ""], 1, id="undeclared stands in"),
        pytest.param("linux/amd64", ["", ""], 0, id="of two undeclared the first"),
        pytest.param("linux/amd64", [], None, id="empty index"),
        pytest.param("linux/amd64", ["unknown/unknown"], None, id="attestations only"),
    ],
)
def test_a_child_is_chosen_as_skopeo_chooses(
    wanted: str, offered: list[str], chosen: int | None
) -> None:
    children = [child(str(place), platform) for place, platform in enumerate(offered)]
    found = index_of(*children).select(Platform.parse(wanted))
    assert (found and found.digest) == (None if chosen is None else digest(str(chosen)))


def test_any_arm_is_the_best_there_is_where_no_variant_was_asked_for() -> None:
    found = index_of(child("5", "linux/arm/v5"), child("7", "linux/arm/v7"))
    chosen = found.select(Platform.normal("linux", "arm"))
    assert chosen is not None
    assert chosen.digest == digest("7")


@pytest.mark.parametrize(
    "platform",
    [
        pytest.param("", id="no platform"),
        pytest.param("unknown/unknown", id="unknown"),
        pytest.param("linux/amd64", id="the wanted platform"),
    ],
)
def test_an_attestation_is_never_chosen_whatever_it_says(platform: str) -> None:
    found = index_of(child("x", platform, annotations=ATTESTATION))
    assert found.select(Platform("linux", "amd64")) is None
    assert found.select(Platform("unknown", "unknown")) is None


def test_an_index_offers_its_platforms_once_and_no_attestation() -> None:
    found = index_of(
        child("a", "linux/amd64"),
        child("b", "linux/arm64/v8"),
        child("c", "linux/amd64"),
        child("d"),
        attestation("x"),
    )
    assert found.platforms == (Platform("linux", "amd64"), Platform("linux", "arm64"))


@pytest.mark.parametrize(
    ("entry", "is_attestation"),
    [
        pytest.param(attestation("x"), True, id="as BuildKit writes it"),
        pytest.param(child("x", "unknown/unknown"), True, id="by platform alone"),
        pytest.param(child("x", annotations=ATTESTATION), True, id="by annotation alone"),
        pytest.param(child("x", "linux/amd64"), False, id="an image"),
        pytest.param(child("x", "linux/amd64", annotations={"a": "b"}), False, id="annotated"),
        pytest.param(child("x", "linux/amd64", annotations=None), False, id="null annotations"),
        pytest.param(child("x", "unknown/amd64"), False, id="half unknown"),
    ],
)
def test_attestations_are_told_from_images(entry: Json, is_attestation: bool) -> None:
    (found,) = index_of(entry).manifests
    assert found.is_attestation is is_attestation


@pytest.mark.parametrize(
    "platform",
    [
        pytest.param(REMOVED, id="missing"),
        pytest.param(None, id="null"),
        pytest.param({}, id="empty"),
    ],
)
def test_a_child_may_say_no_platform(platform: Json) -> None:
    (found,) = index_of(descriptor("a", platform=platform)).manifests
    assert found.platform is None


def test_unknown_fields_are_left_alone() -> None:
    platform: Json = {"os": "windows", "architecture": "amd64", "os.version": "10.0.1", "x": [1]}
    found = index_of(descriptor("a", platform=platform, urls=["https://a.example"], data="eA=="))
    assert found.platforms == (Platform("windows", "amd64", "", "10.0.1"),)


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        pytest.param("windows/amd64", "a", id="no version: the first"),
        pytest.param("windows(10.0.17763.2)/amd64", "b", id="the one that was named"),
        pytest.param("windows(10.0.17763)/amd64", "c", id="named whole before an update"),
        pytest.param("windows(10.0)/amd64", "a", id="the first of many"),
        pytest.param("windows(10.0.17764)/amd64", None, id="not there"),
    ],
)
def test_a_version_of_windows_can_be_chosen(wanted: str, chosen: str | None) -> None:
    versions = {"a": "10.0.20348.1", "b": "10.0.17763.2", "c": "10.0.17763"}
    found = index_of(
        *(
            descriptor(
                name, platform={"os": "windows", "architecture": "amd64", "os.version": version}
            )
            for name, version in versions.items()
        )
    )
    assert len(found.platforms) == len(versions)
    child = found.select(Platform.parse(wanted))
    assert (child and child.digest) == (chosen and digest(chosen))


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(b"", "it is not JSON", id="empty"),
        pytest.param(b"<!DOCTYPE html><title>Sign in</title>", "it is not JSON", id="HTML"),
        pytest.param(b"\x1f\x8b\x08\x00", "it is not JSON", id="gzip"),
        pytest.param(b"\xff\xfe\xfd", "it is not JSON", id="no text"),
        pytest.param(image()[:-1], "it is not JSON", id="cut off"),
        pytest.param(image() + image(), "it is not JSON", id="two documents"),
        pytest.param(b"[" * 100_000, "it is not JSON", id="deep nesting"),
        pytest.param(b'{"a":' * 100_000, "it is not JSON", id="deep nesting of objects"),
        pytest.param(b'{"x":' + b"9" * 5000 + b"}", "it is not JSON", id="an endless number"),
        pytest.param(b'{"x":NaN}', "it is not JSON", id="not a number"),
        pytest.param('{"x":1}'.encode("utf-16"), "it is not JSON", id="UTF-16"),
        pytest.param(
            b'{"schemaVersion":2,"mediaType":"\\ud800"}',
            "a text in it is no text (a lone surrogate)",
            id="a lone surrogate",
        ),
        pytest.param(
            b'{"manifests":[],"x":{"\\udfff":[]}}',
            "a text in it is no text (a lone surrogate)",
            id="a lone surrogate in a key",
        ),
        pytest.param(b"null", "it is not a JSON object", id="null"),
        pytest.param(b"[]", "it is not a JSON object", id="list"),
        pytest.param(b'"x"', "it is not a JSON object", id="text"),
        pytest.param(b"7", "it is not a JSON object", id="number"),
        pytest.param(b'{"a":1,"a":1}', "it has one key twice", id="one key twice"),
        pytest.param(
            b'{"schemaVersion":2,"config":{"size":1,"size":2},"layers":[]}',
            "it has one key twice",
            id="one key twice, deeper",
        ),
        pytest.param(b" " * (LARGEST + 1), f"it is larger than {LARGEST} bytes", id="huge"),
        pytest.param(b"{}", "it is of an unknown type 'none'", id="empty object"),
        pytest.param(
            packed({"schemaVersion": 2, "mediaType": "application/vnd.x"}),
            "it is of an unknown type 'application/vnd.x'",
            id="another type",
        ),
        pytest.param(
            packed({"errors": [{"code": "DENIED"}]}), "it is of an unknown type 'none'", id="error"
        ),
        pytest.param(
            image(layers=REMOVED), f"it is of an unknown type '{OCI_MANIFEST}'", id="half"
        ),
        pytest.param(image(config=None), "'config' is not an object", id="config null"),
        pytest.param(image(config=[]), "'config' is not an object", id="config a list"),
        pytest.param(image(layers=None), "'layers' is not a list of objects", id="layers null"),
        pytest.param(image(layers={}), "'layers' is not a list of objects", id="layers an object"),
        pytest.param(image(layers=["a"]), "'layers' is not a list of objects", id="layers of text"),
        pytest.param(
            image(manifests=[]), "it is an image and an index in one", id="image and index"
        ),
        pytest.param(index(layers=[]), "it is an image and an index in one", id="index and layers"),
        pytest.param(
            index(config={}, mediaType=REMOVED),
            "it is an image and an index in one",
            id="both, of no type",
        ),
        pytest.param(
            index(manifests=REMOVED), "'manifests' is not a list of objects", id="no manifests"
        ),
        pytest.param(
            index(manifests=None), "'manifests' is not a list of objects", id="manifests null"
        ),
        pytest.param(
            index(child("a"), None), "'manifests' is not a list of objects", id="a null child"
        ),
        pytest.param(
            index(descriptor("a", size=REMOVED)), "a descriptor has no size", id="no size"
        ),
        pytest.param(index(descriptor("a", size=True)), "a descriptor has no size", id="size true"),
        pytest.param(index(descriptor("a", size="7")), "a descriptor has no size", id="size text"),
        pytest.param(index(descriptor("a", size=7.5)), "a descriptor has no size", id="size 7.5"),
        pytest.param(index(descriptor("a", size=-1)), "a descriptor has no size", id="size -1"),
        pytest.param(index(descriptor("a", digest=REMOVED)), "'' is not a digest", id="no digest"),
        pytest.param(index(descriptor("a", digest="x")), "'x' is not a digest", id="digest x"),
        pytest.param(index(descriptor("a", digest=7)), "'digest' is not a text", id="digest 7"),
        pytest.param(
            index(descriptor("a", digest=digest("a").upper())),
            f"'{digest('a').upper()}' is not a digest",
            id="digest in capitals",
        ),
        pytest.param(image(mediaType=7), "'mediaType' is not a text", id="type 7"),
        pytest.param(
            packed({"schemaVersion": 2, "mediaType": "x" * 1000}),
            "'mediaType' is a text of 1000 characters",
            id="an endless type",
        ),
        pytest.param(
            index(descriptor("a", mediaType=7)), "'mediaType' is not a text", id="child's type 7"
        ),
        pytest.param(
            index(descriptor("a", platform="linux")), "'platform' is not an object", id="platform"
        ),
        pytest.param(
            index(descriptor("a", platform={"os": 7})), "'os' is not a text", id="system 7"
        ),
        pytest.param(
            index(descriptor("a", platform={"architecture": []})),
            "'architecture' is not a text",
            id="architecture a list",
        ),
        pytest.param(
            index(descriptor("a", platform={"variant": True})),
            "'variant' is not a text",
            id="variant true",
        ),
        pytest.param(
            index(descriptor("a", annotations=["x"])),
            "'annotations' is not an object",
            id="annotations a list",
        ),
    ],
)
def test_what_is_no_manifest_is_refused_by_name(raw: bytes, why: str) -> None:
    assert refusal_of(raw).message == f"quay.io/a/b:1: the manifest can't be used: {why}"


def test_a_login_page_is_hinted_at() -> None:
    assert refusal_of(b"<html>").hint == (
        "a proxy or a login page may have answered instead of the registry"
    )


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"schemaVersion": 1, "fsLayers": [], "history": []}, id="unsigned"),
        pytest.param(
            {
                "schemaVersion": 1,
                "mediaType": "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "signatures": [],
            },
            id="signed",
        ),
    ],
)
def test_schema_1_is_refused_with_a_way_out(fields: dict[str, Json]) -> None:
    refused = refusal_of(packed(fields))
    assert "schema 1" in refused.message
    assert refused.hint == "ask its maintainer to push it anew, or choose a newer tag"


def test_the_largest_manifest_is_taken() -> None:
    raw = image()
    assert isinstance(manifest_of(raw + b" " * (LARGEST - len(raw))), Image)


def test_a_config_tells_one_image_from_another() -> None:
    raw = config()
    assert parse_config(raw, of="x") == ImageConfig(
        digest=digest_of(raw),
        platform=Platform("linux", "amd64"),
        created="2024-05-01T10:00:00Z",
        diff_ids=(digest("base"), digest("top")),
        runtime={"Cmd": '["sh"]', "Env": '["PATH=/bin"]'},
    )


@pytest.mark.parametrize(
    ("written", "created"),
    [
        pytest.param("2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z", id="seconds"),
        pytest.param("2024-05-01T10:00:00.120000000Z", "2024-05-01T10:00:00.12Z", id="fraction"),
        pytest.param("2024-05-01T10:00:00.000000000Z", "2024-05-01T10:00:00Z", id="fraction of 0"),
        pytest.param(
            "2024-05-01T10:00:00.123456789Z", "2024-05-01T10:00:00.123456789Z", id="nanoseconds"
        ),
        pytest.param("2024-05-01T10:00:00+00:00", "2024-05-01T10:00:00Z", id="offset of 0"),
        pytest.param("2024-05-01T10:00:00.500+00:00", "2024-05-01T10:00:00.5Z", id="both"),
        pytest.param("2024-05-01T10:00:00+08:00", "2024-05-01T10:00:00+08:00", id="an offset"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", id="Go's zero"),
        pytest.param(REMOVED, "", id="missing"),
        pytest.param(None, "", id="null"),
        pytest.param("", "", id="empty"),
    ],
)
def test_one_date_in_many_spellings_is_one(written: Json, created: str) -> None:
    assert config_of(created=written).created == created


@pytest.mark.parametrize(
    ("fields", "platform"),
    [
        pytest.param({}, "linux/amd64", id="amd64"),
        pytest.param({"architecture": "arm64", "variant": "v8"}, "linux/arm64", id="arm64 v8"),
        pytest.param({"architecture": "arm", "variant": "v7"}, "linux/arm/v7", id="arm v7"),
        pytest.param({"architecture": "arm"}, "linux/arm", id="arm"),
        pytest.param({"architecture": "x86_64"}, "linux/amd64", id="alias"),
        pytest.param({"os": "windows", "os.version": "10"}, "windows(10)/amd64", id="windows"),
        pytest.param({"os": REMOVED, "architecture": REMOVED}, "/", id="none"),
        pytest.param({"os": None, "architecture": None}, "/", id="null"),
    ],
)
def test_a_config_says_what_its_image_is_really_for(fields: dict[str, Json], platform: str) -> None:
    assert str(config_of(**fields).platform) == platform


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"history": [{"created_by": "x"}]}, id="history"),
        pytest.param({"docker_version": "20", "container": "x", "id": "y"}, id="docker's own"),
        pytest.param(
            {"config": {"Cmd": ["sh"], "Env": ["PATH=/bin"], "Entrypoint": None}}, id="null"
        ),
        pytest.param(
            {"config": {"Cmd": ["sh"], "Env": ["PATH=/bin"], "Volumes": {}, "User": ""}}, id="empty"
        ),
        pytest.param(
            {"config": {"Cmd": ["sh"], "Env": ["PATH=/bin"], "Healthcheck": {}, "OnBuild": None}},
            id="what says nothing",
        ),
        pytest.param({"created": "2024-05-01T10:00:00.000+00:00"}, id="another spelling of a date"),
        pytest.param({"architecture": "x86_64"}, id="another spelling of a platform"),
        pytest.param({"variant": "v1"}, id="the baseline variant"),
    ],
)
def test_a_conversion_leaves_an_image_the_same(fields: dict[str, Json]) -> None:
    assert config_of(**fields).is_same_image_as(config_of())
    assert config_of(**fields).digest != config_of().digest


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"created": "2024-05-01T10:00:01Z"}, id="date"),
        pytest.param({"created": None}, id="no date"),
        pytest.param({"rootfs": {"diff_ids": [digest("base")]}}, id="a layer less"),
        pytest.param({"rootfs": {"diff_ids": [digest("top"), digest("base")]}}, id="layer order"),
        pytest.param({"rootfs": None}, id="no layers"),
        pytest.param({"architecture": "arm64"}, id="architecture"),
        pytest.param({"os": "windows"}, id="system"),
        pytest.param({"variant": "v3"}, id="variant"),
        pytest.param({"config": None}, id="no settings"),
        *(
            pytest.param({"config": {"Env": ["PATH=/bin"], "Cmd": ["sh"], key: value}}, id=key)
            for key, value in {
                "Env": ["PATH=/sbin"],
                "Entrypoint": ["/init"],
                "Cmd": ["bash"],
                "WorkingDir": "/srv",
                "User": "nobody",
                "ExposedPorts": {"80/tcp": {}},
                "Volumes": {"/data": {}},
                "Labels": {"a": "b"},
                "StopSignal": "SIGQUIT",
                "Healthcheck": {"Test": ["CMD", "true"]},
                "OnBuild": ["RUN true"],
                "Shell": ["/bin/bash", "-c"],
                "ArgsEscaped": True,
                "StopTimeout": 5,
                "SomethingNew": 1,
            }.items()
        ),
    ],
)
def test_whatever_a_container_would_notice_makes_another_image(fields: dict[str, Json]) -> None:
    assert not config_of(**fields).is_same_image_as(config_of())
    assert not config_of().is_same_image_as(config_of(**fields))


LOST = {"Healthcheck": {"Test": ["CMD", "true"]}, "OnBuild": ["RUN true"], "Shell": ["/bin/bash"]}
SHELL = {"Cmd": ["sh"], "Env": ["PATH=/bin"]}


@pytest.mark.parametrize(
    ("ours", "theirs", "is_same"),
    [
        pytest.param({**SHELL, **LOST}, SHELL, True, id="all of it lost"),
        pytest.param(
            {**SHELL, **LOST}, {**SHELL, "Shell": ["/bin/bash"]}, True, id="some of it lost"
        ),
        pytest.param({**SHELL, **LOST}, {**SHELL, "Shell": ["/bin/sh"]}, False, id="changed"),
        pytest.param(SHELL, {**SHELL, **LOST}, False, id="more than there was"),
        pytest.param({**SHELL, "ArgsEscaped": True}, SHELL, False, id="what OCI's types can hold"),
        pytest.param({**SHELL, "User": "x"}, SHELL, False, id="a user"),
    ],
)
def test_what_ocis_types_can_not_hold_may_be_lost_on_the_way_to_them(
    ours: dict[str, Json], theirs: dict[str, Json], is_same: bool
) -> None:
    one, other = config_of(config=ours), config_of(config=theirs)
    assert one.is_same_image_as(other, is_converted=True) is is_same


@pytest.mark.parametrize(
    ("ours", "theirs", "is_converted"),
    [
        pytest.param(DOCKER_MANIFEST, OCI_MANIFEST, True, id="Docker's to OCI's"),
        pytest.param(OCI_MANIFEST, DOCKER_MANIFEST, False, id="OCI's to Docker's"),
        pytest.param(DOCKER_MANIFEST, DOCKER_MANIFEST, False, id="Docker's kept"),
        pytest.param(OCI_MANIFEST, OCI_MANIFEST, False, id="OCI's kept"),
    ],
)
def test_a_config_is_rewritten_on_the_way_from_dockers_types_to_ocis_alone(
    ours: str, theirs: str, is_converted: bool
) -> None:
    one, other = (
        Image(digest("x"), kind, Descriptor("", digest("c"), 1), ()) for kind in (ours, theirs)
    )
    assert is_converted_to_oci(one, other) is is_converted


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"{}", id="an artifact's empty config"),
        pytest.param(config(rootfs=None), id="no rootfs"),
        pytest.param(config(rootfs={"type": "layers"}), id="no list of layers"),
        pytest.param(config(rootfs={"diff_ids": {}}), id="no list but an object"),
    ],
)
def test_a_config_that_names_no_layers_proves_nothing(raw: bytes) -> None:
    found = parse_config(raw, of="x")
    assert found.diff_ids == ()
    assert not found.is_same_image_as(found)


MOST = 2**53 - 1


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(
            packed({"manifests": [descriptor("a", size=10**400)]}),
            "a descriptor's size is larger than any registry holds",
            id="a size that no database takes",
        ),
        pytest.param(
            packed({"config": descriptor("a"), "layers": [descriptor("b", size=2**62)] * 2}),
            "a descriptor's size is larger than any registry holds",
            id="two layers of 2**62",
        ),
        pytest.param(
            packed({"config": descriptor("a", size=1), "layers": [descriptor("b", size=MOST)]}),
            "its layers are larger than any registry holds",
            id="layers that are too large together",
        ),
        pytest.param(
            packed({"manifests": [descriptor("a")] * 15_000}),
            "it has 15000 manifests, and 1000 is the most we take",
            id="15,000 children",
        ),
        pytest.param(
            packed({"config": descriptor("a"), "layers": [descriptor("b")] * 9_000}),
            "it has 9000 layers, and 1000 is the most we take",
            id="9,000 layers",
        ),
    ],
)
def test_what_no_registry_holds_is_refused_before_the_work(raw: bytes, why: str) -> None:
    assert refusal_of(raw).message == f"quay.io/a/b:1: the manifest can't be used: {why}"


def test_a_character_outside_the_first_plane_is_a_text() -> None:
    assert config_of(created="x", config={"Env": ["A=\U0001f600"]}).runtime


def test_the_order_of_keys_does_not_count() -> None:
    one = config_of(config={"Cmd": ["sh"], "Labels": {"a": "1", "b": "2"}})
    other = config_of(config={"Labels": {"b": "2", "a": "1"}, "Cmd": ["sh"]})
    assert one.is_same_image_as(other)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(b"", "it is not JSON", id="empty"),
        pytest.param(b"<html>", "it is not JSON", id="HTML"),
        pytest.param(b"[]", "it is not a JSON object", id="list"),
        pytest.param(config(os=7), "its config is wrong: 'os' is not a text", id="system 7"),
        *(
            pytest.param(
                config(**{key: "\ud800"}), "a text in it is no text (a lone surrogate)", id=key
            )
            for key in ("created", "architecture", "os", "variant")
        ),
        pytest.param(
            config(created="1" * 300),
            "its config is wrong: 'created' is a text of 300 characters",
            id="an endless date",
        ),
        pytest.param(
            config(created=0), "its config is wrong: 'created' is not a text", id="date 0"
        ),
        pytest.param(
            config(rootfs="x"), "its config is wrong: 'rootfs' is not an object", id="rootfs text"
        ),
        pytest.param(
            config(config=["x"]), "its config is wrong: 'config' is not an object", id="config list"
        ),
    ],
)
def test_what_is_no_config_is_refused_by_name(raw: bytes, why: str) -> None:
    with pytest.raises(ImageError) as refused:
        parse_config(raw, of="quay.io/a/b:1")
    assert refused.value.kind is ErrorKind.BAD_MANIFEST
    assert refused.value.message == f"quay.io/a/b:1: the manifest can't be used: {why}"


@given(st.binary() | VALUES.map(packed) | st.dictionaries(FIELDS, VALUES).map(packed))
@example(b'{"mediaType":"' + OCI_INDEX.encode() + b'","manifests":[{}]}')
def test_any_bytes_are_a_manifest_or_a_bad_one(raw: bytes) -> None:
    kinds: list[ErrorKind] = []
    for parse in (parse_manifest, parse_config):
        try:
            found = parse(raw, of="x")
        except ImageError as error:
            kinds.append(error.kind)
        else:
            assert found.digest == digest_of(raw)
    assert set(kinds) <= {ErrorKind.BAD_MANIFEST}
