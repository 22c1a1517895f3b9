"""Who can pull what was pushed: told of each target by the repositories that runs asked about."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from orchestrator.catalog.image import MirroredImage
from orchestrator.oci.reference import Reference
from orchestrator.registry.responses import Inconclusive
from orchestrator.registry.transport import Request
from orchestrator.sync.followup.visible import (
    PRIVATE,
    PUBLIC,
    Visibility,
    pullable,
    settings_page,
)
from orchestrator.system.http import Response
from tests.support.reports import STARTED, copied
from tests.support.verdicts import POOL

IMAGE = MirroredImage(
    destination="",
    source="docker.io/library/redis:7",
    platform="linux/amd64",
    target="aliyun",
    outcome="copied",
    reason="missing",
    tried=STARTED,
)


class Memory(dict[str, str]):
    """What runs found out, by repository."""

    def visibility(self, repository: str) -> str | None:
        return self.get(repository)

    def remember_visibility(self, repository: str, found: str) -> None:
        self[repository] = found


def images(*destinations: str) -> list[MirroredImage]:
    return [replace(IMAGE, destination=one) for one in destinations]


@pytest.mark.parametrize(
    ("known", "told", "remedy"),
    [
        pytest.param({}, None, "", id="nothing is known"),
        pytest.param({"ghcr.io/other/a": PRIVATE}, None, "", id="another namespace"),
        pytest.param(
            {"ghcr.io/me/a": PUBLIC, "ghcr.io/me/b": PUBLIC},
            "everybody can (2 public, 0 private, when last pushed to)",
            "",
            id="public",
        ),
        pytest.param(
            {"ghcr.io/me/a": PUBLIC, "ghcr.io/me/b": PRIVATE},
            "some repositories need a login (1 public, 1 private, when last pushed to)",
            "to let everybody pull: https://github.com/me?tab=packages",
            id="one of two",
        ),
    ],
)
def test_repositories_are_counted_each_once(
    known: dict[str, str], told: str | None, remedy: str
) -> None:
    places = ("ghcr.io/me/a:1", "ghcr.io/me/a:2", "ghcr.io/me/b:1", "ghcr.io/other/a:1")
    found = pullable(images(*places), "ghcr.io/me", Memory(known))
    assert (str(found) if found else None) == told
    assert (found.remedy if found else "") == remedy


@pytest.mark.parametrize(
    ("destination", "page"),
    [
        pytest.param("ghcr.io/me/a:1", "https://github.com/me?tab=packages", id="GHCR"),
        pytest.param(
            "registry.cn-hangzhou.aliyuncs.com/me/a:1",
            "https://cr.console.aliyun.com",
            id="Aliyun",
        ),
        pytest.param("harbor.example.com/me/a:1", "", id="none that we know"),
    ],
)
def test_the_page_is_the_registrys_own(destination: str, page: str) -> None:
    assert settings_page(Reference.parse(destination)) == page


THERE = Reference.parse("ghcr.io/me/a:1")


class Stranger:
    """What a registry answers to one without a login, and how often it was asked."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[str] = []

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        self.asked.append(f"{request.method} {reference.repository}/{request.path}")
        return Response(self.status)


@pytest.mark.parametrize(("status", "found"), [(200, PUBLIC), (401, PRIVATE), (404, "")])
def test_a_repository_is_asked_for_once_while_copies_go_on(status: int, found: str) -> None:
    stranger, memory = Stranger(status), Memory()
    visibility = Visibility(lambda: stranger, memory, POOL)
    for _ in range(3):
        visibility.expect(THERE)
        visibility.ask(THERE)
    one = copied()
    (told,) = visibility.of([replace(one, item=replace(one.item, destination=THERE))])
    assert told.visibility == found
    assert stranger.asked == ["HEAD me/a/manifests/1"]
    assert memory == ({THERE.name: found} if found else {})


@pytest.mark.parametrize(
    ("known", "questions"), [(None, 2), (PRIVATE, 2), (PUBLIC, 0)], ids=["new", PRIVATE, PUBLIC]
)
def test_where_it_is_far_a_stranger_asks_before_it_is_pushed_to_as_well(
    known: str | None, questions: int
) -> None:
    stranger, memory = Stranger(401), Memory({THERE.name: known} if known else {})
    one = copied()
    with ThreadPoolExecutor(1) as pool:
        visibility = Visibility(lambda: stranger, memory, pool, is_far=lambda _: True)
        for _ in range(3):
            visibility.expect(THERE)
            visibility.ask(THERE)
        visibility.of([replace(one, item=replace(one.item, destination=THERE))])
    assert len(stranger.asked) == questions
