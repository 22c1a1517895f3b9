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
from orchestrator.registry.reader import HttpFirstReader, HttpReader
from orchestrator.registry.responses import Inconclusive, NotFound

if TYPE_CHECKING:
    from orchestrator.oci.manifest import Descriptor

IMAGE = build_image("linux/amd64")
INDEX = build_index([IMAGE])
OTHER = build_image("linux/amd64", env=["A=1"])
TAG = Reference.parse("redis:7")
PINNED = TAG.at(Digest(IMAGE.digest))
BROKEN = Inconclusive("it did not answer")


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


@dataclass
class Skopeo:
    """Has an answer to all, and says that it was skopeo's."""

    asked: list[str] = field(default_factory=list)

    def read_manifest(self, reference: Reference, *, side: Side) -> bytes | None:
        self.asked.append(f"{side.value}: {reference}")
        return b"skopeo's"

    def read_config(self, reference: Reference, *, side: Side) -> bytes:
        self.asked.append(f"{side.value}: config of {reference}")
        return b"skopeo's"


def tagged(content: bytes, *, named: str | None = None) -> Registry:
    """A registry whose tag has this; HEAD may name another digest."""
    return Registry({TAG: Digest(named) if named else digest_of(content)}, {TAG: content})


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
    http_reader = HttpReader(registry, counted)
    assert [http_reader.manifest(TAG) for _ in range(3)] == [raw] * 3
    assert registry.asked["GET"] <= 1
    assert registry.asked["HEAD"] == 1
    assert counted.count == pulls


def test_what_a_digest_names_needs_no_head() -> None:
    registry = Registry(contents={PINNED: IMAGE.manifest})
    assert HttpReader(registry, PullCounter()).manifest(PINNED) == IMAGE.manifest
    assert registry.asked == Counter(GET=1)


def test_what_was_read_by_its_tag_is_not_read_again_by_its_digest() -> None:
    registry = tagged(IMAGE.manifest)
    registry.blob = b"{}"
    http_reader = HttpReader(registry, PullCounter())
    assert http_reader.manifest(TAG) == http_reader.manifest(PINNED) == IMAGE.manifest
    assert http_reader.config(PINNED) == b"{}"
    assert registry.asked == Counter(HEAD=1, GET=1, blob=1)


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
    assert HttpReader(registry, PullCounter()).config(PINNED) is None
    assert registry.asked["blob"] == 0


def test_docker_hub_is_not_read_once_it_has_refused() -> None:
    pulls = PullCounter()
    pulls.note_refusal(ImageError(ErrorKind.RATE_LIMITED, "toomanyrequests", registry=TAG.registry))
    registry = tagged(IMAGE.manifest)
    with pytest.raises(DeferredError):
        HttpReader(registry, pulls).manifest(TAG)
    assert registry.asked["GET"] == 0


@pytest.mark.parametrize(
    ("source", "kind", "is_deferred"),
    [
        pytest.param("redis:7", ErrorKind.RATE_LIMITED, True, id="its pull limit"),
        pytest.param("redis:7", None, False, id="another 429"),
        pytest.param("quay.io/x/redis:7", ErrorKind.RATE_LIMITED, False, id="another registry"),
    ],
)
def test_docker_hubs_limit_puts_all_that_it_counts_off(
    source: str, kind: ErrorKind | None, is_deferred: bool
) -> None:
    pulls, tag = PullCounter(), Reference.parse(source)
    limited = Inconclusive("it answered 429", ends_host=True, kind=kind)
    http_reader = HttpReader(Registry({tag: Digest(IMAGE.digest)}, {tag: limited}), pulls)
    if not is_deferred:
        assert http_reader.manifest(tag) is None
        pulls.check(TAG)
        return
    with pytest.raises(DeferredError):
        http_reader.manifest(tag)
    with pytest.raises(DeferredError):
        pulls.check(Reference.parse("alpine:3"))


def test_skopeo_is_asked_for_what_http_does_not_tell() -> None:
    skopeo = Skopeo()
    reader = HttpFirstReader(HttpReader(Registry(), PullCounter()), skopeo)
    assert reader.read_manifest(TAG, side=Side.SOURCE) == b"skopeo's"
    assert reader.read_config(PINNED, side=Side.SOURCE) == b"skopeo's"
    assert skopeo.asked == [f"source: {TAG}", f"source: config of {PINNED}"]


def test_a_destinations_tag_is_skopeos_to_tell() -> None:
    registry, skopeo = tagged(IMAGE.manifest), Skopeo()
    reader = HttpFirstReader(HttpReader(registry, PullCounter()), skopeo)
    assert reader.read_manifest(TAG, side=Side.DESTINATION) == b"skopeo's"
    assert not registry.asked
