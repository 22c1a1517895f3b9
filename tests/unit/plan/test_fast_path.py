"""The fast path: two HEADs prove that an item is in sync, or prove nothing."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.config.settings import Verify
from orchestrator.errors import Side
from orchestrator.oci.index import DOCKER_FORM, ManifestForm
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.completeness import Completeness
from orchestrator.plan.decision import KnownImage, Reason
from orchestrator.plan.fast_path import FastPath
from orchestrator.registry.reader import InconclusiveError
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import AMD, ARM, ATTESTED, INDEX, POOL, SOURCE, NoMemory, item

if TYPE_CHECKING:
    from demo.images import Image, Index

USUAL = ManifestForm()
DROPS = ManifestForm(keeps_attestations=False)
HERE = "near.example/lab/app:1"


class Http(FakeRegistries):
    """What HTTP tells: all there is, but for what it does not settle."""

    def __init__(self) -> None:
        super().__init__()
        self.silent: set[str] = set()
        self.heads: Counter[str] = Counter()

    def read_digest(self, reference: Reference, *, side: Side = Side.SOURCE) -> Digest | None:
        assert side in Side
        self.heads[reference.registry] += 1
        if reference.registry in self.silent:
            raise InconclusiveError(reference, "it did not answer")
        raw = self._find(reference)
        return digest_of(raw) if raw is not None else None


@dataclass
class Memory(NoMemory):
    """Remembers, and tells of it."""

    became: dict[tuple[str, str], Digest] = field(default_factory=dict)

    def expected(self, index: Digest, choice: str) -> KnownImage | None:
        return self.kept.get((index, choice))

    def converted(self, destination: str, source: Digest) -> Digest | None:
        return self.became.get((destination, source))


def fast_path_over(
    http: Http, memory: NoMemory | None = None, *, verify: Verify = Verify.TAG
) -> FastPath:
    memory = memory or NoMemory()
    completeness = Completeness(http, lambda _where, _digest: True, memory, verify, POOL)
    return FastPath(http, memory, completeness, POOL)


@pytest.fixture
def http() -> Http:
    made = Http()
    made.put(f"{SOURCE}:1", INDEX)
    return made


@pytest.mark.parametrize(
    ("platform", "there", "is_proved"),
    [
        pytest.param("linux/amd64", AMD, True, id="the child of its platform"),
        pytest.param("linux/amd64", ARM, False, id="another child"),
        pytest.param("linux/amd64", None, False, id="nothing"),
        pytest.param("all", INDEX, True, id="the index"),
        pytest.param("all", AMD, False, id="a part of the index"),
        pytest.param("linux/s390x", AMD, False, id="a platform that is not there"),
    ],
)
def test_equal_digests_are_a_proof(
    http: Http, platform: str, there: Image | Index | None, is_proved: bool
) -> None:
    if there:
        http.put(HERE, there)
    verdict = fast_path_over(http).check(item(platform), USUAL)
    assert (verdict is not None) is is_proved
    if verdict:
        assert verdict.decision.reason is Reason.SAME_DIGEST
        assert verdict.found == verdict.upstream.expected


@pytest.mark.parametrize("registry", ["source.example", "near.example"])
def test_what_http_does_not_settle_is_no_proof(http: Http, registry: str) -> None:
    http.put(HERE, AMD)
    http.silent.add(registry)
    assert fast_path_over(http).check(item(), USUAL) is None


class Meeting(Http):
    """Answers a side no sooner than the other is asked, too."""

    def __init__(self) -> None:
        super().__init__()
        self.both = threading.Barrier(2, timeout=10)

    def read_digest(self, reference: Reference, *, side: Side = Side.SOURCE) -> Digest | None:
        self.both.wait()
        return super().read_digest(reference, side=side)


def test_both_sides_are_asked_at_once() -> None:
    http = Meeting()
    http.put(f"{SOURCE}:1", INDEX)
    http.put(HERE, INDEX)
    assert fast_path_over(http).check(item("all"), USUAL)
    assert http.heads == Counter({"source.example": 1, "near.example": 1})


def test_a_source_that_can_not_be_had_costs_one_question_more(http: Http) -> None:
    http.silent.add("source.example")
    assert fast_path_over(http).check(item(), USUAL) is None
    assert http.heads == Counter({"source.example": 1, "near.example": 1})


def test_a_source_is_asked_once_for_all_its_items(http: Http) -> None:
    fast_path = fast_path_over(http)
    for _ in range(3):
        fast_path.check(item(), USUAL)
    assert http.heads == Counter({"source.example": 1, "near.example": 3})


def test_a_pinned_source_is_not_asked_what_it_is(http: Http) -> None:
    http.put(HERE, INDEX)
    pinned = replace(item("all"), source=Reference.parse(SOURCE).at(Digest(INDEX.digest)))
    assert fast_path_over(http).check(pinned, USUAL)
    assert http.heads == Counter({"near.example": 1})


def test_what_was_found_out_of_an_index_is_remembered_for_its_platform(http: Http) -> None:
    memory = Memory()
    http.put(HERE, AMD)
    assert fast_path_over(http, memory).check(item(), USUAL)
    assert list(memory.kept) == [(INDEX.digest, "linux/amd64")]
    http.asked.clear()
    again = fast_path_over(http, memory).check(item(), USUAL)
    assert again is not None
    assert again.upstream.delivered == "linux/amd64"
    assert http.asked == [], "two HEADs are enough"


@pytest.mark.parametrize(
    ("form", "key"),
    [
        pytest.param(USUAL, [], id="an index as it is, of which nothing has to be known"),
        pytest.param(DROPS, ["all without attestations"], id="without attestations"),
        pytest.param(DOCKER_FORM, ["all in Docker's types"], id="in Docker's types"),
    ],
)
def test_each_form_is_remembered_by_itself(http: Http, form: ManifestForm, key: list[str]) -> None:
    http.put(f"{SOURCE}:1", ATTESTED)
    memory = Memory()
    fast_path_over(http, memory).check(item("all"), form)
    assert [choice for _, choice in memory.kept] == key


def test_what_a_registry_made_of_a_source_is_known_again(http: Http) -> None:
    http.put(HERE, ARM)
    memory = Memory(became={(HERE, AMD.digest): Digest(ARM.digest)})
    verdict = fast_path_over(http, memory).check(item(), USUAL)
    assert verdict is not None
    assert verdict.decision.reason is Reason.SAME_CONTENT
    elsewhere = replace(item(), destination=Reference.parse("near.example/lab/other:1"))
    http.put(str(elsewhere.destination), ARM)
    assert fast_path_over(http, memory).check(elsewhere, USUAL) is None


def test_an_index_that_lacks_a_child_is_not_in_sync(http: Http) -> None:
    http.put(HERE, INDEX)
    assert fast_path_over(http, verify=Verify.CHILDREN).check(item("all"), USUAL)
    http.remove(f"near.example/lab/app@{ARM.digest}")
    assert fast_path_over(http, verify=Verify.CHILDREN).check(item("all"), USUAL) is None
    assert fast_path_over(http, verify=Verify.TAG).check(item("all"), USUAL)
