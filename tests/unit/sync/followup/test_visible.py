"""Who can pull what was pushed: told of each target by the repositories that runs asked about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.catalog.image import MirroredImage
from orchestrator.oci.reference import Reference
from orchestrator.sync.followup.visible import PRIVATE, PUBLIC, pullable, settings_page
from tests.support.reports import STARTED

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
