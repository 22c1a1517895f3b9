"""The guard of the unit tests, tried on what it is there to stop."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing

import pytest


def connect_to_documentation() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as outgoing:
        outgoing.connect(("192.0.2.1", 9))


@pytest.mark.parametrize(
    "reach_out",
    [
        pytest.param(lambda: subprocess.run(["true"], check=False), id="a program"),
        pytest.param(lambda: os.posix_spawn("/bin/true", ["true"], {}), id="a spawn"),
        pytest.param(os.fork, id="a fork"),
        pytest.param(connect_to_documentation, id="a connection"),
        pytest.param(lambda: socket.getaddrinfo("registry.example", 443), id="a look-up"),
    ],
)
def test_a_unit_test_that_reaches_outside_fails(reach_out: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception):
        reach_out()


def test_a_loopback_server_may_be_spoken_to() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        address = ("127.0.0.1", int(server.getsockname()[1]))
        with closing(socket.create_connection(address, timeout=5)) as client:
            assert client.getpeername() == address
