"""Docker Hub's pulls: counted as it counts them, and stopped once it has had enough.

Docker Hub counts each GET of a manifest, and no HEAD. Over its limit it answers
429 for the rest of a window of six hours, so that asking again is of no use in
a run (docs.docker.com, "Docker Hub pull usage and limits").
"""

from __future__ import annotations

import threading

from orchestrator.errors import ImageError, Kind, PutOffError
from orchestrator.reference import DOCKER_HUB, Reference

LIMIT_REACHED = "pull-limit"
"""Why an item was put off: Docker Hub had refused another one before."""


class Pulls:
    """The pulls of a run; safe to be used by many threads."""

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
            PutOffError: Docker Hub has refused a pull already.
        """
        if reference.is_docker_hub and self._has_reached_limit.is_set():
            raise PutOffError(LIMIT_REACHED)

    def add(self, reference: Reference, pulls: int = 1) -> None:
        """Count what was read."""
        if reference.is_docker_hub:
            with self._lock:
                self._count += pulls

    def heed(self, error: ImageError) -> None:
        """Learn from a failure that the limit is reached."""
        if error.kind is Kind.RATE_LIMITED and error.registry == DOCKER_HUB:
            self._has_reached_limit.set()
