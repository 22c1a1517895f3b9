"""Reading what was just written: some registries show it some seconds late.

GHCR shows a tag up to four seconds after it took it: until then the tag is absent, or what it
was before. So a good copy is no mismatch before it has been asked for again, with patience.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from orchestrator.errors import InterruptedRunError
from orchestrator.system.parallel import RetryPolicy

T = TypeVar("T")

_WAITS = (0.5, 1.0, 2.0, 4.0, 7.5)
"""Between the readings, fifteen in all: seconds, where the run's own first wait is one."""


def read_until(is_good: Callable[[T], bool], read: Callable[[], T], retry: RetryPolicy) -> T:
    """Read again until it is good, or has had the time to be; what was read last.

    Args:
        is_good: Whether what was read is what was written.
        read: Reads it.
        retry: Waits, and how long it waits first.

    Raises:
        InterruptedRunError: The run is to end meanwhile, so that nothing is known.
    """
    for wait in _WAITS:
        found = read()
        if is_good(found):
            return found
        if retry.sleep(wait * retry.base):
            raise InterruptedRunError
    return read()
