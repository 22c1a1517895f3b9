"""The catalog in a real browser: what its reader does, on a desktop, on a phone, by keyboard."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from orchestrator.catalog.page import html_page
from orchestrator.language import Language
from tests.support.catalogs import CHROMIUM, a_catalog, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright is not installed"),
]
HOSTILE = '"><img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
NAMES = "#images tbody tr:not([hidden]) .name"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files: of twenty images, of two thousand, and one with hostile names."""
    folder = tmp_path_factory.mktemp("pages")
    few = a_catalog()
    hostile = {"source": HOSTILE, "name": HOSTILE, "short_name": HOSTILE, "reason": HOSTILE}
    bad = replace(few, entries=tuple(replace(one, **hostile) for one in few.entries[:2]))  # type: ignore[arg-type]
    for name, catalog in (("few", few), ("many", a_catalog(2000)), ("bad", bad)):
        text = html_page(catalog, Language.ENGLISH)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@contextmanager
def opened(
    browser: Browser, file: Path, *, width: int = 1280, locale: str = "en"
) -> Iterator[Page]:
    """The page; whatever the browser complains of fails the test."""
    context = browser.new_context(viewport={"width": width, "height": 800}, locale=locale)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    yield page
    context.close()
    assert complaints == []


def names(page: Page) -> list[str]:
    return page.locator(NAMES).all_text_contents()


def test_its_reader_searches_filters_sorts_and_copies(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "few.html") as page:
        assert len(names(page)) == 21
        page.fill("#search", "redis arm64")
        page.wait_for_selector("#shown:text-is('1 of 21')")
        assert names(page) == ["redis:7-alpine"]
        assert page.url.endswith("#q=redis+arm64")

        page.check("#retag")
        page.select_option("#client", "podman")
        page.click(f"{NAMES} >> nth=0")
        command = page.text_content(".panel pre")
        assert command == (
            "podman pull ghcr.io/octocat/redis:7-alpine\n"
            "podman tag ghcr.io/octocat/redis:7-alpine docker.io/library/redis:7-alpine"
        )
        page.uncheck("#retag")
        page.select_option("#client", "docker")
        page.click("#images tr:not([hidden]) > td > button.copy")
        page.wait_for_selector("button.copy.done")
        page.fill("#search", "")
        page.press("#search", "Control+V")
        assert page.input_value("#search") == "docker pull ghcr.io/octocat/redis:7-alpine"

        page.fill("#search", "nonesuch <b>")
        page.wait_for_selector("#nothing:not([hidden])")
        asks = page.get_attribute("#ask", "href") or ""
        assert asks.endswith("?template=mirror-an-image.yml&images=nonesuch%20%3Cb%3E")
        assert page.text_content("#ask") == "Ask for “nonesuch <b>” to be mirrored"
        page.click("#reset")

        page.click("[data-chip=failed]")
        assert len(names(page)) == 2
        page.click('[data-chip=""]')
        page.select_option("#target", "ghcr")
        assert len(names(page)) == 11
        page.select_option("#target", "")
        page.click("th.changed button")
        times = page.eval_on_selector_all("td.changed time", "all => all.map(e => e.dateTime)")
        assert times == sorted(times, reverse=True)
        assert page.get_attribute("th.changed", "aria-sort") == "descending"
        page.click("th.image button")
        assert names(page)[0] == "alpine:3.18"
        page.click("th.image button")
        assert names(page)[0] == "traefik:v3.1"


def test_a_view_that_was_sent_is_seen_as_it_was(browser: Browser, pages: Path) -> None:
    sent = pages / "few.html"
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{sent.as_uri()}#q=registry.k8s.io&target=ghcr&sort=size&down=1&state=odd")
    assert page.input_value("#search") == "registry.k8s.io"
    assert page.input_value("#target") == "ghcr"
    assert names(page) == ["registry.k8s.io/pause:3.9"]
    context.close()


def test_language_and_colours_are_the_readers_and_stay(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "few.html", locale="zh-CN") as page:
        assert page.get_attribute("html", "lang") == "zh"
        assert page.text_content("h1") == "镜像目录"
        assert re.search("前", page.text_content("td.changed time") or "")
        page.click("#language")
        assert page.text_content("h1") == page.title() == "Mirrored images"
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("#theme")
        page.click("#theme")
        assert page.get_attribute("html", "data-theme") == "dark"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
        page.reload()
        assert page.get_attribute("html", "data-theme") == "dark"
        assert page.get_attribute("html", "lang") == "en"


def test_all_of_it_is_there_for_a_phone(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "few.html", width=360) as page:
        page.click(f"{NAMES} >> nth=2")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        box = page.locator("#images tr:not([hidden]) button.copy").first.bounding_box()
        assert box
        assert box["x"] + box["width"] <= 360
        assert box["height"] >= 24


def test_it_is_used_by_keyboard_alone(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "few.html") as page:
        page.keyboard.press("/")
        page.keyboard.type("etcd")
        page.wait_for_selector("#shown:text-is('1 of 21')")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.textContent") == "quay.io/coreos/etcd:v3.5.0"
        page.keyboard.press("Enter")
        assert page.get_attribute(f"{NAMES} >> nth=0", "aria-expanded") == "true"
        page.keyboard.press("c")
        page.wait_for_selector("button.copy.done")
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.press("Escape")
        assert len(names(page)) == 21
        order = []
        for _ in range(8):
            page.keyboard.press("Tab")
            order.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert order[0].startswith("all")


def test_hostile_names_are_only_names(browser: Browser, pages: Path) -> None:
    with opened(browser, pages / "bad.html") as page:
        page.click(f"{NAMES} >> nth=0")
        page.fill("#search", HOSTILE)
        page.click("#language")
        page.click("#language")
        assert page.title() == "Mirrored images"
        assert page.locator("img").count() == 0
        assert HOSTILE in (page.text_content(".panel") or "")


def test_two_thousand_images_are_used_within_two_seconds(browser: Browser, pages: Path) -> None:
    """Of the browser's own work, so that a busy machine does not count."""
    with opened(browser, pages / "few.html") as page:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def worked() -> float:
            page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            found = session.send("Performance.getMetrics")["metrics"]
            return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))

        page.goto((pages / "many.html").as_uri())
        loaded = worked()
        assert page.text_content("#shown") == "2001 of 2001"
        page.fill("#search", "redis")
        page.click("th.size button")
        used = worked()
        assert len(names(page)) == 100
        print(f"{loaded:.2f} s to load it, {used - loaded:.2f} s to search and sort")
        assert loaded < 2
        assert used - loaded < 1
