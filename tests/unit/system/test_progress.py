"""Progress that moves: names, bytes, rate and time left, on one line or in the log."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator

import pytest

from orchestrator.system.progress import Transfers, progress
from orchestrator.system.terminal import configure
from orchestrator.text import Redactor

MIB = 1024 * 1024
TO = "registry.example.com/mine/nginx:alpine"
SIZES = {"sha256:a": 100 * MIB, "sha256:b": 30 * MIB}


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transfers(clock: Clock) -> Transfers:
    return Transfers(clock)


def test_a_copy_is_shown_with_bytes_rate_and_time_left(clock: Clock, transfers: Transfers) -> None:
    with transfers.begun(TO, name="nginx:alpine", sizes=SIZES):
        assert str(transfers) == "nginx:alpine"
        clock.now = 10.0
        transfers.moved(TO, 45 * MIB)
        assert str(transfers) == "nginx:alpine 45 of 130 MiB, 4.7 MB/s, 19 s left"
    assert str(transfers) == ""


def test_what_is_there_already_is_not_waited_for(clock: Clock, transfers: Transfers) -> None:
    with transfers.begun(TO, name="nginx:alpine", sizes=SIZES):
        transfers.was_there(TO, "sha256:a")
        clock.now = 10.0
        transfers.moved(TO, 15 * MIB)
        assert str(transfers).startswith("nginx:alpine 15 of 30 MiB")


def test_more_than_was_expected_is_all_of_it(clock: Clock, transfers: Transfers) -> None:
    with transfers.begun(TO, name="x", sizes={"sha256:a": MIB}):
        clock.now = 1.0
        transfers.moved(TO, 2 * MIB)
        assert str(transfers) == "x 1.0 of 1.0 MiB, 2.1 MB/s"


def test_where_nobody_knows_the_size_there_is_no_time_left(
    clock: Clock, transfers: Transfers
) -> None:
    with transfers.begun(TO, name="x", sizes={}):
        clock.now = 1.0
        transfers.moved(TO, 2 * MIB)
        assert str(transfers) == "x 2.0 MiB, 2.1 MB/s"


def test_a_copy_that_stands_still_loses_its_rate(clock: Clock, transfers: Transfers) -> None:
    with transfers.begun(TO, name="x", sizes=SIZES):
        for clock.now in range(1, 12):
            transfers.moved(TO, MIB)
        fast = str(transfers)
        clock.now = 60.0
        assert str(transfers) != fast
        assert "0.2 MB/s" in str(transfers) or "kB/s" in str(transfers)


def test_the_parts_of_an_index_count_for_its_tag(clock: Clock, transfers: Transfers) -> None:
    with transfers.begun(TO, name="x", sizes=SIZES):
        clock.now = 1.0
        transfers.moved(f"{TO.rpartition(':')[0]}@sha256:c", MIB)
        transfers.moved("registry.example.com/mine/other@sha256:c", MIB)
        assert str(transfers).startswith("x 1 of 130 MiB")


def test_a_few_copies_are_named_and_the_others_counted(transfers: Transfers) -> None:
    with (
        transfers.begun("a:1", name="a", sizes={}),
        transfers.begun("b:1", name="b", sizes={}),
        transfers.begun("c:1", name="c", sizes={}),
        transfers.begun("d:1", name="d", sizes={}),
    ):
        assert str(transfers) == "a; b; c; and 1 more"


def test_the_time_of_copies_that_overlap_counts_once_for_each_registry(
    clock: Clock, transfers: Transfers
) -> None:
    with transfers.begun("a.example/x:1", name="x", sizes={}):
        clock.now = 2.0
        with transfers.begun("a.example/y:1", name="y", sizes={}):
            clock.now = 3.0
            assert transfers.seconds_to("a.example") == 0.0
    clock.now = 10.0
    with transfers.begun("a.example/z:1", name="z", sizes={}):
        clock.now = 11.5
    assert transfers.seconds_to("a.example") == 4.5
    assert transfers.seconds_to("b.example") == 0.0


class Screen(io.StringIO):
    """A terminal, and a way to wait until something is drawn on it."""

    def __init__(self, awaited: str, *, is_terminal: bool = True) -> None:
        super().__init__()
        self._awaited = awaited
        self._is_terminal = is_terminal
        self.drawn = threading.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        if self._awaited in self.getvalue():
            self.drawn.set()
        return count


@pytest.fixture(autouse=True)
def _the_log_is_left_as_it_was() -> Iterator[None]:
    logger = logging.getLogger("orchestrator")
    handlers, level, propagates = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagates
    logger.setLevel(level)


@pytest.mark.parametrize(
    ("is_terminal", "term", "width", "shown"),
    [
        pytest.param(
            True, "xterm", "80", ": nginx:alpine 45 of 130 MiB, 4.7 MB/s, 19 s left", id="live"
        ),
        pytest.param(True, "xterm", "30", ": nginx:a…", id="narrow"),
        pytest.param(True, "dumb", "80", "1 of 3 done; copying nginx:alpine 45 of 130", id="dumb"),
        pytest.param(False, "xterm", "80", "1 of 3 done; copying nginx:alpine 45 of", id="a log"),
    ],
)
def test_a_long_copy_is_seen_to_move(
    clock: Clock, transfers: Transfers, *, is_terminal: bool, term: str, width: str, shown: str
) -> None:
    screen = Screen(shown, is_terminal=is_terminal)
    configure(screen, level=logging.INFO, redact=Redactor(()))
    environ = {"TERM": term, "COLUMNS": width}
    with (
        progress(
            screen, total=3, title="syncing", environ=environ, transfers=transfers, every=0.01
        ) as steps,
        transfers.begun(TO, name="nginx:alpine", sizes=SIZES),
    ):
        steps.step("the first")
        clock.now = 10.0
        transfers.moved(TO, 45 * MIB)
        assert screen.drawn.wait(10), screen.getvalue()[-200:]
    assert ("\r" in screen.getvalue()) is (is_terminal and term != "dumb")


def test_what_is_no_news_is_for_those_who_want_to_see_everything(transfers: Transfers) -> None:
    stream = io.StringIO()
    configure(stream, level=logging.INFO, redact=Redactor(()))
    with progress(stream, total=2, title="x", environ={}, transfers=transfers) as steps:
        steps.step("in sync", is_news=False)
        steps.step("copied")
    assert stream.getvalue().partition(" ")[2] == "[2/2] copied\n"
