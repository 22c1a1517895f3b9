"""What is signed about an image travels with it, on request: cosign's tags and OCI's referrers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import Blob, Image, Index, build_image, build_index, digest_of, push
from demo.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Outcome, Site

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SPDX = "application/spdx+json"
ALL = "--platform=all"


def signature_of(digest: str, *, layer: str = SIMPLE_SIGNING) -> Image:
    """As cosign writes it: the payload is a layer, its signature an annotation of it."""
    payload = Blob.of(json.dumps({"critical": {"image": digest}, "type": layer}).encode())
    rootfs = {"type": "layers", "diff_ids": [payload.digest]}
    config = json.dumps({"architecture": "", "os": "", "config": {}, "rootfs": rootfs}).encode()
    signed = {"dev.cosignproject.cosign/signature": "MEUCIQ=="}
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": describe("application/vnd.oci.image.config.v1+json", config),
        "layers": [{**describe(layer, payload.content), "annotations": signed}],
    }
    return Image("", MANIFEST, json.dumps(document).encode(), config, (payload,))


def referrer_of(subject: Image | Index, artifact: str) -> Image:
    content = Blob.of(f"{artifact} of {subject.digest}".encode())
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact,
        "config": describe(EMPTY, b"{}"),
        "layers": [describe(artifact, content.content)],
        "subject": describe(subject.media_type, subject.manifest),
    }
    return Image("", MANIFEST, json.dumps(document).encode(), b"{}", (content,))


def describe(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def list_of(*referrers: Image) -> Index:
    """The index that an API answers with, and that stands under the fallback tag."""
    entries = [
        {
            **describe(MANIFEST, one.manifest),
            "artifactType": json.loads(one.manifest)["artifactType"],
        }
        for one in referrers
    ]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    return Index(INDEX, json.dumps(document).encode(), referrers)


def tag_of(digest: str, suffix: str = "") -> str:
    return f"{digest.replace(':', '-')}{suffix}"


def sign(site: Site, content: Image | Index, *suffixes: str) -> dict[str, str]:
    """Put signatures beside an image upstream; what the mirror should have, by tag."""
    expected = {}
    for suffix in suffixes:
        signature = signature_of(content.digest, layer=f"{SIMPLE_SIGNING}{suffix}")
        tag = tag_of(content.digest, suffix)
        expected[tag] = site.publish(signature, f"app:{tag}")
    return expected


def refer(site: Site, subject: Image | Index, *referrers: Image) -> None:
    """Put referrers beside an image upstream, listed under the fallback tag."""
    for one in referrers:
        push(site.upstream.url, f"{site.namespace}/app", None, one)
    site.publish(list_of(*referrers), f"app:{tag_of(subject.digest)}")


def signatures_in(site: Site) -> dict[str, str | None]:
    """What the mirror has beside its tags, by tag."""
    name = site.mirrored_name()
    tags = site.mirror.tags(name)
    return {tag: site.mirror.digest(name, tag) for tag in tags if tag.startswith("sha256-")}


def referrers_in(site: Site, subject: Image | Index) -> dict[str, str]:
    """What the mirror's list names, all of which is there, by digest."""
    name = site.mirrored_name()
    entries = json.loads(site.mirror.manifest(name, tag_of(subject.digest)))["manifests"]
    found = {one["digest"]: one["artifactType"] for one in entries}
    assert all(site.mirror.digest(name, digest) == digest for digest in found)
    return found


def sync(site: Site, *options: str, status: int = 0) -> Outcome:
    site.list_images(f"{options[0] if options else ALL} {site.source()}")
    outcome = site.run("batch", "--with-signatures")
    assert outcome.status == status, f"{outcome.stdout}\n{outcome.stderr}"
    return outcome


@pytest.fixture
def index(site: Site) -> Index:
    """An image of two platforms, of this test alone."""
    images = [
        build_image(one, {"app": f"{site.namespace} {one}".encode()})
        for one in ("linux/amd64", "linux/arm64")
    ]
    index = build_index(images)
    site.publish(index)
    return index


@pytest.fixture
def far(site: Site) -> Iterator[FaultProxy]:
    with FaultProxy(site.mirror.url) as proxy:
        site.configure(ALIYUN_REGISTRY=proxy.host)
        yield proxy


def test_signatures_under_tags_travel_and_only_once(site: Site, index: Index) -> None:
    expected = sign(site, index, ".sig", ".att", ".sbom") | sign(site, index.images[1], ".sig")
    first = sync(site)
    assert first.item["note"] == "with 4 signatures or the like"
    assert "with 4 signatures" in first.stdout
    assert signatures_in(site) == expected
    assert site.mirrored() == index.digest
    before = len(site.asked(site.mirror))
    again = sync(site)
    assert again.verdict == ("skipped", "same-digest")
    assert again.item["note"] is None
    assert not site.writes(since=before)


def test_nobody_brings_them_unasked(site: Site, index: Index) -> None:
    sign(site, index, ".sig")
    site.sync(f"{ALL} {site.source()}")
    assert signatures_in(site) == {}
    before = len(site.asked(site.upstream))
    site.sync(f"{ALL} {site.source()}")
    assert len(site.asked(site.upstream)) == before + 1, "the tag is asked for, and no more"


def test_a_setting_asks_for_them_too(site: Site, index: Index) -> None:
    site.configure(SIGNATURES="true")
    expected = sign(site, index, ".sig")
    site.sync(f"{ALL} {site.source()}")
    assert signatures_in(site) == expected


def test_what_is_not_signed_is_no_failure(site: Site, index: Index) -> None:
    assert sync(site).item["note"] is None
    assert site.mirrored() == index.digest
    before = len(site.asked(site.mirror))
    sync(site)
    asked = [one.path.rpartition("/")[2] for one in site.asked(site.mirror)[before:]]
    named = {"1", index.digest, *(image.digest for image in index.images)}
    assert set(asked) <= named, "nothing is asked for that is not signed"


def test_what_is_signed_later_comes_later(site: Site, index: Index) -> None:
    sync(site)
    expected = sign(site, index, ".sig")
    outcome = sync(site)
    assert outcome.verdict == ("skipped", "same-digest")
    assert outcome.item["note"] == "with 1 signature or the like"
    assert outcome.item["bytes"] > 0
    assert signatures_in(site) == expected
    tag = tag_of(index.digest, ".sig")
    expected[tag] = site.publish(signature_of("another"), f"app:{tag}")
    sync(site)
    assert signatures_in(site) == expected


def test_a_child_may_be_signed_later_or_its_signature_fail_once(
    site: Site, index: Index, far: FaultProxy
) -> None:
    sync(site)
    expected = sign(site, index.images[1], ".sig")
    (tag,) = expected
    far.add(Rule(Response.error(403, "DENIED", "no"), method="PUT", path=f"/manifests/{tag}"))
    assert sync(site, status=1).verdict == ("failed", "denied")
    assert signatures_in(site) == {}
    far.clear()
    outcome = sync(site)
    assert outcome.verdict == ("skipped", "same-digest")
    assert outcome.item["note"] == "with 1 signature or the like"
    assert signatures_in(site) == expected


def test_referrers_under_a_tag_travel(site: Site, index: Index) -> None:
    bundle, sbom = referrer_of(index, BUNDLE), referrer_of(index, SPDX)
    refer(site, index, bundle, sbom)
    assert sync(site).item["note"] == "with 2 signatures or the like"
    assert referrers_in(site, index) == {bundle.digest: BUNDLE, sbom.digest: SPDX}
    before = len(site.asked(site.mirror))
    assert sync(site).item["note"] is None
    assert not site.writes(since=before)


def answers_referrers(subject: Index, *referrers: Image) -> Rule:
    """A registry that has the API of OCI 1.1."""
    answer = Response(200, {"Content-Type": INDEX}, list_of(*referrers).manifest)
    return Rule(answer, method="GET", path=f"/referrers/{subject.digest}")


def test_referrers_of_an_api_travel(site: Site, index: Index) -> None:
    bundle = referrer_of(index, BUNDLE)
    push(site.upstream.url, f"{site.namespace}/app", None, bundle)
    with FaultProxy(site.upstream.url) as near:
        near.add(answers_referrers(index, bundle))
        site.list_images(f"{ALL} {site.source(host=near.host)} --name=app:1")
        outcome = site.run("batch", "--with-signatures")
    assert outcome.item["note"] == "with 1 signature or the like"
    name = f"{site.namespace}/app"
    assert site.mirror.digest(name, bundle.digest) == bundle.digest
    (entry,) = json.loads(site.mirror.manifest(name, tag_of(index.digest)))["manifests"]
    assert (entry["digest"], entry["artifactType"]) == (bundle.digest, BUNDLE)


def test_each_page_of_an_api_travels(site: Site, index: Index) -> None:
    artifacts = [referrer_of(index, kind) for kind in (BUNDLE, SPDX)]
    for artifact in artifacts:
        push(site.upstream.url, f"{site.namespace}/app", None, artifact)
    first, second = (list_of(artifact).manifest for artifact in artifacts)
    path = f"/v2/{site.namespace}/app/referrers/{index.digest}"
    link = {"Content-Type": INDEX, "Link": f'<{path}?n=1&last=x>; rel="next"'}
    gone = Response.error(404, "MANIFEST_UNKNOWN", "gone")
    with FaultProxy(site.upstream.url) as near:
        near.add(Rule(Response(200, link, first), path=f"{path}$"))
        near.add(Rule(gone, path=r"last=x", times=1))
        near.add(Rule(Response(200, {"Content-Type": INDEX}, second), path=r"last=x"))
        site.list_images(f"{ALL} {site.source(host=near.host)} --name=app:1")
        lost = site.run("batch", "--with-signatures")
        outcome = site.run("batch", "--with-signatures")
    assert (lost.status, lost.verdict) == (1, ("failed", "bad-manifest"))
    assert "lacks a page of its referrers" in lost.error["message"]
    assert outcome.item["note"] == "with 2 signatures or the like"
    there = [site.mirror.digest(f"{site.namespace}/app", one.digest) for one in artifacts]
    assert there == [artifact.digest for artifact in artifacts]


def test_a_long_list_is_read_and_one_of_null_is_empty(site: Site, index: Index) -> None:
    bundle = referrer_of(index, BUNDLE)
    push(site.upstream.url, f"{site.namespace}/app", None, bundle)
    long = json.loads(list_of(bundle).manifest) | {"annotations": {"x": "x" * 5_000_000}}
    null = {"schemaVersion": 2, "mediaType": INDEX, "manifests": None}
    kind = {"Content-Type": INDEX}
    with FaultProxy(site.upstream.url) as near:
        for image in index.images:
            answer = Response(200, kind, json.dumps(null).encode())
            near.add(Rule(answer, path=f"/referrers/{image.digest}"))
        answer = Response(200, kind, json.dumps(long).encode())
        near.add(Rule(answer, path=f"/referrers/{index.digest}"))
        site.list_images(f"{ALL} {site.source(host=near.host)} --name=app:1")
        outcome = site.run("batch", "--with-signatures")
    assert (outcome.status, outcome.item["note"]) == (0, "with 1 signature or the like")


def test_a_mirror_with_the_api_needs_no_list(site: Site, index: Index, far: FaultProxy) -> None:
    bundle = referrer_of(index, BUNDLE)
    refer(site, index, bundle)
    far.add(answers_referrers(index))
    assert sync(site).item["note"] == "with 1 signature or the like"
    assert site.mirror.digest(site.mirrored_name(), bundle.digest) == bundle.digest
    assert signatures_in(site) == {}


def test_the_mirrors_own_referrers_stay_listed(site: Site, index: Index) -> None:
    sync(site)
    own, bundle = referrer_of(index, SPDX), referrer_of(index, BUNDLE)
    push(site.mirror.url, site.mirrored_name(), None, own)
    push(site.mirror.url, site.mirrored_name(), tag_of(index.digest), list_of(own))
    refer(site, index, bundle)
    sync(site)
    assert referrers_in(site, index) == {own.digest: SPDX, bundle.digest: BUNDLE}


def test_one_platform_takes_its_own_and_tells_of_the_indexs(site: Site, index: Index) -> None:
    sign(site, index, ".sig")
    outcome = sync(site, "--platform=linux/arm64")
    assert outcome.item["note"] == (
        "the index upstream is signed, and its signature does not hold for what is here"
    )
    expected = sign(site, index.images[1], ".sig")
    outcome = sync(site, "--platform=linux/arm64")
    assert outcome.item["note"] == "with 1 signature or the like"
    name = site.mirrored_name(prefix="linux_arm64_")
    ((tag, digest),) = expected.items()
    assert site.mirror.digest(name, tag) == digest


def test_the_children_of_an_assembled_index_keep_theirs(site: Site, index: Index) -> None:
    sign(site, index, ".sig")
    expected = sign(site, index.images[0], ".sig")
    choice = "--platform=linux/amd64,linux/s390x?"
    outcome = sync(site, choice)
    assert "its signature does not hold" in (outcome.item["note"] or "")
    assert signatures_in(site) == expected
    later = sign(site, index.images[0], ".att")
    sync(site, choice)
    assert signatures_in(site) == expected | later


def test_a_registry_that_refuses_them_still_has_the_image(
    site: Site, index: Index, far: FaultProxy
) -> None:
    bundle = referrer_of(index, BUNDLE)
    refer(site, index, bundle)
    told = "unknown manifest class for application/vnd.oci.empty.v1+json"
    refuses = Rule(Response.error(403, "DENIED", told), method="PUT", path=bundle.digest)
    far.add(refuses)
    outcome = sync(site)
    assert outcome.item["action"] == "copied"
    assert outcome.item["note"] == "the registry refuses what is signed about it"
    assert far.struck(refuses) == 1
    assert signatures_in(site) == {}


@pytest.mark.parametrize("suffix", [".sig", ""])
def test_a_passing_fault_passes(site: Site, index: Index, far: FaultProxy, suffix: str) -> None:
    expected = sign(site, index, ".sig")
    refer(site, index, referrer_of(index, BUNDLE))
    tag = tag_of(index.digest, suffix)
    rule = Rule(Response(503), method="PUT", path=f"/manifests/{tag}$", times=1)
    far.add(rule)
    outcome = sync(site)
    assert outcome.item["note"] == "with 2 signatures or the like"
    assert far.struck(rule) == 1
    assert set(signatures_in(site)) == {*expected, tag_of(index.digest)}


def test_a_signature_that_can_not_be_brought_is_a_failure(
    site: Site, index: Index, far: FaultProxy
) -> None:
    sign(site, index, ".sig")
    tag = tag_of(index.digest, ".sig")
    far.add(Rule(Response.error(403, "DENIED", "no"), method="PUT", path=f"/manifests/{tag}"))
    outcome = sync(site, status=1)
    assert outcome.verdict == ("failed", "denied")
    assert tag in outcome.error["message"]
    assert site.mirrored() == index.digest, "the image is there all the same"
    far.clear()
    assert sync(site).item["note"] == "with 1 signature or the like"


def test_buildkits_attestations_are_no_signatures(site: Site) -> None:
    images = [build_image("linux/amd64", {"app": site.namespace.encode()})]
    attested = build_index(images, attestations="new")
    site.publish(attested)
    artifact = "application/vnd.docker.attestation.manifest.v1+json"
    refer(site, images[0], referrer_of(images[0], artifact))
    assert sync(site).item["note"] is None
    assert signatures_in(site) == {}


def test_a_plan_brings_nothing(site: Site, index: Index) -> None:
    sign(site, index, ".sig")
    site.list_images(f"{ALL} {site.source()}")
    outcome = site.run("plan", "--with-signatures")
    assert outcome.verdict == ("would-copy", "missing")
    assert not site.writes()
