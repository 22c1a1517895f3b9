"""One copy: in which order what is done, and what is said of it afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from demo.images import Image, Index, build_image, build_index, noise_layer
from orchestrator.config.targets import SWR
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.plan.decision import Verdict
from orchestrator.plan.items import Item
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.copier import Copier, CopyOutcome
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import (
    AMD,
    ARM,
    INDEX,
    SOURCE,
    Patience,
    fault,
    item,
    planner,
    target,
)

HERE = "near.example/lab/app:1"
NEAR, FAR = "near.example", "far.example"


def nobody_knows(_item: Item, _digest: Digest) -> bool:
    return False


@dataclass
class Bench:
    """A copier over registries in a dictionary."""

    registries: FakeRegistries = field(default_factory=FakeRegistries)
    has: Callable[[Item, Digest], bool] = nobody_knows

    def verdict(self, one: Item) -> Verdict:
        planned = planner(self.registries).plan(one)
        assert isinstance(planned, Verdict)
        self.registries.asked.clear()
        return planned

    def copy(self, one: Item, previous: Reference | None = None) -> CopyOutcome:
        copier = Copier(self.registries, planner(self.registries), self.has, Patience(tries=1).rule)
        return copier.copy(self.verdict(one), previous)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.registries.put(f"{SOURCE}:1", INDEX)
    return made


def writes(bench: Bench) -> list[str]:
    """What was written, in its order."""
    return [where for what, where in bench.registries.asked if what == "push"]


def test_an_index_that_is_assembled_is_pushed_after_its_children(bench: Bench) -> None:
    bench.registries.put(f"{SOURCE}:1", build_index([AMD, build_image("linux/s390x"), ARM]))
    bench.copy(item("linux/amd64,linux/arm64"))
    *children, last = writes(bench)
    assert last == HERE, "the tag stays where it is until all is there"
    assert children == [f"near.example/lab/app@{one.digest}" for one in (AMD, ARM)]


def test_a_whole_index_is_one_copy(bench: Bench) -> None:
    outcome = bench.copy(item("all"))
    assert [request.pulls for request in bench.registries.copies] == [3]
    assert (outcome.digest, outcome.note) == (INDEX.digest, "")


def test_a_whole_index_that_is_refused_goes_child_by_child(bench: Bench) -> None:
    refusal = fault(ErrorKind.BAD_MANIFEST, at=NEAR)
    bench.registries.faults["push", NEAR] = [refusal]
    outcome = bench.copy(item("all"))
    assert [request.pulls for request in bench.registries.copies] == [3, 1, 1]
    assert (outcome.digest, outcome.note) == (INDEX.digest, "")


def test_manifests_in_dockers_types_follow_their_blobs(bench: Bench) -> None:
    bench.registries.refuses_oci.add(NEAR)
    outcome = bench.copy(item(to=target(profile=SWR)))
    (request,) = bench.registries.copies
    assert str(request.destination) == f"near.example/lab/app@{AMD.digest}"
    assert writes(bench)[-1] == HERE
    assert "converted" in outcome.note


def test_a_head_spares_reading_what_was_copied(bench: Bench) -> None:
    asked: list[tuple[str, str]] = []

    def has(one: Item, digest: Digest) -> bool:
        asked.append((str(one.destination), digest))
        return True

    bench.has = has
    outcome = bench.copy(item())
    assert asked == [(HERE, AMD.digest)]
    assert not [where for what, where in bench.registries.asked if what == "read"]
    assert outcome.moved == sum(len(blob.content) for blob in AMD.blobs)


def test_what_a_copy_moved_is_what_was_not_there(bench: Bench) -> None:
    bench.registries.put("near.example/lab/app:old", ARM)
    outcome = bench.copy(item())
    shared = {blob.digest for blob in ARM.blobs}
    new = [blob for blob in AMD.blobs if blob.digest not in shared]
    assert set(outcome.uploaded) == {blob.digest for blob in new}
    assert outcome.moved == sum(len(blob.content) for blob in new)


def test_the_size_of_a_copy_is_told_as_far_as_it_is_known(bench: Bench) -> None:
    bench.copy(item())
    (request,) = bench.registries.copies
    assert request.size == sum(len(blob.content) for blob in AMD.blobs)
    bench.registries.put("docker.io/library/app:1", INDEX)
    bench.copy(replace(item("all"), source=Reference.parse("app:1")))
    assert bench.registries.copies[-1].size is None, "each child read would be a counted pull"


@pytest.mark.parametrize(
    ("at", "read_from"),
    [
        pytest.param(None, [FAR], id="the target before has it"),
        pytest.param(FAR, [FAR, "source.example"], id="it can't be read there"),
    ],
)
def test_the_target_before_this_one_is_read_first(
    bench: Bench, at: str | None, read_from: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.registries.put("far.example/lab/app:1", AMD)
    if at:
        bench.registries.faults["copy", at] = [fault(at=at)]
    previous = Reference.parse("far.example/lab/app").at(Digest(AMD.digest))
    assert bench.copy(item(), previous).digest == AMD.digest
    assert [request.source.registry for request in bench.registries.copies] == read_from
    assert ("it is read from the source instead" in caplog.text) is bool(at)


def test_a_fault_here_is_no_reason_to_read_the_source_again(bench: Bench) -> None:
    bench.registries.put("far.example/lab/app:1", AMD)
    bench.registries.faults["push", NEAR] = [fault(at=NEAR)]
    previous = Reference.parse("far.example/lab/app").at(Digest(AMD.digest))
    with pytest.raises(ImageError) as caught:
        bench.copy(item(), previous)
    assert caught.value.registry == NEAR
    assert len(bench.registries.copies) == 1


def test_a_bad_manifest_at_the_source_is_no_refusal(bench: Bench) -> None:
    bench.registries.faults["copy", "source.example"] = [
        fault(ErrorKind.BAD_MANIFEST, at="source.example")
    ]
    with pytest.raises(ImageError):
        bench.copy(item())
    assert len(bench.registries.copies) == 1, "no other form is tried"


# What skopeo converts


class Converting(FakeRegistries):
    """A mirror that takes what skopeo makes of an image, and nothing else."""

    def __init__(self, upstream: Image, becomes: Image | Index) -> None:
        super().__init__()
        self.put(f"{SOURCE}:1", upstream)
        self.becomes = becomes

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        if request.keeps_digests:
            raise fault(ErrorKind.BAD_MANIFEST, at=NEAR)
        self.copies.append(request)
        self.put(HERE, self.becomes)
        return ()


HEALTHY = {"Healthcheck": {"Test": ["CMD", "true"]}, "Shell": ["/bin/bash"]}
BASE = noise_layer(100)
DOCKERS = build_image(layers=[BASE], media="docker", runtime=HEALTHY)
OCIS = build_image(layers=[BASE], runtime=HEALTHY)
CONVERTED = build_image(layers=[BASE])


@pytest.mark.parametrize(
    ("upstream", "becomes", "is_same"),
    [
        pytest.param(DOCKERS, DOCKERS, True, id="as it was, after all"),
        pytest.param(DOCKERS, CONVERTED, True, id="Docker's types lose what OCI's can't hold"),
        pytest.param(OCIS, CONVERTED, False, id="OCI's types lose nothing"),
        pytest.param(DOCKERS, build_image(layers=[BASE], env=["A=2"]), False, id="another ENV"),
        pytest.param(DOCKERS, build_image(layers=[noise_layer(9)]), False, id="another layer"),
        pytest.param(DOCKERS, build_index([CONVERTED]), False, id="an index"),
        pytest.param(
            DOCKERS, replace(DOCKERS, manifest=DOCKERS.manifest + b" "), True, id="the same config"
        ),
    ],
)
def test_what_skopeo_makes_of_an_image_has_to_be_the_same_image(
    upstream: Image, becomes: Image | Index, is_same: bool
) -> None:
    bench = Bench(Converting(upstream, becomes))
    if is_same:
        outcome = bench.copy(item())
        assert outcome.digest == digest_of(becomes.manifest)
        assert "converted to other manifest types" in outcome.note
        return
    with pytest.raises(ImageError) as caught:
        bench.copy(item())
    assert caught.value.kind is ErrorKind.DIGEST_MISMATCH
    assert becomes.digest in caught.value.message
    sources = [where for _, where in bench.registries.asked if where.startswith(f"{SOURCE}@")]
    assert len(sources) < 6, "the source is read once for all the six readings of its copy"


def test_an_index_is_not_left_to_skopeo_to_convert() -> None:
    bench = Bench(Converting(AMD, AMD))
    bench.registries.put(f"{SOURCE}:1", INDEX)
    with pytest.raises(ImageError):
        bench.copy(item("all"))
    assert bench.registries.copies == []


# Layers that are in no registry


FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
AT_ITS_MANIFEST = "uploading manifest 1 to near: received unexpected HTTP status: 500 Oops"


def with_foreign_layer(image: Image) -> Image:
    kind = b"application/vnd.oci.image.layer.v1.tar+gzip"
    raw = image.manifest.replace(kind, FOREIGN.encode())
    return replace(image, manifest=raw)


@pytest.mark.parametrize(
    ("image", "words", "kind", "is_told"),
    [
        pytest.param(
            with_foreign_layer(AMD), AT_ITS_MANIFEST, ErrorKind.BAD_MANIFEST, True, id="foreign"
        ),
        pytest.param(AMD, AT_ITS_MANIFEST, ErrorKind.UNREACHABLE, False, id="no such layer"),
        pytest.param(
            with_foreign_layer(AMD), "it is down", ErrorKind.UNREACHABLE, False, id="another fault"
        ),
    ],
)
def test_a_registry_that_breaks_over_foreign_layers_refuses_them(
    image: Image, words: str, kind: ErrorKind, is_told: bool
) -> None:
    bench = Bench()
    bench.registries.put(f"{SOURCE}:1", image)
    message = f"{HERE}: {words}"
    bench.registries.faults["push", NEAR] = [
        ImageError(ErrorKind.UNREACHABLE, message, registry=NEAR)
    ]
    with pytest.raises(ImageError) as caught:
        bench.copy(item())
    assert caught.value.kind is kind
    told = f"{HERE}: it has layers that may only be fetched from elsewhere (foreign layers), and "
    told += f"its manifest was refused ({words})"
    assert caught.value.message == (told if is_told else message)


def test_what_breaks_at_the_source_is_not_the_mirrors_refusal() -> None:
    bench = Bench()
    bench.registries.put(f"{SOURCE}:1", with_foreign_layer(AMD))
    broken = ImageError(ErrorKind.UNREACHABLE, AT_ITS_MANIFEST, registry="source.example")
    bench.registries.faults["copy", "source.example"] = [broken]
    with pytest.raises(ImageError) as caught:
        bench.copy(item())
    assert caught.value.kind is ErrorKind.UNREACHABLE
