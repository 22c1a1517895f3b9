"""The page, read as a browser reads it: what stands in it, and that nothing can break out."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from orchestrator.catalog.chart import Chart
from orchestrator.catalog.clients import CLIENTS, PullClient
from orchestrator.catalog.entries import CatalogEntry, ImageState
from orchestrator.catalog.markdown import markdown_page
from orchestrator.catalog.page import Catalog, html_page
from orchestrator.catalog.words import WORDS
from orchestrator.language import Language, translations
from orchestrator.text import one_line
from tests.support.catalogs import REPOSITORY, a_catalog

if TYPE_CHECKING:
    from collections.abc import Iterable

VOID = frozenset({"meta", "link", "input"})
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '" autofocus onfocus="alert(1)',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\u202egpj.exe\x1b[31m",
    "a|b`c`\n\n# d",
]


class Page(HTMLParser):
    """Elements with their attributes, and the text in each, in the page's order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def shown(catalog: Catalog, language: Language = Language.ENGLISH) -> Page:
    page = Page(html_page(catalog, language))
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def page() -> Page:
    return shown(a_catalog())


def rows(page: Page) -> list[dict[str, str | None]]:
    return [row for row in page.all("tr") if "data-state" in row]


def test_every_image_is_a_row_with_all_that_is_known(page: Page) -> None:
    found = rows(page)
    assert len(found) == 21
    nginx = next(row for row in found if row["data-short"] == "nginx:alpine")
    assert nginx["data-name"] == "docker.io/library/nginx:alpine"
    assert (nginx["data-state"], nginx["data-target"]) == ("in-sync", "aliyun")
    assert re.fullmatch("sha256:[0-9a-f]{64}", str(nginx["data-digest"]))
    assert "registry.cn-hangzhou.aliyuncs.com/my-mirror/nginx:alpine" in page.texts["code"]
    assert "not-found" in page.texts["small"]


def test_what_is_not_there_has_nothing_to_copy(page: Page) -> None:
    buttons = [one for one in page.all("button") if one.get("class") == "copy"]
    assert len(buttons) == 19  # one is new, and one failed before it ever came


def test_chips_count_the_states(page: Page) -> None:
    assert [one["data-chip"] for one in page.all("button") if "data-chip" in one] == [
        "", "in-sync", "failed", "waiting", "kept", "new", "unlisted",
    ]  # fmt: skip


def test_the_policy_lets_only_this_script_and_this_style_run() -> None:
    text = html_page(a_catalog(2), Language.ENGLISH)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    told = dict(part.strip().split(" ", 1) for part in unescape(policy).split(";"))
    assert told["default-src"] == told["base-uri"] == told["form-action"] == "'none'"
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digests = [hashlib.sha256(body.encode()).digest() for body in bodies]
        hashes = {f"'sha256-{b64encode(digest).decode()}'" for digest in digests}
        assert set(told[name].split()) == hashes
    assert "unsafe" not in policy


def test_nothing_is_loaded_and_nothing_is_styled_or_run_in_place(page: Page) -> None:
    for tag, attributes in page.elements:
        assert "src" not in attributes, tag
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    links = {str(one["href"]) for one in (*page.all("a"), *page.all("link"))}
    assert {link for link in links if not link.startswith(("#", "data:,"))} == {
        REPOSITORY,
        f"{REPOSITORY}/issues/new?template=mirror-an-image.yml&images=",
    }


def test_every_text_of_the_page_is_there_in_both_languages(page: Page) -> None:
    data = json.loads(
        "".join(text for text in page.texts["script"] if text.startswith("{")),
    )
    assert data["words"].keys() == {"en", "zh"}
    assert data["words"]["en"].keys() == data["words"]["zh"].keys() >= WORDS.keys()
    assert data["words"]["zh"]["remedy.rate-limited"].startswith("请")
    used = {
        str(attributes[name])
        for _, attributes in page.elements
        for name in ("data-t", "data-t-label", "data-t-title", "data-t-placeholder")
        if name in attributes
    }
    assert used <= data["words"]["en"].keys()
    assert [client["name"] for client in data["clients"]] == [one.name for one in CLIENTS]


def test_every_text_that_the_script_says_is_known_and_none_is_idle() -> None:
    text = html_page(a_catalog(), Language.ENGLISH)
    (_, script) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    said = set(re.findall(r'(?:say|fact)\("([a-z.-]+)"', script))
    said |= {"copied", "copy.failed", "ask.for", "visibility.public", "visibility.private"}
    assert said - {"state.", "theme.", "visibility."} <= WORDS.keys()
    marked = set(re.findall(r'data-t(?:-\w+)?="([a-z.-]+)"', text))
    assert {word for word in WORDS if word not in said | marked} == {
        "theme.auto", "theme.light", "theme.dark", "nothing.yet", "no-script",
    }  # fmt: skip


def test_it_begins_in_the_language_that_is_set() -> None:
    page = shown(a_catalog(2), Language.CHINESE)
    assert page.all("html") == [{"lang": "zh"}]
    assert page.texts["h1"] == ["镜像目录"]


def test_without_a_repository_there_is_no_link_to_ask(page: Page) -> None:
    assert [one for one in page.all("a") if one.get("class") == "ask"]
    alone = shown(replace(a_catalog(2), repository_url=""))
    assert [one["href"] for one in alone.all("a")] == ["#images"]


def test_an_empty_mirror_says_so() -> None:
    page = shown(replace(a_catalog(2), entries=(), chart=Chart(), places={}))
    assert rows(page) == []
    assert "Nothing is mirrored yet." in page.texts["p"]
    assert "svg" not in dict(page.elements)


PAPERS, INKS = ("paper", "raised"), ("ink", "soft", "accent", "ok", "bad", "wait", "idle")


def luminance(colour: str) -> float:
    """Of a colour as #rrggbb (WCAG 2.2, "relative luminance")."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_every_text_is_told_from_its_ground_in_light_and_in_dark() -> None:
    (style,) = re.findall(
        r"<style>(.*?)</style>", html_page(a_catalog(2), Language.ENGLISH), re.DOTALL
    )
    schemes = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
        for block in re.findall(r"{([^{}]*--paper:[^{}]*)}", style)
    ]
    assert len(schemes) == 3
    assert schemes[1] == schemes[2], "dark by the system, and dark by choice"
    for colours in schemes:
        for paper in PAPERS:
            for ink in INKS:
                light, dark = sorted(
                    (luminance(colours[ink]), luminance(colours[paper])), reverse=True
                )
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def hostile_entry(text: str) -> CatalogEntry:
    return CatalogEntry(
        source=text, name=text, short_name=text, platform=text, target=text, place=text,
        state=ImageState.FAILED, is_there=True, reason=text, platforms=(text,), digest=text,
        source_digest=text, created=text,
    )  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_stay_values(text: str) -> None:
    tame = shown(replace(a_catalog(2), entries=(hostile_entry("x"),), places={"x": "x"}))
    catalog = replace(a_catalog(2), entries=(hostile_entry(text),), places={text: text})
    page = shown(catalog)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in tame.elements]
    assert [set(one) for _, one in page.elements] == [set(one) for _, one in tame.elements]
    assert rows(page)[0]["data-name"] == one_line(text)
    visible = "".join(part for tag in ("button", "code", "td") for part in page.texts[tag])
    assert "\x1b" not in visible
    assert "\u202e" not in visible


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_are_tame_in_markdown_too(text: str) -> None:
    catalog = replace(a_catalog(2), entries=(hostile_entry(text),))
    table = markdown_page(catalog).split("\n\n", 2)[2].strip()
    (_, _, row) = table.splitlines()
    assert len(re.findall(r"(?<!\\)\|", row)) == 9
    assert "<script" not in row
    assert "<img" not in row


def test_markdown_has_a_row_for_each_image_in_the_readers_language() -> None:
    text = markdown_page(a_catalog(), translations(Language.CHINESE))
    assert text.startswith("# 镜像目录\n\n")
    assert "15 已同步, 2 失败, 1 待处理, 1 上游已无" in text
    table = text.split("\n\n", 2)[2]
    assert len(table.strip().splitlines()) == 23
    assert "失败 (镜像不存在)" in table


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_clients_commands_have_all_fields(client: PullClient) -> None:
    assert set(re.findall(r"\{(\w+)\}", client.pull)) == {"address"}
    assert set(re.findall(r"\{(\w+)\}", client.retag)) == {"address", "name"}
    assert set(re.findall(r"\{(\w+)\}", client.login)) in ({"host"}, {"address"})
