"""Unit tests touch nothing: no program is started, and no socket leaves this machine.

An audit hook can't be taken away again and sees what every library does, so the guard
needs to patch nobody; it is armed only while a unit test runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

PROGRAMS = frozenset(
    "os.exec os.fork os.forkpty os.posix_spawn os.spawn os.startfile os.system pty.spawn "
    "subprocess.Popen".split()
)
CONNECTIONS = frozenset("socket.connect socket.sendto socket.sendmsg".split())
LOOK_UPS = frozenset("socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr".split())
LOOPBACK = ("127.", "::1", "localhost")


class _Guard:
    """Fails the running test where it reaches for the world outside."""

    def __init__(self) -> None:
        self.is_armed = False

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        if not self.is_armed:
            return
        if event in PROGRAMS:
            pytest.fail(f"a unit test starts no program ({event} {args[:1]})")
        if event in CONNECTIONS and not _is_here(args[1]):
            pytest.fail(f"a unit test reaches no network ({event} {args[1]})")
        if event in LOOK_UPS and not _is_here(args[:1]):
            pytest.fail(f"a unit test looks up no host ({event} {args[0]})")


def _is_here(address: object) -> bool:
    """Whether an address is loopback's; one without a host is a socket file's."""
    host = address[0] if isinstance(address, tuple) and address else ""
    return not isinstance(host, str) or not host or host.startswith(LOOPBACK)


_guard = _Guard()
sys.addaudithook(_guard)

# The machines that run this are busy: a slow example is no bug.
settings.register_profile("unit", deadline=None, max_examples=150)
settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _nothing_outside_is_touched() -> Iterator[None]:
    _guard.is_armed = True
    yield
    _guard.is_armed = False
