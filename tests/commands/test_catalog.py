"""The catalog of a real mirror: what runs did, what reports tell, what the list asks for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, build_index

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import Site


def page_of(folder: Path) -> str:
    return (folder / "index.html").read_text(encoding="utf-8")


def states(page: str) -> dict[str, str]:
    """The state of each row by its target's address."""
    found = re.findall(
        r'<tr role="row" data-state="([\w-]+)".*?class="place">([^<]+)<', page, re.DOTALL
    )
    return {place: state for state, place in found}


def test_a_mirror_is_shown_as_its_runs_and_reports_left_it(site: Site) -> None:
    amd64 = build_image(layers=[site.noise(3000)])
    arm64 = build_image("linux/arm64", layers=[site.noise()])
    site.publish(amd64, "app:1")
    site.publish(build_index([amd64, arm64]), "many:1")
    site.list_images(site.source("app:1"), f"--platform=all {site.source('many:1')}",
                     site.source("gone:1"))  # fmt: skip
    assert site.run("batch").status == 1
    outcome = site.run("batch")
    first, second, third = outcome.report["items"]
    assert first["action"] == "skipped"
    assert (first["platforms"], second["platforms"]) == (
        ["linux/amd64"],
        ["linux/amd64", "linux/arm64"],
    )
    assert (first["size"] or 0) > 3000
    assert first["changed"] is not None
    assert third["changed"] is None

    site.list_images(site.source("app:1"), site.source("gone:1"), site.source("new:1"))
    told = site.run("catalog")
    assert (told.status, told.stderr) == (0, "")
    assert told.stdout == "4 images: catalog/index.html, catalog/images.md\n"
    page = page_of(site.folder / "catalog")
    place = f"{site.mirror.host}/{site.mirrored_name('{}')}:1".replace("{}", "%s")
    assert states(page) == {
        place % "app": "in-sync",
        place % "gone": "failed",
        place % "many": "unlisted",
        place % "new": "new",
    }
    assert "<svg" in page
    assert "issues/new" not in page

    # The same from a report alone, as after a run that was shared out: no state is at hand.
    (site.folder / "whole.json").write_text(json.dumps(outcome.report), encoding="utf-8")
    (site.folder / "odd.json").write_text("{}", encoding="utf-8")
    elsewhere = site.run(
        "catalog", "--output=out", "whole.json", "odd.json", "none.json",
        environ={"STATE_DIR": "other", "LANGUAGE": "zh", "GITHUB_ACTIONS": "true",
                 "GITHUB_REPOSITORY": "octocat/mirror"},
    )  # fmt: skip
    assert elsewhere.status == 0
    assert "odd.json: it is no report of schema 1" in elsewhere.stderr
    assert "none.json can't be read: No such file or directory" in elsewhere.stderr
    alone = page_of(site.folder / "out")
    assert states(alone) == states(page)
    assert '<html lang="zh">' in alone
    assert "https://github.com/octocat/mirror/issues/new?template=mirror-an-image.yml" in alone
    for one in ("data-digest", "data-size", 'class="changed"><time datetime'):
        assert re.findall(rf"{one}=\S+", alone) == re.findall(rf"{one}=\S+", page)


def test_it_needs_no_login_and_no_target_that_is_set_up(site: Site) -> None:
    site.configure(ALIYUN_REGISTRY="", ALIYUN_NAMESPACE="")
    site.list_images("redis", "--latest=2 nginx", "two images")
    outcome = site.run("catalog", "--output=out", "--repository=https://github.com/me/mine/")
    assert outcome.status == 0
    assert "left out: images.txt:3" in outcome.stderr
    page = page_of(site.folder / "out")
    assert ">redis:latest</button>" in page
    assert ">nginx --latest=2</button>" in page
    assert "registry.invalid" not in page
    assert "https://github.com/me/mine/issues/new" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--repository=me/mine"], "--repository: it is not a URL", id="no address"),
        pytest.param(["--output=images.txt"], "can't be written", id="no folder"),
    ],
)
def test_what_is_wrong_is_said(site: Site, arguments: list[str], message: str) -> None:
    site.list_images("redis")
    outcome = site.run("catalog", *arguments)
    assert outcome.status == 2
    assert message in outcome.stderr
