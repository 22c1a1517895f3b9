"""Which part of an index a choice names, and its bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.index import (
    BARE_FORM,
    BARE_OCI_FORM,
    DOCKER_FORM,
    OCI_FORM,
    ManifestForm,
    index_for_choice,
    index_of_one,
)
from orchestrator.oci.manifest import Image, Index, parse_manifest
from orchestrator.oci.platform import Platform, PlatformChoice
from orchestrator.oci.reference import digest_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from demo.images import Image as BuiltImage
    from demo.images import Index as BuiltIndex

ALL = PlatformChoice()
AMD, ARM, V7 = (build_image(one) for one in ("linux/amd64", "linux/arm64", "linux/arm/v7"))
PLAIN = build_index([AMD, ARM, V7], annotations={"a": "é"})
ATTESTED = build_index([AMD, ARM], attestations="new")


def index_of(built: BuiltIndex) -> Index:
    parsed = parse_manifest(built.manifest, of="app")
    assert isinstance(parsed, Index)
    return parsed


def children(index: BuiltIndex, choice: str, *, keeps: bool = True) -> list[str]:
    chosen = PlatformChoice.parse(choice)
    subset = index_for_choice(index_of(index), chosen, keeps_attestations=keeps, of="app")
    named = [one["digest"] for one in json.loads(subset.raw)["manifests"]]
    assert named == [one.digest for one in subset.children]
    return named


@pytest.mark.parametrize(
    ("index", "choice", "keeps", "expected"),
    [
        pytest.param(PLAIN, "all", True, [AMD, ARM, V7], id="all"),
        pytest.param(PLAIN, "all", False, [AMD, ARM, V7], id="all, nothing to drop"),
        pytest.param(PLAIN, "linux/arm64,linux/amd64", True, [AMD, ARM], id="the source's order"),
        pytest.param(PLAIN, "linux/arm/v8,linux/amd64", True, [AMD, V7], id="a lower variant"),
        pytest.param(PLAIN, "linux/amd64,linux/s390x?", True, [AMD], id="one is left out"),
        pytest.param(ATTESTED, "all", True, ATTESTED.images, id="all, with attestations"),
        pytest.param(ATTESTED, "all", False, [AMD, ARM], id="all, without"),
        pytest.param(
            ATTESTED,
            "linux/arm64,linux/s390x?",
            True,
            [ARM, ATTESTED.images[3]],
            id="its own attestation",
        ),
        pytest.param(build_index([AMD, AMD, ARM]), "all", False, [AMD, AMD, ARM], id="twice"),
        pytest.param(
            build_index([("linux/arm64", AMD), ("linux/amd64", AMD)]),
            "linux/amd64,linux/s390x?",
            True,
            [AMD],
            id="one image under two platforms",
        ),
    ],
)
def test_a_choice_names_a_part(
    index: BuiltIndex, choice: str, keeps: bool, expected: Sequence[BuiltImage]
) -> None:
    assert children(index, choice, keeps=keeps) == [one.digest for one in expected]


@pytest.mark.parametrize(
    ("index", "choice", "keeps", "is_whole"),
    [
        pytest.param(PLAIN, "all", True, True, id="all"),
        pytest.param(PLAIN, "all", False, True, id="nothing to drop"),
        pytest.param(PLAIN, "linux/amd64,linux/arm64,linux/arm/v7", False, True, id="all by name"),
        pytest.param(ATTESTED, "all", True, True, id="attestations"),
        pytest.param(ATTESTED, "all", False, False, id="attestations dropped"),
        pytest.param(PLAIN, "linux/amd64,linux/arm64", True, False, id="two of three"),
    ],
)
def test_what_is_whole_keeps_every_byte(
    index: BuiltIndex, choice: str, keeps: bool, is_whole: bool
) -> None:
    chosen = PlatformChoice.parse(choice)
    subset = index_for_choice(index_of(index), chosen, keeps_attestations=keeps, of="app")
    assert subset.is_whole is is_whole
    assert (subset.raw == index.manifest) is is_whole
    assert (subset.digest == index.digest) is is_whole


def test_the_same_choice_gives_the_same_bytes_and_keeps_the_rest() -> None:
    choice = PlatformChoice.parse("linux/amd64,linux/arm64")
    first, second = (
        index_for_choice(index_of(PLAIN), choice, keeps_attestations=True, of="app")
        for _ in range(2)
    )
    assert first.raw == second.raw
    document, whole = json.loads(first.raw), json.loads(PLAIN.manifest)
    assert document == {**whole, "manifests": whole["manifests"][:2]}
    assert "é".encode() in first.raw
    assert digest_of(first.raw) == (
        "sha256:3382c8bfda90d9a0b9d1c179d1e1498447952aaca46bdc3b1ddb46092189fe0e"
    )


def altered(index: BuiltIndex, place: int, **keys: object) -> BuiltIndex:
    document = json.loads(index.manifest)
    document["manifests"][place] |= keys
    return replace(index, manifest=json.dumps(document).encode())


@pytest.mark.parametrize(
    ("index", "choice", "kind", "words"),
    [
        pytest.param(
            PLAIN,
            "linux/s390x,linux/amd64",
            ErrorKind.NO_SUCH_PLATFORM,
            "app: it has no linux/s390x; it has linux/amd64, linux/arm64, linux/arm/v7",
            id="not there",
        ),
        pytest.param(
            PLAIN,
            "linux/s390x?,linux/riscv64?",
            ErrorKind.NO_SUCH_PLATFORM,
            "app: it has no linux/s390x, linux/riscv64",
            id="nothing is there",
        ),
        pytest.param(
            altered(PLAIN, 0, platform=None),
            "linux/amd64,linux/arm64",
            ErrorKind.NO_SUCH_PLATFORM,
            "it has linux/arm64, linux/arm/v7, an image of no platform",
            id="no platform is named",
        ),
        pytest.param(
            altered(PLAIN, 1, mediaType=PLAIN.media_type),
            "all",
            ErrorKind.BAD_MANIFEST,
            f"app: its index holds another index ({ARM.digest})",
            id="an index",
        ),
        pytest.param(
            altered(PLAIN, 1, mediaType=PLAIN.media_type),
            "linux/amd64,linux/arm64",
            ErrorKind.BAD_MANIFEST,
            f"app: its index holds another index ({ARM.digest})",
            id="an index by name",
        ),
        pytest.param(
            build_index([("unknown/unknown", AMD)]),
            "all",
            ErrorKind.BAD_MANIFEST,
            "app: its index holds attestations, and no image",
            id="attestations",
        ),
    ],
)
def test_what_can_not_be_chosen_says_why(
    index: BuiltIndex, choice: str, kind: ErrorKind, words: str
) -> None:
    with pytest.raises(ImageError) as caught:
        children(index, choice, keeps=False)
    assert caught.value.kind is kind
    assert words in caught.value.message
    assert caught.value.hint


def test_an_index_that_is_not_chosen_is_no_matter() -> None:
    index = altered(PLAIN, 1, mediaType=PLAIN.media_type)
    assert children(index, "linux/amd64,linux/arm/v7") == [AMD.digest, V7.digest]


def test_an_empty_index_is_what_it_is() -> None:
    empty = replace(PLAIN, manifest=b'{"schemaVersion": 2, "manifests": []}')
    assert children(empty, "all", keeps=False) == []


def test_an_index_around_one_image_of_windows_keeps_its_version() -> None:
    parsed = parse_manifest(build_image("windows/amd64").manifest, of="app")
    assert isinstance(parsed, Image)
    choice = PlatformChoice.parse("windows/amd64,linux/amd64?")
    platform = Platform("windows", "amd64", "", "10.0.1")
    (entry,) = json.loads(index_of_one(parsed, platform, choice, of="app").raw)["manifests"]
    assert entry["platform"]["os.version"] == "10.0.1"


def test_an_attestation_is_not_told_to_be_an_image_of_no_platform() -> None:
    index = index_of(altered(ATTESTED, 2, platform=None))
    assert index.manifests[2].is_attestation
    with pytest.raises(ImageError) as refused:
        index_for_choice(
            index,
            PlatformChoice.parse("linux/s390x,linux/amd64"),
            keeps_attestations=True,
            of="app",
        )
    assert refused.value.message == "app: it has no linux/s390x; it has linux/amd64, linux/arm64"


@pytest.mark.parametrize("media", ["oci", "docker"])
def test_an_index_around_one_image(media: str) -> None:
    image = build_image("linux/arm/v7", media="docker" if media == "docker" else "oci")
    parsed = parse_manifest(image.manifest, of="app")
    assert isinstance(parsed, Image)
    choice = PlatformChoice.parse("linux/arm/v7,linux/amd64?")
    subset = index_of_one(parsed, Platform("linux", "arm", "v7"), choice, of="app")
    (entry,) = json.loads(subset.raw)["manifests"]
    assert entry["digest"] == image.digest
    assert entry["size"] == len(image.manifest)
    assert entry["platform"] == {"architecture": "arm", "os": "linux", "variant": "v7"}
    assert ("docker" in json.loads(subset.raw)["mediaType"]) is (media == "docker")


@pytest.mark.parametrize(
    ("form", "fallbacks"),
    [
        pytest.param(
            ManifestForm(), (BARE_FORM, DOCKER_FORM, OCI_FORM, BARE_OCI_FORM), id="as it is"
        ),
        pytest.param(BARE_FORM, (DOCKER_FORM, BARE_OCI_FORM), id="without attestations"),
        pytest.param(OCI_FORM, (BARE_OCI_FORM,), id="OCI's types"),
        pytest.param(BARE_OCI_FORM, (), id="OCI's types without attestations"),
        pytest.param(DOCKER_FORM, (), id="Docker's types"),
    ],
)
def test_each_form_knows_what_comes_next(
    form: ManifestForm, fallbacks: tuple[ManifestForm, ...]
) -> None:
    assert form.fallbacks == fallbacks
