"""Text from others: what is shown of it, and that no secret is."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.text import HIDDEN, Redactor, human_bytes, human_seconds, one_line, printable

SECRET = 'p@s s/w"ö\\rd'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "plain", id="plain"),
        pytest.param("", "", id="nothing"),
        pytest.param("同步 ✓ é", "同步 ✓ é", id="other scripts"),
        pytest.param("a\n\tb", "a\n\tb", id="line breaks and tabs stay"),
        pytest.param("a\rb", "a\\u000db", id="carriage return"),
        pytest.param("\x1b[31mred", "\\u001b[31mred", id="escape sequence"),
        pytest.param("\x9b2J", "\\u009b2J", id="8-bit escape sequence"),
        pytest.param("\x00\x7f", "\\u0000\\u007f", id="controls"),
        pytest.param("a\u200bb\u00a0c", "a\\u200bb\\u00a0c", id="invisible"),
        pytest.param("\u202egnp.exe", "\\u202egnp.exe", id="turned around"),
        pytest.param("a\u2028b\x85c", "a\\u2028b\\u0085c", id="unusual line breaks"),
        pytest.param("\U000e0041", "\\U000e0041", id="beyond four digits"),
        pytest.param("\udcff", "\\udcff", id="half a character"),
    ],
)
def test_what_a_reader_would_not_see_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_whatever_comes_can_be_printed_and_hides_nothing(text: str) -> None:
    shown = printable(text)
    assert all(character.isprintable() or character in "\n\t" for character in shown)
    assert len(shown.encode()) >= len(text)
    assert printable(shown) == shown
    assert one_line(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a\nb", "a b", id="LF"),
        pytest.param("a\r\n\r\nb", "a b", id="CRLF twice"),
        pytest.param("a\t\tb", "a b", id="tabs"),
        pytest.param("a\x0b::error::b", "a\\u000b::error::b", id="vertical tab"),
        pytest.param("a\n::error::b", "a ::error::b", id="a command of the runner"),
    ],
)
def test_one_line_is_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(SECRET, id="as it is"),
        pytest.param(f"https://user:{quote(SECRET, safe='')}@host/", id="in a URL"),
        pytest.param(f"https://host/{quote(SECRET)}", id="in a path"),
        pytest.param(b64encode(SECRET.encode()).decode(), id="in base64"),
        pytest.param(json.dumps({"message": SECRET}, ensure_ascii=False), id="in JSON"),
        pytest.param(f"{SECRET}{SECRET}", id="twice"),
        pytest.param(quote(SECRET, safe="").lower(), id="in a URL, in lower case"),
        pytest.param(quote_plus(SECRET), id="in a form"),
        pytest.param(quote(SECRET, safe='@"'), id="in a URL, in part"),
        pytest.param(json.dumps([SECRET]).replace("@", "\\u0040"), id="in Go's JSON"),
        pytest.param(html.escape(SECRET), id="in HTML"),
        pytest.param(html.escape(SECRET).replace("&quot;", "&#34;"), id="in Go's HTML"),
        pytest.param(SECRET.replace("@", "\\@"), id="in Markdown"),
        pytest.param(b64encode(SECRET.encode()).decode().rstrip("="), id="in base64, unpadded"),
        pytest.param(b64encode(f"me:{SECRET}:x".encode()).decode(), id="amid base64"),
        pytest.param(b64encode(f"you:{SECRET}".encode()).decode(), id="amid base64, one further"),
        pytest.param(urlsafe_b64encode(f"u:{SECRET}".encode()).decode(), id="amid URL's base64"),
    ],
)
def test_a_secret_is_blotted_out_in_every_form(text: str) -> None:
    redacted = Redactor([SECRET])(text)
    assert HIDDEN in redacted
    for form in ("p@s s", "p%40s", "w%22", b64encode(SECRET.encode()).decode()):
        assert form not in redacted


@pytest.mark.parametrize(
    ("secrets", "text", "redacted"),
    [
        pytest.param((), "anything", "anything", id="no secret"),
        pytest.param(("",), "anything", "anything", id="an empty one"),
        pytest.param(("a", "abc"), "abc", "abc", id="too short to be one"),
        pytest.param(("hunter", "hunter22"), "hunter22", "***", id="the longer one first"),
        pytest.param(("hunter22", "hunter"), "hunter hunter22", "*** ***", id="both"),
        pytest.param((".*+?",), "x .*+? x", "x *** x", id="no pattern"),
        pytest.param(("p\udcffword",), "p\udcffword", "***", id="no UTF-8"),
        pytest.param(("p\x1bword",), printable("p\x1bword"), "***", id="spelled out"),
    ],
)
def test_secrets_and_nothing_else_is_blotted_out(
    secrets: tuple[str, ...], text: str, redacted: str
) -> None:
    assert Redactor(secrets)(text) == redacted


@given(st.text("abc", min_size=4, max_size=8), st.text("xyz"), st.text("xyz"))
def test_no_secret_gets_through(secret: str, before: str, after: str) -> None:
    assert Redactor([secret])(f"{before}{secret}{after}") == f"{before}{HIDDEN}{after}"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        pytest.param(0, "0 B", id="nothing"),
        pytest.param(1023, "1023 B", id="bytes"),
        pytest.param(1024, "1.0 KiB", id="one KiB"),
        pytest.param(13_841_203, "13.2 MiB", id="an image"),
        pytest.param(1024**2 - 1, "1.0 MiB", id="nearly a MiB"),
        pytest.param(1024**3 - 1, "1.0 GiB", id="nearly a GiB"),
        pytest.param(5 * 1024**4, "5.0 TiB", id="TiB"),
        pytest.param(5000 * 1024**4, "5000.0 TiB", id="no further unit"),
    ],
)
def test_sizes_are_for_people(count: int, shown: str) -> None:
    assert human_bytes(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        pytest.param(0, "0.0 s", id="nothing"),
        pytest.param(0.44, "0.4 s", id="tenths"),
        pytest.param(9.94, "9.9 s", id="below ten"),
        pytest.param(9.96, "10 s", id="nearly ten"),
        pytest.param(12.3, "12 s", id="seconds"),
        pytest.param(59.4, "59 s", id="below a minute"),
        pytest.param(59.6, "1 min 00 s", id="nearly a minute"),
        pytest.param(185.2, "3 min 05 s", id="minutes"),
        pytest.param(7322, "122 min 02 s", id="hours"),
    ],
)
def test_durations_are_for_people(seconds: float, shown: str) -> None:
    assert human_seconds(seconds) == shown
