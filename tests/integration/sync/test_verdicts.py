"""Each verdict is reached by a real pair of images, in real registries."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index, digest_of

if TYPE_CHECKING:
    from demo.images import Attestations, Compression, Image, Media
    from tests.support.runs import Site

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
COPIED_ANEW = ("copied", "content-differs")
EPOCH = "1970-01-01T00:00:00Z"


def build_app(seed: str = "", *, media: Media = "oci", platform: str = "linux/amd64") -> Image:
    return build_image(platform, {"app": f"{platform} {seed}".encode()}, media=media)


def test_what_is_missing_is_copied_and_then_in_sync(site: Site) -> None:
    image = build_app()
    site.publish(image)
    first = site.sync(site.source())
    assert first.verdict == ("copied", "missing")
    assert first.item["destination_digest_before"] is None
    assert site.mirrored() == image.digest
    second = site.sync(site.source())
    assert second.verdict == ("skipped", "same-digest")
    assert second.item["destination_digest_before"] == image.digest
    assert second.item["destination_digest"] == image.digest


def test_force_copies_what_is_in_sync(site: Site) -> None:
    site.publish(build_app())
    site.sync(site.source())
    forced = site.run("batch", "--force")
    assert forced.status == 0
    assert forced.verdict == ("copied", "forced")


@pytest.mark.parametrize("media", ["oci", "docker"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_mirror_has_the_digest_of_the_platforms_own_manifest(
    site: Site, media: Media, platform: str
) -> None:
    images = {name: build_app(platform=name, media=media) for name in PLATFORMS}
    index = build_index(images.values(), media=media)
    site.publish(index)
    item = site.sync(f"--platform={platform} {site.source()}").item
    expected = images[platform].digest
    prefix = f"{platform.replace('/', '_')}_"
    assert site.mirrored(prefix=prefix) == expected != index.digest
    assert item["source_digest"] == index.digest
    assert item["expected_digest"] == item["destination_digest"] == expected
    assert item["delivered"] == item["platform"] == platform
    assert site.sync(f"--platform={platform} {site.source()}").verdict == (
        "skipped",
        "same-digest",
    )


@pytest.mark.parametrize(
    ("media", "compression", "option"),
    [
        pytest.param("oci", "gzip", "--format=v2s2", id="OCI became Docker's"),
        pytest.param("docker", "gzip", "--format=oci", id="Docker's became OCI"),
        pytest.param("oci", "none", "--dest-compress-format=gzip", id="OCI layers were zipped"),
        pytest.param("docker", "none", "--dest-compress-format=gzip", id="Docker's were zipped"),
        pytest.param("oci", "none", "--format=v2s2", id="zipped, and became Docker's"),
    ],
)
@pytest.mark.parametrize("of", ["a single image", "an index"])
def test_a_converted_image_is_the_same(
    site: Site, media: Media, compression: Compression, option: str, of: str
) -> None:
    image = build_image(media=media, compression=compression, env=["A=1"], cmd=["/app"])
    other = build_app(platform="linux/arm64", media=media)
    site.publish(image if of == "a single image" else build_index([image, other], media=media))
    site.convert(option)
    converted, written = site.mirrored(), len(site.writes())
    assert converted not in (None, image.digest)
    outcome = site.sync(site.source())
    assert outcome.verdict == ("skipped", "same-content")
    assert outcome.item["destination_digest"] == site.mirrored() == converted
    assert outcome.item["expected_digest"] == image.digest
    assert len(site.writes()) == written


@pytest.mark.parametrize("created", ["2024-01-01T00:00:00Z", EPOCH, "1980-01-01T00:00:01Z", None])
def test_an_image_of_the_same_date_but_another_env_is_copied(
    site: Site, created: str | None
) -> None:
    old = build_image(env=["A=1"], created=created)
    new = build_image(env=["A=2"], created=created)
    site.place(old)
    site.publish(new)
    outcome = site.sync(site.source())
    assert outcome.verdict == ("copied", "created-only")
    assert outcome.item["note"] == "same date, other content"
    assert "created-only" in outcome.stdout
    assert outcome.item["destination_digest_before"] == old.digest
    assert site.mirrored() == new.digest


def test_a_changed_image_is_copied(site: Site) -> None:
    old = build_app("old")
    new = build_image(created="2025-01-01T00:00:00Z")
    site.publish(old)
    site.sync(site.source())
    site.publish(new)
    assert site.sync(site.source()).verdict == COPIED_ANEW
    assert site.mirrored() == new.digest


def test_a_rolled_back_image_is_copied(site: Site) -> None:
    new, old = build_image(created="2025-01-01T00:00:00Z"), build_image(created=EPOCH)
    site.place(new)
    site.publish(old)
    assert site.sync(site.source()).verdict == COPIED_ANEW
    assert site.mirrored() == old.digest


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        pytest.param("2024-01-01", "2024-01-01", ("skipped", "created-only"), id="same date"),
        pytest.param("2024-01-01", "2024-01-02", COPIED_ANEW, id="another date"),
        pytest.param("1970-01-01", "1970-01-01", ("copied", "created-only"), id="epoch"),
        pytest.param("1980-01-01", "1980-01-01", ("copied", "created-only"), id="buildpacks"),
        pytest.param("0001-01-01", "0001-01-01", ("copied", "created-only"), id="Go's zero"),
        pytest.param(None, None, ("copied", "created-only"), id="no date"),
    ],
)
def test_trust_believes_equal_dates_that_say_something(
    site: Site, ours: str | None, theirs: str | None, verdict: tuple[str, str]
) -> None:
    site.configure(CREATED_CHECK="trust")
    site.publish(build_image(env=["A=1"], created=ours and f"{ours}T00:00:00Z"))
    site.place(build_image(env=["A=2"], created=theirs and f"{theirs}T00:00:00Z"))
    assert site.sync(site.source()).verdict == verdict


def test_off_copies_whatever_has_another_digest(site: Site) -> None:
    site.configure(CREATED_CHECK="off")
    image = build_app()
    site.publish(image)
    site.convert("--format=v2s2")
    assert site.sync(site.source()).verdict == COPIED_ANEW
    assert site.mirrored() == image.digest
    assert site.sync(site.source()).verdict == ("skipped", "same-digest")


def test_a_platform_that_is_not_there_fails_and_names_those_that_are(site: Site) -> None:
    images = [build_app(platform=one) for one in PLATFORMS]
    site.publish(build_index(images, attestations="old"))
    site.list_images(f"--platform=linux/s390x {site.source()}")
    outcome = site.run("batch")
    assert outcome.status == 1
    assert outcome.verdict == ("failed", "no-such-platform")
    assert outcome.error["message"] == (
        f"{site.source()}: it has no linux/s390x; it has linux/amd64, linux/arm64, linux/arm/v7"
    )
    assert "--platform" in outcome.error["hint"]
    assert not site.writes()


def test_a_single_image_of_another_platform_is_refused(site: Site) -> None:
    site.publish(build_app(platform="linux/arm64"))
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.status == 1
    assert outcome.verdict == ("failed", "platform-mismatch")
    assert outcome.error["message"] == (
        f"{site.source()}: it is one image for linux/arm64, and linux/amd64 was asked for"
    )
    assert outcome.error["hint"] == "write --platform=linux/arm64"
    assert not site.writes()
    site.sync(f"--platform=linux/arm64 {site.source()}")


def test_an_index_that_lies_about_a_platform_is_refused(site: Site) -> None:
    site.publish(build_index([("linux/arm64", build_app(platform="linux/amd64"))]))
    site.list_images(f"--platform=linux/arm64 {site.source()}")
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "platform-mismatch")
    assert (
        "its index says linux/arm64, but that image is for linux/amd64"
        in (outcome.error["message"])
    )
    assert not site.writes()


def test_a_single_image_that_names_no_platform_is_refused(site: Site) -> None:
    image = build_image(without=["architecture", "os"])
    site.publish(image)
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "platform-mismatch")
    assert "a platform it does not name" in outcome.error["message"]
    assert not site.writes()
    assert "--platform=all" in outcome.error["hint"]
    site.sync(f"--platform=all {site.source()}")
    assert site.mirrored() == image.digest


def test_a_child_that_names_no_platform_is_what_its_index_says(site: Site) -> None:
    image = build_image(without=["architecture", "os"])
    site.publish(build_index([image]))
    assert site.sync(site.source()).item["delivered"] == "linux/amd64"
    assert site.mirrored() == image.digest


def test_an_image_without_a_date_is_an_image(site: Site) -> None:
    image = build_image(created=None)
    site.publish(image)
    assert site.sync(site.source()).item["created"] is None
    assert site.sync(site.source()).verdict == ("skipped", "same-digest")


@pytest.mark.parametrize("delivered", ["linux/arm/v6", "linux/arm/v5", "linux/arm"])
def test_a_lower_variant_that_serves_is_delivered_and_named(site: Site, delivered: str) -> None:
    image = build_app(platform=delivered)
    site.publish(build_index([build_app(), image]))
    outcome = site.sync(f"--platform=linux/arm/v7 {site.source()}")
    assert outcome.item["platform"] == "linux/arm/v7"
    assert outcome.item["delivered"] == delivered
    assert outcome.item["note"] == f"the image is for {delivered}, which serves linux/arm/v7"
    assert delivered in outcome.stdout
    assert site.mirrored(prefix="linux_arm_v7_") == image.digest


def test_a_higher_variant_does_not_serve(site: Site) -> None:
    site.publish(build_index([build_app(platform="linux/arm/v7")]))
    site.list_images(f"--platform=linux/arm/v6 {site.source()}")
    assert site.run("batch").verdict == ("failed", "no-such-platform")


@pytest.mark.parametrize("image", ["app:missing", "nothing:1"])
def test_what_is_not_upstream_is_not_found(site: Site, image: str) -> None:
    site.publish(build_app())
    site.list_images(site.source(image))
    outcome = site.run("batch")
    assert outcome.status == 1
    assert outcome.verdict == ("failed", "not-found")
    assert outcome.error["message"] == f"{site.source(image)}: it is not there"
    assert outcome.error["hint"] == "check the name and the tag"
    assert not site.writes()


def test_what_vanished_upstream_stays_in_the_mirror(site: Site) -> None:
    image = build_app()
    site.place(image)
    site.list_images(site.source())
    assert site.run("batch").verdict == ("failed", "not-found")
    assert site.mirrored() == image.digest


def test_a_pinned_digest_never_floats(site: Site) -> None:
    pinned, moved = build_app("pinned"), build_app("moved")
    site.publish(pinned)
    with_tag = site.source(f"app:1@{pinned.digest}")
    alone = f"{site.source('app')}@{pinned.digest}"
    site.publish(moved)
    lines = (with_tag, alone)
    first = site.sync(*lines)
    assert first.verdicts() == (("copied", "missing"), ("copied", "missing"))
    tag = f"app:sha256-{pinned.digest.removeprefix('sha256:')[:12]}"
    assert site.mirrored("app:1") == site.mirrored(tag) == pinned.digest
    site.publish(build_app("moved again"))
    assert site.sync(*lines).verdicts() == (("skipped", "same-digest"),) * 2
    assert site.mirrored("app:1") == pinned.digest


def test_a_pinned_index_gives_its_platform(site: Site) -> None:
    images = [build_app(platform=one) for one in PLATFORMS]
    index = build_index(images)
    site.publish(index)
    site.publish(build_app("moved"))
    outcome = site.sync(f"--platform=linux/arm64 {site.source(f'app:1@{index.digest}')}")
    assert outcome.item["source_digest"] == index.digest
    assert site.mirrored(prefix="linux_arm64_") == images[1].digest


def test_a_pinned_child_of_another_platform_is_refused(site: Site) -> None:
    child = build_app(platform="linux/arm64")
    site.publish(build_index([build_app(), child]))
    site.list_images(f"{site.source('app')}@{child.digest}")
    assert site.run("batch").verdict == ("failed", "platform-mismatch")


def test_a_wrong_pinned_digest_is_not_found(site: Site) -> None:
    site.publish(build_app())
    site.list_images(site.source(f"app:1@sha256:{'0' * 64}"))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "not-found")
    assert f"sha256:{'0' * 64}" in outcome.error["message"]
    assert not site.writes()


def test_an_index_that_stood_at_the_tag_gives_way_to_the_platforms_image(site: Site) -> None:
    image = build_app()
    index = build_index([image, build_app(platform="linux/arm64")])
    site.publish(index)
    site.place(index)
    outcome = site.sync(site.source())
    assert outcome.verdict == COPIED_ANEW
    assert outcome.item["destination_digest_before"] == index.digest
    assert site.mirrored() == image.digest


def test_an_artifact_that_stood_at_the_tag_gives_way(site: Site) -> None:
    image = build_app()
    site.place(build_artifact())
    site.publish(image)
    assert site.sync(site.source()).item["action"] == "copied"
    assert site.mirrored() == image.digest


def test_an_artifact_has_no_platform_but_goes_as_a_whole(site: Site) -> None:
    artifact = build_artifact()
    site.publish(artifact)
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "platform-mismatch")
    assert "--platform=all" in outcome.error["hint"]
    site.sync(f"--platform=all {site.source()}")
    assert site.mirrored() == artifact.digest


def build_artifact() -> Image:
    """What is no image, such as a chart or a signature."""
    image = build_image()
    manifest = json.loads(image.manifest)
    empty = "application/vnd.oci.empty.v1+json"
    manifest["config"] = {"mediaType": empty, "digest": digest_of(b"{}"), "size": 2}
    return replace(image, manifest=json.dumps(manifest).encode(), config=b"{}")


@pytest.mark.parametrize("media", ["oci", "docker"])
def test_all_platforms_keep_the_digest_of_the_index(site: Site, media: Media) -> None:
    index = build_index([build_app(platform=one, media=media) for one in PLATFORMS], media=media)
    site.publish(index)
    outcome = site.sync(f"--platform=all {site.source()}")
    assert outcome.verdict == ("copied", "missing")
    assert site.mirrored() == outcome.item["expected_digest"] == index.digest
    for child in index.images:
        assert site.mirror.digest(site.mirrored_name(), child.digest) == child.digest
    assert site.sync(f"--platform=all {site.source()}").verdict == ("skipped", "same-digest")


@pytest.mark.parametrize("attestations", ["old", "new"])
def test_a_registry_that_takes_attestations_gets_them(
    site: Site, attestations: Attestations
) -> None:
    site.configure(SYNC_MODE="ghcr", GHCR_REGISTRY=site.mirror.host, GHCR_NAMESPACE=site.namespace)
    images = [build_app(platform=one) for one in PLATFORMS]
    index = build_index(images, attestations=attestations)
    site.publish(index)
    site.sync(f"--platform=all {site.source()}")
    assert site.mirrored() == index.digest


def test_a_single_image_is_all_of_its_platforms(site: Site) -> None:
    image = build_app(platform="linux/s390x")
    site.publish(image)
    site.sync(f"--platform=all {site.source()}")
    assert site.mirrored() == image.digest


def test_several_platforms_are_an_index_of_just_those(site: Site) -> None:
    images = [build_app(platform=one) for one in PLATFORMS]
    site.publish(build_index(images))
    line = f"--platform=linux/amd64,linux/arm64 {site.source()}"
    outcome = site.sync(line)
    assert outcome.verdict == ("copied", "missing")
    assert outcome.item["delivered"] == "linux/amd64,linux/arm64"
    assert site.mirrored() == outcome.item["expected_digest"]
    assert children_of(site) == [images[0].digest, images[1].digest]
    site.publish(build_index([*images[:2], build_app("changed", platform=PLATFORMS[2])]))
    assert site.sync(line).verdict == ("skipped", "same-digest"), "what is not wanted may change"


def test_a_platform_that_may_be_missing_is_left_out_and_named(site: Site) -> None:
    images = [build_app(platform=one) for one in PLATFORMS]
    site.publish(build_index(images))
    outcome = site.sync(f"--platform=linux/arm64,linux/s390x? {site.source()}")
    assert outcome.item["note"] == "without linux/s390x"
    assert children_of(site) == [images[1].digest]
    site.list_images(f"--platform=linux/arm64,linux/s390x {site.source()}")
    assert site.run("batch").verdict == ("failed", "no-such-platform")


def test_a_registry_that_refuses_attestations_gets_none(site: Site) -> None:
    images = [build_app(platform=one) for one in PLATFORMS]
    site.publish(build_index(images, attestations="new"))
    line = f"--platform=all {site.source()}"
    site.sync(line)
    assert children_of(site) == [image.digest for image in images]
    assert site.sync(line).verdict == ("skipped", "same-digest")


def children_of(site: Site) -> list[str]:
    """The children of the index in the mirror, each of which is really there."""
    index = json.loads(site.mirror.manifest(site.mirrored_name(), "1"))
    digests = [child["digest"] for child in index["manifests"]]
    assert [site.mirror.digest(site.mirrored_name(), one) for one in digests] == digests
    return digests


def test_zstd_layers_are_kept(site: Site) -> None:
    image = build_image(compression="zstd")
    site.publish(image)
    site.sync(site.source())
    assert site.mirrored() == image.digest
