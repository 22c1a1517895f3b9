"""HTTP that answers from a table, for what is decided above it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ErrorKind
from orchestrator.registry.transport import Transport
from orchestrator.system.body import BodyStream
from orchestrator.system.http import BODY_LIMIT, HttpClient, HttpError, Response

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """A request as it was sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    verify: bool | Path


class ScriptedHttp(HttpClient):
    """Answers each URL by its own row of answers, the last one again and again.

    Attributes:
        asked: What was asked, in its order.
    """

    def __init__(self, answers: Mapping[str, list[Response | HttpError]] | None = None) -> None:
        """Connect to nothing."""
        self.answers = defaultdict(list, answers or {})
        self.asked: list[Asked] = []

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | BodyStream | None = None,
        limit: int | None = BODY_LIMIT,
        verify: bool | Path = True,
    ) -> Response:
        """The next answer; nobody is there where the table has none."""
        del body, limit
        self.asked.append(Asked(method, url, headers, verify))
        answer = self.answer_to(url)
        if isinstance(answer, HttpError):
            raise answer
        return answer

    def open_ahead(
        self, url: str, number: int, *, verify: bool | Path = True
    ) -> list[threading.Thread]:
        """Nothing has to stand."""
        del url, number, verify
        return []

    def answer_to(self, url: str) -> Response | HttpError:
        """What comes of a request."""
        row = self.answers[url]
        if not row:
            return unreachable()
        return row.pop(0) if len(row) > 1 else row[0]

    @property
    def urls(self) -> list[str]:
        """The URLs that were asked, in their order."""
        return [one.url for one in self.asked]


def unreachable(kind: ErrorKind = ErrorKind.UNREACHABLE) -> HttpError:
    """Nobody answers."""
    return HttpError(kind, f"registry.example is {kind.value}")


def transport_over(
    http: HttpClient,
    *,
    insecure: frozenset[str] = frozenset(),
    ca_of: Callable[[str], Path | None] = lambda _: None,
    clock: Callable[[], float] = lambda: 0.0,
) -> Transport:
    """A transport to which some hosts are insecure."""
    return Transport(http, lambda host: host in insecure, ca_of, clock)
