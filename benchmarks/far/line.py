"""A far line to one port of this machine: bytes arrive later, and only so many a second.

It knows nothing of what it carries, so TLS and its handshakes pass as they are. A connection
stands at once on loopback; over a real line that takes a round trip, so its first bytes wait for
one. TCP's slow start is not played: a line is at its full rate from the first byte on. In a process
of its own, as the other proxies are.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from benchmarks.network import allow_many_connections

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from types import TracebackType

ANYWHERE = "0.0.0.0"  # noqa: S104  (nothing listens there)
"""It leads to this machine, too, but tools don't take it for loopback, where some trust more."""

_PIECE = 64 * 1024
_AT_A_TIME = 0.02
"""Seconds that a piece takes at most at the line's rate, so that all connections flow evenly."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a line has carried since the last time: bytes, and the processor seconds it took."""

    up: int
    down: int
    busy: float


@final
class Line:
    """A line to a port, as long as its `with` lasts; near until it is set to be far.

    Attributes:
        host: What the tools call it: an address and a port.
    """

    def __init__(self, port: int, *, rate: int | None = None) -> None:
        """Take note.

        Args:
            port: Where it leads, on 127.0.0.1.
            rate: Bytes a second, both ways and all connections together; None is no limit.
        """
        self.host = ""
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, port, rate), daemon=True)

    def __enter__(self) -> Line:
        self._process.start()
        self.host = f"{ANYWHERE}:{self._ours.recv()}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ours.close()
        self._process.join()

    def take(self, *, delay: float) -> Carried:
        """What it has carried; from now on a round trip takes `delay` seconds."""
        self._ours.send(delay)
        carried = self._ours.recv()
        assert isinstance(carried, Carried)  # noqa: S101  (a pipe's end has no type)
        return carried


def _serve(harness: Connection[Carried | int, float], port: int, rate: int | None) -> None:
    os.setpgid(0, 0)  # Ctrl-C is the harness's; this ends when its pipe does
    allow_many_connections()
    asyncio.run(_Carrier(port, rate).serve(harness))


class _Carrier:
    """Carries bytes between clients and the port."""

    def __init__(self, port: int, rate: int | None) -> None:
        self._port = port
        self._rate = rate
        self._piece = min(_PIECE, max(1, int(rate * _AT_A_TIME))) if rate else _PIECE
        self._delay = 0.0
        self._free_at = 0.0
        self._bytes = {"up": 0, "down": 0}
        self._busy = time.process_time()
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, harness: Connection[Carried | int, float]) -> None:
        """Carry until the harness closes its end."""
        ended = asyncio.Event()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=256)
        asyncio.get_running_loop().add_reader(harness.fileno(), self._answer, harness, ended)
        harness.send(server.sockets[0].getsockname()[1])
        await ended.wait()
        asyncio.get_running_loop().remove_reader(harness.fileno())
        server.close()
        for one in tuple(self._connections):
            one.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _answer(self, harness: Connection[Carried | int, float], ended: asyncio.Event) -> None:
        try:
            self._delay = harness.recv()
        except EOFError:
            ended.set()
            return
        busy = time.process_time()
        harness.send(Carried(self._bytes["up"], self._bytes["down"], busy - self._busy))
        self._bytes = {"up": 0, "down": 0}
        self._busy = busy

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connect(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        stands_at = time.monotonic() + self._delay
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            to_client.close()
            return
        for one in (to_client, to_server):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.gather(
                self._carry(client, to_server, "up", stands_at),
                self._carry(server, to_client, "down", stands_at),
            )
        finally:
            to_client.close()
            to_server.close()

    async def _carry(
        self, one: asyncio.StreamReader, other: asyncio.StreamWriter, way: str, stands_at: float
    ) -> None:
        """Carry one way's bytes: what is under way is bounded by the line's rate alone."""
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(_deliver(arriving, other))
        try:
            while piece := await _read(one, self._piece):
                self._bytes[way] += len(piece)
                through_at = self._through_at(len(piece))
                arriving.put_nowait((max(through_at, stands_at) + self._delay / 2, piece))
                await asyncio.sleep(through_at - time.monotonic())
            arriving.put_nowait((time.monotonic() + self._delay / 2, b""))
            await delivering
        finally:
            delivering.cancel()

    def _through_at(self, size: int) -> float:
        """When so many bytes have got onto the line, after all those before them."""
        start = time.monotonic()
        if self._rate is None:
            return start
        self._free_at = max(start, self._free_at) + size / self._rate
        return self._free_at


async def _read(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.read(size)
    except OSError:
        return b""  # a reset ends what came this way, as an end does


async def _deliver(arriving: asyncio.Queue[tuple[float, bytes]], to: asyncio.StreamWriter) -> None:
    """Write each piece when it is due; an empty one is the end."""
    while True:
        due, piece = await arriving.get()
        await asyncio.sleep(due - time.monotonic())
        try:
            if not piece:
                to.write_eof()
                return
            to.write(piece)
            await to.drain()
        except (OSError, RuntimeError):
            return  # whoever was to have it went away
