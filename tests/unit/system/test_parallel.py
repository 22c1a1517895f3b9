"""Many things at once, trying again, and doing a thing only once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ErrorKind, ImageError, InterruptedRunError
from orchestrator.system.parallel import (
    FifoQueue,
    OncePerKey,
    RetryPolicy,
    map_bounded,
    side_by_side,
)

TIMEOUT = 10.0


@dataclass
class Crowd:
    """Counts how many are inside at once."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    inside: int = 0
    most: int = 0

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1


@dataclass
class Pauses:
    """Stands in for sleeping: writes down how long, and may call it off."""

    is_called_off: bool = False
    seconds: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def sleep(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return self.is_called_off

    def tell(self, error: ImageError, delay: float) -> None:
        assert delay >= 0
        self.told.append(error.message)

    def rule(self, tries: int = 3, base: float = 1.0) -> RetryPolicy:
        return RetryPolicy(tries, base, self.sleep, self.tell)


@dataclass
class Flaky:
    """Fails with each of these in turn, then succeeds."""

    errors: list[Exception]
    calls: int = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def fault(
    kind: ErrorKind = ErrorKind.UNREACHABLE,
    *,
    after: float | None = None,
    transient: bool | None = None,
) -> ImageError:
    return ImageError(kind, f"it is {kind.value}", retry_after=after, transient=transient)


@pytest.mark.parametrize("jobs", [pytest.param(1, id="one"), pytest.param(4, id="four")])
@pytest.mark.parametrize("pieces", [pytest.param(n, id=str(n)) for n in (0, 1, 3, 50)])
def test_every_piece_is_done_once_and_comes_with_its_result(pieces: int, jobs: int) -> None:
    queue: FifoQueue[int, int] = FifoQueue(range(pieces))
    done = list(map_bounded(lambda piece: piece * 2, queue, jobs=jobs))
    assert sorted(done) == [(piece, piece * 2) for piece in range(pieces)]


def test_what_is_brief_is_done_here_and_the_rest_by_others() -> None:
    queue: FifoQueue[int, int] = FifoQueue(range(20))
    done = map_bounded(
        lambda _: threading.get_ident(), queue, jobs=3, is_brief=lambda number: number % 2 == 1
    )
    here = {number for number, thread in done if thread == threading.get_ident()}
    assert here == set(range(1, 20, 2))


def test_one_job_keeps_the_order() -> None:
    queue: FifoQueue[int, int] = FifoQueue(range(20))
    assert [piece for piece, _ in map_bounded(lambda n: n, queue, jobs=1)] == list(range(20))


def test_so_many_work_at_once_and_no_more() -> None:
    crowd = Crowd()
    four = threading.Barrier(4, timeout=TIMEOUT)

    def work(_: int) -> None:
        with crowd:
            four.wait()

    queue: FifoQueue[int, None] = FifoQueue(range(8))
    assert len(list(map_bounded(work, queue, jobs=4))) == 8
    assert crowd.most == 4


def test_a_long_list_is_not_taken_ahead() -> None:
    taken: list[int] = []

    def pieces() -> Iterator[int]:
        for piece in range(1000):
            taken.append(piece)
            yield piece

    queue: FifoQueue[int, int] = FifoQueue(pieces())
    results = map_bounded(abs, queue, jobs=3)
    next(results)
    assert len(taken) <= 4


def test_what_work_raises_is_raised_to_the_caller() -> None:
    def work(piece: int) -> int:
        if piece == 2:
            raise ValueError("two")
        return piece

    queue: FifoQueue[int, int] = FifoQueue(range(5))
    with pytest.raises(ValueError, match="two"):
        list(map_bounded(work, queue, jobs=2))


@dataclass
class AfterFirst:
    """Hands out the first piece, and the others only once it has ended."""

    waiting: list[int]
    finished: list[tuple[int, str]] = field(default_factory=list)

    def take(self) -> int | None:
        if not self.waiting or (self.waiting[0] != 0 and not self.finished):
            return None
        return self.waiting.pop(0)

    def finish(self, piece: int, result: str) -> None:
        self.finished.append((piece, result))


def test_a_queue_may_hold_pieces_back_until_another_has_ended() -> None:
    queue = AfterFirst([0, 1, 2])
    first, *_ = map_bounded(str, queue, jobs=3)
    assert first == (0, "0")
    assert sorted(queue.finished) == [(0, "0"), (1, "1"), (2, "2")]


def test_a_knock_has_the_queue_asked_again() -> None:
    knocked = threading.Event()
    ended: SimpleQueue[Future[str] | None] = SimpleQueue()

    class AfterKnock(AfterFirst):
        def take(self) -> int | None:
            if not self.waiting or (self.waiting[0] and not knocked.is_set()):
                return None
            return self.waiting.pop(0)

    second_began = threading.Event()

    def work(piece: int) -> str:
        if piece == 0:
            knocked.set()
            ended.put(None)
            assert second_began.wait(TIMEOUT)
        else:
            second_began.set()
        return str(piece)

    done = dict(map_bounded(work, AfterKnock([0, 1]), jobs=2, ended=ended))
    assert done == {0: "0", 1: "1"}


@pytest.mark.parametrize(
    ("errors", "calls"),
    [
        pytest.param([], 1, id="works at once"),
        pytest.param([fault()], 2, id="a passing fault"),
        pytest.param(
            [fault(ErrorKind.TIMEOUT), fault(ErrorKind.RATE_LIMITED)], 3, id="two of them"
        ),
    ],
)
def test_a_passing_fault_is_tried_again(errors: list[Exception], calls: int) -> None:
    pauses, work = Pauses(), Flaky(list(errors))
    assert pauses.rule().run(work) == "done"
    assert work.calls == calls
    assert len(pauses.seconds) == len(pauses.told) == calls - 1


@pytest.mark.parametrize(
    ("error", "tries", "calls"),
    [
        pytest.param(fault(), 3, 3, id="every try fails"),
        pytest.param(fault(), 1, 1, id="one try"),
        pytest.param(fault(ErrorKind.NOT_FOUND), 3, 1, id="what can't heal"),
        pytest.param(fault(ErrorKind.DENIED), 3, 1, id="denied"),
        pytest.param(fault(ErrorKind.RATE_LIMITED, transient=False), 3, 1, id="a lasting limit"),
        pytest.param(fault(after=61), 3, 1, id="asked to wait too long"),
        pytest.param(fault(after=60), 3, 3, id="asked to wait a minute"),
        pytest.param(InterruptedRunError(), 3, 1, id="interrupted"),
        pytest.param(ValueError("a bug"), 3, 1, id="a bug"),
    ],
)
def test_the_last_fault_is_raised(error: Exception, tries: int, calls: int) -> None:
    pauses, work = Pauses(), Flaky([error] * 5)
    with pytest.raises(type(error)) as raised:
        pauses.rule(tries).run(work)
    assert raised.value is error
    assert work.calls == calls


def test_a_wait_that_is_called_off_ends_it() -> None:
    pauses, work = Pauses(is_called_off=True), Flaky([fault()])
    with pytest.raises(ImageError):
        pauses.rule().run(work)
    assert work.calls == 1


@pytest.mark.parametrize(
    ("attempt", "least", "most"),
    [
        pytest.param(1, 0.5, 1, id="second try"),
        pytest.param(2, 1, 2, id="third try"),
        pytest.param(4, 4, 8, id="fifth try"),
        pytest.param(8, 60, 60, id="a minute at most"),
        pytest.param(5000, 60, 60, id="after thousands of tries"),
    ],
)
def test_waits_double_with_jitter(attempt: int, least: float, most: float) -> None:
    rule = Pauses().rule(base=1.0)
    delays = [rule.delay(attempt, fault()) for _ in range(50)]
    assert all(delay is not None and least <= delay <= most for delay in delays)
    assert len(set(delays)) > 1 or least == most


@pytest.mark.parametrize(
    ("error", "delay"),
    [
        pytest.param(fault(after=0), 0, id="at once"),
        pytest.param(fault(after=7.5), 7.5, id="as asked"),
        pytest.param(fault(after=60), 60, id="a minute"),
        pytest.param(fault(after=60.5), None, id="longer"),
        pytest.param(fault(ErrorKind.DENIED, after=1), None, id="no passing fault"),
        pytest.param(fault(after=1, transient=False), None, id="lasting"),
    ],
)
def test_a_registrys_own_retry_after_is_honoured(error: ImageError, delay: float | None) -> None:
    assert Pauses().rule().delay(1, error) == delay


@given(st.integers(1, 10_000), st.floats(0, 1e6))
def test_no_wait_is_longer_than_a_minute(attempt: int, base: float) -> None:
    delay = Pauses().rule(base=base).delay(attempt, fault())
    assert delay is not None
    assert 0 <= delay <= 60


def test_of_many_threads_one_does_the_work() -> None:
    calls: list[str] = []
    all_here = threading.Barrier(16, timeout=TIMEOUT)

    def work(key: str) -> object:
        calls.append(key)
        return object()

    once: OncePerKey[str, object] = OncePerKey(work)

    def ask(_: int) -> object:
        all_here.wait()
        return once("key")

    with ThreadPoolExecutor(16) as pool:
        values = set(pool.map(ask, range(16)))
    assert calls == ["key"]
    assert len(values) == 1


def test_each_key_has_a_value_of_its_own() -> None:
    once: OncePerKey[int, int] = OncePerKey(lambda key: key * 2)
    assert [once(1), once(2), once(1)] == [2, 4, 2]


def test_what_was_raised_is_raised_again_without_trying_again() -> None:
    work = Flaky([fault(), fault()])
    once: OncePerKey[str, str] = OncePerKey(lambda _: work())
    for _ in range(3):
        with pytest.raises(ImageError):
            once("key")
    assert work.calls == 1


def test_those_who_wait_are_given_the_error_too() -> None:
    has_begun, may_fail = threading.Event(), threading.Event()

    def work(_: str) -> str:
        has_begun.set()
        assert may_fail.wait(TIMEOUT)
        raise fault()

    once: OncePerKey[str, str] = OncePerKey(work)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(once, "key") for _ in range(2)]
        assert has_begun.wait(TIMEOUT)
        may_fail.set()
        errors = [one.exception(TIMEOUT) for one in asked]
    assert errors[0] is errors[1]
    assert isinstance(errors[0], ImageError)


class Threadless(ThreadPoolExecutor):
    """A pool on a machine that has no threads left."""

    def __init__(self, words: str) -> None:
        super().__init__(1)
        self.words = words

    def submit(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError(self.words)


def test_two_things_are_done_at_once() -> None:
    both = threading.Barrier(2, timeout=TIMEOUT)
    with ThreadPoolExecutor(1) as pool:
        places = side_by_side(pool, both.wait, both.wait)
        assert set(places) == {0, 1}
        assert side_by_side(pool, lambda: "aside", lambda: "here") == ("aside", "here")


def test_where_no_thread_can_be_had_two_things_come_one_after_the_other() -> None:
    with Threadless("can't start new thread") as pool:
        assert side_by_side(pool, lambda: "aside", lambda: "here") == ("aside", "here")
    with Threadless("something else") as pool, pytest.raises(RuntimeError, match="something else"):
        side_by_side(pool, lambda: "aside", lambda: "here")
