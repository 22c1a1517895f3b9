"""The network between a tool and one registry: a proxy in a process of its own.

In a process of its own it shares no interpreter lock with the harness or with other proxies, so
that it can keep up; how busy it was is part of what is measured.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from demo.proxy import Exchange, FaultProxy

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from types import TracebackType

_TAKE = "take"
_END = "end"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a network is like.

    Attributes:
        delay: Seconds that each request waits.
        rate: Bytes a second of all bodies together; None is no limit.
    """

    delay: float = 0.0
    rate: int | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What went by since the last time, and the processor seconds that the proxy spent on it."""

    exchanges: tuple[Exchange, ...]
    busy: float


@final
class Network:
    """A proxy in front of one registry, as long as its `with` lasts.

    Attributes:
        host: The proxy's address and port.
    """

    def __init__(self, registry_url: str, conditions: Conditions) -> None:
        self.host = ""
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, registry_url, conditions), daemon=True
        )

    def __enter__(self) -> Network:
        self._process.start()
        self.host = str(self._ours.recv())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ours.send(_END)
        self._process.join()

    def take(self) -> Watched:
        """What went by since the last time."""
        self._ours.send(_TAKE)
        watched = self._ours.recv()
        assert isinstance(watched, Watched)  # noqa: S101  (a pipe's end has no type)
        return watched


def _serve(
    harness: Connection[Watched | str, str], registry_url: str, conditions: Conditions
) -> None:
    os.setpgid(0, 0)  # Ctrl-C is the harness's; this ends when its pipe does
    allow_many_connections()
    with FaultProxy(registry_url) as proxy:
        proxy.delay = conditions.delay
        proxy.limit(conditions.rate)
        harness.send(proxy.host)
        taken, busy = 0, time.process_time()
        while _is_asked(harness):
            exchanges, now = proxy.exchanges()[taken:], time.process_time()
            harness.send(Watched(exchanges, now - busy))
            taken, busy = taken + len(exchanges), now


def _is_asked(harness: Connection[Watched | str, str]) -> bool:
    try:
        return harness.recv() == _TAKE
    except EOFError:
        return False


def allow_many_connections() -> None:
    """Lift the usual limit of 1024 open files: some tools never close what they opened."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
