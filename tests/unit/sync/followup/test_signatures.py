"""What is signed about an image, where HTTP can't tell: skopeo is asked instead."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from demo.images import build_image
from orchestrator.errors import DeferredError, ErrorKind, ImageError
from orchestrator.oci.manifest import OCI_INDEX, OCI_MANIFEST
from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.reader import HttpFirstReader, HttpReader
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.report.result import Outcome, Result
from orchestrator.sync.followup.signatures import Signatures
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import AMD, INDEX, SOURCE, NoHttp, Patience, fault, item

HERE = "near.example/lab/app"
SIGNATURE = build_image(files={"signature": b"of app"})
TAG = f"{AMD.digest.replace(':', '-')}.sig"


@dataclass
class Unanswering(NoHttp):
    """A client that can't tell what a reference names.

    Attributes:
        lists: What it says of referrers, by the repository and digest asked for; of others,
            that there is no such API.
    """

    asked: list[str] = field(default_factory=list)
    lists: dict[str, tuple[bytes, ...] | Inconclusive] = field(default_factory=dict)

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        self.asked.append(str(reference))
        return super().head(reference)

    def referrers(self, reference: Reference) -> tuple[bytes, ...] | NotFound | Inconclusive:
        self.asked.append(f"list of {reference}")
        return self.lists.get(str(reference), NotFound())


@pytest.fixture
def registries() -> FakeRegistries:
    made = FakeRegistries()
    made.put(f"{SOURCE}:1", INDEX)
    made.put(f"{HERE}:1", AMD)
    made.put(f"{SOURCE}:{TAG}", SIGNATURE)
    return made


def follow(registries: FakeRegistries, result: Result, client: Unanswering | None = None) -> Result:
    reader = HttpFirstReader(HttpReader(client or Unanswering()), registries)
    return Signatures(reader, registries, Patience().rule, jobs=1).follow(result)


def list_of(*digests: str, **keys: object) -> bytes:
    entries = [{"mediaType": OCI_MANIFEST, "digest": one, "size": 9} for one in digests]
    return json.dumps({"mediaType": OCI_INDEX, "manifests": entries, **keys}).encode()


def of_all(outcome: Outcome = Outcome.SKIPPED) -> Result:
    digest = Digest(INDEX.digest)
    return Result(item("all"), outcome, "same-digest", source_digest=digest, digest=digest)


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


def test_a_child_that_is_signed_later_has_its_signature_follow() -> None:
    registries = FakeRegistries()
    registries.put(f"{SOURCE}:1", INDEX)
    registries.put(f"{HERE}:1", INDEX)
    assert follow(registries, of_all()).note == ""
    registries.put(f"{SOURCE}:{TAG}", SIGNATURE)
    assert follow(registries, of_all()).note == "with 1 signature or the like"
    assert follow(registries, of_all()).note == ""


def test_every_page_of_referrers_is_brought(registries: FakeRegistries) -> None:
    artifacts = [build_image(files={"sbom": word}) for word in (b"one", b"two")]
    for artifact in artifacts:
        registries.put(f"{SOURCE}@{artifact.digest}", artifact)
    pages = tuple(list_of(artifact.digest) for artifact in artifacts)
    lists: dict[str, tuple[bytes, ...] | Inconclusive] = {
        f"{SOURCE}@{AMD.digest}": pages,
        f"{HERE}@{AMD.digest}": (list_of(),),
    }
    followed = follow(registries, result(), Unanswering(lists=lists))
    assert followed.note == "a note; with 3 signatures or the like"


@pytest.mark.parametrize(
    "raw",
    [pytest.param(list_of(manifests=None), id="null"), pytest.param(list_of(), id="an empty list")],
)
def test_a_list_of_nothing_is_no_failure(registries: FakeRegistries, raw: bytes) -> None:
    client = Unanswering(lists={f"{SOURCE}@{AMD.digest}": (raw,)})
    followed = follow(registries, result(), client)
    assert (followed.outcome, followed.error) == (Outcome.SKIPPED, None)


@pytest.mark.parametrize(
    ("why", "kind", "tries"),
    [
        pytest.param(Inconclusive("it is dark"), ErrorKind.UNREACHABLE, 1, id="nobody can ask"),
        pytest.param(
            Inconclusive("it is down", ends_host=True), ErrorKind.UNREACHABLE, 3, id="a fault"
        ),
        pytest.param(
            Inconclusive("too large", kind=ErrorKind.BAD_MANIFEST),
            ErrorKind.BAD_MANIFEST,
            1,
            id="too large",
        ),
    ],
)
@pytest.mark.parametrize("where", [SOURCE, HERE])
def test_referrers_that_can_not_be_read_are_a_failure(
    registries: FakeRegistries, where: str, why: Inconclusive, kind: ErrorKind, tries: int
) -> None:
    artifact = build_image(files={"sbom": b"one"})
    registries.put(f"{SOURCE}@{artifact.digest}", artifact)
    lists: dict[str, tuple[bytes, ...] | Inconclusive] = {
        f"{SOURCE}@{AMD.digest}": (list_of(artifact.digest),),
        f"{where}@{AMD.digest}": why,
    }
    client = Unanswering(lists=lists)
    followed = follow(registries, result(), client)
    assert (followed.outcome, followed.reason) == (Outcome.FAILED, kind.value)
    assert followed.error is not None
    assert followed.error.message == (
        f"{where}@{AMD.digest}: what refers to it can't be read: {why.reason}"
    )
    assert client.asked.count(f"list of {where}@{AMD.digest}") == tries


def test_a_list_that_is_none_is_a_failure(registries: FakeRegistries) -> None:
    client = Unanswering(lists={f"{SOURCE}@{AMD.digest}": (b'{"manifests": [{}]}',)})
    followed = follow(registries, result(), client)
    assert (followed.outcome, followed.reason) == (Outcome.FAILED, "bad-manifest")


@pytest.mark.parametrize("signed", [AMD.digest, None], ids=["kept", "not known"])
def test_a_signature_that_holds_is_not_told_to_be_elsewhere(
    registries: FakeRegistries, signed: str | None
) -> None:
    registries.remove(f"{SOURCE}:{TAG}")
    client = Unanswering()
    digest = Digest(signed) if signed else None
    followed = follow(registries, replace(result(), source_digest=digest), client)
    assert followed.note == "a note"
    assert client.asked.count(f"{SOURCE}:{TAG}") == 1


def test_a_list_is_kept_under_a_tag_where_the_mirror_has_no_api(registries: FakeRegistries) -> None:
    artifact = build_image(files={"sbom": b"one"})
    registries.put(f"{SOURCE}@{artifact.digest}", artifact)
    of_source: dict[str, tuple[bytes, ...] | Inconclusive] = {
        f"{SOURCE}@{AMD.digest}": (list_of(artifact.digest),)
    }
    tag = f"{HERE}:{AMD.digest.replace(':', '-')}"
    with_api = {**of_source, f"{HERE}@{AMD.digest}": (list_of(),)}
    assert follow(registries, result(), Unanswering(lists=with_api)).outcome is Outcome.SKIPPED
    assert registries.read_manifest(Reference.parse(tag)) is None
    assert follow(registries, result(), Unanswering(lists=of_source)).outcome is Outcome.SKIPPED
    raw = registries.read_manifest(Reference.parse(tag))
    assert raw is not None
    assert [one["digest"] for one in json.loads(raw)["manifests"]] == [artifact.digest]


def test_what_was_brought_is_read_back_once_where_it_is_shown_at_once(
    registries: FakeRegistries,
) -> None:
    follow(registries, result())
    there = f"{HERE}@{SIGNATURE.digest}"
    assert [where for what, where in registries.asked if what == "read"].count(there) == 1


def test_a_list_that_is_there_gets_what_is_new_and_no_more(registries: FakeRegistries) -> None:
    artifacts = [build_image(files={"sbom": word}) for word in (b"one", b"two")]
    for artifact in artifacts:
        registries.put(f"{SOURCE}@{artifact.digest}", artifact)
    tag = f"{HERE}:{AMD.digest.replace(':', '-')}"
    registries.put(f"{HERE}@{artifacts[0].digest}", artifacts[0])
    registries.put_raw(tag, list_of(artifacts[0].digest))
    digests = [artifact.digest for artifact in artifacts]
    lists: dict[str, tuple[bytes, ...] | Inconclusive] = {
        f"{SOURCE}@{AMD.digest}": (list_of(*digests),)
    }
    for _ in range(2):
        registries.asked.clear()
        follow(registries, result(), Unanswering(lists=lists))
        raw = registries.read_manifest(Reference.parse(tag))
        assert raw is not None
        assert [one["digest"] for one in json.loads(raw)["manifests"]] == digests
    assert ("push", tag) not in registries.asked, "nothing was new"
    copied = [str(request.source) for request in registries.copies]
    assert sorted(copied) == sorted(f"{SOURCE}@{one}" for one in (SIGNATURE.digest, digests[1]))


def test_an_index_that_has_gone_meanwhile_is_told(registries: FakeRegistries) -> None:
    followed = follow(registries, of_all())
    assert (followed.outcome, followed.reason) == (Outcome.FAILED, "digest-mismatch")
    assert followed.error is not None
    assert followed.error.message == f"{HERE}@{INDEX.digest}: it was there, and now it is not"
    assert followed.error.hint == "the registry says it took it; ask its operator"


def test_what_is_refused_is_not_listed(registries: FakeRegistries) -> None:
    artifact = build_image(files={"sbom": b"one"})
    registries.put(f"{SOURCE}@{artifact.digest}", artifact)
    registries.remove(f"{SOURCE}:{TAG}")
    registries.refuses_oci.add("near.example")
    lists: dict[str, tuple[bytes, ...] | Inconclusive] = {
        f"{SOURCE}@{AMD.digest}": (list_of(artifact.digest),)
    }
    followed = follow(registries, result(), Unanswering(lists=lists))
    assert followed.note == "a note; the registry refuses what is signed about it"
    assert ("push", f"{HERE}:{AMD.digest.replace(':', '-')}") not in registries.asked
