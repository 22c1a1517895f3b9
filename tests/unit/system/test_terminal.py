"""The log: one line an event, no secret, no colour where none is wanted."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from io import StringIO

import pytest

from orchestrator.system.terminal import configure
from orchestrator.text import Redactor

LINE = re.compile(r"\d\d:\d\d:\d\d (.*)\n")
NOTHING = Redactor(())


@pytest.fixture(autouse=True)
def _the_log_is_left_as_it_was() -> Iterator[None]:
    logger = logging.getLogger("orchestrator")
    handlers, level, propagates = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagates
    logger.setLevel(level)


def told(level: int, message: str, *arguments: object, redact: Redactor = NOTHING) -> str:
    stream = StringIO()
    configure(stream, level=logging.DEBUG, redact=redact)
    logging.getLogger("orchestrator.some.module").log(level, message, *arguments)
    found = LINE.fullmatch(stream.getvalue())
    assert found, stream.getvalue()
    return found[1]


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        pytest.param(logging.DEBUG, "it is so", id="debug"),
        pytest.param(logging.INFO, "it is so", id="info"),
        pytest.param(logging.WARNING, "warning: it is so", id="warning"),
        pytest.param(logging.ERROR, "error: it is so", id="error"),
    ],
)
def test_a_line_says_how_grave_it_is(level: int, shown: str) -> None:
    assert told(level, "it is %s", "so") == shown


def test_an_event_is_one_line_whatever_it_says() -> None:
    message = "upstream says:\r\n::error::forged\x1b[2J\u2028##[error]"
    expected = "warning: upstream says: ::error::forged\\u001b[2J\\u2028##[error]"
    assert told(logging.WARNING, "%s", message) == expected


def test_secrets_are_blotted_out_wherever_they_stand() -> None:
    redact = Redactor(["hunter\n22"])
    assert told(logging.INFO, "a %s, b %s", "hunter\n22", 1, redact=redact) == "a ***, b 1"


@pytest.mark.parametrize(
    ("level", "start"),
    [
        pytest.param(logging.DEBUG, "\x1b[2m", id="debug"),
        pytest.param(logging.INFO, "", id="info"),
        pytest.param(logging.WARNING, "\x1b[33m", id="warning"),
        pytest.param(logging.ERROR, "\x1b[31m", id="error"),
    ],
)
def test_colour_is_for_those_who_want_it(level: int, start: str) -> None:
    stream = StringIO()
    configure(stream, level=logging.DEBUG, redact=NOTHING, is_coloured=True)
    logging.getLogger("orchestrator.x").log(level, "x")
    assert stream.getvalue().startswith(start)
    assert stream.getvalue().endswith("\x1b[0m\n" if start else "x\n")


def test_what_is_below_the_level_is_not_told() -> None:
    stream = StringIO()
    configure(stream, level=logging.WARNING, redact=NOTHING)
    logging.getLogger("orchestrator.x").info("x")
    assert stream.getvalue() == ""


def test_configuring_again_replaces_what_was() -> None:
    first, second = StringIO(), StringIO()
    for stream in (first, second):
        configure(stream, level=logging.INFO, redact=NOTHING)
    logging.getLogger("orchestrator.x").info("x")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_the_library_that_starts_programs_says_nothing_of_commands() -> None:
    configure(StringIO(), level=logging.DEBUG, redact=NOTHING)
    assert not logging.getLogger("sh.command").isEnabledFor(logging.INFO)
