"""What others said, in a report, without any secret: done once, before anything is rendered.

The values are masked and not the finished text: a password `null` or `sync` would break a
document, and what a renderer escapes no longer looks like the password.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from orchestrator.errors import ImageError, Problem
from orchestrator.report.result import Report, Result

Redact = Callable[[str], str]


def redacted(report: Report, redact: Redact) -> Report:
    """The report with every sentence masked; names, digests and numbers stay as they are."""
    return replace(
        report,
        results=tuple(_result(one, redact) for one in report.results),
        problems=redacted_problems(report.problems, redact),
        warnings=tuple(map(redact, report.warnings)),
    )


def redacted_problems(problems: tuple[Problem, ...], redact: Redact) -> tuple[Problem, ...]:
    """Bad lines, of which a user may have written anything."""
    return tuple(
        replace(one, text=redact(one.text), message=redact(one.message), hint=redact(one.hint))
        for one in problems
    )


def _result(result: Result, redact: Redact) -> Result:
    error = result.error and _error(result.error, redact)
    return replace(result, note=redact(result.note), error=error)


def _error(error: ImageError, redact: Redact) -> ImageError:
    return ImageError(
        error.kind,
        redact(error.message),
        hint=redact(error.hint),
        retry_after=error.retry_after,
        transient=error.transient,
        registry=error.registry,
    )
