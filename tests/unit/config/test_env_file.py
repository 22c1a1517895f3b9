"""config.env's lines: what a shell and docker read differently, and what is no line at all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.env_file import Assignment, BadLine, read_assignments


@pytest.mark.parametrize(
    ("given_value", "value"),
    [
        pytest.param("corp\\tom", "corp\\tom", id="a backslash, as docker keeps it"),
        pytest.param('pa"ss', 'pa"ss', id="a quote within"),
        pytest.param("it's", "it's", id="an apostrophe"),
        pytest.param("a b c", "a b c", id="blanks, which sh takes for a command"),
        pytest.param(" a", "a", id="a blank before"),
        pytest.param(" 'a b'", "a b", id="a blank before a quote"),
        pytest.param("$HOME", "$HOME", id="nothing is expanded"),
        pytest.param('"$HOME `id` $(id)"', "$HOME `id` $(id)", id="nothing is run"),
    ],
)
def test_what_sh_and_docker_read_differently_is_kept(given_value: str, value: str) -> None:
    assert list(read_assignments(f"K={given_value}")) == [Assignment(1, "K", value)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("K", "this is not KEY=value", id="no value"),
        pytest.param("=a", "this is not KEY=value", id="no key"),
        pytest.param("a b=c", "this is not KEY=value", id="a blank in the key"),
        pytest.param("'K'=a", "this is not KEY=value", id="a quoted key"),
        pytest.param("K='a", "the quote of K is not closed", id="single quote"),
        pytest.param('K="a\\"', "the quote of K is not closed", id="an escaped quote"),
        pytest.param("K='a' b", "more stands behind the quote of K", id="another word"),
    ],
)
def test_a_line_that_is_no_assignment_is_told_and_hides_none(text: str, message: str) -> None:
    first, second = read_assignments(f"{text}\nL=1\n")
    assert isinstance(first, BadLine)
    assert (first.line, first.message) == (1, message)
    assert second == Assignment(2, "L", "1")


def test_a_value_over_several_lines_counts_them() -> None:
    text = "\n# why\n\nK='a\nb'\n\n  export L = 1 # one\nM=2"
    assert list(read_assignments(text)) == [
        Assignment(4, "K", "a\nb"),
        Assignment(7, "L", "1", is_cut=True),
        Assignment(8, "M", "2"),
    ]


def test_no_value_is_shown() -> None:
    assert "hunter2" not in repr(list(read_assignments("K=hunter2\nhunter2\nK='hunter2")))


@given(st.text(alphabet="Ka='\"\\#\n \t$`", max_size=40))
def test_any_text_is_read_to_its_end(text: str) -> None:
    lines = [one.line for one in read_assignments(text)]
    assert all(first < second for first, second in pairwise(lines))


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\r'"), max_size=20))
def test_single_quotes_keep_whatever_stands_in_them(value: str) -> None:
    assert list(read_assignments(f"K='{value}'")) == [Assignment(1, "K", value)]
