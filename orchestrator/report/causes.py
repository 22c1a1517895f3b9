"""Why items failed: one cause is one message, however many items it kept from their targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.language import ENGLISH, Translations, gettext_noop
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

REMEDIES: Mapping[ErrorKind, str] = {
    ErrorKind.NO_SUCH_PLATFORM: gettext_noop(
        "choose another platform with --platform; the message lists those there are"
    ),
    ErrorKind.PLATFORM_MISMATCH: gettext_noop("write the --platform that the message names"),
    ErrorKind.NOT_FOUND: gettext_noop("check the image's name and tag"),
    ErrorKind.UNAUTHORIZED: gettext_noop(
        "check user name and password of that registry, and the image's name"
    ),
    ErrorKind.DENIED: gettext_noop(
        "check that the namespace exists, and that the login may do this there"
    ),
    ErrorKind.RATE_LIMITED: gettext_noop(
        "wait, or log in for a higher limit; the next run tries again"
    ),
    ErrorKind.UNREACHABLE: gettext_noop("check proxy, firewall and DNS; the next run tries again"),
    ErrorKind.TIMEOUT: gettext_noop("check the network's way there; the next run tries again"),
    ErrorKind.TLS: gettext_noop(
        "name the registry's authority as ca in targets.toml, or the host in INSECURE_REGISTRIES"
    ),
    ErrorKind.TOO_LARGE: gettext_noop(
        "raise the size that the registry, or a proxy before it, lets through"
    ),
    ErrorKind.OVER_LIMIT: gettext_noop(
        "send it to another target with --to, or raise its limits in targets.toml"
    ),
    ErrorKind.QUOTA: gettext_noop(
        "delete images that nobody needs there, or have the quota raised"
    ),
    ErrorKind.READ_ONLY: gettext_noop("ask the registry's operator when it can be written to"),
    ErrorKind.IMMUTABLE: gettext_noop(
        "allow the registry to overwrite tags, or choose another tag with --name"
    ),
    ErrorKind.NO_SUCH_NAMESPACE: gettext_noop(
        "create the namespace in the registry's console first"
    ),
    ErrorKind.UNSIGNED: gettext_noop(
        "check who signs the image, and the key that the policy asks for"
    ),
    ErrorKind.SOURCE_INCOMPLETE: gettext_noop(
        "choose another tag, or ask the image's maintainer to push it anew"
    ),
    ErrorKind.BAD_MANIFEST: gettext_noop("mirror one platform, or set ATTESTATIONS=drop"),
    ErrorKind.DIGEST_MISMATCH: gettext_noop("the next run tries again"),
    ErrorKind.CONFLICT: gettext_noop(
        "let only one run at a time write this tag; the next run tries again"
    ),
    ErrorKind.NO_SPACE: gettext_noop("free some of the disk"),
    ErrorKind.TOOL: gettext_noop("run it again with -v, which shows skopeo's own words"),
    ErrorKind.LOST: gettext_noop("see the log of that job; the next run does what was left"),
}
"""What to do about a fault in general, where a language has no words for its own hint."""


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


def causes_of(report: Report) -> tuple[Cause, ...]:
    """The causes of all failures, in the order of their first items."""
    met: dict[tuple[str, ...], list[Result]] = {}
    for result in of_outcome(report.results, Outcome.FAILED):
        if result.error:
            met.setdefault(_identity(result, result.error), []).append(result)
    return tuple(map(_cause, met.values()))


def message_in(words: Translations, error: ImageError, message: str = "") -> str:
    """An error's message, with its kind before it in another language than English.

    Args:
        words: The reader's language.
        error: What is wrong.
        message: Its message, where that is not the error's own.
    """
    message = message or error.message
    if words is ENGLISH:
        return message
    return f"{words.gettext(error.kind.value)} ({error.kind.value}): {message}"


def hint_in(words: Translations, error: ImageError) -> str:
    """An error's hint; in another language what to do about its kind, and then its own words."""
    if words is ENGLISH:
        return error.hint
    known = words.gettext(error.hint) if error.hint else ""
    if known != error.hint:
        return known
    remedy = words.gettext(REMEDIES[error.kind])
    return f"{remedy} ({error.hint})" if error.hint else remedy


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
