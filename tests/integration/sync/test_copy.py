"""Copies arrive as what was looked at, once, whatever the network does; or they say why not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from demo.faults import Call, Corrupt, Hang, Refuse, Reset, Response, Rule, Truncate, WrongDigest
from demo.images import MIB, build_image, build_index, noise_layer
from demo.proxy import FaultProxy
from demo.registry import Registry
from tests.support.runs import WRITES, Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.faults import Fault
    from demo.images import Image
    from tests.support.runs import Site

BY_TAG = r"/manifests/1$"
BY_DIGEST = r"/(manifests|blobs)/sha256:"
REFUSES_OCI = Rule(
    Response.error(400, "MANIFEST_INVALID", "manifest invalid"),
    method="PUT",
    path="/manifests/",
    content=r"application/vnd\.oci\.",
)


def build_app(seed: str = "", *, platform: str = "linux/amd64") -> Image:
    return build_image(platform, {"app": f"{platform} {seed}".encode()})


@pytest.fixture
def near(site: Site) -> Iterator[FaultProxy]:
    """A bad network before the registry that images come from."""
    with FaultProxy(site.upstream.url) as proxy:
        yield proxy


@pytest.fixture
def far(site: Site) -> Iterator[FaultProxy]:
    """A bad network before the mirror."""
    with FaultProxy(site.mirror.url) as proxy:
        site.configure(ALIYUN_REGISTRY=proxy.host)
        yield proxy


def test_nothing_is_copied_twice(site: Site) -> None:
    site.publish(build_index([build_app(), build_app(platform="linux/arm64")]))
    site.publish(build_app("single"), "single:1")
    lines = (site.source(), f"--platform=all {site.source('app:1')} --name=all:1")
    first = site.sync(*lines, site.source("single:1"))
    assert first.report["totals"]["copied"] == 3
    before = len(site.asked(site.mirror))
    second = site.sync(*lines, site.source("single:1"))
    assert second.report["totals"]["skipped"] == 3
    assert second.report["totals"]["bytes"] == 0
    assert not site.writes(since=before)
    assert len(site.asked(site.mirror)) > before


@pytest.mark.parametrize("options", [("batch", "--dry-run"), ("plan",)], ids=" ".join)
def test_a_plan_says_what_would_be_done_and_does_nothing(
    site: Site, options: tuple[str, ...]
) -> None:
    image = build_image(layers=[site.noise(MIB)])
    site.publish(image)
    site.publish(build_image(layers=[site.noise(2 * MIB)]), "there:1")
    assert "targets" not in site.sync(site.source("there:1")).report
    before = len(site.asked(site.mirror))
    site.list_images(site.source(), site.source("there:1"), site.source("missing:1"))
    outcome = site.run(*options)
    assert outcome.status == 1
    assert outcome.verdicts() == (
        ("would-copy", "missing"),
        ("would-skip", "same-digest"),
        ("failed", "not-found"),
    )
    assert outcome.report["items"][0]["bytes"] == sum(len(blob.content) for blob in image.blobs)
    assert "1 would be copied, 1 in sync, 1 failed" in outcome.stdout
    (count,) = outcome.report["targets"]
    assert (count["repositories"], count["most_repositories"], count["tags"]) == (3, 300, 3)
    assert (count["copies"], count["layers"], count["unread"]) == (1, 2, 0)
    assert count["largest_layer"] == max(len(blob.content) for blob in image.blobs)
    assert count["bytes"] == outcome.report["items"][0]["bytes"]
    assert count["seconds"], "the run before has measured the way"
    assert f"{count['target']}  " in outcome.stdout
    assert "3 of 300" in outcome.stdout
    assert not site.writes(since=before)
    assert site.mirrored() is None


def test_force_writes_the_tag_again(site: Site) -> None:
    site.publish(build_app())
    site.sync(site.source())
    before = len(site.asked(site.mirror))
    site.run("batch", "--force")
    (written,) = [one for one in site.writes(since=before) if one.method == "PUT"]
    assert written.method == "PUT"
    assert written.path.endswith("/manifests/1")


@pytest.mark.parametrize("of", ["a single image", "an index"])
def test_a_tag_that_moves_between_plan_and_copy_does_not_slip_in(
    site: Site, near: FaultProxy, of: str
) -> None:
    looked_at, slipped = build_app("looked at"), build_app("slipped in")
    others = (build_app(platform="linux/arm64"),)
    is_index = of == "an index"
    site.publish(build_index([looked_at, *others]) if is_index else looked_at)
    moved = build_index([slipped, *others]) if is_index else slipped
    # The fast path reads first (a manifest, and a single image's config); what skopeo has read
    # after it is what counts.
    skip = 1 if is_index else 2
    move = Rule(Call(lambda: site.publish(moved)), path=BY_DIGEST, skip=skip, times=1)
    near.add(move)
    source = site.source(host=near.host)
    outcome = site.sync(source)
    assert near.struck(move) == 1
    assert site.upstream.digest(f"{site.namespace}/app", "1") == moved.digest
    assert outcome.item["destination_digest"] == looked_at.digest
    assert site.mirrored(host=near.host) == looked_at.digest
    site.sync(source)
    assert site.mirrored(host=near.host) == slipped.digest


def test_copied_is_not_said_where_the_mirror_has_something_else_or_nothing(
    site: Site, far: FaultProxy
) -> None:
    image, intruder = build_app(), build_app("intruder")
    site.publish(image)
    site.publish(build_app("lost"), "lost:1")

    def intrude() -> None:
        if site.mirrored() == image.digest:
            site.place(intruder)

    far.add(Rule(Call(intrude), method="GET|HEAD", path="app/manifests/"))
    far.add(Rule(Response(201), method="PUT", path="lost/manifests/"))
    site.list_images(site.source(), site.source("lost:1"))
    outcome = site.run("batch")
    assert outcome.status == 1
    assert outcome.verdicts() == (("failed", "digest-mismatch"),) * 2
    errors = [one["error"] or {"message": ""} for one in outcome.report["items"]]
    assert image.digest in errors[0]["message"]
    assert intruder.digest in errors[0]["message"]
    assert "it is not there after the copy" in errors[1]["message"]
    far.clear()
    assert site.sync(site.source()).item["action"] == "copied"


@pytest.mark.parametrize("of", ["a single image", "an index"])
def test_a_registry_that_refuses_oci_gets_dockers_types(
    site: Site, far: FaultProxy, of: str
) -> None:
    image = build_app()
    other = build_app(platform="linux/arm64")
    site.publish(image if of == "a single image" else build_index([image, other]))
    far.add(REFUSES_OCI)
    first = site.sync(site.source())
    assert first.verdict == ("copied", "missing")
    assert "converted to Docker's manifest types" in (first.item["note"] or "")
    assert "converted" in first.stdout
    converted = site.mirrored()
    assert converted == first.item["destination_digest"] != image.digest
    assert first.item["expected_digest"] == image.digest
    before = len(site.asked(site.mirror))
    second = site.sync(site.source())
    assert second.verdict == ("skipped", "same-content")
    assert second.item["destination_digest"] == converted
    assert not site.writes(since=before)


def test_what_cannot_be_converted_says_so(site: Site, far: FaultProxy) -> None:
    site.publish(build_image(compression="zstd"))
    far.add(REFUSES_OCI)
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "bad-manifest")
    assert site.mirrored() is None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Response(502), id="502"),
        pytest.param(Response(503), id="503"),
        pytest.param(Refuse(), id="end of file"),
        pytest.param(Reset(), id="reset"),
        pytest.param(Reset(100), id="reset in a body"),
    ],
)
def test_a_passing_fault_of_the_source_passes(site: Site, near: FaultProxy, fault: Fault) -> None:
    image = build_image(layers=[site.noise()])
    site.publish(image)
    rule = Rule(fault, path=f"/blobs/{image.layers[0].digest}", times=1)
    near.add(rule)
    outcome = site.sync(site.source(host=near.host))
    assert near.struck(rule) == 1
    # skopeo 1.9.3 gives up; newer ones try some of these again by themselves.
    assert outcome.item["attempts"] == 1 + outcome.stderr.count("trying again")
    assert outcome.item["attempts"] <= 2
    assert site.mirrored(host=near.host) == image.digest


def test_two_faults_in_a_row_pass_too(site: Site, far: FaultProxy) -> None:
    image = build_app()
    site.publish(image)
    far.add(Rule(Response(502), method="PUT", path="/manifests/", times=2))
    outcome = site.sync(site.source())
    assert outcome.item["attempts"] == 3
    assert site.mirrored() == image.digest


def test_who_shares_a_layer_begins_once_it_is_there_and_mounts_it(site: Site) -> None:
    """The leader's own layer does not come before the other one has been copied."""
    base = noise_layer(2 * MIB, seed=hash(site.namespace))
    leader = build_image(layers=[base, noise_layer(100_000, seed=hash((site.namespace, "own")))])
    follower = build_image(layers=[base, site.noise(100_000)])
    site.publish(leader, "leader:1")
    site.publish(follower, "follower:1")
    gate, turn = Gate(), Gate()
    with FaultProxy(site.upstream.url) as near:
        near.add(Rule(Call(gate), method="GET", path=leader.layers[1].digest))
        near.add(Rule(Call(turn), method="GET", path="/follower/manifests/"))
        site.list_images(
            *(site.source(f"{name}:1", host=near.host) for name in ("leader", "follower"))
        )
        with site.running("batch", "--jobs=2") as run:
            gate.wait()
            turn.open()
            try:
                deadline = time.monotonic() + 20
                while site.mirrored("follower:1", host=near.host) != follower.digest:
                    assert time.monotonic() < deadline, "the follower waits for the whole leader"
                    time.sleep(0.05)
                assert site.mirrored("leader:1", host=near.host) is None
            finally:
                gate.open()
            outcome = run.finish()
    assert outcome.verdicts() == (("copied", "missing"), ("copied", "missing"))
    sent = [one.path for one in site.writes() if one.method == "PUT" and "/uploads/" in one.path]
    assert len([path for path in sent if leader.layers[0].digest.replace(":", "%3A") in path]) == 1


@pytest.mark.parametrize("path", [BY_TAG, r"/blobs/"], ids=["the manifest", "the config"])
def test_a_fault_while_looking_passes(site: Site, near: FaultProxy, path: str) -> None:
    site.publish(build_app())
    near.add(Rule(Response(502), method="GET", path=path, times=1))
    assert site.sync(site.source(host=near.host)).verdict == ("copied", "missing")


def test_a_fault_that_stays_ends_after_as_many_tries_as_are_set(
    site: Site, near: FaultProxy
) -> None:
    site.configure(RETRIES=2)
    site.publish(build_app())
    rule = Rule(Response(503), method="GET", path=BY_TAG)
    near.add(rule)
    site.list_images(site.source(host=near.host))
    outcome = site.run("batch")
    assert outcome.status == 1
    assert outcome.verdict == ("failed", "unreachable")
    assert near.host in outcome.error["hint"]
    assert near.struck(rule) == 3  # once by HTTP


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Response.error(401, "UNAUTHORIZED", "not you"), id="401"),
        pytest.param(Response.error(404, "MANIFEST_UNKNOWN", "unknown"), id="404"),
        pytest.param(Response(200, body=b"<html>log in</html>"), id="a page"),
        pytest.param(Corrupt(99), id="corrupt"),
        pytest.param(WrongDigest(), id="another digest"),
    ],
)
def test_what_http_can_not_settle_skopeo_is_asked_for(
    site: Site, near: FaultProxy, fault: Fault
) -> None:
    site.configure(RETRIES=1)
    site.publish(build_app())
    near.add(Rule(fault, method="GET", path=BY_TAG, times=1))
    assert site.sync(site.source(host=near.host)).verdict == ("copied", "missing")


def test_a_head_that_lies_is_not_what_a_copy_is_made_of(site: Site, near: FaultProxy) -> None:
    """What was pushed last is copied, though HEAD still names what the tag was before."""
    old, new = build_app("old"), build_app("new")
    site.publish(old)
    site.publish(new)
    lie = {"Docker-Content-Digest": old.digest, "Content-Type": old.media_type}
    near.add(Rule(Response(200, lie), method="HEAD", path=BY_TAG))
    outcome = site.sync(site.source(host=near.host))
    assert outcome.item["action"] == "copied"
    assert outcome.item["source_digest"] == new.digest


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Response.error(401, "UNAUTHORIZED", "not you"), "unauthorized", id="401"),
        pytest.param(Response.error(403, "DENIED", "not for you"), "denied", id="403"),
        pytest.param(Response.error(404, "MANIFEST_UNKNOWN", "unknown"), "not-found", id="404"),
        pytest.param(Response(404, body=b"<html>gone</html>"), "not-found", id="404 as a page"),
        pytest.param(Response(200, body=b"<html>log in</html>"), "bad-manifest", id="a page"),
    ],
)
def test_what_can_not_heal_is_not_tried_again(
    site: Site, near: FaultProxy, fault: Response, kind: str
) -> None:
    site.publish(build_app())
    near.add(Rule(fault, path="/manifests/"))
    site.list_images(site.source(host=near.host))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", kind)
    assert outcome.error["hint"]
    gets = [one for one in near.exchanges() if one.method == "GET" and "/manifests/" in one.path]
    # skopeo is asked, too, where HTTP hears no code that settles it.
    assert len(gets) == (2 if fault.body.startswith(b"<html>gone") else 1)


def test_a_denied_push_is_not_tried_again(site: Site, far: FaultProxy) -> None:
    site.publish(build_app())
    rule = Rule(Response.error(403, "DENIED", "permission_denied: write_package"), method="POST")
    far.add(rule)
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "denied")
    assert "ALIYUN_USERNAME and ALIYUN_PASSWORD" in outcome.error["hint"]
    assert outcome.item["attempts"] == 1


def test_a_registry_that_is_not_there_is_unreachable(site: Site) -> None:
    site.configure(RETRIES=1)
    with FaultProxy(site.upstream.url) as proxy:
        source = site.source(host=proxy.host)
    site.list_images(source)
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "unreachable")
    assert f"{proxy.host} can't be reached" in outcome.error["message"]


@pytest.mark.parametrize(
    "fault", [pytest.param(Corrupt(99), id="corrupt"), pytest.param(Truncate(6000), id="cut")]
)
def test_a_spoilt_layer_never_reaches_the_tag(site: Site, near: FaultProxy, fault: Fault) -> None:
    """Some skopeos (1.13) pick up a layer where it was cut."""
    site.configure(RETRIES=1)
    image = build_image(layers=[site.noise()])
    site.publish(image)
    near.add(Rule(fault, path=f"/blobs/{image.layers[0].digest}"))
    site.list_images(site.source(host=near.host))
    outcome = site.run("batch")
    if isinstance(fault, Truncate) and outcome.item["action"] == "copied":
        assert site.mirrored(host=near.host) == image.digest
        return
    assert outcome.item["action"] == "failed"
    assert "Patch" not in outcome.error["message"], "skopeo's inner workings are no news"
    assert site.mirrored(host=near.host) is None


def test_a_manifest_that_is_not_what_was_asked_for_is_refused(site: Site, near: FaultProxy) -> None:
    image = build_app()
    site.publish(image)
    near.add(Rule(Corrupt(0), path=r"/manifests/sha256:"))
    site.list_images(f"{site.source('app', host=near.host)}@{image.digest}")
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "digest-mismatch")
    assert not site.writes()


def test_a_silent_registry_is_given_up_on(site: Site, near: FaultProxy) -> None:
    site.configure(RETRIES=1, STALL_TIMEOUT=1)
    image = build_image(layers=[site.noise()])
    site.publish(image)
    near.add(Rule(Hang(), path=f"/blobs/{image.layers[0].digest}"))
    site.list_images(site.source(host=near.host))
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "timeout")
    assert "STALL_TIMEOUT" in outcome.error["hint"]


def test_verbose_shows_the_commands_and_skopeos_own_words(site: Site, near: FaultProxy) -> None:
    site.publish(build_app())
    near.add(Rule(Response.error(403, "DENIED", "not today"), path="/manifests/"))
    site.list_images(site.source(host=near.host))
    outcome = site.run("batch", "-v")
    assert "skopeo inspect --raw" in outcome.stderr
    assert "skopeo said: " in outcome.stderr
    assert "denied: not today" in outcome.stderr


def test_a_failing_image_stops_no_other(site: Site, near: FaultProxy) -> None:
    names = [f"app{number}:1" for number in range(6)]
    for name in names:
        site.publish(build_app(name), name)
    near.add(Rule(Response.error(403, "DENIED", "no"), path="/app2/manifests/"))
    near.add(Rule(Response.error(403, "DENIED", "no"), path="/app4/blobs/"))
    site.list_images(*(site.source(name, host=near.host) for name in names))
    outcome = site.run("batch")
    assert outcome.status == 1
    actions = [action for action, _ in outcome.verdicts()]
    assert actions == ["copied", "copied", "failed", "copied", "failed", "copied"]
    for name, action in zip(names, actions, strict=True):
        assert (site.mirrored(name, host=near.host) is not None) == (action == "copied")


def test_fail_fast_puts_off_what_has_not_begun(site: Site, far: FaultProxy) -> None:
    names = [f"app{number}:1" for number in range(4)]
    for name in names:
        site.publish(build_app(name), name)
    far.add(Rule(Response.error(403, "DENIED", "no"), method="PUT", path="_app1/manifests/"))
    site.list_images(*map(site.source, names))
    outcome = site.run("batch", "--fail-fast", "--jobs=1")
    assert outcome.status == 1
    assert outcome.verdicts() == (
        ("copied", "missing"),
        ("failed", "denied"),
        ("deferred", "fail-fast"),
        ("deferred", "fail-fast"),
    )
    assert "2 deferred" in outcome.stdout
    far.clear()
    assert site.run("batch", "--fail-fast").verdicts()[0] == ("skipped", "same-digest")


def test_bytes_are_what_travelled(site: Site) -> None:
    base = site.noise(MIB)
    first, second = build_image(layers=[base]), build_image(layers=[base], env=["A=1"])
    site.publish(first, "app:1")
    site.publish(second, "app:2")
    whole = site.sync(site.source("app:1")).item["bytes"]
    assert whole >= len(base.blob.content)
    assert 0 < site.sync(site.source("app:2")).item["bytes"] < MIB


def test_many_items_at_once_all_arrive(site: Site) -> None:
    images = {f"app{number}:1": build_app(str(number)) for number in range(12)}
    for name, image in images.items():
        site.publish(image, name)
    site.list_images(*map(site.source, images))
    outcome = site.run("batch", "--jobs=8")
    assert outcome.report["totals"]["copied"] == len(images)
    assert {name: site.mirrored(name) for name in images} == {
        name: image.digest for name, image in images.items()
    }


UPLOAD, MANIFEST = r"/blobs/uploads/.*digest=", "/manifests/1"


@pytest.mark.parametrize(
    ("rule", "is_fed"),
    [
        pytest.param(None, True, id="all is well"),
        pytest.param(Rule(Response(500), method="PUT", path=UPLOAD, times=1), False, id="a blob"),
        pytest.param(Rule(Reset(), method="PUT", path=UPLOAD, times=1), False, id="broken off"),
        pytest.param(Rule(Response(403), method="POST", times=1), False, id="an upload"),
        pytest.param(Rule(Response(500), method="PUT", path=MANIFEST, times=1), False, id="a tag"),
    ],
)
def test_two_targets_both_get_it_whatever_befalls_the_second(
    site: Site, rule: Rule | None, *, is_fed: bool
) -> None:
    """One copy feeds both; where that goes wrong for the second, it gets a copy of its own."""
    image = build_app()
    site.publish(image)
    with FaultProxy(site.mirror.url) as proxy:
        if rule:
            proxy.add(rule)
        site.configure(
            SYNC_MODE="double",
            GHCR_REGISTRY=proxy.host,
            GHCR_NAMESPACE=f"{site.namespace}/ghcr",
            RELAY="auto",
        )
        outcome = site.sync(site.source())
        assert [item["target"] for item in outcome.report["items"]] == ["aliyun", "ghcr"]
        assert outcome.report["totals"]["copied"] == 2
        assert (rule is None) or proxy.struck(rule) == 1
        assert any(one.method in WRITES for one in proxy.exchanges())
    repository = site.mirrored_name().removeprefix(f"{site.namespace}/")
    ghcr = site.mirror.digest(f"{site.namespace}/ghcr/{repository}", "1")
    assert site.mirrored() == ghcr == image.digest
    read = [one for one in site.asked(site.mirror) if one.method == "GET" and "/blobs/" in one.path]
    assert bool(read) is not is_fed, "the second is fed by the first one's copy"


def test_an_index_and_a_part_of_it_are_brought_to_two_targets_by_one_copy(site: Site) -> None:
    index = build_index([build_image(), build_image("linux/arm64"), build_image("linux/s390x")])
    site.publish(index)
    with Registry() as second:
        site.configure(
            SYNC_MODE="double",
            GHCR_REGISTRY=second.host,
            GHCR_NAMESPACE=site.namespace,
            RELAY="auto",
        )
        outcome = site.sync(
            f"--platform=all {site.source()} --name=whole:1",
            f"--platform=linux/amd64,linux/arm64 {site.source()} --name=part:1",
        )
        assert outcome.report["totals"]["copied"] == 4
        there = {
            name: {one.digest(f"{site.namespace}/{name}", "1") for one in (site.mirror, second)}
            for name in ("whole", "part")
        }
    expected = {item["expected_digest"] for item in outcome.report["items"]}
    assert there["whole"] == {index.digest}
    assert there["whole"] | there["part"] == expected
    assert not [
        one for one in site.asked(site.mirror) if one.method == "GET" and "/blobs/" in one.path
    ]
