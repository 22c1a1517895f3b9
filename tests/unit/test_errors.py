"""Errors: what scripts may rely on, and what people read."""

from __future__ import annotations

import pytest

from orchestrator.errors import (
    ConfigurationError,
    ErrorKind,
    ExitStatus,
    FormatError,
    ImageError,
    InterruptedRunError,
    LockedError,
    Problem,
    SyncerError,
    ToolMissingError,
    UsageError,
    did_you_mean,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(SyncerError("x"), 1, id="any"),
        pytest.param(ImageError(ErrorKind.NOT_FOUND, "x"), 1, id="an image"),
        pytest.param(UsageError("x"), 2, id="usage"),
        pytest.param(FormatError("x"), 2, id="format"),
        pytest.param(ConfigurationError("x"), 2, id="configuration"),
        pytest.param(ToolMissingError("x"), 3, id="tool missing"),
        pytest.param(LockedError("x"), 4, id="locked"),
        pytest.param(InterruptedRunError(), 130, id="interrupted"),
    ],
)
def test_every_error_ends_with_the_promised_exit_status(error: SyncerError, status: int) -> None:
    assert error.exit_status == status


def test_success_is_zero() -> None:
    assert int(ExitStatus.OK) == 0


def test_kinds_are_the_words_of_the_contract() -> None:
    assert {kind.value for kind in ErrorKind} == set(
        "no-such-platform platform-mismatch not-found unauthorized denied rate-limited unreachable "
        "timeout tls too-large quota read-only immutable no-such-namespace source-incomplete "
        "unsigned over-limit bad-manifest digest-mismatch conflict no-space lost tool".split()
    )


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.value) for kind in ErrorKind])
def test_only_faults_that_may_heal_are_passing(kind: ErrorKind) -> None:
    passing = {ErrorKind.RATE_LIMITED, ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT}
    assert ImageError(kind, "x").is_transient == (kind in passing)


def test_a_passing_fault_known_to_last_is_not_tried_again() -> None:
    error = ImageError(ErrorKind.RATE_LIMITED, "six hours to wait", transient=False)
    assert not error.is_transient


def test_a_message_is_the_sentence_without_its_hint() -> None:
    error = UsageError("'x' is no target", hint="did you mean 'y'?")
    assert (str(error), error.message, error.hint) == (
        "'x' is no target",
        "'x' is no target",
        "did you mean 'y'?",
    )


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        pytest.param(
            Problem("images.txt", 14, 3, "…", "unknown option '--x'", "did you mean '--y'?"),
            "images.txt:14:3: unknown option '--x'; did you mean '--y'?",
            id="with a column and a hint",
        ),
        pytest.param(
            Problem("images.txt", 14, 0, "…", "too long"),
            "images.txt:14: too long",
            id="the whole line",
        ),
        pytest.param(
            Problem("", 0, 0, "Nginx", "capital letters"),
            "'Nginx': capital letters",
            id="an image of the command line",
        ),
    ],
)
def test_a_problem_says_where_it_stands_as_editors_read_it(problem: Problem, text: str) -> None:
    assert str(problem) == text


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        pytest.param("--platfrom", "did you mean '--platform'?", id="letters swapped"),
        pytest.param("--plat", "did you mean '--platform'?", id="shortened"),
        pytest.param("--nmae", "did you mean '--name'?", id="another"),
        pytest.param("--zzz", "", id="nothing near"),
        pytest.param("", "", id="empty"),
    ],
)
def test_the_nearest_known_word_is_offered(word: str, answer: str) -> None:
    assert did_you_mean(word, ("--platform", "--name", "--to")) == answer
