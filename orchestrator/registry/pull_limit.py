"""Docker Hub's pull limit: read of its answers, counted against, and kept once it is reached.

Docker Hub counts each GET of a manifest, and no HEAD. Over its limit it answers
429 for the rest of a window of six hours, so that asking again is of no use in
a run (docs.docker.com, "Docker Hub pull usage and limits").
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass

from orchestrator.errors import DeferredError, ErrorKind, ImageError
from orchestrator.oci.reference import DOCKER_HUB, Reference
from orchestrator.registry.responses import error_codes
from orchestrator.system.http import Response

_LIMIT = re.compile(r"(\d{1,9})(?:\s*;\s*w=(\d{1,9}))?", re.ASCII)


@dataclass(frozen=True)
class PullLimit:
    """How many pulls Docker Hub allows in a window of so many seconds, and how many are left."""

    limit: int
    remaining: int
    window: int


def pull_limit_in(answer: Response) -> PullLimit | None:
    """Docker Hub's pull limit; None where it names none, as for paying users."""
    limit = _LIMIT.fullmatch(answer.headers.get("ratelimit-limit", ""))
    remaining = _LIMIT.fullmatch(answer.headers.get("ratelimit-remaining", ""))
    if not limit or not remaining:
        return None
    return PullLimit(int(limit[1]), int(remaining[1]), int(limit[2] or remaining[2] or 0))


def is_over_limit(answer: Response) -> bool:
    """Whether a registry's own limit is reached: Docker Hub's pull limit has this code.

    A 429 without it is about requests of any kind in the last minute (docs.docker.com, "Docker Hub
    usage and limits": abuse rate limit), and may have passed when skopeo asks.
    """
    return answer.status == 429 and "TOOMANYREQUESTS" in error_codes(answer)


LIMIT_REACHED = "pull-limit"
"""Why an item was deferred: Docker Hub had refused another one before."""


class PullCounter:
    """Counts the pulls of a run; safe to be used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._has_reached_limit = threading.Event()

    @property
    def count(self) -> int:
        """How many were counted so far."""
        return self._count

    def check(self, reference: Reference) -> None:
        """Before something is read: may it be?

        Raises:
            DeferredError: Docker Hub has refused a pull already.
        """
        if reference.is_docker_hub and self._has_reached_limit.is_set():
            raise DeferredError(LIMIT_REACHED)

    def add(self, reference: Reference, pulls: int = 1) -> None:
        """Count what was read."""
        if reference.is_docker_hub:
            with self._lock:
                self._count += pulls

    def note_refusal(self, error: ImageError) -> None:
        """Learn from a failure that the limit is reached."""
        if error.kind is ErrorKind.RATE_LIMITED and error.registry == DOCKER_HUB:
            self._has_reached_limit.set()
