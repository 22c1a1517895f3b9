"""What can go wrong between a client and a registry, as values, and the rules that say when."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, final

from demo.wire import PIECE, Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Side = Literal["request", "answer"]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Closes the connection at once: the client reads EOF."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Says nothing at all until the proxy stops."""


@dataclass(frozen=True, slots=True)
class Response:
    """Answers in the registry's place."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def error(
        cls, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        """An error as the distribution spec writes it, such as 403 DENIED."""
        body = {"errors": [{"code": code, "message": message}]}
        described = {"Content-Type": "application/json", **(headers or {})}
        return cls(status, described, json.dumps(body).encode())


@dataclass(frozen=True, slots=True)
class Call:
    """Calls something before the request goes on, to move a tag in that instant, say."""

    function: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Reset:
    """Breaks the connection after so many bytes of a body; `after=None`: before any answer."""

    after: int | None = None
    side: Side = "answer"


@dataclass(frozen=True, slots=True)
class Truncate:
    """Ends the connection in good order after so many bytes of the answer's body."""

    after: int


@dataclass(frozen=True, slots=True)
class Stall:
    """Falls silent after so many bytes of a body, until the proxy stops."""

    after: int
    side: Side = "answer"


@dataclass(frozen=True, slots=True)
class Drip:
    """Lets a body through at so many bytes a second."""

    rate: int
    side: Side = "answer"


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Turns the bits of one byte of a body; a shorter body passes unharmed."""

    offset: int = 0
    side: Side = "answer"


@dataclass(frozen=True, slots=True)
class WrongDigest:
    """Answers with this Docker-Content-Digest; an empty one leaves the header out."""

    digest: str = f"sha256:{'0' * 64}"


Fault = (
    Refuse | Hang | Response | Call | Reset | Truncate | Stall | Drip | Corrupt | WrongDigest
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """When a fault strikes.

    Args:
        fault: what happens.
        method: a pattern that the whole method matches.
        path: a pattern found in the path and query.
        content: a pattern found in the request's Content-Type.
        times: how often at most; None is always.
        skip: how many matching requests pass before.
        chance: how likely, each time.
    """

    fault: Fault
    method: str = ".*"
    path: str = ""
    content: str = ""
    times: int | None = None
    skip: int = 0
    chance: float = 1.0

    def matches(self, head: Head) -> bool:
        """Whether the rule is about such a request."""
        method, path, _ = head.words
        is_its_content = re.search(self.content, head.get("content-type"))
        is_there = re.fullmatch(self.method, method) and re.search(self.path, path)
        return bool(is_there and is_its_content)


class CutError(Exception):
    """The connection ends here, as the rules want it."""

    def __init__(self, *, is_reset: bool) -> None:
        super().__init__()
        self.is_reset = is_reset


@final
class Rules:
    """The rules in force; the first that strikes is the only one. Safe between threads."""

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311  (the same faults each time)
        self._rules: tuple[Rule, ...] = ()
        self._met: Counter[int] = Counter()
        self._struck: Counter[int] = Counter()

    def add(self, rule: Rule) -> None:
        """Puts a rule after the others."""
        with self._lock:
            self._rules += (rule,)

    def clear(self) -> None:
        """Forgets all rules and how often they struck."""
        with self._lock:
            self._rules = ()
            self._met.clear()
            self._struck.clear()

    def struck(self, rule: Rule) -> int:
        """How often the rule struck."""
        with self._lock:
            return self._struck[id(rule)]

    def pick(self, request: Head) -> Fault | None:
        """What shall happen to this request."""
        if not self._rules:
            return None
        with self._lock:
            matching = (rule for rule in self._rules if rule.matches(request))
            return next((rule.fault for rule in matching if self._strikes(rule)), None)

    def _strikes(self, rule: Rule) -> bool:
        if rule.times is not None and self._struck[id(rule)] >= rule.times:
            return False
        self._met[id(rule)] += 1
        if self._met[id(rule)] <= rule.skip or self._random.random() >= rule.chance:
            return False
        self._struck[id(rule)] += 1
        return True


@final
class Pace:
    """Lets bytes through at a rate (bytes a second) that all who share it have together."""

    def __init__(self, rate: int, stopped: threading.Event) -> None:
        self._rate = rate
        self._size = min(PIECE, max(1, rate // 20))
        self._stopped = stopped
        self._lock = threading.Lock()
        self._free_at = 0.0

    def let_through(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same bytes, in time, in pieces small enough to flow evenly."""
        for piece in pieces:
            for start in range(0, max(1, len(piece)), self._size):
                part = piece[start : start + self._size]
                self._wait_for(len(part))
                yield part

    def _wait_for(self, size: int) -> None:
        with self._lock:
            start = max(time.monotonic(), self._free_at)
            self._free_at = through_at = start + size / self._rate
        wait(self._stopped, through_at - time.monotonic())


def wait(stopped: threading.Event, seconds: float | None) -> None:
    """Waits, `None` for ever; ends the connection where the proxy stops meanwhile."""
    if (seconds is None or seconds > 0) and stopped.wait(seconds):
        raise CutError(is_reset=False)


def bend_head(fault: Fault | None, head: Head) -> Head:
    """The answer's head as the fault leaves it."""
    if not isinstance(fault, WrongDigest):
        return head
    true = head.without("docker-content-digest")
    lie = (("Docker-Content-Digest", fault.digest),) if fault.digest else ()
    return Head(true.words, (*true.fields, *lie))


def bend_body(
    fault: Fault | None, side: Side, pieces: Iterator[bytes], stopped: threading.Event
) -> Iterator[bytes]:
    """One side's body as the fault leaves it."""
    match fault:
        case Reset(after=int(after), side=at) if at == side:
            return _cut(pieces, after, CutError(is_reset=True))
        case Truncate(after=after) if side == "answer":
            return _cut(pieces, after, CutError(is_reset=False))
        case Stall(after=after, side=at) if at == side:
            return _stall(pieces, after, stopped)
        case Drip(rate=rate, side=at) if at == side:
            return Pace(rate, stopped).let_through(pieces)
        case Corrupt(offset=offset, side=at) if at == side:
            return _corrupt(pieces, offset)
        case _:
            return pieces


def _first(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes; an empty piece too, so that the head is out at least."""
    yield b""
    while size > 0 and (piece := next(pieces, b"")):
        yield piece[:size]
        size -= len(piece)


def _cut(pieces: Iterator[bytes], after: int, error: CutError) -> Iterator[bytes]:
    yield from _first(pieces, after)
    raise error


def _stall(pieces: Iterator[bytes], after: int, stopped: threading.Event) -> Iterator[bytes]:
    yield from _first(pieces, after)
    wait(stopped, None)


def _corrupt(pieces: Iterator[bytes], offset: int) -> Iterator[bytes]:
    for piece in pieces:
        if 0 <= offset < len(piece):
            yield piece[:offset] + bytes([piece[offset] ^ 0xFF]) + piece[offset + 1 :]
        else:
            yield piece
        offset -= len(piece)
