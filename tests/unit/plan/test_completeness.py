"""Whether all is there that a destination's manifest names."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from demo.images import Image as BuiltImage
from demo.images import build_image, build_index, noise_layer
from orchestrator.config.settings import Verify
from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.completeness import Completeness
from orchestrator.plan.decision import Action, FailedItem, Reason, Verdict
from orchestrator.plan.fast_path import FastPath
from orchestrator.plan.planner import PlanOptions
from orchestrator.registry.reader import HttpReader
from orchestrator.registry.responses import Inconclusive, NotFound
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import (
    AMD,
    ARM,
    ATTESTED,
    INDEX,
    POOL,
    SOURCE,
    NoHttp,
    NoMemory,
    item,
    planner,
    verdict,
)

NAME = "near.example/lab/app"
HERE = Reference.parse(f"{NAME}:1")
AMD_DIGEST, ARM_DIGEST, INDEX_DIGEST = map(Digest, (AMD.digest, ARM.digest, INDEX.digest))
ALONE = build_image(layers=[noise_layer(10)])
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


@pytest.fixture
def registries() -> FakeRegistries:
    made = FakeRegistries()
    made.put(f"{SOURCE}:1", INDEX)
    made.put(f"{NAME}:1", INDEX)
    return made


@dataclass
class Remembering(NoMemory):
    """Tells what it was told of children."""

    def children(self, manifest: Digest) -> tuple[Digest, ...] | None:
        return self.kept_children.get(manifest)


@dataclass
class Asked:
    """What was asked, and which blobs are not there."""

    registries: FakeRegistries
    verify: Verify = Verify.CHILDREN
    gone: set[Digest] = field(default_factory=set)
    memory: NoMemory = field(default_factory=Remembering)
    blobs: list[Digest] = field(default_factory=list)

    def has_blob(self, repository: Reference, digest: Digest) -> bool:
        assert repository.name == NAME
        self.blobs.append(digest)
        return digest not in self.gone

    def missing(self, digest: Digest, *, is_single: bool = False) -> tuple[Digest, ...]:
        of = Completeness(self.registries, self.has_blob, self.memory, self.verify, POOL)
        return of.missing(HERE, digest, is_single=is_single)


@pytest.mark.parametrize(
    ("verify", "missing"),
    [
        pytest.param(Verify.TAG, (), id="tag"),
        pytest.param(Verify.CHILDREN, (ARM_DIGEST,), id="children"),
        pytest.param(Verify.BLOBS, (ARM_DIGEST,), id="blobs"),
    ],
)
def test_a_child_that_is_gone_is_missing_where_children_are_asked_for(
    registries: FakeRegistries, verify: Verify, missing: tuple[Digest, ...]
) -> None:
    asked = Asked(registries, verify)
    assert asked.missing(INDEX_DIGEST) == ()
    registries.remove(f"{NAME}@{ARM.digest}")
    assert asked.missing(INDEX_DIGEST) == missing


def test_attestations_are_children_too(registries: FakeRegistries) -> None:
    digest = registries.put(f"{NAME}:1", ATTESTED)
    attestation = ATTESTED.images[-1].digest
    assert attestation not in (AMD.digest, ARM.digest)
    registries.remove(f"{NAME}@{attestation}")
    assert Asked(registries).missing(digest) == (attestation,)


def test_an_index_is_read_once_for_all_runs(registries: FakeRegistries) -> None:
    asked = Asked(registries)
    asked.missing(INDEX_DIGEST)
    assert asked.memory.kept_children == {INDEX_DIGEST: (AMD_DIGEST, ARM_DIGEST)}
    registries.asked.clear()
    asked.missing(INDEX_DIGEST)
    assert len(registries.asked) == 2


@pytest.mark.parametrize("verify", [Verify.TAG, Verify.CHILDREN])
def test_one_image_is_not_asked_about_again(registries: FakeRegistries, verify: Verify) -> None:
    assert Asked(registries, verify).missing(AMD_DIGEST, is_single=True) == ()
    assert registries.asked == []


def test_what_turns_out_to_be_one_image_has_no_children(registries: FakeRegistries) -> None:
    asked = Asked(registries)
    assert asked.missing(AMD_DIGEST) == ()
    assert asked.memory.kept_children == {AMD_DIGEST: ()}


def blob_of(image: BuiltImage, place: int) -> Digest:
    return Digest(image.blobs[place].digest)


@pytest.mark.parametrize("place", [0, -1], ids=["a layer", "the config"])
def test_a_blob_that_is_gone_is_missing_where_blobs_are_asked_for(
    registries: FakeRegistries, place: int
) -> None:
    digest = registries.put(f"{NAME}:1", ALONE)
    gone = {blob_of(ALONE, place)}
    for is_single in (True, False):
        assert Asked(registries, Verify.BLOBS, gone).missing(digest, is_single=is_single) == (
            digest,
        )
        assert Asked(registries, Verify.CHILDREN, gone).missing(digest, is_single=is_single) == ()


def test_a_blob_of_two_children_is_asked_for_once_and_missing_in_both(
    registries: FakeRegistries,
) -> None:
    shared = set(map(str, AMD.blobs)) & set(map(str, ARM.blobs))
    assert shared, "both stand on one base"
    base = next(Digest(one.digest) for one in AMD.blobs if one in ARM.blobs)
    asked = Asked(registries, Verify.BLOBS, {base})
    assert asked.missing(INDEX_DIGEST) == (AMD_DIGEST, ARM_DIGEST)
    assert asked.blobs.count(base) == 1


def test_a_layer_that_lies_outside_registries_is_not_asked_for(registries: FakeRegistries) -> None:
    raw = AMD.manifest.replace(b"application/vnd.oci.image.layer.v1.tar+gzip", FOREIGN.encode())
    assert raw != AMD.manifest
    registries.put_raw(f"{NAME}@{digest_of(raw)}", raw)
    asked = Asked(registries, Verify.BLOBS)
    assert asked.missing(digest_of(raw), is_single=True) == ()
    assert len(asked.blobs) == 1, "the config"


# Verdicts


@pytest.mark.parametrize("platform", ["all", "linux/amd64,linux/arm64"])
def test_a_gap_is_filled_by_no_more_than_is_missing(
    registries: FakeRegistries, platform: str
) -> None:
    registries.remove(f"{NAME}@{ARM.digest}")
    planned = planner(registries).plan(item(platform))
    assert isinstance(planned, Verdict)
    assert verdict(planned) == "copy: incomplete"
    assert planned.note == "1 image of it had gone, in whole or in part"
    index = planned.upstream.index
    assert index is not None
    assert not index.is_whole
    assert [child.digest for child in index.children] == [ARM.digest]
    assert planned.upstream.expected == index.digest == INDEX.digest
    assert {blob.digest for blob in planned.upstream.blobs} == {one.digest for one in ARM.blobs}
    assert planned.upstream.manifests == 1


def test_the_tag_alone_is_asked_for_where_that_is_wished(registries: FakeRegistries) -> None:
    registries.remove(f"{NAME}@{ARM.digest}")
    assert verdict(planner(registries, verify=Verify.TAG).plan(item("all"))) == "skip: same-digest"


def test_force_asks_for_no_children(registries: FakeRegistries) -> None:
    registries.remove(f"{NAME}@{ARM.digest}")
    options = PlanOptions(is_forced=True)
    planned = planner(registries, options).plan(item("all"))
    assert isinstance(planned, Verdict)
    assert planned.decision.reason is Reason.FORCED
    assert planned.upstream.index is not None
    assert planned.upstream.index.is_whole


def test_an_index_in_another_form_is_brought_back_whole(registries: FakeRegistries) -> None:
    """Its children are not the source's, so that no part of it can be picked out."""
    docker = build_index([replace_media(AMD), replace_media(ARM)], media="docker")
    registries.put(f"{NAME}:1", docker)

    @dataclass
    class Converted(NoMemory):
        def converted(self, destination: str, source: Digest) -> Digest | None:
            assert (destination, source) == (str(HERE), INDEX.digest)
            return Digest(docker.digest)

    memory = Converted()
    assert verdict(planner(registries, memory=memory).plan(item("all"))) == "skip: same-content"
    registries.remove(f"{NAME}@{docker.images[0].digest}")
    planned = planner(registries, memory=memory).plan(item("all"))
    assert isinstance(planned, Verdict)
    assert planned.decision.reason is Reason.INCOMPLETE
    assert planned.upstream.index is not None
    assert planned.upstream.index.is_whole
    other = replace(planned.upstream, expected=Digest(docker.digest))
    assert not planned.has_already(other), "what is there will not do"


def replace_media(image: BuiltImage) -> BuiltImage:
    return build_image(image.platform, media="docker")


def test_blobs_that_nobody_can_ask_for_are_a_failure(registries: FakeRegistries) -> None:
    def refuse(_repository: Reference, _digest: Digest) -> bool:
        raise ImageError(ErrorKind.DENIED, "no")

    planned = planner(registries, verify=Verify.BLOBS, has_blob=refuse).plan(item("all"))
    assert isinstance(planned, FailedItem)
    assert planned.error.kind is ErrorKind.DENIED


# The fast path


@dataclass
class Http(NoHttp):
    """Registries of which HTTP can tell all but what is in the dark."""

    registries: FakeRegistries
    dark: set[str] = field(default_factory=set)

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        found = self.read(reference)
        return digest_of(found) if isinstance(found, bytes) else found

    def read(self, reference: Reference) -> bytes | NotFound | Inconclusive:
        if str(reference) in self.dark:
            return Inconclusive("it is dark")
        found = self.registries.read_manifest(reference, side=Side.SOURCE)
        return NotFound() if found is None else found


@pytest.mark.parametrize(
    ("platform", "gone", "dark", "is_proved"),
    [
        pytest.param("all", None, None, True, id="all there"),
        pytest.param("all", ARM, None, False, id="a child gone"),
        pytest.param("all", None, ARM, False, id="a child that nobody knows of"),
        pytest.param("linux/amd64,linux/arm64", ARM, None, False, id="of several"),
    ],
)
def test_the_fast_path_proves_no_index_that_has_gaps(
    registries: FakeRegistries,
    platform: str,
    gone: BuiltImage | None,
    dark: BuiltImage | None,
    is_proved: bool,
) -> None:
    if gone:
        registries.remove(f"{NAME}@{gone.digest}")
    http = Http(registries, {f"{NAME}@{dark.digest}"} if dark else set())
    reader, memory = HttpReader(http), NoMemory()
    completeness = Completeness(reader, reader.has_blob, memory, Verify.CHILDREN, POOL)
    fast_path = FastPath(reader, memory, completeness, POOL)
    found = fast_path.check(item(platform), PlanOptions().form(item()))
    assert (found is not None) is is_proved
    assert found is None or found.decision.action is Action.SKIP
