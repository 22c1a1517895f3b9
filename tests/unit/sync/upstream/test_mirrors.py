"""Which of a source and its mirror is asked for what, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from demo.images import build_image
from orchestrator.config.targets import MirrorPlace
from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.reader import InconclusiveError
from orchestrator.registry.responses import Inconclusive, NotFound
from orchestrator.sync.upstream.mirrors import (
    MirrorFirstLister,
    MirrorFirstReader,
    Mirrors,
    mirrored,
)
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import fault

if TYPE_CHECKING:
    from collections.abc import Callable

NEAR = MirrorPlace("near.example.com", "hub")
PLACES = {"docker.io": NEAR, "quay.io": MirrorPlace("near.example.com")}
IMAGE = build_image()
OLD = build_image(env=["OLD=1"])
TAG = Reference.parse("redis:7")
Read: TypeAlias = "Callable[[MirrorFirstReader], object]"
PINNED = TAG.at(Digest(IMAGE.digest))
AT_MIRROR = f"{NEAR}/library/redis:7"


def by_tag(reader: MirrorFirstReader) -> object:
    return reader.read_manifest(TAG, side=Side.SOURCE)


def by_digest(reader: MirrorFirstReader) -> object:
    return reader.read_manifest(PINNED, side=Side.SOURCE)


def config(reader: MirrorFirstReader) -> object:
    return reader.read_config(PINNED, side=Side.SOURCE)


def world(*, mirror: object = IMAGE, origin: object = IMAGE) -> FakeRegistries:
    """Registries in which these have the image."""
    made = FakeRegistries()
    if origin:
        made.put(str(TAG), IMAGE)
    if mirror is IMAGE:
        made.put(AT_MIRROR, IMAGE)
    if mirror is OLD:
        made.put(AT_MIRROR, OLD)
    return made


def places_asked(made: FakeRegistries) -> list[str]:
    return [where.split("/")[0] for _, where in made.asked]


@pytest.mark.parametrize(
    ("reference", "there"),
    [
        ("redis:7", "near.example.com/hub/library/redis:7"),
        ("me/app@" + IMAGE.digest, "near.example.com/hub/me/app@" + IMAGE.digest),
        ("quay.io/a/b/c:1", "near.example.com/a/b/c:1"),
    ],
)
def test_an_image_stands_below_the_mirrors_path(reference: str, there: str) -> None:
    source = Reference.parse(reference)
    place = Mirrors(PLACES).place_for(source)
    assert place
    assert str(mirrored(source, place)) == there


@pytest.mark.parametrize("read", [by_tag, by_digest, config])
def test_a_mirror_is_read_for_what_a_digest_names(
    read: Read,
) -> None:
    made, mirrors = world(), Mirrors(PLACES)
    found = read(MirrorFirstReader(made, mirrors))
    assert found in (IMAGE.manifest, IMAGE.config)
    assert places_asked(made)[-1] == "near.example.com"
    assert mirrors.warnings == ()


@pytest.mark.parametrize("read", [by_tag, by_digest, config])
@pytest.mark.parametrize("mirror", [pytest.param(OLD, id="it is old"), pytest.param(None, id="no")])
def test_what_it_lacks_is_read_at_the_origin_and_asked_of_it_once(
    read: Read, mirror: object
) -> None:
    made, mirrors = world(mirror=mirror), Mirrors(PLACES)
    reader = MirrorFirstReader(made, mirrors)
    found = [read(reader) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0] in (IMAGE.manifest, IMAGE.config)
    assert places_asked(made).count("near.example.com") == 1
    assert len(mirrors.warnings) == 1


@pytest.mark.parametrize(
    ("reference", "side"),
    [
        pytest.param(PINNED, Side.DESTINATION, id="a destination at the same registry"),
        pytest.param(Reference.parse("ghcr.io/a/b:1"), Side.SOURCE, id="no mirror"),
    ],
)
def test_nothing_else_is_asked_of_a_mirror(reference: Reference, side: Side) -> None:
    made = world(origin=None)
    reader = MirrorFirstReader(made, Mirrors(PLACES))
    assert reader.read_manifest(reference, side=side) is None
    assert reader.read_digest(reference, side=side) is None
    assert "near.example.com" not in places_asked(made)


def test_what_is_not_at_the_origin_is_not_there() -> None:
    made = world(origin=None)
    reader = MirrorFirstReader(made, Mirrors(PLACES))
    assert by_tag(reader) is None
    assert "near.example.com" not in places_asked(made)


def by_http(answer: Inconclusive) -> InconclusiveError:
    return InconclusiveError(TAG, answer.reason, answer)


OUT_OF_REACH = [
    by_http(Inconclusive("no route", ends_host=True, kind=ErrorKind.UNREACHABLE)),
    by_http(Inconclusive("left alone", was_left_alone=True, kind=ErrorKind.TIMEOUT)),
    fault(ErrorKind.UNREACHABLE, at="it"),
    fault(ErrorKind.TIMEOUT, at="it"),
    fault(ErrorKind.RATE_LIMITED, at="it"),
]
OF_HOST = [*OUT_OF_REACH, by_http(Inconclusive("it answered 503", ends_host=True))]
OF_IMAGE = [by_http(Inconclusive("it answered 403")), fault(ErrorKind.DENIED, at="it")]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(fault(ErrorKind.UNREACHABLE, at="it"), 2, id="it may pass"),
        pytest.param(
            ImageError(ErrorKind.TIMEOUT, "it was given up", transient=False), 0, id="for good"
        ),
    ],
)
def test_what_may_pass_is_tried_again_before_the_mirrors_word_is_taken(
    error: ImageError, raised: int
) -> None:
    made, mirrors = world(mirror=OLD), Mirrors(PLACES, tries=3)
    made.faults["read", "docker.io"] = [error] * 9
    reader = MirrorFirstReader(made, mirrors)
    for _ in range(raised):
        with pytest.raises(ImageError):
            by_tag(reader)
    assert by_tag(reader) == OLD.manifest


LIES = [
    by_http(Inconclusive("it sent other content", kind=ErrorKind.DIGEST_MISMATCH)),
    fault(ErrorKind.DIGEST_MISMATCH, at="it"),
]


@pytest.mark.parametrize("error", OUT_OF_REACH, ids=lambda one: one.kind.value)
def test_where_the_origin_is_out_of_order_the_mirrors_tag_is_taken(error: ImageError) -> None:
    made, mirrors = world(mirror=OLD), Mirrors(PLACES)
    made.faults["read", "docker.io"] = [error] * 9
    reader = MirrorFirstReader(made, mirrors)
    assert by_tag(reader) == OLD.manifest
    assert mirrors.word_on(TAG) == NEAR
    assert mirrors.word_on(PINNED) is None
    (said,) = mirrors.warnings
    assert said.startswith("what tags of docker.io name is the word of its mirror near.example.com")


@pytest.mark.parametrize(
    "error",
    [
        by_http(Inconclusive("it answered 503", ends_host=True)),
        by_http(Inconclusive("it answered 429", ends_host=True, kind=ErrorKind.RATE_LIMITED)),
        by_http(Inconclusive("an odd certificate", ends_host=True, kind=ErrorKind.TLS)),
        *OF_IMAGE,
    ],
)
def test_an_origin_that_answers_is_asked_again_or_believed(error: ImageError) -> None:
    made, mirrors = world(mirror=OLD), Mirrors(PLACES)
    made.faults["read", "docker.io"] = [error]
    with pytest.raises(ImageError) as caught:
        by_tag(MirrorFirstReader(made, mirrors))
    assert caught.value is error
    assert mirrors.word_on(TAG) is None


@pytest.mark.parametrize("error", [*OF_HOST, *LIES, *OF_IMAGE], ids=lambda one: one.kind.value)
def test_a_mirror_that_lies_or_is_out_of_order_is_left_alone(error: ImageError) -> None:
    made, mirrors = world(), Mirrors(PLACES)
    made.faults["read", "near.example.com"] = [error]
    assert by_digest(MirrorFirstReader(made, mirrors)) == IMAGE.manifest
    assert (mirrors.place_of("docker.io") is None) == (error not in OF_IMAGE)
    assert mirrors.place_for(PINNED) is None
    (said,) = mirrors.warnings
    assert said.startswith("the mirror of docker.io failed, and docker.io itself is read: ")


def test_where_both_are_out_of_order_the_mirror_is_still_tried() -> None:
    made, mirrors = world(), Mirrors(PLACES)
    made.faults["read", "near.example.com"] = [fault(ErrorKind.TIMEOUT, at="it")]
    made.faults["read", "docker.io"] = [fault(ErrorKind.TIMEOUT, at="it")] * 9
    reader = MirrorFirstReader(made, mirrors)
    with pytest.raises(ImageError):
        by_tag(reader)
    assert by_tag(reader) == IMAGE.manifest


AWAY = Inconclusive("no route", ends_host=True, kind=ErrorKind.TIMEOUT)


@pytest.mark.parametrize(
    ("origin", "mirror", "found"),
    [
        pytest.param(("1", "2"), ("1",), ("1", "2"), id="the origin's"),
        pytest.param(NotFound(), ("1",), NotFound(), id="there is none"),
        pytest.param(Inconclusive("odd"), ("1",), Inconclusive("odd"), id="skopeo has to ask"),
        pytest.param(
            Inconclusive("503", ends_host=True),
            ("1",),
            Inconclusive("503", ends_host=True),
            id="503",
        ),
        pytest.param(AWAY, ("1",), ("1",), id="out of reach"),
        pytest.param(AWAY, NotFound(), AWAY, id="and the mirror has none"),
    ],
)
def test_tags_are_the_origins_as_long_as_it_answers(
    origin: tuple[str, ...] | NotFound | Inconclusive,
    mirror: tuple[str, ...] | NotFound,
    found: tuple[str, ...] | NotFound | Inconclusive,
) -> None:
    answers = {"docker.io": origin, "near.example.com": mirror}
    mirrors = Mirrors(PLACES)
    lister = MirrorFirstLister(lambda place: answers[place.registry], mirrors)
    assert lister.tags(TAG) == found
    assert bool(mirrors.warnings) == (found == ("1",))
