"""Many platforms under one tag: what each of them pulls back is the source's, byte for byte."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.faults import Call, Response, Rule
from demo.images import Image, Index, build_image, build_index, digest_of
from demo.proxy import FaultProxy
from tests.support.runs import WRITES, Gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from demo.images import Attestations, Compression, Media
    from tests.support.runs import Site

PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")
SEVERAL = "linux/amd64,linux/arm64"
CHOICES = ["all", SEVERAL]
SWR = 'profile = "swr"'

REFUSES_OCI = Rule(
    Response.error(400, "MANIFEST_INVALID", "Invalid image, fail to parse 'manifest.json'"),
    method="PUT",
    path="/manifests/",
    content=r"application/vnd\.oci\.",
)
"""Huawei's SWR."""


def refuses_attestations(index: Index, status: int = 403) -> Rule:
    """Aliyun's registry, which looks into a manifest; these rules go by what it is put under."""
    told = "unknown manifest class for application/vnd.oci.empty.v1+json"
    attesting = "|".join(one.digest for one in index.images if one.artifact_of)
    return Rule(
        Response.error(status, "DENIED", told), method="PUT", path=f"manifests/({attesting})"
    )


def build_app(
    seed: str = "",
    *,
    media: Media = "oci",
    attestations: Attestations | None = None,
    compression: Compression = "gzip",
) -> Index:
    images = [
        build_image(one, {"app": f"{one} {seed}".encode()}, media=media, compression=compression)
        for one in PLATFORMS
    ]
    return build_index(images, media=media, attestations=attestations, annotations={"a": "b"})


@pytest.fixture
def far(site: Site) -> Iterator[FaultProxy]:
    """The mirror, behind what makes another registry of it; Aliyun's rules are not its own."""
    with FaultProxy(site.mirror.url) as proxy:
        site.configure(SYNC_MODE="ghcr", GHCR_REGISTRY=proxy.host, GHCR_NAMESPACE=site.namespace)
        yield proxy


def line(site: Site, choice: str, image: str = "app:1") -> str:
    return f"--platform={choice} {site.source(image)}"


def assert_pulled_back(site: Site, images: Iterable[Image], image: str = "app") -> None:
    """Pull the tag for each platform, and compare config and layers with the source's."""
    for number, one in enumerate(images):
        system, architecture, *variant = one.platform.split("/")
        folder = site.folder / f"pulled-{image}-{number}"
        where = f"docker://{site.mirror.host}/{site.mirrored_name(image)}:1"
        command = [
            "skopeo",
            f"--override-os={system}",
            f"--override-arch={architecture}",
            *(f"--override-variant={name}" for name in variant),
            *("copy", "--src-tls-verify=false", where, f"dir:{folder}"),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        pulled = {digest_of(path.read_bytes()) for path in folder.iterdir()}
        assert {blob.digest for blob in one.blobs} <= pulled
        assert files_of(folder, one) == {blob.digest: blob.content for blob in one.blobs}


def files_of(folder: Path, image: Image) -> Mapping[str, bytes]:
    names = (blob.digest for blob in image.blobs)
    return {name: (folder / name.removeprefix("sha256:")).read_bytes() for name in names}


def children_of(site: Site, image: str = "app", tag: str = "1") -> list[str]:
    index = json.loads(site.mirror.manifest(site.mirrored_name(image), tag))
    return [child["digest"] for child in index["manifests"]]


def assert_in_sync(site: Site, *lines: str, reason: str = "same-digest") -> None:
    """A second run is in sync, and writes nothing."""
    before = len(site.asked(site.mirror))
    outcome = site.sync(*lines)
    assert set(outcome.verdicts()) == {("skipped", reason)}
    assert not site.writes(since=before)


@pytest.mark.parametrize(("media", "choice"), [("oci", "all"), ("docker", SEVERAL)])
def test_each_platform_pulls_its_own_image(site: Site, media: Media, choice: str) -> None:
    index = build_app(media=media)
    site.publish(index)
    outcome = site.sync(line(site, choice))
    assert outcome.verdict == ("copied", "missing")
    assert outcome.item["note"] is None
    wanted = index.images if choice == "all" else index.images[:2]
    assert children_of(site) == [one.digest for one in wanted]
    assert_pulled_back(site, wanted)
    there = json.loads(site.mirror.manifest(site.mirrored_name(), "1"))
    assert (there["annotations"], there["mediaType"]) == ({"a": "b"}, index.media_type)
    assert (site.mirrored() == index.digest) is (choice == "all")
    assert_in_sync(site, line(site, choice))


def test_a_default_of_several_platforms_is_one_tag(site: Site) -> None:
    site.configure(DEFAULT_PLATFORM=SEVERAL)
    index = build_app()
    site.publish(index)
    site.sync(site.source())
    assert_pulled_back(site, index.images[:2])


def test_twenty_entries_in_sync_push_nothing(site: Site) -> None:
    """Most of them are in the mirror from before; the rest are brought by the first run."""
    index = build_app()
    lines = []
    for number in range(20):
        is_whole = number % 10 != 0
        site.publish(index, f"app:{number}")
        lines.append(line(site, "all" if is_whole else SEVERAL, f"app:{number}"))
        if is_whole:
            site.place(index, f"app:{number}")
    assert site.sync(*lines).report["totals"]["copied"] == 2
    before = len(site.asked(site.mirror))
    assert site.sync(*lines).report["totals"]["skipped"] == 20
    methods = [one.method for one in site.asked(site.mirror)[before:]]
    children = 18 * len(index.images) + 2 * len(SEVERAL.split(","))
    assert methods.count("HEAD") == 20 + children
    assert methods.count("GET") == 1, "what the index of several names is read once"
    assert not WRITES & set(methods)


# Attestations


@pytest.mark.parametrize(
    ("choice", "style", "status"),
    [("all", "new", 403), ("all", "old", 400), (SEVERAL, "new", 400)],
)
def test_attestations_that_are_refused_stay_behind(
    site: Site, far: FaultProxy, choice: str, style: Attestations, status: int
) -> None:
    index = build_app(attestations=style)
    site.publish(index)
    far.add(refuses_attestations(index, status))
    first = site.sync(line(site, choice))
    assert first.verdict == ("copied", "missing")
    assert first.item["note"] == "without attestations, which could not be pushed there"
    assert "without attestations" in first.stdout
    wanted = index.images[:3] if choice == "all" else index.images[:2]
    assert children_of(site) == [one.digest for one in wanted]
    assert_pulled_back(site, wanted)
    assert_in_sync(site, line(site, choice), reason="same-content")


def test_a_lost_memory_of_refused_attestations_writes_no_tag(site: Site, far: FaultProxy) -> None:
    index = build_app(attestations="new")
    site.publish(index)
    far.add(refuses_attestations(index))
    site.sync(line(site, "all"))
    for file in site.state.iterdir():
        if file.name.startswith("state.db"):
            file.unlink()
    before = len(site.asked(site.mirror))
    outcome = site.sync(line(site, "all"))
    assert outcome.verdict == ("skipped", "same-content")
    assert not [one for one in site.writes(since=before) if one.path.endswith("/manifests/1")]


def test_aliyun_is_known_to_refuse_them(site: Site) -> None:
    index = build_app(attestations="new")
    site.publish(index)
    with FaultProxy(site.mirror.url) as proxy:
        site.configure(ALIYUN_REGISTRY=proxy.host)
        refusal = refuses_attestations(index)
        proxy.add(refusal)
        outcome = site.sync(line(site, "all"))
        assert proxy.struck(refusal) == 0
        assert outcome.item["note"] is None
        assert_in_sync(site, line(site, "all"))


@pytest.mark.parametrize("wish", ["keep", "drop"])
def test_what_becomes_of_attestations_is_as_is_wished(
    site: Site, far: FaultProxy, wish: str
) -> None:
    site.configure(
        SYNC_MODE="ghcr",
        GHCR_REGISTRY=far.host,
        GHCR_NAMESPACE=site.namespace,
        ATTESTATIONS=wish,
    )
    index = build_app(attestations="new")
    site.publish(index)
    site.sync(line(site, "all"))
    assert len(children_of(site)) == (6 if wish == "keep" else 3)
    assert (site.mirrored() == index.digest) is (wish == "keep")


def test_dropping_nothing_keeps_the_index_as_it_is(site: Site) -> None:
    site.configure(ATTESTATIONS="drop")
    index = build_app()
    site.publish(index)
    site.sync(line(site, "all"))
    assert site.mirrored() == index.digest


def test_attestations_of_the_chosen_platforms_go_with_them(site: Site, far: FaultProxy) -> None:
    index = build_app(attestations="new")
    site.publish(index)
    site.sync(line(site, SEVERAL))
    of_chosen = [index.images[place].digest for place in (0, 1, 3, 4)]
    assert children_of(site) == of_chosen
    assert far.exchanges()


# Docker's types


@pytest.mark.parametrize(
    ("choice", "compression", "attestations"),
    [
        ("all", "gzip", None),
        ("all", "none", None),
        (SEVERAL, "gzip", "new"),
        ("linux/arm64", "gzip", None),
        ("linux/arm64", "none", None),
    ],
)
def test_a_registry_that_turns_out_to_refuse_oci_gets_dockers_types(
    site: Site,
    far: FaultProxy,
    choice: str,
    compression: Compression,
    attestations: Attestations | None,
) -> None:
    index = build_app(compression=compression, attestations=attestations)
    site.publish(index)
    far.add(REFUSES_OCI)
    first = site.sync(line(site, choice))
    assert first.verdict == ("copied", "missing")
    assert first.item["note"] == (
        "converted to Docker's manifest types, since the registry refuses OCI's"
    )
    assert "converted" in first.stdout
    if choice == "linux/arm64":
        assert site.mirrored(prefix="linux_arm64_") == first.item["destination_digest"]
    else:
        assert_pulled_back(site, index.images[:3] if choice == "all" else index.images[:2])
    assert_in_sync(site, line(site, choice), reason="same-content")
    for file in site.state.iterdir():
        if file.name.startswith("state.db"):
            file.unlink()
    assert_in_sync(site, line(site, choice), reason="same-content")


@pytest.mark.parametrize("choice", [*CHOICES, "linux/amd64"])
def test_a_registry_that_is_known_to_refuse_oci_is_in_sync_by_digest(
    site: Site, choice: str
) -> None:
    index = build_app(attestations="new")
    site.publish(index)
    with FaultProxy(site.mirror.url) as proxy:
        proxy.add(REFUSES_OCI)
        write_swr(site, proxy)
        first = site.sync(line(site, choice))
        assert first.verdict == ("copied", "missing")
        assert "converted to Docker's manifest types" in (first.item["note"] or "")
        assert first.item["destination_digest"] == first.item["expected_digest"]
        if choice != "linux/amd64":
            assert_pulled_back(site, index.images[:3] if choice == "all" else index.images[:2])
        assert_in_sync(site, line(site, choice))


def write_swr(site: Site, proxy: FaultProxy) -> None:
    site.configure(SYNC_MODE="swr")
    text = f'[targets.swr]\nregistry = "{proxy.host}"\nnamespace = "{site.namespace}"\n{SWR}\n'
    (site.folder / "targets.toml").write_text(text, encoding="utf-8")


def test_skopeo_would_convert_to_the_same_bytes(site: Site) -> None:
    index = build_app()
    site.publish(index)
    with FaultProxy(site.mirror.url) as proxy:
        write_swr(site, proxy)
        proxy.add(REFUSES_OCI)
        ours = site.sync(line(site, "all")).item["destination_digest"]
    site.convert("--all", "--format=v2s2")
    assert site.mirrored() == ours


@pytest.mark.parametrize(
    ("choice", "is_known"), [("linux/amd64", False), ("all", False), ("all", True)]
)
def test_zstd_can_not_be_dockers(site: Site, far: FaultProxy, choice: str, is_known: bool) -> None:
    site.publish(build_app(compression="zstd"))
    far.add(REFUSES_OCI)
    if is_known:
        write_swr(site, far)
    site.list_images(line(site, choice))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "bad-manifest")
    assert "its layers are packed with zstd" in outcome.error["message"]
    assert "a registry that takes OCI's types" in outcome.error["hint"]
    assert site.mirrored() is None


def test_zstd_goes_where_oci_does(site: Site) -> None:
    index = build_app(compression="zstd")
    site.publish(index)
    site.sync(line(site, "all"), f"{line(site, SEVERAL)} --name=several:1")
    assert site.mirrored() == index.digest
    assert_pulled_back(site, index.images)


def test_each_of_two_targets_gets_the_form_it_takes(site: Site) -> None:
    index = build_app(attestations="new")
    site.publish(index)
    with ExitStack() as stack:
        swr, oci = (stack.enter_context(FaultProxy(site.mirror.url)) for _ in range(2))
        swr.add(REFUSES_OCI)
        write_swr(site, swr)
        site.configure(
            SYNC_MODE="swr,ghcr",
            GHCR_REGISTRY=oci.host,
            GHCR_NAMESPACE=f"{site.namespace}/ghcr",
        )
        first = site.sync(line(site, "all"))
        assert [one["action"] for one in first.report["items"]] == ["copied", "copied"]
        assert first.report["items"][1]["destination_digest"] == index.digest
        assert_in_sync(site, line(site, "all"))


# A run that is killed


@pytest.mark.parametrize("choice", CHOICES)
def test_killed_before_its_index_is_there_a_tag_stays_as_it_was(
    site: Site, far: FaultProxy, choice: str
) -> None:
    old, new = build_app("old"), build_app("new")
    site.publish(old)
    site.sync(line(site, choice))
    before = site.mirrored()
    site.publish(new)
    gate = Gate()
    last = new.images[2 if choice == "all" else 1]
    far.add(Rule(Call(gate), method="PUT", path=f"manifests/{last.digest}", times=1))
    with site.running("batch") as run:
        gate.wait()
        run.send(signal.SIGKILL)
        far.add(Rule(Response(503), method="PUT", path=r"/manifests/1$"))
        gate.open()
        assert run.finish().status == -signal.SIGKILL
        assert site.mirrored() == before
    assert_pulled_back(site, old.images[:2])
    far.clear()
    outcome = site.sync(line(site, choice))
    assert outcome.item["action"] == "copied"
    assert_in_sync(site, line(site, choice))
    assert children_of(site)[1] == new.images[1].digest


# Platforms come and go


def test_a_platform_that_is_taken_off_the_list_is_told(site: Site) -> None:
    site.publish(build_app())
    site.sync(line(site, "linux/amd64,linux/arm64,linux/arm/v7"))
    outcome = site.sync(line(site, SEVERAL))
    assert outcome.verdict == ("copied", "content-differs")
    assert outcome.item["note"] == "linux/arm/v7 is gone"
    assert "linux/arm/v7 is gone" in outcome.stdout


def test_platforms_that_come_and_go_upstream_are_told(site: Site) -> None:
    index = build_app()
    site.publish(index)
    site.sync(line(site, "all"))
    site.publish(build_index([*index.images[:2], build_image("linux/s390x")]))
    plan = site.run("plan")
    assert plan.item["note"] == "linux/arm/v7 is gone, linux/s390x is new"
    outcome = site.sync(line(site, "all"))
    assert outcome.item["note"] == "linux/arm/v7 is gone, linux/s390x is new"


def test_a_platform_that_is_left_out_is_told_each_time(site: Site) -> None:
    site.publish(build_app())
    asked = line(site, f"{SEVERAL},linux/riscv64?")
    for verdict in (("copied", "missing"), ("skipped", "same-digest")):
        outcome = site.sync(asked)
        assert outcome.verdict == verdict
        assert outcome.item["note"] == "without linux/riscv64"
        assert "without linux/riscv64" in outcome.stdout


def test_a_platform_that_vanishes_fails_and_leaves_the_tag(site: Site) -> None:
    index = build_app()
    site.publish(index)
    site.sync(line(site, SEVERAL))
    before = site.mirrored()
    site.publish(build_index([index.images[0], index.images[2]]))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "no-such-platform")
    assert "it has no linux/arm64; it has linux/amd64, linux/arm/v7" in outcome.error["message"]
    assert site.mirrored() == before


def test_an_index_that_gives_way_to_one_image_is_told(site: Site) -> None:
    site.configure(DEFAULT_PLATFORM=SEVERAL)
    site.publish(build_app())
    site.sync(site.source())
    site.configure(DEFAULT_PLATFORM="linux/amd64")
    outcome = site.sync(site.source())
    assert outcome.item["note"] == "it was an index of linux/amd64, linux/arm64"


def test_a_lower_variant_in_an_index_is_named(site: Site) -> None:
    site.publish(build_index([build_image(), build_image("linux/arm/v6")]))
    outcome = site.sync(line(site, "linux/amd64,linux/arm/v7"))
    assert outcome.item["delivered"] == "linux/amd64,linux/arm/v6"
    assert outcome.item["note"] == "linux/arm/v6 serves linux/arm/v7"


# Oddities


def listed(images: Iterable[Image], *platforms: Mapping[str, object] | None) -> Index:
    """An index that says of its images whatever a test likes."""
    index = build_index(images)
    document = json.loads(index.manifest)
    for entry, platform in zip(document["manifests"], platforms, strict=True):
        entry.pop("platform")
        if platform:
            entry["platform"] = platform
    return replace(index, manifest=json.dumps(document).encode())


def windows(version: str) -> Image:
    image = build_image("windows/amd64", {"app": version.encode()})
    config = json.loads(image.config) | {"os.version": version}
    raw = json.dumps(config).encode()
    manifest = json.loads(image.manifest)
    manifest["config"] |= {"digest": digest_of(raw), "size": len(raw)}
    return replace(image, config=raw, manifest=json.dumps(manifest).encode())


WINDOWS = {"os": "windows", "architecture": "amd64"}


@pytest.mark.parametrize("choice", ["windows/amd64", "windows/amd64,linux/amd64", "all"])
def test_the_first_of_several_windows_is_taken_and_named(site: Site, choice: str) -> None:
    images = [windows("10.0.20348.1"), windows("10.0.17763.2"), build_image()]
    versions = [{**WINDOWS, "os.version": one} for one in ("10.0.20348.1", "10.0.17763.2")]
    index = listed(images, *versions, {"os": "linux", "architecture": "amd64"})
    site.publish(index)
    first, again = site.sync(line(site, choice)), site.sync(line(site, choice))
    assert again.verdict == ("skipped", "same-digest")
    if choice == "all":
        assert site.mirrored() == index.digest
        assert first.item["note"] is None
        return
    for outcome in (first, again):
        assert (outcome.item["delivered"] or "").startswith("windows(10.0.20348.1)/amd64")
        assert "windows(10.0.20348.1)/amd64" in (outcome.item["note"] or "")


def test_a_windows_that_is_shown_can_be_asked_for(site: Site) -> None:
    versions = ["10.0.20348.1", "10.0.17763.2"]
    images = [*map(windows, versions), build_image()]
    told = [{**WINDOWS, "os.version": one} for one in versions]
    site.publish(listed(images, *told, {"os": "linux", "architecture": "amd64"}))
    site.list_images(line(site, "windows(10.0.14393)/amd64"))
    missing = site.run("batch")
    assert missing.verdict == ("failed", "no-such-platform")
    shown = [f"windows({one})/amd64" for one in versions]
    assert f"it has {', '.join(shown)}, linux/amd64" in missing.error["message"]
    assert missing.error["hint"] in [f"write --platform={one}" for one in shown]
    for version, platform, image in zip(versions, shown, images, strict=False):
        outcome = site.sync(line(site, platform))
        assert outcome.item["delivered"] == platform
        assert site.mirrored(prefix=f"windows-{version}_amd64_") == image.digest
        assert site.sync(line(site, platform)).verdict == ("skipped", "same-digest")


def test_of_one_platform_twice_the_first_is_taken(site: Site) -> None:
    first, second = build_image(files={"a": b"1"}), build_image(files={"a": b"2"})
    arm = build_image("linux/arm64")
    site.publish(build_index([first, second, arm]))
    site.sync(line(site, SEVERAL))
    assert children_of(site) == [first.digest, arm.digest]


def test_one_image_under_two_platforms_is_listed_as_it_was_chosen(site: Site) -> None:
    image = build_image(without=["architecture", "os"])
    amd = {"os": "linux", "architecture": "amd64"}
    site.publish(listed([image, image], {"os": "linux", "architecture": "arm64"}, amd))
    site.sync(line(site, "linux/amd64,linux/s390x?"))
    assert children_of(site) == [image.digest]
    assert_pulled_back(site, [image])


def test_a_child_of_no_platform_goes_with_all_and_not_by_name(site: Site) -> None:
    image, arm = build_image(), build_image("linux/arm64")
    index = listed([image, arm], None, {"os": "linux", "architecture": "arm64"})
    site.publish(index)
    site.sync(line(site, "all"))
    assert site.mirrored() == index.digest
    site.list_images(line(site, SEVERAL))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "no-such-platform")
    assert "it has linux/arm64, an image of no platform" in outcome.error["message"]


def nested() -> Index:
    inner = build_index([build_image("linux/arm64")])
    outer = build_index([build_image()])
    document = json.loads(outer.manifest)
    entry = {
        "mediaType": inner.media_type,
        "digest": inner.digest,
        "size": len(inner.manifest),
        "platform": {"os": "linux", "architecture": "arm64"},
    }
    document["manifests"].append(entry)
    return replace(outer, manifest=json.dumps(document).encode())


@pytest.mark.parametrize("choice", ["all", "linux/arm64"])
def test_an_index_in_an_index_fails_with_a_reason(site: Site, choice: str) -> None:
    site.publish(build_index([build_image("linux/arm64")]))
    site.publish(nested())
    site.list_images(line(site, choice))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "bad-manifest")
    assert "its index holds another index (sha256:" in outcome.error["message"]
    assert "by its digest" in outcome.error["hint"]
    assert not site.writes()
    site.sync(f"--platform=linux/amd64 {site.source()}")


def test_an_index_of_attestations_alone_has_no_image(site: Site) -> None:
    index = build_index([build_image()], attestations="new")
    document = json.loads(index.manifest)
    document["manifests"] = document["manifests"][1:]
    site.publish(replace(index, manifest=json.dumps(document).encode()))
    site.list_images(line(site, "all"))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "bad-manifest")
    assert "holds attestations, and no image" in outcome.error["message"]


def test_images_without_a_date_or_an_architecture_are_images(site: Site) -> None:
    bare = [
        build_image(one, {"app": one.encode()}, created=None, without=["architecture", "os"])
        for one in PLATFORMS
    ]
    site.publish(build_index(bare))
    site.sync(line(site, SEVERAL))
    assert children_of(site)[:2] == [one.digest for one in bare[:2]]
    assert_in_sync(site, line(site, SEVERAL))


def test_an_artifact_has_no_form_in_dockers_types(site: Site, far: FaultProxy) -> None:
    chart = build_image()
    manifest = json.loads(chart.manifest)
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    site.publish(replace(chart, manifest=json.dumps(manifest).encode()))
    far.add(REFUSES_OCI)
    site.list_images(line(site, "all"))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "bad-manifest")
    assert "vnd.cncf.helm.config" in outcome.error["message"]


def test_an_index_with_keys_that_skopeo_would_lose_keeps_every_byte(
    site: Site, far: FaultProxy
) -> None:
    index = build_app(attestations="new")
    document = json.loads(index.manifest)
    for entry in document["manifests"][3:]:
        entry["artifactType"] = "application/vnd.docker.attestation.manifest.v1+json"
    odd = replace(index, manifest=json.dumps(document).encode())
    site.publish(odd)
    far.add(Rule(Response(503), method="PUT", path=r"/manifests/1$", times=1))
    outcome = site.sync(line(site, "all"))
    assert site.mirrored() == outcome.item["destination_digest"] == odd.digest
    assert outcome.item["attempts"] == 2
    assert_pulled_back(site, index.images[:3])
    assert_in_sync(site, line(site, "all"))
