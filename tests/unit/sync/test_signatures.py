"""What is signed about an image, where HTTP can't tell: skopeo is asked instead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.images import build_image
from orchestrator.errors import DeferredError, ErrorKind, ImageError
from orchestrator.oci.reference import Digest
from orchestrator.registry.reader import HttpFirstReader, HttpReader
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.signatures import Signatures
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import AMD, INDEX, SOURCE, NoHttp, Patience, fault, item

HERE = "near.example/lab/app"
SIGNATURE = build_image(files={"signature": b"of app"})
TAG = f"{AMD.digest.replace(':', '-')}.sig"


@pytest.fixture
def registries() -> FakeRegistries:
    made = FakeRegistries()
    made.put(f"{SOURCE}:1", INDEX)
    made.put(f"{HERE}:1", AMD)
    made.put(f"{SOURCE}:{TAG}", SIGNATURE)
    return made


def follow(registries: FakeRegistries, result: Result) -> Result:
    reader = HttpFirstReader(HttpReader(NoHttp()), registries)
    return Signatures(reader, registries, Patience().rule, jobs=1).follow(result)


def result(outcome: Outcome = Outcome.SKIPPED) -> Result:
    digest = Digest(AMD.digest)
    return Result(
        item(), outcome, "same-digest", source_digest=digest, digest=digest, note="a note"
    )


def test_skopeo_tells_where_http_can_not(registries: FakeRegistries) -> None:
    followed = follow(registries, result())
    assert followed.outcome is Outcome.SKIPPED
    assert followed.note == "a note; with 1 signature or the like"
    assert followed.bytes == sum(len(blob.content) for blob in SIGNATURE.blobs)
    (request,) = registries.copies
    assert str(request.source) == f"{SOURCE}@{SIGNATURE.digest}"
    assert str(request.destination) == f"{HERE}:{TAG}"
    assert follow(registries, result()).note == "a note"
    assert len(registries.copies) == 1


@pytest.mark.parametrize(
    "outcome", [Outcome.FAILED, Outcome.DEFERRED, Outcome.WOULD_COPY, Outcome.WOULD_SKIP]
)
def test_what_is_not_there_has_no_signatures(registries: FakeRegistries, outcome: Outcome) -> None:
    registries.asked.clear()
    assert follow(registries, result(outcome)) == result(outcome)
    assert registries.asked == []


@pytest.mark.parametrize("what", ["copy", "push", "read"])
def test_a_passing_fault_passes(registries: FakeRegistries, what: str) -> None:
    at = "near.example" if what == "push" else "source.example"
    registries.faults[what, at] = [fault(at=at)]
    assert follow(registries, result()).note == "a note; with 1 signature or the like"


def test_a_lasting_fault_is_the_items(registries: FakeRegistries) -> None:
    registries.faults["push", "near.example"] = [fault(ErrorKind.DENIED, at="near.example")]
    followed = follow(registries, result())
    assert (followed.outcome, followed.reason) == (Outcome.FAILED, "denied")
    assert isinstance(followed.error, ImageError)


def test_a_refused_signature_is_told(registries: FakeRegistries) -> None:
    registries.refuses_oci.add("near.example")
    followed = follow(registries, result())
    assert followed.outcome is Outcome.SKIPPED
    assert followed.note == "a note; the registry refuses what is signed about it"


def test_a_run_that_ends_defers_them(registries: FakeRegistries) -> None:
    class StopSignal(FakeRegistries):
        def read_manifest(self, *_: object, **__: object) -> bytes | None:
            raise DeferredError("interrupted")

    followed = follow(StopSignal(), result())
    assert followed.outcome is Outcome.SKIPPED
    assert followed.note == "a note; signatures: interrupted"
    assert registries.copies == []


def test_an_index_that_is_signed_elsewhere_is_told(registries: FakeRegistries) -> None:
    registries.put(f"{SOURCE}:{INDEX.digest.replace(':', '-')}.sig", SIGNATURE)
    registries.remove(f"{SOURCE}:{TAG}")
    of_index = replace(result(), source_digest=Digest(INDEX.digest))
    assert "its signature does not hold" in follow(registries, of_index).note
