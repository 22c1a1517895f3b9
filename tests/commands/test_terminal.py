"""What is drawn on terminals of several widths, in both languages."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

import pytest

from demo.faults import Call, Rule
from demo.images import build_image
from demo.proxy import FaultProxy
from orchestrator.text import display_width
from tests.support.runs import Gate
from tests.support.terminal import on_terminal

if TYPE_CHECKING:
    from tests.support.runs import Site

ENGLISH = ("image", "copied", "FAILED", "1 copied, 0 in sync, 1 failed, 1 bad line; ")
CHINESE = ("镜像", "已复制", "失败", "1 个已复制，0 个已同步，1 个失败，1 行有误；")


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize(
    ("language", "words"),
    [pytest.param("en_US.UTF-8", ENGLISH, id="en"), pytest.param("zh_CN.UTF-8", CHINESE, id="zh")],
)
def test_a_table_fits_its_terminal(
    site: Site, width: int, language: str, words: tuple[str, ...]
) -> None:
    site.publish(build_image())
    site.list_images(site.source(), site.source("app:missing"), "--nonsense")
    with on_terminal(site, "batch", width=width, environ={"LANG": language}) as terminal:
        drawn = terminal.read_all()
    for word in words[1:]:
        assert word in drawn
    assert "\x1b[32m" in drawn
    assert "\x1b[31m" in drawn
    table = table_of(terminal.lines)
    has_head = table[0].startswith(words[0])
    assert has_head is (width > 60), "at last each row is folded, and there is no head"
    assert any(site.mirrored_name() in line for line in table)
    for line in table:
        assert display_width(line) <= width or line.startswith("  docker pull "), line


def table_of(lines: list[str]) -> list[str]:
    """What stands between the log and the first cause of a failure."""
    above = re.compile(r"\d\d:\d\d:\d\d |syncing |正在同步 |$")
    last = max(place for place, line in enumerate(lines[:-1]) if above.match(line))
    return list(takewhile(lambda line: "aliyun: " not in line, lines[last + 1 :]))


def test_a_long_copy_moves_on_a_terminal(site: Site) -> None:
    gate = Gate()
    image = build_image("linux/amd64", {"own": site.namespace.encode()})
    site.publish(image)
    with FaultProxy(site.upstream.url) as proxy:
        proxy.add(Rule(Call(gate), method="GET", path=f"/blobs/{image.layers[-1].digest}"))
        site.list_images(site.source(host=proxy.host))
        try:
            with on_terminal(site, "batch", width=60, environ={}) as terminal:
                gate.wait()
                terminal.read_until("syncing 0 of 1, ")
                terminal.read_until(f" s: {proxy.host[:9]}")
                gate.open()
                terminal.read_until("1 copied, 0 in sync")
        finally:
            gate.open()
    assert max(len(line) for line in terminal.lines if line.startswith("syncing ")) < 60


def test_a_terminal_that_only_prints_gets_plain_lines(site: Site) -> None:
    site.publish(build_image())
    site.list_images(site.source())
    with on_terminal(site, "batch", width=80, environ={"TERM": "dumb"}) as terminal:
        drawn = terminal.read_all()
    assert "[1/1]" in drawn
    assert "\x1b" not in drawn
    assert "\r" not in drawn.replace("\r\n", "\n")
