"""The rows of the catalog: what the list asks for, and what runs have seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.catalog.entries import ImageState, ListedImage, catalog_entries
from orchestrator.catalog.image import MirroredImage
from orchestrator.oci.reference import Reference
from orchestrator.oci.selection import Selection
from tests.support.reports import STARTED

PLACE = "registry.example/mine/redis:7"
REDIS = ListedImage(Reference.parse("redis:7"), "linux/amd64", "aliyun", PLACE)
SEEN = MirroredImage(
    destination=PLACE,
    source="docker.io/library/redis:7",
    platform="linux/amd64",
    target="aliyun",
    outcome="skipped",
    reason="same-digest",
    tried=STARTED,
    digest="sha256:1",
)
NAMELESS = replace(REDIS, destination="redis:7", is_placed=False)
TWO = Selection().with_option("--latest", "2")
LATEST = replace(REDIS, source=Reference.parse("redis"), selection=TWO)


def states(*listed: ListedImage, seen: tuple[MirroredImage, ...]) -> list[tuple[str, str, bool]]:
    rows = catalog_entries(listed, seen)
    return [(row.source, row.state.value, row.is_there) for row in rows]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        pytest.param("copied", ImageState.IN_SYNC, id="copied"),
        pytest.param("skipped", ImageState.IN_SYNC, id="in sync"),
        pytest.param("failed", ImageState.FAILED, id="failed"),
        pytest.param("deferred", ImageState.WAITING, id="deferred"),
        pytest.param("held", ImageState.WAITING, id="held back"),
        pytest.param("kept", ImageState.KEPT, id="gone upstream"),
    ],
)
def test_an_images_state_is_what_became_of_it_last(outcome: str, state: ImageState) -> None:
    (row,) = catalog_entries([REDIS], [replace(SEEN, outcome=outcome)])
    assert (row.state, row.reason, row.place) == (state, "same-digest", PLACE)
    assert (row.source, row.name) == ("redis:7", "docker.io/library/redis:7")


@pytest.mark.parametrize(
    ("listed", "seen", "expected"),
    [
        pytest.param((REDIS,), (), [("redis:7", "new", False)], id="no run has had it"),
        pytest.param((), (SEEN,), [("redis:7", "unlisted", True)], id="the list has it no more"),
        pytest.param((), (replace(SEEN, digest=""),), [], id="neither listed nor there"),
        pytest.param((NAMELESS,), (SEEN,), [("redis:7", "in-sync", True)], id="target not set up"),
        pytest.param(
            (NAMELESS, replace(NAMELESS, destination="other:1")),
            (SEEN,),
            [("redis:7", "new", False), ("redis:7", "in-sync", True)],
            id="one of two names, target not set up",
        ),
        pytest.param(
            (REDIS,),
            (replace(SEEN, source="docker.io/library/valkey:7"),),
            [("redis:7", "new", False)],
            id="its place still has what another line put there",
        ),
        pytest.param(
            (replace(REDIS, platform="linux/arm64"),),
            (SEEN,),
            [("redis:7", "new", False)],
            id="another platform is asked for now",
        ),
        pytest.param((REDIS,), (replace(SEEN, source="NO NAME"),), [("redis:7", "new", False)],
                     id="a row that was never written so"),
        pytest.param((LATEST,), (), [("redis --latest=2", "new", False)], id="tags not chosen yet"),
    ],
)  # fmt: skip
def test_list_and_runs_are_brought_together(
    listed: tuple[ListedImage, ...],
    seen: tuple[MirroredImage, ...],
    expected: list[tuple[str, str, bool]],
) -> None:
    assert states(*listed, seen=seen) == expected


def mirrored(name: str, tag: str) -> MirroredImage:
    place = f"registry.example/mine/{name}:{tag}"
    return replace(SEEN, destination=place, source=f"docker.io/library/{name}:{tag}")


def test_a_line_that_chooses_tags_has_a_row_for_each_that_was_mirrored() -> None:
    seen = (mirrored("redis", "7"), mirrored("redis", "8"), mirrored("x", "1"))
    assert states(LATEST, seen=seen) == [
        ("redis:7", "in-sync", True),
        ("redis:8", "in-sync", True),
        ("x:1", "unlisted", True),
    ]


def test_what_a_line_no_longer_chooses_is_not_in_the_list() -> None:
    seen = tuple(mirrored("redis", tag) for tag in ("6", "7", "8", "edge"))
    assert states(LATEST, seen=seen) == [
        ("redis:6", "unlisted", True),
        ("redis:7", "in-sync", True),
        ("redis:8", "in-sync", True),
        ("redis:edge", "unlisted", True),
    ]


def test_what_two_lines_mean_is_one_row_and_each_line_has_its_own() -> None:
    edge = replace(LATEST, selection=Selection().with_option("--tags", "edge,8"))
    seen = tuple(mirrored("redis", tag) for tag in ("7", "8", "edge"))
    assert states(LATEST, REDIS, edge, seen=seen) == [
        ("redis:7", "in-sync", True),
        ("redis:8", "in-sync", True),
        ("redis:edge", "in-sync", True),
    ]


def test_a_pinned_image_has_no_name_of_its_own() -> None:
    pinned = Reference.parse(f"busybox@sha256:{'1' * 64}")
    (row,) = catalog_entries([replace(REDIS, source=pinned)], [])
    assert (row.name, row.short_name) == ("", "")
    assert row.source.startswith("busybox@sha256:1")
