"""The planner: what is to be done with an item, and why; nothing is written meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from demo.images import Image as BuiltImage
from demo.images import Index as BuiltIndex
from demo.images import build_image, build_index
from orchestrator.config.settings import Attestations, CreatedCheck, Verify
from orchestrator.config.targets import ALIYUN_PERSONAL, SWR, Limits
from orchestrator.errors import DeferredError, ErrorKind, ImageError
from orchestrator.oci.index import ManifestForm
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.completeness import Completeness
from orchestrator.plan.decision import (
    Action,
    Decision,
    DeferredItem,
    FailedItem,
    Reason,
    Upstream,
    Verdict,
)
from orchestrator.plan.fast_path import FastPath
from orchestrator.plan.items import Item
from orchestrator.plan.planner import Planner, PlanOptions
from orchestrator.registry.reader import HttpReader
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import (
    AMD,
    ARM,
    ATTESTED,
    BASE,
    INDEX,
    POOL,
    SOURCE,
    NoHttp,
    NoMemory,
    Patience,
    fault,
    item,
    planner,
    target,
    verdict,
)

HERE = "near.example/lab/app"
RETAGGED = build_image("linux/amd64", layers=[BASE], env=["A=2"])
REBUILT = build_image("linux/amd64", layers=[BASE], env=["A=2"], created="2024-02-02T00:00:00Z")
TIMELESS = build_image("linux/amd64", layers=[BASE], created="1970-01-01T00:00:00Z")
TIMELESS_TOO = build_image(
    "linux/amd64", layers=[BASE], env=["A=2"], created="1970-01-01T00:00:00Z"
)
CONVERTED = build_image("linux/amd64", layers=[BASE], media="docker")
UNNAMED = build_image("linux/amd64", layers=[BASE], without=("architecture", "os"))


@pytest.fixture
def registries() -> FakeRegistries:
    return FakeRegistries()


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param(None, "copy: missing", id="nothing"),
        pytest.param(AMD, "skip: same-digest", id="the same"),
        pytest.param(CONVERTED, "skip: same-content", id="converted"),
        pytest.param(RETAGGED, "copy: created-only", id="same date, other content"),
        pytest.param(REBUILT, "copy: content-differs", id="another date"),
        pytest.param(ARM, "copy: created-only", id="another platform"),
        pytest.param(INDEX, "copy: content-differs", id="an index"),
    ],
)
@pytest.mark.parametrize(
    "upstream", [pytest.param(INDEX, id="of an index"), pytest.param(AMD, id="of one image")]
)
def test_the_destination_decides(
    registries: FakeRegistries,
    upstream: BuiltImage | BuiltIndex,
    there: BuiltImage | BuiltIndex | None,
    expected: str,
) -> None:
    registries.put(f"{SOURCE}:1", upstream)
    if there:
        registries.put(f"{HERE}:1", there)
    planned = planner(registries).plan(item())
    assert verdict(planned) == expected
    assert isinstance(planned, Verdict)
    assert planned.found == (there.digest if there else None)
    assert planned.upstream.expected == AMD.digest
    assert planned.upstream.digest == upstream.digest
    assert registries.copies == []


@pytest.mark.parametrize(
    ("check", "upstream", "there", "expected"),
    [
        pytest.param("trust", AMD, RETAGGED, "skip: created-only", id="trust"),
        pytest.param("trust", TIMELESS, TIMELESS_TOO, "copy: created-only", id="trust, no date"),
        pytest.param("off", AMD, CONVERTED, "copy: content-differs", id="off"),
        pytest.param("off", AMD, AMD, "skip: same-digest", id="off, same digest"),
    ],
)
def test_the_double_check_goes_as_far_as_is_wished(
    registries: FakeRegistries,
    check: str,
    upstream: BuiltImage,
    there: BuiltImage,
    expected: str,
) -> None:
    registries.put(f"{SOURCE}:1", upstream)
    registries.put(f"{HERE}:1", there)
    options = PlanOptions(created_check=CreatedCheck(check))
    assert verdict(planner(registries, options).plan(item())) == expected


def test_force_copies_what_is_in_sync(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.put(f"{HERE}:1", AMD)
    planned = planner(registries, PlanOptions(is_forced=True)).plan(item())
    assert verdict(planned) == "copy: forced"
    assert isinstance(planned, Verdict)
    assert planned.found == AMD.digest


def test_what_a_target_does_not_take_fails_before_it_is_copied_and_what_is_there_stays(
    registries: FakeRegistries,
) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    one = item(to=replace(target(), own_limits=Limits(layers=1)))
    failed = planner(registries).plan(one)
    assert isinstance(failed, FailedItem)
    assert failed.error.kind is ErrorKind.OVER_LIMIT
    registries.put(f"{HERE}:1", AMD)
    assert verdict(planner(registries).plan(one)) == "skip: same-digest"


def test_an_oddity_at_the_destination_is_overwritten(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.put_raw(f"{HERE}:1", b"<html>")
    assert verdict(planner(registries).plan(item())) == "copy: content-differs"


# Sources


@pytest.mark.parametrize(
    ("upstream", "platform", "kind", "words"),
    [
        pytest.param(None, "linux/amd64", ErrorKind.NOT_FOUND, "it is not there", id="not there"),
        pytest.param(
            INDEX,
            "linux/s390x",
            ErrorKind.NO_SUCH_PLATFORM,
            "it has no linux/s390x; it has linux/amd64, linux/arm64",
            id="no such platform",
        ),
        pytest.param(
            ARM,
            "linux/amd64",
            ErrorKind.PLATFORM_MISMATCH,
            "it is one image for linux/arm64, and linux/amd64 was asked for",
            id="one image of another",
        ),
        pytest.param(
            UNNAMED,
            "linux/amd64",
            ErrorKind.PLATFORM_MISMATCH,
            "a platform it does not name",
            id="one image of none",
        ),
        pytest.param(
            build_index([("linux/arm64", AMD)]),
            "linux/arm64",
            ErrorKind.PLATFORM_MISMATCH,
            "its index says linux/arm64, but that image is for linux/amd64",
            id="a lie",
        ),
    ],
)
def test_a_source_that_will_not_do_says_why(
    registries: FakeRegistries,
    upstream: BuiltImage | BuiltIndex | None,
    platform: str,
    kind: ErrorKind,
    words: str,
) -> None:
    if upstream:
        registries.put(f"{SOURCE}:1", upstream)
    planned = planner(registries).plan(item(platform))
    assert isinstance(planned, FailedItem)
    assert planned.error.kind is kind
    assert planned.error.message.startswith(f"{SOURCE}:1: ")
    assert words in planned.error.message
    assert planned.error.hint


def test_a_child_that_names_no_platform_is_what_its_index_says(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", build_index([("linux/amd64", UNNAMED)]))
    planned = planner(registries).plan(item())
    assert verdict(planned) == "copy: missing"
    assert isinstance(planned, Verdict)
    assert planned.upstream.delivered == "linux/amd64"


def test_what_travels_is_known_before_a_copy_and_not_asked_for_otherwise(
    registries: FakeRegistries,
) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    planned = planner(registries).plan(item())
    assert isinstance(planned, Verdict)
    assert {blob.digest for blob in planned.upstream.blobs} == {one.digest for one in AMD.blobs}
    assert planned.upstream.created == "2024-01-01T00:00:00Z"
    registries.put(f"{HERE}:1", AMD)
    registries.asked.clear()
    assert verdict(planner(registries).plan(item())) == "skip: same-digest"
    assert registries.asked == [("read", f"{SOURCE}:1"), ("read", f"{HERE}:1")]


def test_a_source_is_read_once_for_all_its_items(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    asked = planner(registries)
    items = [
        item(platform, to=target(name))
        for platform in ("linux/amd64", "linux/arm64", "all")
        for name in ("near", "far", "third")
    ]
    with ThreadPoolExecutor(9) as pool:
        assert {verdict(planned) for planned in pool.map(asked.plan, items)} == {"copy: missing"}
    reads = [where for what, where in registries.asked if where.startswith(SOURCE)]
    assert reads.count(f"{SOURCE}:1") == 1
    for image in (AMD, ARM):
        assert reads.count(f"{SOURCE}@{image.digest}") <= 2  # a manifest and a config


def test_what_was_found_out_is_remembered(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    memory = NoMemory()
    planner(registries, memory=memory).plan(item())
    ((index, choice),) = memory.kept
    assert (index, choice) == (INDEX.digest, "linux/amd64")
    assert memory.kept[index, choice].expected == AMD.digest


# All, and several


@pytest.mark.parametrize(
    ("attestations", "refuses", "expected"),
    [
        pytest.param(Attestations.AUTO, False, True, id="kept as they are"),
        pytest.param(Attestations.AUTO, True, False, id="dropped where they are refused"),
        pytest.param(Attestations.DROP, False, False, id="dropped as is wished"),
        pytest.param(Attestations.KEEP, True, True, id="kept as is wished"),
    ],
)
def test_attestations_go_where_they_may(
    registries: FakeRegistries, attestations: Attestations, refuses: bool, expected: bool
) -> None:
    registries.put(f"{SOURCE}:1", ATTESTED)
    to = target("near", ALIYUN_PERSONAL) if refuses else target()
    planned = planner(registries, PlanOptions(attestations=attestations)).plan(item("all", to=to))
    assert verdict(planned) == "copy: missing"
    assert isinstance(planned, Verdict)
    assert planned.upstream.digest == ATTESTED.digest
    assert (planned.upstream.expected == ATTESTED.digest) is expected
    assert planned.upstream.index is not None
    assert planned.upstream.index.is_whole is expected
    names = {child.digest for child in planned.upstream.index.children}
    assert {AMD.digest, ARM.digest} <= names


def test_an_index_with_other_bytes_is_copied(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.put(f"{HERE}:1", build_index([AMD]))
    planned = planner(registries).plan(item("all"))
    assert verdict(planned) == "copy: content-differs"
    assert isinstance(planned, Verdict)
    assert planned.note == "linux/arm64 is new"


def test_a_platform_that_is_gone_upstream_is_told(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", build_index([ARM]))
    registries.put(f"{HERE}:1", INDEX)
    planned = planner(registries).plan(item("all"))
    assert isinstance(planned, Verdict)
    assert planned.note == "linux/amd64 is gone"


def test_several_platforms_are_an_index_of_just_those(registries: FakeRegistries) -> None:
    three = build_index([AMD, ARM, build_image("linux/s390x")])
    registries.put(f"{SOURCE}:1", three)
    planned = planner(registries).plan(item("linux/amd64,linux/arm64"))
    assert isinstance(planned, Verdict)
    assert planned.upstream.index is not None
    assert [child.digest for child in planned.upstream.index.children] == [AMD.digest, ARM.digest]
    assert planned.upstream.delivered == "linux/amd64,linux/arm64"
    registries.put(f"{HERE}@{AMD.digest}", AMD)
    registries.put(f"{HERE}@{ARM.digest}", ARM)
    registries.put_raw(f"{HERE}:1", planned.upstream.index.raw)
    again = planner(registries).plan(item("linux/amd64,linux/arm64"))
    assert verdict(again) == "skip: same-digest"


# Faults


@pytest.mark.parametrize("at", ["source.example", "near.example"])
def test_a_passing_fault_is_tried_again(registries: FakeRegistries, at: str) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.faults["read", at] = [fault(at=at), fault(ErrorKind.TIMEOUT, at=at)]
    patience = Patience()
    assert verdict(planner(registries, patience=patience).plan(item())) == "copy: missing"
    assert patience.told == [f"{at}: it is unreachable", f"{at}: it is timeout"]


@pytest.mark.parametrize("at", ["source.example", "near.example"])
@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        pytest.param(ErrorKind.UNREACHABLE, 3, id="passing"),
        pytest.param(ErrorKind.UNAUTHORIZED, 1, id="lasting"),
        pytest.param(ErrorKind.TLS, 1, id="of the connection"),
    ],
)
def test_a_fault_that_stays_is_the_items_error(
    registries: FakeRegistries, at: str, kind: ErrorKind, tries: int
) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.faults["read", at] = [fault(kind, at=at)] * 5
    planned = planner(registries).plan(item())
    assert verdict(planned) == kind.value
    assert len(registries.faults["read", at]) == 5 - tries


def test_what_may_not_be_read_at_the_source_is_denied(registries: FakeRegistries) -> None:
    registries.faults["read", "source.example"] = [fault(ErrorKind.DENIED, at="source.example")]
    assert verdict(planner(registries).plan(item())) == "denied"


def test_what_may_not_be_read_at_a_target_may_still_be_pushed(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.faults["read", "near.example"] = [fault(ErrorKind.DENIED, at="near.example")]
    assert verdict(planner(registries).plan(item())) == "copy: missing"


def test_one_items_fault_is_no_others(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.put(f"{SOURCE}:2", INDEX)
    registries.faults["read", "far.example"] = [fault(ErrorKind.TLS, at="far.example")]
    asked = planner(registries)
    assert verdict(asked.plan(item(to=target("far")))) == "tls"
    assert verdict(asked.plan(item())) == "copy: missing"
    assert verdict(asked.plan(item(tag="2"))) == "copy: missing"


class Closing(FakeRegistries):
    """Registries that a run may not ask any more."""

    def read_manifest(self, *_: object, **__: object) -> bytes | None:
        raise DeferredError("pull-limit")


def test_what_is_deferred_is_no_failure() -> None:
    planned = planner(Closing()).plan(item())
    assert isinstance(planned, DeferredItem)
    assert planned.reason == "pull-limit"


def test_a_bug_is_not_hidden_in_a_result() -> None:
    class Broken(FakeRegistries):
        def read_manifest(self, *_: object, **__: object) -> bytes | None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        planner(Broken()).plan(item())


def test_an_error_tells_its_item_and_how_long_it_took(registries: FakeRegistries) -> None:
    planned = planner(registries).plan(item())
    assert isinstance(planned, FailedItem)
    assert planned.item == item()
    assert 0 <= planned.seconds < 10


# Indexes in Docker's types


def test_an_index_in_ocis_types_is_not_taken_for_one_in_dockers(registries: FakeRegistries) -> None:
    """To find that out, each image of the source would be read: a counted pull each."""
    registries.put("docker.io/library/app:1", INDEX)
    registries.put(f"{HERE}:1", build_index([AMD]))
    registries.asked.clear()
    of_docker_hub = replace(item("all"), source=Reference.parse("app:1"))
    assert verdict(planner(registries).plan(of_docker_hub)) == "copy: content-differs"
    assert [where for _, where in registries.asked if where.startswith("docker.io/")] == [
        "docker.io/library/app:1"
    ]


def test_a_target_that_wants_dockers_types_has_no_other_form_to_compare(
    registries: FakeRegistries,
) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.put(f"{HERE}:1", build_index([CONVERTED], media="docker"))
    planned = planner(registries).plan(item("all", to=target(profile=SWR)))
    assert verdict(planned) == "copy: content-differs"


def test_an_index_that_makes_room_for_one_image_is_told(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", INDEX)
    registries.put(f"{HERE}:1", build_index([AMD, ARM, build_image("linux/s390x")]))
    planned = planner(registries).plan(item())
    assert isinstance(planned, Verdict)
    assert planned.note == "it was an index of linux/amd64, linux/arm64, linux/s390x"


def test_what_has_come_and_gone_is_told_together(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:1", build_index([AMD, ARM]))
    registries.put(f"{HERE}:1", build_index([AMD, build_image("linux/s390x")]))
    planned = planner(registries).plan(item("all"))
    assert isinstance(planned, Verdict)
    assert planned.note == "linux/s390x is gone, linux/arm64 is new"


# The check before the look


class Proving(FastPath):
    """Proves what it is given."""

    def __init__(self, verdict: Verdict | None) -> None:
        self.verdict = verdict
        self.forms: list[ManifestForm] = []

    def check(self, item: Item, form: ManifestForm) -> Verdict | None:
        assert item.line == 1
        self.forms.append(form)
        return self.verdict


@pytest.mark.parametrize("is_proved", [True, False])
def test_a_check_is_the_fast_paths_word_and_its_time(is_proved: bool) -> None:
    upstream = Upstream(Digest(AMD.digest), Digest(AMD.digest), "linux/amd64")
    same = Decision(Action.SKIP, Reason.SAME_DIGEST)
    proved = Verdict(item(), upstream, same, Digest(AMD.digest)) if is_proved else None
    fast_path = Proving(proved)
    reader = HttpReader(NoHttp())
    completeness = Completeness(reader, reader.has_blob, NoMemory(), Verify.TAG, POOL)
    found = Planner(reader, PlanOptions(), fast_path, completeness).check(item())
    assert fast_path.forms == [ManifestForm()]
    assert found == (replace(proved, seconds=found.seconds) if proved and found else None)
    assert found is None or 0 < found.seconds < 10
    assert (
        Planner(reader, PlanOptions(is_forced=True), fast_path, completeness).check(item()) is None
    )


@pytest.mark.parametrize("may_be_absent", [True, False])
def test_a_destination_that_may_just_not_be_there_is_pushed_to(
    registries: FakeRegistries, may_be_absent: bool
) -> None:
    registries.put(f"{SOURCE}:1", AMD)
    refusal = ImageError(
        ErrorKind.UNAUTHORIZED, "no", registry="near.example", may_be_absent=may_be_absent
    )
    registries.faults["read", "near.example"] = [refusal]
    expected = "copy: missing" if may_be_absent else "unauthorized"
    assert verdict(planner(registries).plan(item())) == expected
