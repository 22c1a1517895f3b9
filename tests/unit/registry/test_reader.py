"""Reading over HTTP: what proves itself is taken, and all else is left to skopeo."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index
from orchestrator.errors import DeferredError, ErrorKind, ImageError, Side
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.pull_limit import PullCounter
from orchestrator.registry.reader import (
    CountedRegistry,
    HttpFirstReader,
    HttpReader,
    InconclusiveError,
    RetryingReader,
)
from orchestrator.registry.responses import Inconclusive, NotFound
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import Patience, fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.oci.manifest import Descriptor

IMAGE = build_image("linux/amd64")
INDEX = build_index([IMAGE])
OTHER = build_image("linux/amd64", env=["A=1"])
TAG = Reference.parse("redis:7")
PINNED = TAG.at(Digest(IMAGE.digest))
BROKEN = Inconclusive("it did not answer")


@pytest.fixture
def registries() -> FakeRegistries:
    made = FakeRegistries()
    made.put(str(TAG), IMAGE)
    return made


@dataclass
class Registry:
    """What HTTP brings, by what is asked for; and how often it was asked."""

    heads: dict[Reference, Digest | NotFound | Inconclusive] = field(default_factory=dict)
    contents: dict[Reference, bytes | NotFound | Inconclusive] = field(default_factory=dict)
    blob: bytes | Inconclusive = BROKEN
    asked: Counter[str] = field(default_factory=Counter)

    def head(self, reference: Reference) -> Digest | NotFound | Inconclusive:
        self.asked["HEAD"] += 1
        return self.heads.get(reference, BROKEN)

    def read(self, reference: Reference) -> bytes | NotFound | Inconclusive:
        self.asked["GET"] += 1
        return self.contents.get(reference, BROKEN)

    def read_blob(self, repository: Reference, blob: Descriptor) -> bytes | Inconclusive:
        assert repository.digest
        assert blob.size
        self.asked["blob"] += 1
        return self.blob

    def has_blob(self, repository: Reference, digest: Digest) -> bool | Inconclusive:
        self.asked["blob"] += 1
        found = self.contents.get(repository.at(digest), BROKEN)
        return found if isinstance(found, Inconclusive) else isinstance(found, bytes)

    def referrers(self, reference: Reference) -> tuple[bytes, ...] | NotFound | Inconclusive:
        self.asked["referrers"] += 1
        found = self.contents.get(reference, BROKEN)
        return (found,) if isinstance(found, bytes) else found


@dataclass
class Skopeo:
    """Has an answer to all, and says that it was skopeo's."""

    asked: list[str] = field(default_factory=list)

    def read_digest(self, reference: Reference, *, side: Side) -> Digest | None:
        self.asked.append(f"{side.value}: digest of {reference}")
        return None

    def read_referrers(self, reference: Reference, *, side: Side) -> tuple[bytes, ...] | None:
        self.asked.append(f"{side.value}: referrers of {reference}")
        return None

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        self.asked.append(f"{side.value}: {reference}")
        return b"skopeo's"

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        self.asked.append(f"{side.value}: config of {reference}")
        return b"skopeo's"


def tagged(content: bytes, *, named: str | None = None) -> Registry:
    """A registry whose tag has this; HEAD may name another digest."""
    return Registry({TAG: Digest(named) if named else digest_of(content)}, {TAG: content})


def manifest(reader: HttpReader, reference: Reference = TAG) -> bytes | None:
    """What HTTP brings; None where it does not settle it."""
    try:
        return reader.read_manifest(reference, side=Side.SOURCE)
    except InconclusiveError:
        return None


@pytest.mark.parametrize(
    ("registry", "raw", "pulls"),
    [
        pytest.param(tagged(INDEX.manifest), INDEX.manifest, 1, id="both agree"),
        pytest.param(tagged(INDEX.manifest, named=OTHER.digest), None, 1, id="they do not"),
        pytest.param(Registry(), None, 0, id="HEAD does not tell"),
        pytest.param(Registry({TAG: NotFound()}), None, 0, id="HEAD finds nothing"),
        pytest.param(Registry({TAG: Digest(IMAGE.digest)}), None, 0, id="GET does not tell"),
        pytest.param(
            Registry({TAG: Digest(IMAGE.digest)}, {TAG: NotFound()}),
            None,
            0,
            id="GET finds nothing",
        ),
    ],
)
def test_a_tag_is_believed_where_head_and_get_agree(
    registry: Registry, raw: bytes | None, pulls: int
) -> None:
    counted = PullCounter()
    reader = HttpReader(CountedRegistry(registry, counted))
    assert [manifest(reader) for _ in range(3)] == [raw] * 3
    assert registry.asked["GET"] <= 1
    assert registry.asked["HEAD"] == 1
    assert counted.count == pulls


def test_what_a_digest_names_needs_no_head() -> None:
    registry = Registry(contents={PINNED: IMAGE.manifest})
    assert manifest(HttpReader(registry), PINNED) == IMAGE.manifest
    assert registry.asked == Counter(GET=1)


def test_what_was_read_by_its_tag_is_not_read_again_by_its_digest() -> None:
    registry = tagged(IMAGE.manifest)
    registry.blob = b"{}"
    reader = HttpReader(registry)
    assert manifest(reader) == manifest(reader, PINNED) == IMAGE.manifest
    assert reader.read_config(PINNED, side=Side.SOURCE) == b"{}"
    assert registry.asked == Counter(HEAD=1, GET=1, blob=1)


@pytest.mark.parametrize(
    ("side", "heads"),
    [
        pytest.param(Side.SOURCE, 1, id="a source is what it was at first"),
        pytest.param(Side.DESTINATION, 3, id="a destination changes"),
    ],
)
def test_how_often_a_digest_is_asked_for(side: Side, heads: int) -> None:
    registry = tagged(IMAGE.manifest)
    reader = HttpReader(registry)
    assert {reader.read_digest(TAG, side=side) for _ in range(3)} == {IMAGE.digest}
    assert registry.asked == Counter(HEAD=heads)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(INDEX.manifest, id="an index"),
        pytest.param(b"<html>", id="a page"),
        pytest.param(BROKEN, id="nothing"),
    ],
)
def test_only_a_single_image_has_a_config(content: bytes | Inconclusive) -> None:
    registry = Registry(contents={PINNED: content}, blob=b"{}")
    with pytest.raises(InconclusiveError):
        HttpReader(registry).read_config(PINNED, side=Side.SOURCE)
    assert registry.asked["blob"] == 0


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        pytest.param(INDEX.manifest, (INDEX.manifest,), id="a list"),
        pytest.param(NotFound(), None, id="no such API"),
    ],
)
def test_referrers_are_what_the_registry_lists(
    answer: bytes | NotFound, found: tuple[bytes, ...] | None
) -> None:
    reader = HttpFirstReader(HttpReader(Registry(contents={PINNED: answer})), Skopeo())
    assert reader.read_referrers(PINNED, side=Side.SOURCE) == found


def test_a_blob_is_there_or_not_or_nobody_can_tell() -> None:
    there, gone = Digest(IMAGE.digest), Digest(INDEX.digest)
    reader = HttpReader(Registry(contents={TAG.at(there): b"a blob", TAG.at(gone): NotFound()}))
    assert reader.has_blob(TAG, there) is True
    assert reader.has_blob(TAG, gone) is False
    with pytest.raises(ImageError, match="whether it has all layers can't be told"):
        HttpReader(Registry()).has_blob(TAG, there)


def test_referrers_that_http_can_not_tell_nobody_can() -> None:
    skopeo = Skopeo()
    reader = HttpFirstReader(HttpReader(Registry()), skopeo)
    with pytest.raises(ImageError, match="what refers to it can't be read"):
        reader.read_referrers(PINNED, side=Side.SOURCE)
    assert skopeo.asked == []


# Counted


def test_docker_hub_is_not_read_once_it_has_refused() -> None:
    pulls = PullCounter()
    pulls.note_refusal(ImageError(ErrorKind.RATE_LIMITED, "toomanyrequests", registry=TAG.registry))
    registry = tagged(IMAGE.manifest)
    with pytest.raises(DeferredError):
        CountedRegistry(registry, pulls).read(TAG)
    assert registry.asked["GET"] == 0


@pytest.mark.parametrize(
    ("source", "kind", "is_deferred"),
    [
        pytest.param("redis:7", ErrorKind.RATE_LIMITED, True, id="its pull limit"),
        pytest.param("redis:7", None, False, id="another 429"),
        pytest.param("quay.io/x/redis:7", ErrorKind.RATE_LIMITED, False, id="another registry"),
    ],
)
def test_docker_hubs_limit_defers_all_that_it_counts(
    source: str, kind: ErrorKind | None, is_deferred: bool
) -> None:
    pulls, tag = PullCounter(), Reference.parse(source)
    limited = Inconclusive("it answered 429", ends_host=True, kind=kind)
    registry = CountedRegistry(Registry(contents={tag: limited}), pulls)
    if not is_deferred:
        assert registry.read(tag) == limited
        pulls.check(TAG)
        return
    with pytest.raises(DeferredError):
        registry.read(tag)
    with pytest.raises(DeferredError):
        pulls.check(Reference.parse("alpine:3"))


# One way after the other


def test_skopeo_is_asked_for_what_http_does_not_tell() -> None:
    skopeo = Skopeo()
    reader = HttpFirstReader(HttpReader(Registry()), skopeo)
    assert reader.read_digest(TAG, side=Side.SOURCE) is None
    assert reader.read_manifest(TAG, side=Side.SOURCE) == b"skopeo's"
    assert reader.read_config(PINNED, side=Side.SOURCE) == b"skopeo's"
    assert skopeo.asked == [
        f"source: digest of {TAG}",
        f"source: {TAG}",
        f"source: config of {PINNED}",
    ]


@pytest.mark.parametrize("side", Side)
def test_what_head_and_get_say_is_not_there_is_not_there(side: Side) -> None:
    skopeo = Skopeo()
    registry = Registry({TAG: NotFound()}, {TAG: NotFound()})
    reader = HttpFirstReader(HttpReader(registry), skopeo)
    assert reader.read_digest(TAG, side=side) is None
    assert reader.read_manifest(TAG, side=side) is None
    assert skopeo.asked == []
    assert registry.asked == {"HEAD": 1, "GET": 1}


def test_a_destination_that_was_not_there_is_asked_for_again_the_next_time() -> None:
    registry = Registry({TAG: NotFound()}, {TAG: NotFound()})
    http = HttpReader(registry)
    assert http.read_digest(TAG, side=Side.DESTINATION) is None
    assert [http.read_manifest(TAG, side=Side.DESTINATION) for _ in range(2)] == [None, None]
    assert registry.asked == {"HEAD": 2, "GET": 2}


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("get", [BROKEN, IMAGE.manifest], ids=["no answer", "an image"])
def test_a_heads_404_alone_is_not_believed(side: Side, get: bytes | Inconclusive) -> None:
    reader = HttpFirstReader(HttpReader(Registry({TAG: NotFound()}, {TAG: get})), Skopeo())
    assert reader.read_manifest(TAG, side=side) == b"skopeo's"


def test_what_a_destinations_tag_has_is_skopeos_to_tell() -> None:
    registry, skopeo = tagged(IMAGE.manifest), Skopeo()
    reader = HttpFirstReader(HttpReader(registry), skopeo)
    assert reader.read_manifest(TAG, side=Side.DESTINATION) == b"skopeo's"
    assert registry.asked == {"HEAD": 1}


# Again


def test_every_reading_is_tried_again(registries: FakeRegistries) -> None:
    patience = Patience()
    reader = RetryingReader(registries, patience.rule)
    reads: list[Callable[[], object]] = [
        lambda: reader.read_digest(PINNED, side=Side.SOURCE),
        lambda: reader.read_manifest(PINNED, side=Side.SOURCE),
        lambda: reader.read_config(PINNED, side=Side.SOURCE),
    ]
    for read in reads:
        registries.faults["read", PINNED.registry] = [fault(at=PINNED.registry)]
        assert read()
    assert len(patience.told) == len(reads)
    assert reader.read_referrers(PINNED, side=Side.SOURCE) is None
