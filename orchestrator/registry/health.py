"""Which hosts answer: shared by all who ask, so that one that is silent costs a run little.

A host is given up for a run once it has let so many questions pass, one after the other, that an
item would be failed for it, and gives no answer to "who are you?" either. The last question keeps
a host whose trouble is one image from being given up. Any answer, a refusal too, sets it right.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import Reference

_log = logging.getLogger(__name__)

QUESTION = 20.0
"""Seconds that a host may be silent when it is asked something, and may take to answer if it has
been silent before."""


@dataclass
class _Record:
    """What is known of one host.

    Attributes:
        silences: Questions without an answer, one after the other.
        counted_at: When the last of them ended; those that began before it are the same silence.
    """

    is_proven: bool = False
    is_given_up: bool = False
    silences: int = 0
    counted_at: float = float("-inf")


class HostHealth:
    """Remembers who answers; any number of threads may use it.

    Args:
        tries: Silences after which a host is given up; None for never.
    """

    def __init__(self, tries: int | None = None) -> None:
        self._tries = tries
        self._records: dict[str, _Record] = {}
        self._lock = threading.Lock()
        self._is_alive: Callable[[str], bool] = lambda _: False

    def ask_last_by(self, is_alive: Callable[[str], bool]) -> None:
        """Choose how a host is asked for a sign of life before it is given up."""
        self._is_alive = is_alive

    def is_proven(self, registry: str) -> bool:
        """Whether it has answered in this run."""
        return self._of(registry).is_proven

    def is_suspect(self, registry: str) -> bool:
        """Whether its last question got no answer."""
        return self._of(registry).silences > 0

    def check(self, registry: str) -> None:
        """Before a question: is there any use in it?

        Raises:
            ImageError: The host was given up.
        """
        if self._of(registry).is_given_up:
            raise ImageError(
                ErrorKind.TIMEOUT,
                f"{registry} did not answer {self._tries} times, and is left alone in this run",
                hint=f"check the network's way to {registry}; the next run tries again",
                transient=False,
                registry=registry,
            )

    def answered(self, registry: str) -> None:
        """It has answered, whatever it said."""
        record = self._of(registry)
        record.is_proven, record.silences = True, 0

    def was_silent(self, registry: str, *, since: float) -> None:
        """It has not answered a question that began then (`time.monotonic`)."""
        record = self._of(registry)
        with self._lock:
            if record.is_given_up or since < record.counted_at:
                return
            record.silences += 1
            record.counted_at = time.monotonic()
            is_last = self._tries is not None and record.silences >= self._tries
        if is_last and not self._is_alive(registry):
            record.is_given_up = True
            _log.warning("%s does not answer; it is left alone in this run", registry)

    def _of(self, registry: str) -> _Record:
        with self._lock:
            return self._records.setdefault(registry, _Record())


@dataclass(frozen=True)
class Precautions:
    """What is seen to before a host is spoken to.

    Attributes:
        health: Who answers; a host that was given up is not asked.
        check_login: Raises where a login would go where it must not.
        longest_question: Seconds that a host may be silent when it is asked something.
    """

    health: HostHealth = field(default_factory=HostHealth)
    check_login: Callable[[Reference], None] = lambda _: None
    longest_question: float = QUESTION
