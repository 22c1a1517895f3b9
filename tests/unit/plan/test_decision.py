"""Verdicts: every reason under every CREATED_CHECK."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.config.settings import CreatedCheck
from orchestrator.config.targets import SWR, Limits, Target
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.index import PushIndex
from orchestrator.oci.manifest import Descriptor, ImageConfig
from orchestrator.oci.platform import Platform, PlatformChoice
from orchestrator.oci.reference import Digest, digest_of
from orchestrator.plan.decision import (
    Action,
    Decision,
    Reason,
    Upstream,
    Verdict,
    check_limits,
    decide_by_content,
    decide_by_digest,
    delivery_notes,
    is_epoch,
)
from tests.support.verdicts import item, target

OLD = digest_of(b"old")
NEW = digest_of(b"new")
ELSE = digest_of(b"something else")

FORCED = Decision(Action.COPY, Reason.FORCED)
MISSING = Decision(Action.COPY, Reason.MISSING)
SAME_DIGEST = Decision(Action.SKIP, Reason.SAME_DIGEST)
SAME_CONTENT = Decision(Action.SKIP, Reason.SAME_CONTENT)
DIFFERS = Decision(Action.COPY, Reason.CONTENT_DIFFERS)
DOUBTED = Decision(Action.COPY, Reason.CREATED_ONLY)
BELIEVED = Decision(Action.SKIP, Reason.CREATED_ONLY)

OURS = ImageConfig(
    digest=NEW,
    platform=Platform("linux", "amd64"),
    created="2024-05-01T10:00:00Z",
    diff_ids=(digest_of(b"base"), digest_of(b"top")),
    runtime={"Cmd": '["sh"]'},
)
CONVERTED = replace(OURS, digest=OLD)
RECOMPRESSED = OURS
RETAGGED = replace(OURS, digest=OLD, runtime={"Cmd": '["bash"]'})
REBUILT = replace(RETAGGED, created="2024-05-02T10:00:00Z")
ARTIFACT = ImageConfig(digest_of(b"{}"), Platform("", ""), created="", diff_ids=(), runtime={})
REDATED = replace(CONVERTED, created="2024-05-02T10:00:00Z")


@pytest.mark.parametrize(
    ("found", "is_forced", "decision"),
    [
        pytest.param(None, False, MISSING, id="missing"),
        pytest.param(None, True, FORCED, id="missing, forced"),
        pytest.param(NEW, False, SAME_DIGEST, id="same digest"),
        pytest.param(NEW, True, FORCED, id="same digest, forced"),
        pytest.param(OLD, False, None, id="digests differ: the contents must tell"),
        pytest.param(OLD, True, FORCED, id="digests differ, forced"),
    ],
)
def test_digests_decide_as_far_as_they_can(
    found: Digest | None, is_forced: bool, decision: Decision | None
) -> None:
    assert decide_by_digest(NEW, found, is_forced=is_forced) == decision


@pytest.mark.parametrize(
    ("theirs", "verify", "trust"),
    [
        pytest.param(RECOMPRESSED, SAME_CONTENT, SAME_CONTENT, id="same config"),
        pytest.param(CONVERTED, SAME_CONTENT, SAME_CONTENT, id="converted"),
        pytest.param(RETAGGED, DOUBTED, BELIEVED, id="same date, other command"),
        pytest.param(REBUILT, DIFFERS, DIFFERS, id="other date, other command"),
        pytest.param(REDATED, DIFFERS, DIFFERS, id="other date alone"),
        pytest.param(
            replace(CONVERTED, diff_ids=(digest_of(b"x"),)), DOUBTED, BELIEVED, id="other layers"
        ),
        pytest.param(
            replace(CONVERTED, platform=Platform("linux", "arm64")),
            DOUBTED,
            BELIEVED,
            id="other architecture",
        ),
        pytest.param(replace(CONVERTED, created=""), DIFFERS, DIFFERS, id="no date there"),
    ],
)
def test_configs_decide_where_digests_can_not(
    theirs: ImageConfig, verify: Decision, trust: Decision
) -> None:
    assert decide_by_content(OURS, theirs) == verify
    assert decide_by_content(OURS, theirs, check=CreatedCheck.VERIFY) == verify
    assert decide_by_content(OURS, theirs, check=CreatedCheck.TRUST) == trust
    assert decide_by_content(OURS, theirs, check=CreatedCheck.OFF) == DIFFERS


@pytest.mark.parametrize(
    ("is_converted", "decision"),
    [
        pytest.param(False, DOUBTED, id="kept"),
        pytest.param(True, SAME_CONTENT, id="lost on the way to OCI's types"),
    ],
)
def test_a_setting_that_a_conversion_loses_counts_where_there_was_none(
    is_converted: bool, decision: Decision
) -> None:
    ours = replace(OURS, digest=OLD, runtime={**OURS.runtime, "OnBuild": '["RUN x"]'})
    assert decide_by_content(ours, OURS, is_converted=is_converted) == decision


@pytest.mark.parametrize("check", [CreatedCheck.VERIFY, CreatedCheck.TRUST])
def test_two_artifacts_are_never_the_same_for_the_empty_config_they_share(
    check: CreatedCheck,
) -> None:
    assert decide_by_content(ARTIFACT, ARTIFACT, check=check).action is Action.COPY


@pytest.mark.parametrize(
    "created",
    [
        pytest.param("", id="unset"),
        pytest.param("0001-01-01T00:00:00Z", id="Go's zero"),
        pytest.param("1970-01-01T00:00:00Z", id="epoch"),
        pytest.param("1970-01-01T00:00:01Z", id="nix"),
        pytest.param("1980-01-01T00:00:01Z", id="buildpacks"),
    ],
)
@pytest.mark.parametrize("check", [CreatedCheck.VERIFY, CreatedCheck.TRUST])
def test_the_date_of_reproducible_builds_is_believed_by_nobody(
    created: str, check: CreatedCheck
) -> None:
    ours, theirs = replace(OURS, created=created), replace(RETAGGED, created=created)
    assert is_epoch(created)
    assert decide_by_content(ours, theirs, check=check) == DOUBTED


@pytest.mark.parametrize(
    "created",
    [
        pytest.param("2024-05-01T10:00:00Z", id="this century"),
        pytest.param("1970-01-02T00:00:00Z", id="the day after"),
        pytest.param("1980-01-02T00:00:00Z", id="another day after"),
    ],
)
def test_any_other_date_says_something(created: str) -> None:
    assert not is_epoch(created)


def test_reasons_are_the_words_of_the_contract() -> None:
    assert {reason.value for reason in Reason} == {
        "forced",
        "missing",
        "incomplete",
        "same-digest",
        "same-content",
        "created-only",
        "index-differs",
        "content-differs",
    }


@pytest.mark.parametrize("word", ["verify", "trust", "off"])
def test_created_check_takes_the_words_of_the_contract(word: str) -> None:
    assert CreatedCheck(word).value == word


@pytest.mark.parametrize(
    ("choice", "delivered", "notes"),
    [
        ("all", "all", ()),
        ("linux/amd64", "linux/amd64", ()),
        (
            "linux/arm/v7",
            "linux/arm/v6",
            ("the image is for linux/arm/v6, which serves linux/arm/v7",),
        ),
        ("linux/amd64,linux/arm64", "linux/amd64,linux/arm64", ()),
        ("linux/amd64,linux/arm64?", "linux/amd64", ("without linux/arm64",)),
        (
            "linux/amd64,linux/arm/v7",
            "linux/amd64,linux/arm/v6",
            ("linux/arm/v6 serves linux/arm/v7",),
        ),
        ("linux/arm/v6,linux/arm/v7", "linux/arm/v6,linux/arm/v7", ()),
        (
            "windows/amd64,linux/amd64",
            "windows(10.0.1)/amd64,linux/amd64",
            ("windows(10.0.1)/amd64 serves windows/amd64",),
        ),
    ],
)
def test_what_is_delivered_otherwise_is_told(
    choice: str, delivered: str, notes: tuple[str, ...]
) -> None:
    assert delivery_notes(PlatformChoice.parse(choice), delivered) == notes


@pytest.mark.parametrize(
    ("reason", "found", "other", "has"),
    [
        pytest.param(Reason.CONTENT_DIFFERS, OLD, OLD, True, id="it does"),
        pytest.param(Reason.CONTENT_DIFFERS, OLD, ELSE, False, id="it has another"),
        pytest.param(Reason.CONTENT_DIFFERS, NEW, NEW, False, id="that was planned itself"),
        pytest.param(Reason.FORCED, OLD, OLD, False, id="it is copied by force"),
        pytest.param(Reason.INCOMPLETE, OLD, OLD, False, id="a part of it is gone"),
        pytest.param(Reason.MISSING, None, OLD, False, id="it has nothing"),
    ],
)
def test_another_form_that_is_there_will_do(
    reason: Reason, found: Digest | None, other: Digest, has: bool
) -> None:
    planned = Upstream(digest=NEW, expected=NEW, delivered="all")
    verdict = Verdict(item(), planned, Decision(Action.COPY, reason), found)
    assert verdict.has_already(replace(planned, expected=other)) is has


# What a target takes


def blob(size: int = 1, name: str = "") -> Descriptor:
    return Descriptor("", digest_of(f"{name}{size}".encode()), size)


def child(platform: str, *, is_attestation: bool = False) -> Descriptor:
    digest = digest_of(platform.encode())
    return Descriptor("", digest, 1, Platform.shown(platform), is_attestation=is_attestation)


def image_of(*sizes: int) -> Upstream:
    """One image; its config, which is no layer, is larger than any limit."""
    return Upstream(NEW, NEW, "linux/amd64", blobs=(*map(blob, sizes), blob(10**12)))


def index_of(**sizes: tuple[int, ...]) -> Upstream:
    children = tuple(child(f"linux/{name}") for name in sizes)
    blobs = {
        one.digest: (*map(blob, of_one), blob(10**12))
        for one, of_one in zip(children, sizes.values(), strict=True)
    }
    return Upstream(
        NEW,
        NEW,
        "all",
        blobs=tuple(each for of_one in blobs.values() for each in of_one),
        blobs_of=blobs,
        index=PushIndex(b"{}", children),
    )


def taking(**limits: int) -> Target:
    return replace(target("tiny"), own_limits=Limits(**limits))


RAISED = 'send it to another target with --to, or set limits = {{ {} = "unlimited" }} for '
RAISED += "[targets.{}] in targets.toml if yours takes it"
LEFT_OUT = "leave that platform out with --platform, "


@pytest.mark.parametrize(
    ("to", "upstream", "words", "hint"),
    [
        pytest.param(
            taking(layers=2),
            image_of(1, 2, 3),
            "it has 3 layers, and tiny takes 2",
            RAISED.format("layers", "tiny"),
            id="layers",
        ),
        pytest.param(
            taking(layer_size=1024),
            image_of(1, 2048),
            "it has a layer of 2.0 KiB, and tiny takes 1.0 KiB",
            RAISED.format("layer_size", "tiny"),
            id="a layer's size",
        ),
        pytest.param(
            taking(layers=2),
            index_of(amd64=(1, 2, 3), arm64=(4, 5)),
            "its image for linux/amd64 has 3 layers, and tiny takes 2",
            LEFT_OUT + RAISED.format("layers", "tiny"),
            id="one platform of two",
        ),
        pytest.param(
            taking(layers=2),
            index_of(amd64=(1, 2, 3), arm64=(1, 2, 3, 4)),
            "its image for linux/arm64 has 4 layers, and tiny takes 2",
            RAISED.format("layers", "tiny"),
            id="all platforms: no other one helps",
        ),
        pytest.param(
            target("swr", SWR),
            image_of(*range(21)),
            "it has 21 layers, and swr takes 20",
            RAISED.format("layers", "swr"),
            id="as the profile knows",
        ),
    ],
)
def test_what_a_target_is_known_not_to_take_is_refused_with_its_number_and_what_helps(
    to: Target, upstream: Upstream, words: str, hint: str
) -> None:
    with pytest.raises(ImageError) as refused:
        check_limits(item(to=to), upstream)
    assert refused.value.kind is ErrorKind.OVER_LIMIT
    assert refused.value.message == f"source.example/team/app:1: {words}"
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("to", "upstream"),
    [
        pytest.param(target(), image_of(*range(128)), id="no limit is known"),
        pytest.param(taking(layers=3, layer_size=3), image_of(1, 2, 3), id="just as many"),
        pytest.param(taking(layers=2), index_of(amd64=(1, 2), arm64=(3, 4)), id="for each image"),
        pytest.param(taking(layers=1), Upstream(NEW, NEW, "all"), id="nothing is known of it"),
    ],
)
def test_what_a_target_takes_passes(to: Target, upstream: Upstream) -> None:
    check_limits(item(to=to), upstream)


def test_an_attestation_and_what_stays_behind_are_no_images_to_count() -> None:
    children = (child("linux/amd64"), child("linux/arm64", is_attestation=True))
    blobs = {one.digest: (blob(1), blob(2), blob(3)) for one in (*children, child("linux/s390x"))}
    index = PushIndex(b"{}", children)
    upstream = Upstream(NEW, NEW, "all", blobs=(blob(),), blobs_of=blobs, index=index)
    assert [*upstream.layers] == ["linux/amd64"]
