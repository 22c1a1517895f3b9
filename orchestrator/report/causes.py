"""Why items failed: one cause is one message, however many items it kept from their targets."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.report.result import Outcome, Report, Result, of_outcome

_OF_A_REGISTRY = frozenset(
    {
        ErrorKind.UNAUTHORIZED,
        ErrorKind.DENIED,
        ErrorKind.RATE_LIMITED,
        ErrorKind.UNREACHABLE,
        ErrorKind.TIMEOUT,
        ErrorKind.TLS,
        ErrorKind.NO_SPACE,
    }
)
"""Kinds whose cause may lie in a registry, or the way to it, and not in an image."""


@dataclass(frozen=True)
class Cause:
    """A fault that kept items from their targets.

    Attributes:
        error: The first item's.
        message: What is wrong; its subject is the registry where several items met the cause.
        lines: Their lines in the list, each once; empty for images of the command line.
        targets: Their targets, each once.
        items: How many there are.
    """

    error: ImageError
    message: str
    lines: tuple[int, ...]
    targets: tuple[str, ...]
    items: int

    @property
    def hint(self) -> str:
        """What to do next."""
        return self.error.hint


def causes_of(report: Report) -> tuple[Cause, ...]:
    """The causes of all failures, in the order of their first items."""
    met: dict[tuple[str, ...], list[Result]] = {}
    for result in of_outcome(report.results, Outcome.FAILED):
        if result.error:
            met.setdefault(_identity(result, result.error), []).append(result)
    return tuple(map(_cause, met.values()))


def _cause(results: list[Result]) -> Cause:
    first = results[0]
    error = first.error
    if error is None:
        raise ValueError("a cause without an error")
    images = {(one.item.line, one.item.source, one.item.choice) for one in results}
    is_shared = len(images) > 1
    words = _words(first, error)
    return Cause(
        error,
        f"{error.registry}: {words}" if is_shared and words != error.message else error.message,
        tuple(dict.fromkeys(one.item.line for one in results if one.item.line)),
        tuple(dict.fromkeys(one.item.target.name for one in results)),
        len(results),
    )


def _identity(result: Result, error: ImageError) -> tuple[str, ...]:
    """Equal for two items that failed for one cause."""
    item = result.item
    if error.kind in _OF_A_REGISTRY and error.registry:
        hint = error.hint
        for reference in (item.destination, item.source):
            hint = hint.replace(reference.name, "")
        return error.kind.value, error.registry, _words(result, error), hint
    return str(item.line), str(item.source), str(item.choice), error.message, error.hint


def _words(result: Result, error: ImageError) -> str:
    """The message less the image that it is about."""
    words = error.message
    for reference in (result.item.destination, result.item.source):
        words = words.removeprefix(f"{reference.familiar}: ")
    return words
