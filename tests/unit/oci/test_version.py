"""Versions in tags: what is one, which is newer, and which are in a range."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import FormatError
from orchestrator.oci.version import Range, Version

TAGS = st.one_of(
    st.from_regex(
        r"v?[0-9]{1,3}(\.[0-9]{1,3}){0,3}([-._]?(rc|alpha|b|dev|alpine|jdk|up)?[.-]?[0-9]{0,3}){0,3}",
        fullmatch=True,
    ),
    st.text(alphabet="v0129.-_+abcr", max_size=16),
)


def version(tag: str) -> Version:
    found = Version.parse(tag)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param("latest", id="a word"),
        pytest.param("20240101", id="a date"),
        pytest.param("202401", id="a month"),
        pytest.param("20240101123000", id="a moment"),
        pytest.param("20240101.1", id="a date and a count"),
        pytest.param("2024-01-15", id="a date with dashes"),
        pytest.param("RELEASE.2024-01-16T16-07-38Z", id="minio's date"),
        pytest.param("7d3f2a1", id="a commit"),
        pytest.param("1e5", id="a commit that looks like a number"),
        pytest.param("1234567", id="a commit of digits"),
        pytest.param("8u412-jre", id="java 8's way"),
        pytest.param("alpine3.20", id="a name before it"),
        pytest.param("release-1.2", id="a word before it"),
        pytest.param("v", id="v alone"),
        pytest.param("", id="nothing"),
        pytest.param("1..2", id="two dots"),
        pytest.param("\u0661.2", id="an arabic digit"),
    ],
)
def test_what_is_no_version(tag: str) -> None:
    assert Version.parse(tag) is None


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param("1.8 1.9 1.10 1.11 2.0", id="numbers, not letters"),
        pytest.param("1.27.0-alpha.1 1.27.0-beta.1 1.27.0-beta.2 1.27.0-rc.1 1.27.0", id="stages"),
        pytest.param("3.13.0a7 3.13.0b4 3.13.0rc1 3.13.0rc3 3.13.0 3.13.1", id="python's"),
        pytest.param("2.0.0-rc2 2.0.0-rc11 2.0.0", id="a number in a stage"),
        pytest.param("2.0-SNAPSHOT 2.0-M1 2.0-M2 2.0-RC1 2.0", id="java's"),
        pytest.param("1.2.3-nightly.20240101 1.2.3-nightly.20240102 1.2.3", id="nightlies"),
        pytest.param("1.27.3-alpine 1.27.3-alpine3.9 1.27.3-alpine3.20 1.27.4-alpine3.19", id="os"),
        pytest.param("7.2.4-debian-12-r3 7.2.4-debian-12-r12 7.2.5-debian-12-r0", id="bitnami's"),
        pytest.param("10.0.17763.2114 10.0.17763.2115 10.0.20348.1", id="windows"),
        pytest.param("22.04 24.04 24.10", id="years and months"),
        pytest.param("v1.29.9 1.30.0 v1.30.1", id="with and without v"),
        pytest.param("2.479.1-jdk17 2.479.1-jdk21 2.479.2-jdk17", id="jenkins"),
        pytest.param("1.31.2-eksbuild.3 1.31.2-eksbuild.12", id="a build"),
    ],
)
def test_versions_are_ordered_as_people_mean_it(tags: str) -> None:
    in_order = [version(tag) for tag in tags.split()]
    for shuffled in (in_order[::-1], [*in_order[1:], in_order[0]]):
        found = sorted(shuffled, key=lambda one: one.key)
        assert [one.tag for one in found] == tags.split()


@pytest.mark.parametrize(
    ("one", "other"), [("v1.2", "1.2"), ("1.2", "1.2.0"), ("V1.2.0", "1.2"), ("1.2-rc.1", "1.2rc1")]
)
def test_spellings_of_one_version_order_alike(one: str, other: str) -> None:
    assert version(one).order == version(other).order


@pytest.mark.parametrize(
    ("tag", "family"),
    [
        ("1.27.3", ""),
        ("v1.27.3-rc.1", ""),
        ("1.27.3-alpine3.20", "alpine"),
        ("1.27.3-alpine", "alpine"),
        ("1.27.3-alpine3.20-slim", "alpine-slim"),
        ("2.0.0-rc1-alpine", "alpine"),
        ("1.2.3-1", "#"),
        ("1.2.3_up4", "up"),
        ("9.0-windowsservercore-ltsc2022", "windowsservercore-ltsc"),
    ],
)
def test_what_stands_behind_a_version_names_its_family(tag: str, family: str) -> None:
    assert version(tag).family == family


@given(st.lists(TAGS, min_size=3, max_size=3))
def test_the_order_is_total_and_transitive(tags: list[str]) -> None:
    versions = [one for one in map(Version.parse, tags) if one]
    for first, second in permutations(versions, 2):
        assert (first.key < second.key) + (first.key > second.key) + (first.key == second.key) == 1
        assert (first.key == second.key) == (first.tag == second.tag)
    for first, second, third in permutations(versions, 3):
        if first.key <= second.key <= third.key:
            assert first.key <= third.key


RANGES = [
    (">=1.25,<2", "1.25 1.27.3 1.99.0", "1.24.9 2 2.0.0-rc1 1.26-rc1"),
    (">=1.25 <2", "1.25 1.27.3", "1.24 2.0"),
    (">= 1.25 , < 2", "1.25", "2"),
    ("^1.25", "1.25 1.25.0 1.99", "1.24.9 2"),
    ("^0.3", "0.3 0.3.9", "0.4 1.0"),
    ("^0.0.3", "0.0.3", "0.0.4"),
    ("^0", "0.9", "1.0"),
    ("~1.25", "1.25 1.25.9", "1.26"),
    ("~1.25.3", "1.25.3 1.25.9", "1.25.2 1.26"),
    ("~1", "1.0 1.99", "2.0"),
    ("1.25.x", "1.25 1.25.9", "1.26 1.24"),
    ("1.25.*", "1.25.0", "1.26"),
    ("1.x", "1.99", "2"),
    ("1.25", "1.25.3", "1.26 1.25.0-rc1"),
    ("=1.25.3", "1.25.3 v1.25.3", "1.25.4"),
    ("v1.25.3", "1.25.3", "1.25.2"),
    (">1.25", "1.26", "1.25 1.25.9"),
    (">1.25.3", "1.25.4", "1.25.3"),
    ("<=1.25", "1.24 1.25.9", "1.26"),
    ("<2", "1.99.99", "2 2.0.0"),
    ("1.2 - 1.4", "1.2 1.4.9", "1.5 1.1"),
    ("*", "0.1 99", "1.0-rc1"),
    ("1 || >=3", "1.5 3 4", "2"),
    ("^1.2||^3.4", "1.3 3.9", "2 3.3"),
    (">=1.28.0-rc1", "1.28.0-rc1 1.28.0-rc2 1.28.0 1.29", "1.28.0-beta1 1.29.0-rc1 1.27"),
    (">=1.0.0-rc1 <2", "1.0.0-rc2 1.0.0", "2.0.0-rc1"),
    ("=1.2.3-rc1", "1.2.3-rc1", "1.2.3 1.2.3-rc2"),
    (">=10.0.17763.2114", "10.0.17763.2115 10.0.20348", "10.0.17763.2113"),
]


@pytest.mark.parametrize(("text", "inside", "outside"), RANGES, ids=[row[0] for row in RANGES])
def test_a_range_holds_what_it_says(text: str, inside: str, outside: str) -> None:
    found = Range.parse(text)
    assert [tag for tag in inside.split() if not found.holds(version(tag))] == []
    assert [tag for tag in outside.split() if found.holds(version(tag))] == []


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", ">=", "1..2", "^", "||1", "1||", "1.x.2", ">=1.2-alpine", "!1", "=>1", ","],
)
def test_what_is_no_range_says_what_to_write(text: str) -> None:
    with pytest.raises(FormatError) as refused:
        Range.parse(text)
    for proposed in refused.value.hint.split("'")[1::2]:
        assert Range.parse(proposed).sets


@given(st.text(alphabet="0129.x*<>=^~|, -rcv", max_size=300))
def test_any_text_is_a_range_or_a_format_error_at_once(text: str) -> None:
    started = time.monotonic()
    with suppress(FormatError):
        Range.parse(text).holds(version("1.2.3"))
    assert time.monotonic() - started < 1


def test_a_range_in_order_has_no_gap() -> None:
    inside = [version(f"1.{minor}") for minor in range(20)]
    holds = [Range.parse(">=1.5,<1.15").holds(one) for one in inside]
    assert sum(first != second for first, second in pairwise(holds)) == 2
