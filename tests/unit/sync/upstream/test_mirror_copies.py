"""Copies from a mirror, and from the source itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.images import build_image
from orchestrator.config.targets import MirrorPlace
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.pull_limit import PullCounter
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.upstream.mirrors import MirrorFirstTool, Mirrors
from orchestrator.sync.upstream.pull_budget import CountedTool
from tests.support.fake_registry import FakeRegistries

IMAGE = build_image()
SOURCE = Reference.parse("redis").at(Digest(IMAGE.digest))
REQUEST = CopyRequest(SOURCE, Reference.parse("ghcr.io/me/redis:7"), Platform("linux", "amd64"))
NEAR, ORIGIN = "near.example.com", "docker.io"


def world() -> FakeRegistries:
    made = FakeRegistries()
    made.put("redis:7", IMAGE)
    made.put(f"{NEAR}/library/redis:7", IMAGE)
    return made


def error_at(registry: str, kind: ErrorKind = ErrorKind.UNREACHABLE) -> ImageError:
    return ImageError(kind, "it broke", registry=registry)


def read_from(made: FakeRegistries) -> list[str]:
    return [one.source.registry for one in made.copies]


@pytest.mark.parametrize(
    ("request_", "judges", "read"),
    [
        pytest.param(REQUEST, False, NEAR, id="an image"),
        pytest.param(REQUEST, True, ORIGIN, id="an image that a policy judges by its name"),
        pytest.param(replace(REQUEST, is_image=False), True, NEAR, id="a signature"),
        pytest.param(replace(REQUEST, is_upstream=False), False, ORIGIN, id="from a target"),
    ],
)
def test_what_is_copied_from_the_mirror(request_: CopyRequest, judges: bool, read: str) -> None:
    made, pulls = world(), PullCounter()
    tool = CountedTool(made, pulls)
    MirrorFirstTool(tool, Mirrors({ORIGIN: MirrorPlace(NEAR)}), judges=judges).copy(request_)
    assert read_from(made) == [read]
    assert pulls.count == (read == ORIGIN)


@pytest.mark.parametrize(
    ("error", "then", "next_"),
    [
        pytest.param(error_at(NEAR), ORIGIN, ORIGIN, id="out of order"),
        pytest.param(error_at(NEAR, ErrorKind.DIGEST_MISMATCH), ORIGIN, ORIGIN, id="it lies"),
        pytest.param(error_at(NEAR, ErrorKind.DENIED), ORIGIN, NEAR, id="this image alone"),
        pytest.param(error_at(NEAR, ErrorKind.NOT_FOUND), ORIGIN, NEAR, id="it lacks it"),
    ],
)
def test_where_the_mirror_fails_the_origin_is_copied(
    error: ImageError, then: str, next_: str
) -> None:
    made, mirrors = world(), Mirrors({ORIGIN: MirrorPlace(NEAR)})
    made.faults["copy", NEAR] = [error]
    tool = MirrorFirstTool(made, mirrors, judges=False)
    tool.copy(REQUEST)
    other = build_image(env=["B=1"])
    for name in ("mysql:8", f"{NEAR}/library/mysql:8"):
        made.put(name, other)
    tool.copy(replace(REQUEST, source=Reference.parse("mysql").at(Digest(other.digest))))
    assert read_from(made) == [NEAR, then, next_]
    assert len(mirrors.warnings) == 1


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        pytest.param("ghcr.io", ErrorKind.DENIED, id="the destination refuses it"),
        pytest.param(NEAR, ErrorKind.NO_SPACE, id="the disk is full"),
    ],
)
def test_what_is_not_the_mirrors_fault_is_not_tried_elsewhere(where: str, kind: ErrorKind) -> None:
    made, mirrors = world(), Mirrors({ORIGIN: MirrorPlace(NEAR)})
    made.faults["copy", NEAR] = [error_at(where, kind)]
    with pytest.raises(ImageError):
        MirrorFirstTool(made, mirrors, judges=False).copy(REQUEST)
    assert read_from(made) == [NEAR]
    assert mirrors.warnings == ()
