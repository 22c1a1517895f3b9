"""Working on many things at once, trying again, and doing a thing only once.

Nothing here knows what the work is.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, Protocol, TypeVar

from orchestrator.errors import ImageError, is_thread_lack

_log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
K = TypeVar("K")

_LONGEST_WAIT = 60.0
_MOST_DOUBLINGS = 32
"""Past these, the longest wait is reached from any base; 2**1024 is no float any more."""


class WorkQueue(Protocol[T, R_contra]):
    """Hands out tasks, and learns how each ended; used by one thread."""

    def take(self) -> T | None:
        """The next task; None where there is none, or none before something has ended."""
        ...

    def finish(self, task: T, result: R_contra) -> None:
        """A task has ended, with this result."""
        ...


class FifoQueue(Generic[T, R]):
    """The plain queue: one after the other, as they stand."""

    def __init__(self, tasks: Iterable[T]) -> None:
        self._pieces = iter(tasks)

    def take(self) -> T | None:
        """The next task, until there is none."""
        return next(self._pieces, None)

    def finish(self, task: T, result: R) -> None:
        """Nothing depends on it."""


def map_bounded(
    work: Callable[[T], R],
    queue: WorkQueue[T, R],
    *,
    jobs: int,
    ended: SimpleQueue[Future[R] | None] | None = None,
    is_brief: Callable[[T], bool] = lambda _: False,
) -> Iterator[tuple[T, R]]:
    """Do `work` on every task, `jobs` at once, and yield task and result as they come.

    No more than `jobs` tasks are taken ahead, so a long list costs no memory. What `work`
    raises is raised here; `work` should return failures as values.

    Where no more threads can be started, fewer are done at once; at worst, one by one.

    Args:
        work: What is done with a task.
        queue: Hands tasks out.
        jobs: How many at once.
        ended: Where what has ended is put; who puts a None there, from any thread, has the queue
            asked again at once.
        is_brief: Whether a task waits for nothing: it is done here, which takes less than to hand
            it to another thread.
    """
    ended = SimpleQueue() if ended is None else ended  # `futures.wait` would look at all of them
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        running: dict[Future[R], T] = {}
        has_threads = False
        while True:
            while len(running) < jobs and (task := queue.take()) is not None:
                if is_brief(task):
                    queue.finish(task, result := work(task))
                    yield task, result
                    continue
                future: Future[R] = Future()
                future.add_done_callback(ended.put)
                running[future] = task
                try:
                    pool.submit(_settle, future, work, task)
                    has_threads = True
                except RuntimeError as error:
                    if not is_thread_lack(error):
                        raise
                    jobs = max(1, len(running) - 1)
                    _log.warning("no more threads can be started: %d at once from now on", jobs)
                    if not has_threads:
                        _settle(future, work, task)
                    # Else it has been queued all the same, and a thread takes it when it can.
            if not running:
                return
            if (next_ended := ended.get()) is None:
                continue
            task, result = running.pop(next_ended), next_ended.result()
            queue.finish(task, result)
            yield task, result


def _settle(future: Future[R], work: Callable[[T], R], task: T) -> None:
    try:
        future.set_result(work(task))
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is wanted
        future.set_exception(error)


def side_by_side(pool: Executor, aside: Callable[[], T], here: Callable[[], R]) -> tuple[T, R]:
    """Do two things at once; one after the other where no thread can be had.

    Args:
        pool: Does the first; that must not wait for another thread of the pool.
        aside: The first.
        here: The second, done by the calling thread.
    """
    try:
        future = pool.submit(aside)
    except RuntimeError as error:
        if not is_thread_lack(error):
            raise
        return aside(), here()
    found = here()
    return future.result(), found


@dataclass(frozen=True)
class RetryPolicy:
    """How often a transient fault is tried again, and after which waits.

    Attributes:
        tries: How often in all, the first one included.
        base: Seconds before the second try; each further wait is twice as long.
        sleep: Waits so many seconds; True where it was called off.
        on_retry: Called with the fault, and the seconds until the next try.
    """

    tries: int
    base: float
    sleep: Callable[[float], bool]
    on_retry: Callable[[ImageError, float], None]

    def run(self, work: Callable[[], T]) -> T:
        """Do `work`, again while a passing fault stands in the way.

        Raises:
            ImageError: The last fault, or the first that won't pass.
        """
        for attempt in range(1, self.tries + 1):
            try:
                return work()
            except ImageError as error:
                delay = self.delay(attempt, error)
                if delay is None or attempt == self.tries:
                    raise
                self.on_retry(error, delay)
                if self.sleep(delay):
                    raise
        raise AssertionError("a rule has at least one try")

    def delay(self, attempt: int, error: ImageError) -> float | None:
        """Seconds to wait after this attempt; None where trying again makes no sense.

        A registry's own Retry-After is honoured up to a minute; one that asks for more
        will not heal within this run. Otherwise exponential, with jitter, so that several
        items do not come back at one instant.
        """
        if not error.is_transient:
            return None
        if error.retry_after is not None:
            return error.retry_after if error.retry_after <= _LONGEST_WAIT else None
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  (no secret depends on it)
        doublings = min(attempt - 1, _MOST_DOUBLINGS)
        return float(min(_LONGEST_WAIT, self.base * 2**doublings * jitter))


class OncePerKey(Generic[K, R]):
    """A cache: `work` is done once for a key, by one of the threads that ask for it."""

    def __init__(self, work: Callable[[K], R]) -> None:
        self._work = work
        self._futures: dict[K, Future[R]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: K) -> R:
        """The value for `key`; what `work` raised for it is raised again."""
        with self._lock:
            future = self._futures.get(key)
            is_ours = future is None
            if future is None:
                future = self._futures[key] = Future()
        if is_ours:
            try:
                future.set_result(self._work(key))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()
