"""The mirror, asked for what clients want: each place in its turn, under the mirror's own login."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from orchestrator.errors import ErrorKind
from orchestrator.front.places import Place, Places
from orchestrator.front.request import Wanted
from orchestrator.front.wishes import Wishes
from orchestrator.oci.reference import Reference
from orchestrator.registry.responses import Inconclusive
from orchestrator.registry.transport import Request
from orchestrator.system.http import Response

_log = logging.getLogger(__name__)

_NOT_THERE = frozenset({401, 403, 404})
"""How registries say of a repository that it is not there, or not for this login."""

_NOT_OURS = frozenset({ErrorKind.UNAUTHORIZED, ErrorKind.DENIED})
"""How a token server says the same."""

_PAUSE = 5.0
"""Seconds that a registry which failed is left alone."""
_LONGEST_USE = 300.0
"""Seconds after which logins, tokens and failures are forgotten."""
_MOST_REMEMBERED = 1000


class Registries(Protocol):
    """Asks registries over HTTP: `registry.client.RegistryClient`."""

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        """Send a request under the login that there is for the reference."""
        ...


@dataclass(frozen=True)
class Missing:
    """The mirror does not have it."""


@dataclass(frozen=True)
class Unavailable:
    """The mirror could not be asked; `reason` says why."""

    reason: str


class _Connections:
    """A client that is made anew where it is old, or gave a registry up: a run's is made to."""

    def __init__(self, make: Callable[[], Registries], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._client: Registries | None = None
        self._until = 0.0

    def client(self) -> Registries:
        with self._lock:
            if self._client is None or self._clock() >= self._until:
                self._client, self._until = self._make(), self._clock() + _LONGEST_USE
            return self._client

    def note_failure(self) -> None:
        with self._lock:
            self._until = min(self._until, self._clock() + _PAUSE)


class MirrorReader:
    """Answers from the mirror; any number of threads may ask.

    Args:
        make_client: Speaks to registries.
        places: Where things are, as the list says now.
        wishes: What is not there is written down in them.
        clock: Seconds.
    """

    def __init__(
        self,
        make_client: Callable[[], Registries],
        places: Callable[[], Places],
        wishes: Wishes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = _Connections(make_client, clock)
        self._places = places
        self._wishes = wishes
        self._lock = threading.Lock()
        self._recent: dict[str, str] = {}

    def health(self) -> dict[str, int]:
        """How many images the list names, and how many are wished for."""
        return {"images": len(self._places()), "not_mirrored": len(self._wishes)}

    def ask(
        self, method: str, wanted: Wanted, byte_range: str = ""
    ) -> Response | Missing | Unavailable:
        """The mirror's answer, its body left to be read: 200, 206, 416, or a redirect.

        Args:
            method: `GET` or `HEAD`.
            wanted: What the client asked for.
            byte_range: The part of it; empty for all.
        """
        places = self._places()
        trouble: Unavailable | None = None
        for place in self._in_order(places.of(wanted), wanted):
            answer = self._ask_place(method, wanted, place, byte_range)
            if isinstance(answer, Response):
                self._remember(wanted, place)
                return answer
            trouble = answer or trouble
        if trouble:
            return trouble
        if not places.is_in_mirror(wanted.image):
            self._wish(method, wanted)
        return Missing()

    def _ask_place(
        self, method: str, wanted: Wanted, place: Place, byte_range: str
    ) -> Response | Unavailable | None:
        there = place.reference
        limit = 0 if method == "HEAD" else None
        path = f"{wanted.noun}/{there.digest or there.tag}"
        request = Request(method, there.repository, path, limit, range=byte_range)
        answer = self._connections.client().send(request, there)
        if isinstance(answer, Inconclusive):
            if answer.ends_host:
                self._connections.note_failure()
            elif answer.kind in _NOT_OURS and not place.is_listed:
                return None
            return self._trouble(there, answer.reason)
        if answer.status in (200, 206, 416) or answer.is_elsewhere:
            return answer
        if answer.status == 404 or (answer.status in _NOT_THERE and not place.is_listed):
            return None
        return self._trouble(there, f"{there.registry} answered {answer.status}")

    def _trouble(self, there: Reference, reason: str) -> Unavailable:
        _log.warning("%s: %s", there, reason)
        return Unavailable(reason)

    def _in_order(self, places: tuple[Place, ...], wanted: Wanted) -> list[Place]:
        """For a digest, the repository first that its image was last found in."""
        recent = self._recent.get(wanted.image.name) if wanted.digest else None
        return sorted(places, key=lambda place: place.reference.name != recent)

    def _remember(self, wanted: Wanted, place: Place) -> None:
        with self._lock:
            self._recent.pop(wanted.image.name, None)
            self._recent[wanted.image.name] = place.reference.name
            if len(self._recent) > _MOST_REMEMBERED:
                del self._recent[next(iter(self._recent))]
        if wanted.noun == "manifests" and not wanted.is_attached:
            self._wishes.drop(wanted.image)

    def _wish(self, method: str, wanted: Wanted) -> None:
        """Write down what a pull began with.

        A client that went upstream for a tag still asks for its parts here, by their digests and
        with GET; one that was given a digest asks for it with HEAD first.
        """
        is_part = wanted.digest is not None and method != "HEAD"
        if wanted.noun == "manifests" and not is_part and not wanted.is_attached:
            self._wishes.add(wanted.image)
