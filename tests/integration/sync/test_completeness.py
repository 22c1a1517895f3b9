"""A cleanup takes what a mirrored index names: each run sees it, and brings it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index

if TYPE_CHECKING:
    from demo.images import Index
    from tests.support.runs import Site

ALL = "--platform=all"
TWO = "--platform=linux/amd64,linux/arm64"


@pytest.fixture
def index(site: Site) -> Index:
    """Three images with their attestations, of this test alone."""
    images = [
        build_image(one, {"app": f"{site.namespace} {one}".encode()}, layers=[site.noise()])
        for one in ("linux/amd64", "linux/arm64", "linux/s390x")
    ]
    index = build_index(images)
    site.publish(index)
    return index


def is_whole(site: Site, index: Index, *, count: int = 3) -> bool:
    name = site.mirrored_name()
    digests = [image.digest for image in index.images[:count]]
    return [site.mirror.digest(name, one) for one in digests] == digests


@pytest.mark.parametrize(
    ("choice", "count"), [pytest.param(ALL, 3, id="all"), pytest.param(TWO, 2, id="several")]
)
def test_children_that_are_gone_are_brought_back(
    site: Site, index: Index, choice: str, count: int
) -> None:
    site.sync(f"{choice} {site.source()}")
    before = len(site.asked(site.mirror))
    assert site.run("batch").verdict == ("skipped", "same-digest")
    asked = [(one.method, one.path.rpartition("/")[2]) for one in site.asked(site.mirror)[before:]]
    assert sorted(method for method, _ in asked).count("HEAD") == 1 + count
    tag = site.mirrored()
    for image in index.images[1:count]:
        site.mirror.delete(site.mirrored_name(), image.digest)
    planned = site.run("plan")
    assert planned.verdict == ("would-copy", "incomplete")
    before = len(site.writes())
    healed = site.run("batch")
    assert healed.verdict == ("copied", "incomplete")
    images = "1 image" if count == 2 else "2 images"
    assert healed.item["note"] == f"{images} of it had gone, in whole or in part"
    assert is_whole(site, index, count=count)
    assert site.mirrored() == tag
    pushed = [one.path for one in site.writes(since=before) if "/manifests/" in one.path]
    assert not any(path.endswith(index.images[0].digest) for path in pushed), "it was there"
    assert site.run("batch").verdict == ("skipped", "same-digest")


def test_layers_that_are_gone_are_brought_back_where_they_are_asked_for(
    site: Site, index: Index
) -> None:
    site.sync(site.source(), f"{ALL} {site.source()} --name=all")
    layer = index.images[0].layers[-1].digest
    names = (site.mirrored_name(), f"{site.namespace}/all")
    for name in names:
        site.mirror.delete(name, layer, kind="blobs")
    in_sync = ("skipped", "same-digest")
    assert site.run("batch").verdicts() == (in_sync, in_sync)
    site.configure(VERIFY="blobs")
    healed = site.run("batch")
    assert healed.verdicts() == (("copied", "incomplete"),) * 2
    assert site.run("batch").verdicts() == (in_sync, in_sync)


def test_the_old_way_asks_for_the_tag_alone(site: Site, index: Index) -> None:
    site.configure(VERIFY="tag")
    site.sync(f"{ALL} {site.source()}")
    site.mirror.delete(site.mirrored_name(), index.images[1].digest)
    before = len(site.asked(site.mirror))
    assert site.run("batch").verdict == ("skipped", "same-digest")
    assert len(site.asked(site.mirror)) == before + 1
    assert not is_whole(site, index)


def test_one_platform_still_takes_two_heads(site: Site, index: Index) -> None:
    site.sync(site.source())
    assert site.mirrored() == index.images[0].digest
    before = len(site.asked(site.mirror)), len(site.asked(site.upstream))
    site.sync(site.source())
    asked = len(site.asked(site.mirror)), len(site.asked(site.upstream))
    assert asked == (before[0] + 1, before[1] + 1)
