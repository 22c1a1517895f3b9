"""Reading answers: most chat services say "failed" inside an HTTP 200."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.notify.message import Refusal
from orchestrator.system.http import Response

_TOO_MANY = 429


@dataclass(frozen=True)
class Codes:
    """How a service answers with numbers.

    Attributes:
        number: The fields that may hold the code, the newest name first.
        success: The code that says it was taken.
        words: The fields that may hold the sentence to it.
        transient: Codes of faults that pass by themselves.
        hints: What to do about a code.
    """

    number: tuple[str, ...]
    words: tuple[str, ...]
    success: int = 0
    transient: frozenset[int] = frozenset()
    hints: Mapping[int, str] = field(default_factory=dict)


def verdict_by_code(answer: Response, codes: Codes) -> Refusal | None:
    """Judge an answer by the code in its body, whatever its HTTP status says."""
    fields = fields_of(answer)
    code = _first_code(fields, codes.number)
    if code is None:
        return verdict_by_status(answer) or Refusal("the answer is not that of such a bot")
    if code == codes.success and is_success(answer):
        return None
    return Refusal(
        f"{text_in(fields, *codes.words)} (code {code})",
        hint=codes.hints.get(code, ""),
        is_transient=code in codes.transient or _is_transient(answer),
        retry_after=_seconds(answer.headers.get("retry-after")),
    )


def verdict_by_status(answer: Response) -> Refusal | None:
    """Judge an answer by its HTTP status alone."""
    if is_success(answer):
        return None
    is_redirect = 300 <= answer.status < 400
    return Refusal(
        f"HTTP status {answer.status}",
        hint="redirects to other hosts are not followed: give the address itself"
        if is_redirect
        else "",
        is_transient=_is_transient(answer),
        retry_after=_seconds(answer.headers.get("retry-after")),
    )


def verdict_in_words(answer: Response, words: str, *, retry_after: object = None) -> Refusal | None:
    """Judge by the HTTP status, and say it as the service did.

    Args:
        answer: What it said.
        words: Its own words; empty where it had none.
        retry_after: What its body asks us to wait.
    """
    refusal = verdict_by_status(answer)
    if refusal is None:
        return None
    return replace(
        refusal,
        words=f"{words} ({refusal.words})" if words else refusal.words,
        retry_after=_seconds(retry_after) or refusal.retry_after,
    )


def is_success(answer: Response) -> bool:
    """Whether HTTP says that it went well."""
    return 200 <= answer.status < 300


def fields_of(answer: Response) -> Mapping[str, object]:
    """The body's JSON object; empty where it is none."""
    try:
        parsed = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def text_in(fields: Mapping[str, object], *names: str) -> str:
    """The first of these fields that is a text."""
    return next((value for name in names if isinstance(value := fields.get(name), str)), "")


def _first_code(fields: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    """The first field that is a whole number; True is one in Python, but not in JSON."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _seconds(value: object) -> float:
    """A number of seconds; 0 where it is none. A date is not worth the trouble."""
    try:
        seconds = float(str(value))
    except ValueError:
        return 0.0
    return seconds if seconds > 0 else 0.0


def _is_transient(answer: Response) -> bool:
    return answer.status == _TOO_MANY or answer.status >= 500
