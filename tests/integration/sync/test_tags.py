"""Tags that a line chooses, and what is held back, with real registries and the real program."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import build_image, push
from demo.proxy import FaultProxy

if TYPE_CHECKING:
    from tests.support.runs import Outcome, Site

TAGS = "latest 1.25.5 1.26.1 1.26.2 1.27.0 1.27.3 1.27.3-perl 1.28.0-rc1 1.9.0 20240101".split()


def publish(site: Site, *tags: str, image: str = "app") -> None:
    for tag in tags:
        site.publish(build_image(files={"tag": tag.encode()}), f"{image}:{tag}")


def repository(site: Site) -> str:
    return site.source("app:x").removesuffix(":x")


def mirrored(site: Site) -> list[str]:
    return [tag for tag in TAGS if site.mirrored(f"app:{tag}")]


def test_a_line_mirrors_the_tags_it_chooses(site: Site) -> None:
    publish(site, *TAGS)
    first = site.sync(f"{repository(site)} --semver=>=1.25,<2 --latest=3 --exclude=*-perl")
    assert mirrored(site) == ["1.26.2", "1.27.0", "1.27.3"]
    assert [item["line"] for item in first.report["items"]] == [1, 1, 1]
    again = site.run("batch")
    assert {item["reason"] for item in again.report["items"]} == {"same-digest"}


def test_a_new_version_upstream_comes_by_itself(site: Site) -> None:
    publish(site, "1.27.0")
    line = f"{repository(site)} --latest=2"
    site.sync(line)
    publish(site, "1.27.1")
    site.sync(line)
    assert site.mirrored("app:1.27.1")


def test_a_name_takes_the_tag(site: Site) -> None:
    publish(site, "1.27.0", "1.27.1")
    site.sync(f"{repository(site)} --latest=2 --name=web:v{{tag}}")
    for tag in ("1.27.0", "1.27.1"):
        assert site.mirror.digest(f"{site.namespace}/web", f"v{tag}")


def test_a_cold_pattern_is_shown_without_the_network(site: Site) -> None:
    site.list_images("nothing.invalid/app --semver=^1.2 --latest=3")
    outcome = site.run("name")
    assert outcome.status == 0
    assert "nothing.invalid/app --semver=^1.2 --latest=3" in outcome.stdout
    assert "nothing-invalid_app:{tag}" in outcome.stdout
    given = site.run("name", "nothing.invalid/app", "--latest=2", "--name=web:{tag}-x")
    assert given.stdout.endswith("/web:{tag}-x\n")


def test_a_plan_names_the_tags_and_writes_none(site: Site) -> None:
    publish(site, "1.27.0", "1.27.1")
    outcome = site.run("plan", repository(site), "--latest=2")
    assert [item["action"] for item in outcome.report["items"]] == ["would-copy", "would-copy"]
    assert mirrored(site) == []


def test_nothing_chosen_is_a_warning(site: Site) -> None:
    publish(site, "1.27.0")
    outcome = site.sync(f"{repository(site)} --tags=2.*", site.source("app:1.27.0"))
    assert any(
        "none of 1 tags is chosen by --tags=2.*" in one for one in outcome.report["warnings"]
    )
    assert len(outcome.report["items"]) == 1


def test_too_many_are_an_error_with_a_way_out(site: Site) -> None:
    publish(site, "1.27.0", "1.27.1", "1.27.2")
    site.configure(MAX_TAGS=2)
    site.list_images(f"{repository(site)} --tags=*")
    outcome = site.run("batch")
    assert outcome.status == 1
    (problem,) = outcome.report["invalid"]
    assert "it chooses 3 tags, and MAX_TAGS is 2" in problem["message"]
    assert "set MAX_TAGS=3, or choose fewer, as with --latest=2" in problem["message"]
    site.configure(MAX_TAGS=3)
    assert site.run("batch").report["totals"]["copied"] == 3


def test_two_lines_that_choose_one_tag_differently_clash(site: Site) -> None:
    publish(site, "1.27.0")
    site.list_images(
        f"{repository(site)} --latest=1 --name=web",
        f"{repository(site)} --tags=* --name=web --platform=all",
    )
    outcome = site.run("batch")
    assert [problem["line"] for problem in outcome.report["invalid"]] == [1, 2]
    assert mirrored(site) == []


def test_a_repository_that_is_not_there_fails_alone(site: Site) -> None:
    publish(site, "1.27.0")
    site.list_images(f"{repository(site)}-none --latest=1", site.source("app:1.27.0"))
    outcome = site.run("batch")
    missing, good = outcome.report["items"]
    assert (missing["action"], missing["reason"]) == ("failed", "not-found")
    assert good["action"] == "copied"
    assert outcome.status == 1


def test_tags_come_page_by_page(site: Site) -> None:
    publish(site, "1.27.0", "1.27.1", "1.27.2")
    listing = f"/v2/{site.namespace}/app/tags/list"
    pages = {"n=1000$": ("1.27.0", "p=2"), "p=2$": ("1.27.1", "p=3"), "p=3$": ("1.27.2", "")}
    with FaultProxy(site.upstream.url) as proxy:
        for query, (tag, following) in pages.items():
            link = {"Link": f'<{listing}?{following}>; rel="next"'} if following else {}
            page = f'{{"name": "app", "tags": ["{tag}"]}}'.encode()
            answer = Response(200, {"Content-Type": "application/json", **link}, page)
            proxy.add(Rule(answer, path=f"/tags/list[?]{query}"))
        outcome = site.sync(f"{proxy.host}/{site.namespace}/app --latest=3")
        assert len(outcome.report["items"]) == 3


def test_where_http_can_not_list_skopeo_does(site: Site) -> None:
    publish(site, "1.27.0")
    broken = Response(200, {"Content-Type": "text/html"}, b"<html>")
    with FaultProxy(site.upstream.url) as proxy:
        proxy.add(Rule(broken, path="/tags/list", times=1))
        outcome = site.sync(f"{proxy.host}/{site.namespace}/app --latest=1")
        assert len(outcome.report["items"]) == 1


# Held back


def held(outcome: Outcome) -> list[str]:
    return [item["reason"] for item in outcome.report["items"] if item["action"] == "held"]


def test_what_is_new_is_held_back_and_told_once(site: Site) -> None:
    publish(site, "1.27.0")
    first = site.sync(f"{site.source('app:1.27.0')} --min-age=1h")
    assert held(first) == ["too-young"]
    assert first.report["totals"]["held"] == 1
    assert "held back" in first.stdout
    assert mirrored(site) == []
    again = site.run("batch")
    assert again.status == 0
    assert held(again) == ["too-young"]
    assert "too-young" not in again.stdout


@pytest.mark.parametrize("age", ["1h", "1m"])
def test_a_registry_may_say_since_when_it_shows_a_tag(site: Site, age: str) -> None:
    image = build_image()
    push(site.upstream.url, f"{site.namespace}/app", "1", image)
    old = {
        "Content-Type": image.media_type,
        "Docker-Content-Digest": image.digest,
        "Last-Modified": "Sat, 02 Mar 2024 10:00:00 GMT",
    }
    with FaultProxy(site.upstream.url) as proxy:
        proxy.add(Rule(Response(200, old), method="HEAD", path="/manifests/1$"))
        outcome = site.sync(f"{proxy.host}/{site.namespace}/app:1 --min-age={age}")
        assert held(outcome) == []
        assert outcome.verdict == ("copied", "missing")


def path_without_a_working_skopeo(site: Site) -> str:
    """A PATH whose skopeo fails at once, so that a run which starts it fails too."""
    folder = site.folder / "bin"
    folder.mkdir()
    (folder / "skopeo").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (folder / "skopeo").chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_an_unchanged_selection_costs_its_pages_a_head_a_tag_and_no_program(site: Site) -> None:
    newest = ["1.27.0", "1.27.1", "1.27.2"]
    publish(site, *newest, image="one")
    publish(site, *newest, image="two")
    listed = [*(f"0.{minor}.{patch}" for minor in range(60) for patch in range(50)), *newest]
    with FaultProxy(site.upstream.url) as proxy:
        for image in ("one", "two"):
            path = f"/v2/{site.namespace}/{image}/tags/list"
            for place in range(0, len(listed), 1000):
                more = place + 1000 < len(listed)
                link = {"Link": f'<{path}?p={place + 1000}>; rel="next"'} if more else {}
                page = json.dumps({"name": image, "tags": listed[place : place + 1000]})
                answer = Response(200, {"Content-Type": "application/json", **link}, page.encode())
                query = f"p={place}$" if place else "n=1000$"
                proxy.add(Rule(answer, path=f"{path}[?]{query}"))
        source = f"{proxy.host}/{site.namespace}"
        lines = [f"{source}/{image} --semver=^1 --latest=2" for image in ("one", "two")]
        site.sync(*lines, f"{source}/one --tags=1.27.0")
        before, asked_before = len(proxy.exchanges()), len(site.asked(site.mirror))
        again = site.run("batch", environ={"PATH": path_without_a_working_skopeo(site)})
        asked = proxy.exchanges()[before:]
    assert {item["reason"] for item in again.report["items"]} == {"same-digest"}
    pages = [one for one in asked if "/tags/list" in one.path]
    heads = [one for one in asked if one.method == "HEAD" and "/manifests/" in one.path]
    assert (len(pages), len(heads)) == (2 * 4, 5)
    assert len(asked) <= len(pages) + len(heads) + 1
    there = site.asked(site.mirror)[asked_before:]
    assert [one.method for one in there] == ["HEAD"] * len(heads)
