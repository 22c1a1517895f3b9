from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.notify.markup import MARKDOWN, PLAIN, cut, safe_url, short
from orchestrator.notify.text import text_of, title_of, tone_of
from orchestrator.report.result import Report
from tests.support.reports import a_report, bad_line, copied, deferred, failed, kept, skipped


@pytest.mark.parametrize(
    ("report", "title", "colour"),
    [
        pytest.param(
            a_report(copied(), failed(), problems=(bad_line(),)),
            "❌ Docker Image Syncer: 1 failed, 1 bad line, 1 copied",
            "red",
            id="failed before all",
        ),
        pytest.param(
            a_report(problems=(bad_line(), bad_line())),
            "❌ Docker Image Syncer: 2 bad lines",
            "red",
            id="bad lines alone",
        ),
        pytest.param(
            a_report(copied(), is_interrupted=True),
            "⚠️ Docker Image Syncer: interrupted, 1 copied",
            "orange",
            id="interrupted",
        ),
        pytest.param(
            a_report(copied(), deferred()),
            "⚠️ Docker Image Syncer: 1 deferred, 1 copied",
            "orange",
            id="deferred",
        ),
        pytest.param(
            a_report(copied(), skipped()),
            "✅ Docker Image Syncer: 1 copied",
            "green",
            id="copied",
        ),
        pytest.param(
            a_report(skipped(), skipped()),
            "☑️ Docker Image Syncer: all 2 in sync",
            "grey",
            id="nothing new",
        ),
        pytest.param(
            a_report(skipped(), kept()),
            "☑️ Docker Image Syncer: 1 in sync, 1 kept",
            "grey",
            id="gone upstream",
        ),
        pytest.param(a_report(), "☑️ Docker Image Syncer: nothing to do", "grey", id="empty"),
    ],
)
def test_the_title_says_how_it_went(report: Report, title: str, colour: str) -> None:
    assert title_of(report) == title
    assert tone_of(report).colour == colour


def test_what_is_gone_upstream_is_listed_once() -> None:
    line = "! redis:6 (linux/amd64) → aliyun: gone-upstream; its source is not found"
    assert line in text_of(a_report(kept()), PLAIN, limit=5000).splitlines()
    told = text_of(a_report(kept(is_told=True)), PLAIN, limit=5000)
    assert "gone-upstream" not in told
    assert "1 kept" in told


def test_failures_come_first_with_their_hints_and_skipped_items_are_not_listed() -> None:
    report = a_report(
        copied(note="converted to Docker's types"),
        skipped(),
        failed(),
        deferred(),
        problems=(bad_line(),),
        warnings=("skopeo is old",),
    )

    assert text_of(report, PLAIN, limit=5000).splitlines() == [
        "4 items: 1 copied, 1 in sync, 1 failed, 1 deferred · 11.8 MiB · 3 min 12 s",
        "Docker Image Syncer 0.1.0 to aliyun,ghcr",
        "✗ nginx:nope (linux/amd64) → aliyun: there is no such tag",
        "↳ see the tags",
        "✗ images.txt:14:1: unknown option '--platfrom'; did you mean '--platform'?",
        "… mysql:8.0 (linux/amd64) → aliyun: deferred: the pull limit",
        "✓ nginx:alpine (linux/amd64) → aliyun, 11.8 MiB; converted to Docker's types",
        "↳ registry.cn-hangzhou.aliyuncs.com/mine/nginx:alpine",
        "! skopeo is old",
    ]


def test_what_does_not_fit_is_counted_and_the_link_stays() -> None:
    report = a_report(*(copied(f"image{number}") for number in range(100)), failed())

    text = text_of(report, PLAIN, limit=600, head=("title",), foot=("link",))

    lines = text.splitlines()
    listed = [line for line in lines if line.startswith(("✓", "✗"))]
    assert lines[0] == "title"
    assert lines[-1] == "link"
    assert listed[0].startswith("✗ nginx:nope")
    assert lines[-2] == f"… and {101 - len(listed)} more"
    assert 500 < len(json.dumps(text, ensure_ascii=False).encode()) - 2 <= 600


@given(
    message=st.text(max_size=400),
    count=st.integers(0, 60),
    limit=st.integers(400, 3000),
)
def test_no_text_is_longer_than_its_limit(message: str, count: int, limit: int) -> None:
    report = a_report(*(failed(message=message, hint=message) for _ in range(count)))

    text = text_of(report, MARKDOWN, limit=limit, head=("title",), foot=("link",))

    assert len(text.encode()) <= limit
    assert len(json.dumps(text, ensure_ascii=False).encode()) - 2 <= limit
    assert text.splitlines()[0] == "title"
    assert text.splitlines()[-1] == "link"


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        pytest.param("short", 5, "short", id="it fits"),
        pytest.param("镜像同步", 12, "镜像同步", id="Chinese that fits by bytes"),
        pytest.param("镜像同步", 11, "镜像…", id="one byte too many costs a character"),
        pytest.param("镜像同步", 10, "镜像…", id="never inside a character"),
        pytest.param("🚢🚢", 7, "🚢…", id="emoji"),
        pytest.param("🚢🚢", 6, "…", id="half an emoji is none"),
        pytest.param("é́" * 3, 7, "é́…", id="combining"),
    ],
)
def test_texts_are_cut_by_bytes(text: str, limit: int, expected: str) -> None:
    assert cut(text, limit) == expected


@given(text=st.text(), limit=st.integers(3, 60))
def test_short_is_short_of_at_most_so_many_bytes(text: str, limit: int) -> None:
    line = short(text, limit)

    assert len(line.encode()) <= limit
    assert len(line.splitlines()) <= 1
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\r\nb\t c", "a b  c", id="line ends and tabs"),
        pytest.param("a\x1b[31mb", "a\\u001b[31mb", id="terminal codes"),
        pytest.param("exe\u202egpj", "exe\\u202egpj", id="right to left"),
        pytest.param("a\u200bb\u2028c", "a\\u200bb\\u2028c", id="invisible and line separator"),
        pytest.param("a\ud800b", "a\\ud800b", id="half a character"),
    ],
)
def test_nothing_invisible_gets_through(text: str, expected: str) -> None:
    assert short(text, 100) == expected


def test_an_address_can_not_end_its_own_link() -> None:
    assert safe_url("https://h/a) [x](https://evil|y>") == (
        "https://h/a%29%20%5Bx%5D%28https://evil%7Cy%3E"
    )
