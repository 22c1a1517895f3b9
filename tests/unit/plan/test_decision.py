"""Verdicts: every reason under every CREATED_CHECK."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.config.settings import CreatedCheck
from orchestrator.oci.manifest import ImageConfig
from orchestrator.oci.platform import Platform, PlatformChoice
from orchestrator.oci.reference import Digest, digest_of
from orchestrator.plan.decision import (
    Action,
    Decision,
    Reason,
    Upstream,
    Verdict,
    decide_by_content,
    decide_by_digest,
    delivery_notes,
    is_epoch,
)
from tests.support.verdicts import item

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
