"""The core on another implementation than Debian's docker-registry, at both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index, push
from demo.registry import Registry, RegistryOptions
from tests.support.runs import WRITES, make_site
from tests.support.second import second_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.images import Index
    from tests.support.runs import Site

PROGRAM, _ = second_registry()
SEVERAL = "linux/amd64,linux/arm64"

pytestmark = pytest.mark.skipif(not PROGRAM, reason="no second registry: make peers")


@pytest.fixture(scope="module")
def second() -> Iterator[Registry]:
    with Registry(RegistryOptions(program=PROGRAM)) as registry:
        yield registry


@pytest.fixture
def there(tmp_path: Path, second: Registry) -> Site:
    """A site whose images come from it and go to it."""
    return make_site(tmp_path, second, second, "team")


def build_app(seed: str) -> Index:
    platforms = ("linux/amd64", "linux/arm64", "linux/arm/v7")
    return build_index([build_image(one, {"app": f"{one} {seed}".encode()}) for one in platforms])


def test_the_core_holds_on_a_second_registry(there: Site, second: Registry) -> None:
    index = there_is(there, "old")
    lines = (
        f"{there.source()} --name=one:1",
        f"--platform={SEVERAL} {there.source()} --name=two:1",
        f"--platform=all {there.source()} --name=all:1",
    )
    there.list_images(*lines)
    doctor = there.run("doctor")
    assert doctor.status == 0, doctor.stdout
    first = there.sync(*lines)
    assert first.report["totals"]["copied"] == 3
    assert second.digest("team/all", "1") == index.digest
    assert second.digest("team/one", "1") == index.images[0].digest

    there.sync(*lines)  # what an index names at the source is remembered from here on
    before = len(second.requests())
    assert set(there.sync(*lines).verdicts()) == {("skipped", "same-digest")}
    asked = second.requests()[before:]
    assert {one.method for one in asked if "/manifests/" in one.path} == {"HEAD"}
    assert not WRITES & {one.method for one in asked}

    newer = there_is(there, "new")
    assert there.sync(*lines).report["totals"]["copied"] == 3
    assert second.digest("team/all", "1") == newer.digest


def test_signatures_follow_on_a_second_registry(there: Site, second: Registry) -> None:
    index = there_is(there, "signed")
    tag = f"{index.digest.replace(':', '-')}.sig"
    signature = build_image(files={"signature": b"signed"})
    push(second.url, "team/app", tag, signature)
    there.list_images(f"--platform=all {there.source()} --name=signed:1")
    assert there.run("batch", "--with-signatures").status == 0
    assert second.digest("team/signed", tag) == signature.digest


def there_is(site: Site, seed: str) -> Index:
    index = build_app(seed)
    site.publish(index)
    return index
