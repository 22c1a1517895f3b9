"""The executor: verdicts become results, and "copied" is said of what is really there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import pytest

from demo.images import Image as BuiltImage
from demo.images import build_image, build_index
from orchestrator.config.targets import ALIYUN_PERSONAL, SWR
from orchestrator.errors import DeferredError, ErrorKind, InterruptedRunError, Side
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.items import Item
from orchestrator.plan.planner import Planner, PlanOptions
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.report.result import Outcome, Result
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.conflict import ConflictCheck
from orchestrator.sync.executor import Conditions, Executor
from orchestrator.sync.schedule import CopyTask
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import (
    AMD,
    ATTESTED,
    BASE,
    INDEX,
    POOL,
    SOURCE,
    NoHttp,
    Patience,
    fault,
    item,
    planner,
    target,
    tasks_of,
)

HERE, THERE = "near.example/lab/app:1", "far.example/lab/app:1"
OTHER = build_image("linux/amd64", layers=[BASE], env=["A=2"])
ARM_V6 = build_image("linux/arm/v6")


@dataclass
class Run:
    """A whole run on registries in a dictionary."""

    registries: FakeRegistries = field(default_factory=FakeRegistries)
    patience: Patience = field(default_factory=Patience)
    conditions: Conditions = field(default_factory=Conditions)
    options: PlanOptions = field(default_factory=PlanOptions)
    is_ending: threading.Event = field(default_factory=threading.Event)

    @property
    def planner(self) -> Planner:
        return planner(self.registries, self.options)

    def tasks(self, *items: Item) -> tuple[CopyTask, ...]:
        return tasks_of(map(self.planner.plan, items))

    def execute(self, tasks: Iterable[CopyTask]) -> tuple[Result, ...]:
        executor = Executor(
            self.registries, self.planner, self.patience.rule, self.conditions, self.is_ending
        )
        return tuple(executor.execute(task) for task in tasks)

    def results(self, *items: Item) -> tuple[Result, ...]:
        return self.execute(self.tasks(*items))

    def result(self, one: Item) -> Result:
        (result,) = self.results(one)
        return result

    def read(self, where: str) -> bytes | None:
        return self.registries.read_manifest(Reference.parse(where))


@pytest.fixture
def run() -> Run:
    made = Run()
    made.registries.put(f"{SOURCE}:1", INDEX)
    return made


def sources(run: Run) -> list[str]:
    """Where copies were read."""
    return [request.source.registry for request in run.registries.copies]


def size_of(*contents: BuiltImage) -> int:
    return sum({blob.digest: len(blob.content) for one in contents for blob in one.blobs}.values())


# What goes well


def test_a_copy_is_what_was_planned_and_what_is_there(run: Run) -> None:
    result = run.result(item())
    assert (result.outcome, result.reason) == (Outcome.COPIED, "missing")
    assert result.source_digest == INDEX.digest
    assert result.expected_digest == result.digest == AMD.digest
    assert result.digest_before is None
    assert (result.delivered, result.created) == ("linux/amd64", "2024-01-01T00:00:00Z")
    assert (result.attempts, result.bytes) == (1, size_of(AMD))
    assert result.note == ""
    assert run.read(HERE) == AMD.manifest
    (request,) = run.registries.copies
    assert str(request.source) == f"{SOURCE}@{AMD.digest}"
    assert str(request.destination) == HERE
    assert request.keeps_digests


def test_what_is_in_sync_is_left_alone(run: Run) -> None:
    run.registries.put(HERE, AMD)
    result = run.result(item())
    assert (result.outcome, result.reason) == (Outcome.SKIPPED, "same-digest")
    assert result.digest == result.digest_before == AMD.digest
    assert (result.attempts, result.bytes) == (0, 0)
    assert run.registries.copies == []


def test_a_second_copy_moves_only_what_is_missing(run: Run) -> None:
    run.registries.put(HERE, OTHER)
    result = run.result(item())
    assert (result.outcome, result.reason) == (Outcome.COPIED, "created-only")
    assert result.bytes == size_of(AMD, OTHER) - size_of(OTHER)
    assert result.note == "same date, other content"


def test_all_platforms_go_with_the_index(run: Run) -> None:
    result = run.result(item("all"))
    assert result.outcome is Outcome.COPIED
    assert result.digest == INDEX.digest
    assert result.bytes == size_of(*INDEX.images)
    assert run.read(HERE) == INDEX.manifest


def test_attestations_stay_behind_where_they_are_refused(run: Run) -> None:
    run.registries.put(f"{SOURCE}:1", ATTESTED)
    result = run.result(item("all", to=target("near", ALIYUN_PERSONAL)))
    assert result.outcome is Outcome.COPIED
    assert result.digest == result.expected_digest != ATTESTED.digest
    raw = run.read(HERE)
    assert raw is not None
    assert digest_of(raw) == result.digest
    for image in ATTESTED.images:
        there = run.read(f"near.example/lab/app@{image.digest}")
        assert (there is None) is (image.artifact_of is not None)


def test_the_platform_that_was_delivered_is_told(run: Run) -> None:
    run.registries.put(f"{SOURCE}:1", ARM_V6)
    result = run.result(item("linux/arm/v7"))
    assert result.outcome is Outcome.COPIED
    assert result.delivered == "linux/arm/v6"
    assert result.note == "the image is for linux/arm/v6, which serves linux/arm/v7"


# Conversions


@pytest.mark.parametrize("platform", ["linux/amd64", "all", "linux/amd64,linux/arm64"])
def test_a_registry_that_refuses_oci_gets_dockers_types(run: Run, platform: str) -> None:
    run.registries.refuses_oci.add("near.example")
    wanted = item(platform)
    result = run.result(wanted)
    assert result.outcome is Outcome.COPIED
    assert result.digest != result.expected_digest
    assert "converted" in result.note
    again = run.result(wanted)
    assert (again.outcome, again.reason) == (Outcome.SKIPPED, "same-content")


@pytest.mark.parametrize("platform", ["linux/amd64", "all", "linux/amd64,linux/arm64"])
def test_what_a_target_is_known_to_refuse_is_expected_converted(run: Run, platform: str) -> None:
    run.registries.refuses_oci.add("near.example")
    wanted = item(platform, to=target("near", SWR))
    result = run.result(wanted)
    assert result.outcome is Outcome.COPIED
    assert result.digest == result.expected_digest
    assert "converted" in result.note
    again = run.result(wanted)
    assert (again.outcome, again.reason) == (Outcome.SKIPPED, "same-digest")


@pytest.mark.parametrize("platform", ["all", "linux/amd64,linux/arm64"])
def test_attestations_that_turn_out_to_be_refused_stay_behind(run: Run, platform: str) -> None:
    run.registries.refuses_attestations.add("near.example")
    run.registries.put(f"{SOURCE}:1", ATTESTED)
    wanted = item(platform)
    result = run.result(wanted)
    assert result.outcome is Outcome.COPIED
    assert result.digest != result.expected_digest
    assert result.note == "without attestations, which could not be pushed there"
    run.registries.asked.clear()
    again = run.result(wanted)
    assert (again.outcome, again.reason) == (Outcome.SKIPPED, "same-content")
    assert run.registries.asked.count(("push", HERE)) <= 1, "an index is tried, and not pushed"


def test_an_image_that_has_dockers_types_is_not_rewritten(run: Run) -> None:
    docker = build_index([build_image("linux/amd64", media="docker")], media="docker")
    run.registries.put(f"{SOURCE}:1", docker)
    run.registries.refuses_oci.add("near.example")
    result = run.result(item("all", to=target("near", SWR)))
    assert (result.outcome, result.digest, result.note) == (Outcome.COPIED, docker.digest, "")


def test_two_that_want_dockers_types_feed_each_other(run: Run) -> None:
    run.registries.refuses_oci |= {"near.example", "far.example"}
    wanted = [item("all", to=target(name, SWR)) for name in ("near", "far")]
    near, far = run.results(*wanted)
    assert near.digest == far.digest == far.expected_digest
    assert "converted" in near.note
    assert near.note == far.note
    assert sources(run) == ["source.example"] * 2 + ["near.example"] * 2


def test_what_no_form_of_is_taken_fails_with_the_last_refusal(run: Run) -> None:
    tasks = run.tasks(item("all"))
    refusal = fault(ErrorKind.BAD_MANIFEST, at="near.example")
    run.registries.faults["push", "near.example"] = [refusal] * 9
    (result,) = run.execute(tasks)
    assert (result.outcome, result.reason) == (Outcome.FAILED, "bad-manifest")
    assert run.read(HERE) is None


# What goes wrong


def test_a_passing_fault_is_tried_again(run: Run) -> None:
    tasks = run.tasks(item())
    run.registries.faults["copy", "source.example"] = [fault(at="source.example")]
    run.registries.faults["push", "near.example"] = [fault(ErrorKind.TIMEOUT, at="near.example")]
    (result,) = run.execute(tasks)
    assert (result.outcome, result.attempts) == (Outcome.COPIED, 3)
    assert run.patience.told == ["source.example: it is unreachable", "near.example: it is timeout"]


@pytest.mark.parametrize(
    ("kind", "attempts"),
    [
        pytest.param(ErrorKind.UNREACHABLE, 3, id="one that stays"),
        pytest.param(ErrorKind.DENIED, 1, id="one that can't heal"),
        pytest.param(ErrorKind.NO_SPACE, 1, id="no space"),
        pytest.param(ErrorKind.BAD_MANIFEST, 1, id="refused in every form"),
    ],
)
def test_a_fault_that_stays_is_the_results(run: Run, kind: ErrorKind, attempts: int) -> None:
    tasks = run.tasks(item())
    run.registries.faults["push", "near.example"] = [fault(kind, at="near.example")] * 9
    (result,) = run.execute(tasks)
    assert (result.outcome, result.reason) == (Outcome.FAILED, kind.value)
    assert result.attempts == attempts
    assert result.error is not None
    assert result.error.kind is kind
    assert result.digest is None


class Careless(FakeRegistries):
    """Says that it has copied, and has something else done instead."""

    def __init__(self, instead: Callable[[FakeRegistries], object]) -> None:
        super().__init__()
        self.instead = instead

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        copied = super().copy(request)
        self.instead(self)
        return copied


@pytest.mark.parametrize(
    ("platform", "instead", "words"),
    [
        pytest.param(
            "linux/amd64",
            lambda registries: registries.remove(HERE),
            "it is not there after the copy",
            id="nothing",
        ),
        pytest.param(
            "linux/amd64",
            lambda registries: registries.put(HERE, OTHER),
            f"after the copy it has {OTHER.digest}, not {AMD.digest}",
            id="another image",
        ),
        pytest.param(
            "all",
            lambda registries: registries.remove(f"near.example/lab/app@{AMD.digest}"),
            f"its index is there, but {AMD.digest} is not",
            id="half an index",
        ),
    ],
)
def test_copied_is_never_said_on_skopeos_word_alone(
    platform: str, instead: Callable[[FakeRegistries], object], words: str
) -> None:
    run = Run(Careless(instead))
    run.registries.put(f"{SOURCE}:1", INDEX)
    result = run.result(item(platform))
    assert (result.outcome, result.reason) == (Outcome.FAILED, "digest-mismatch")
    assert result.error is not None
    assert words in result.error.message
    assert result.error.hint


def test_a_source_that_moves_meanwhile_does_not_slip_in(run: Run) -> None:
    tasks = run.tasks(item())
    run.registries.put(f"{SOURCE}:1", OTHER)
    (result,) = run.execute(tasks)
    assert (result.outcome, result.digest) == (Outcome.COPIED, AMD.digest)
    assert run.read(HERE) == AMD.manifest


def test_what_could_not_be_planned_fails_with_its_own_error(run: Run) -> None:
    result = run.result(item("linux/s390x"))
    assert (result.outcome, result.reason) == (Outcome.FAILED, "no-such-platform")
    assert result.error is not None
    assert result.attempts == 0


# Chains


def both() -> tuple[Item, Item]:
    return item(to=target("near")), item(to=target("far"))


def test_the_second_target_is_fed_from_the_first(run: Run) -> None:
    near, far = run.results(*both())
    assert (near.outcome, far.outcome) == (Outcome.COPIED, Outcome.COPIED)
    assert sources(run) == ["source.example", "near.example"]
    assert run.read(THERE) == AMD.manifest


def test_a_target_that_is_in_sync_feeds_the_next(run: Run) -> None:
    run.registries.put(HERE, AMD)
    assert [result.outcome for result in run.results(*both())] == [Outcome.SKIPPED, Outcome.COPIED]
    assert sources(run) == ["near.example"]


@pytest.mark.parametrize(
    ("what", "at"),
    [
        pytest.param("push", "near.example", id="the first copy failed"),
        pytest.param("copy", "near.example", id="the first target can't be read"),
    ],
)
def test_a_broken_link_is_fed_from_the_source(run: Run, what: str, at: str) -> None:
    tasks = run.tasks(*both())
    run.registries.faults[what, at] = [fault(ErrorKind.DENIED, at=at)]
    results = run.execute(tasks)
    assert results[1].outcome is Outcome.COPIED
    assert sources(run)[-1] == "source.example"
    assert run.read(THERE) == AMD.manifest


def test_a_fault_of_the_second_target_is_no_broken_link(run: Run) -> None:
    tasks = run.tasks(*both())
    run.registries.faults["push", "far.example"] = [fault(ErrorKind.DENIED, at="far.example")]
    near, far = run.execute(tasks)
    assert (near.outcome, far.outcome) == (Outcome.COPIED, Outcome.FAILED)
    assert sources(run) == ["source.example", "near.example"]


def test_a_target_with_a_converted_image_feeds_nobody(run: Run) -> None:
    run.registries.refuses_oci.add("near.example")
    near, far = run.results(*both())
    assert near.digest != near.expected_digest
    assert (far.outcome, far.digest) == (Outcome.COPIED, AMD.digest)
    assert sources(run) == ["source.example"] * 3


def test_an_index_without_attestations_feeds_nobody_who_keeps_them(run: Run) -> None:
    run.registries.put(f"{SOURCE}:1", ATTESTED)
    first, second = item("all", to=target("near", ALIYUN_PERSONAL)), item("all", to=target("far"))
    results = run.results(first, second)
    assert [result.outcome for result in results] == [Outcome.COPIED] * 2
    assert results[1].digest == ATTESTED.digest
    assert set(sources(run)) == {"source.example"}


# A run that stops


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        pytest.param(None, Outcome.WOULD_COPY, id="missing"),
        pytest.param(AMD, Outcome.WOULD_SKIP, id="in sync"),
    ],
)
def test_a_dry_run_writes_nothing(run: Run, there: BuiltImage | None, outcome: Outcome) -> None:
    if there:
        run.registries.put(HERE, there)
    run.conditions = Conditions(is_dry_run=True)
    result = run.result(item())
    assert result.outcome is outcome
    assert result.bytes == (0 if there else size_of(AMD))
    assert run.registries.copies == []
    assert [what for what, _ in run.registries.asked if what != "read"] == []


def test_a_run_that_ends_begins_nothing_and_says_what_was_in_sync(run: Run) -> None:
    run.registries.put(f"{SOURCE}:2", INDEX)
    run.registries.put("near.example/lab/app:2", AMD)
    tasks = run.tasks(item(), item(tag="2"), item("linux/s390x"))
    run.is_ending.set()
    deferred, in_sync, failed = run.execute(tasks)
    assert (deferred.outcome, deferred.reason) == (Outcome.DEFERRED, "interrupted")
    assert in_sync.outcome is Outcome.SKIPPED
    assert failed.outcome is Outcome.FAILED
    assert run.registries.copies == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(InterruptedRunError(), "interrupted", id="interrupted"),
        pytest.param(DeferredError("pull-limit"), "pull-limit", id="over a limit"),
    ],
)
def test_a_copy_that_is_deferred_is_no_failure(error: DeferredError, reason: str) -> None:
    class StopSignal(FakeRegistries):
        def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
            assert request.platform
            raise error

    run = Run(StopSignal())
    run.registries.put(f"{SOURCE}:1", INDEX)
    result = run.result(item())
    assert (result.outcome, result.reason, result.attempts) == (Outcome.DEFERRED, reason, 1)
    assert result.error is None


@pytest.mark.parametrize(
    ("fails_fast", "outcome"),
    [
        pytest.param(True, Outcome.DEFERRED, id="fail fast"),
        pytest.param(False, Outcome.COPIED, id="go on"),
    ],
)
def test_one_failure_puts_off_the_others_only_if_asked_to(
    run: Run, fails_fast: bool, outcome: Outcome
) -> None:
    run.conditions = Conditions(fails_fast=fails_fast)
    failed, other = run.results(item("linux/s390x"), item())
    assert failed.outcome is Outcome.FAILED
    assert other.outcome is outcome
    assert other.reason == ("fail-fast" if fails_fast else "missing")


def test_a_bug_is_not_hidden_in_a_result(run: Run) -> None:
    class Broken(FakeRegistries):
        def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
            raise ZeroDivisionError(request)

    tasks = run.tasks(item())
    run.registries = Broken()
    with pytest.raises(ZeroDivisionError):
        run.execute(tasks)


def test_the_time_of_planning_counts(run: Run) -> None:
    (task,) = run.tasks(item())
    slow = replace(task, planned=replace(task.planned, seconds=100.0))
    assert 100 <= run.execute([slow])[0].seconds < 110


# Registries that show late what they took


class Late(FakeRegistries):
    """Shows a manifest only when it has been asked for so many times after it was pushed."""

    def __init__(self, readings: int) -> None:
        super().__init__()
        self._readings = readings
        self._before: dict[str, bytes | None] = {}
        self._left: dict[str, int] = {}

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        for name in (str(request.destination), f"{HERE.removesuffix(':1')}@{AMD.digest}"):
            self._before[name] = super().read_manifest(Reference.parse(name))
            self._left[name] = self._readings
        return super().copy(request)

    def read_manifest(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes | None:
        name = str(reference)
        if self._left.get(name, 0):
            self._left[name] -= 1
            return self._before[name]
        return super().read_manifest(reference, side=side)


@pytest.mark.parametrize("platform", ["linux/amd64", "all", "linux/amd64,linux/arm64"])
@pytest.mark.parametrize(
    "there", [pytest.param(None, id="absent"), pytest.param(OTHER, id="what it was before")]
)
def test_a_good_copy_that_is_shown_late_is_a_good_copy(
    platform: str, there: BuiltImage | None
) -> None:
    registries = Late(readings=5)
    registries.put(f"{SOURCE}:1", INDEX)
    if there:
        registries.put(HERE, there)
    result = Run(registries).result(item(platform))
    assert (result.outcome, result.attempts) == (Outcome.COPIED, 1)


@pytest.mark.parametrize(
    ("there", "words"),
    [
        pytest.param(None, "it is not there after the copy", id="absent"),
        pytest.param(OTHER, f"after the copy it has {OTHER.digest}, not {AMD.digest}", id="other"),
    ],
)
def test_what_is_never_shown_is_a_mismatch(there: BuiltImage | None, words: str) -> None:
    registries = Late(readings=6)
    registries.put(f"{SOURCE}:1", INDEX)
    if there:
        registries.put(HERE, there)
    result = Run(registries).result(item())
    assert (result.outcome, result.reason) == (Outcome.FAILED, "digest-mismatch")
    assert result.error is not None
    assert result.error.message == f"{HERE}: {words}"


def test_a_conversion_that_is_shown_late_reads_its_source_once() -> None:
    registries = Late(readings=4)
    registries.refuses_oci.add("near.example")
    registries.put(f"{SOURCE}:1", ARM_V6)
    registries.put(HERE, OTHER)
    result = Run(registries).result(item("linux/arm/v6"))
    assert result.outcome is Outcome.COPIED
    assert "converted" in result.note


# Sources that move meanwhile


class Moved(NoHttp):
    """HEADs name what a source has become; of destinations they tell nothing."""

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        if reference.registry == "source.example":
            return Digest(OTHER.digest)
        return super().head(reference)


def test_a_source_that_moved_while_it_was_copied_is_named(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    executor = Executor(
        run.registries,
        run.planner,
        run.patience.rule,
        run.conditions,
        run.is_ending,
        conflicts=ConflictCheck(Moved(), POOL),
    )
    (task,) = run.tasks(item())
    result = executor.execute(task)
    assert result.outcome is Outcome.COPIED
    assert result.note == f"its source has become {OTHER.digest} meanwhile"
    assert "the next run copies that" in caplog.text
