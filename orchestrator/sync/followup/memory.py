"""What a run leaves to the next one: who filled what, and what stands for the same content."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.plan.decision import Reason
from orchestrator.report.result import Outcome, Result, of_outcome
from orchestrator.state.store import State
from orchestrator.sync.conflict import source_name

_SAME_DATE = Reason.CREATED_ONLY.value
"""Believing a date (CREATED_CHECK=trust) is no knowledge of the content."""


def remember(results: Iterable[Result], state: State) -> None:
    """Keep who filled what, and which digests stand for the same content."""
    for result in of_outcome(results, Outcome.COPIED, Outcome.SKIPPED):
        place, source = str(result.item.destination), source_name(result.item)
        if state.writer(place) != source:
            state.remember_writer(place, source)
        expected, digest = result.expected_digest, result.digest
        if expected and digest and digest != expected and result.reason != _SAME_DATE:
            state.remember_converted(place, expected, digest)
