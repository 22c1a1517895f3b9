"""The report for eyes: what happened to each image, failures last, each with its hint."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.report.result import Outcome, Report, Result, of_outcome
from orchestrator.report.tables import markdown_table, markdown_text, text_table
from orchestrator.text import first_lines, human_bytes, human_seconds, one_line, printable

_HEADERS = ("image", "platform", "target", "outcome", "why", "size", "time")
_RIGHT = frozenset({5, 6})
_OUTCOMES = {
    Outcome.COPIED: "copied",
    Outcome.SKIPPED: "in sync",
    Outcome.FAILED: "FAILED",
    Outcome.DEFERRED: "deferred",
    Outcome.WOULD_COPY: "would copy",
    Outcome.WOULD_SKIP: "in sync",
}


def text_summary(report: Report) -> str:
    """The table and all there is to say beside it, for a terminal."""
    blocks = []
    if report.results:
        blocks.append(text_table(_HEADERS, map(_row, _failures_last(report)), right=_RIGHT))
    blocks += ["\n".join(lines) for lines in (_failures(report), _problems(report)) if lines]
    blocks.append(totals_line(report))
    return printable("\n\n".join(blocks)) + "\n"


def markdown_summary(report: Report) -> str:
    """The same for a page on GitHub."""
    parts = [f"### Docker Image Syncer: {markdown_text(totals_line(report))}"]
    failures = [*_problems(report), *_failures(report)]
    if failures:
        parts.append("\n".join(map(_bullet, failures)))
    if report.results:
        parts.append(markdown_table(_HEADERS, map(_row, _failures_last(report)), right=_RIGHT))
    return "\n\n".join(parts) + "\n"


def _bullet(line: str) -> str:
    """A point of a list; a hint is the second line of the point before it."""
    is_hint = line.startswith("  ")
    return f"{'  ' if is_hint else '- '}{markdown_text(line.strip())}"


def totals_line(report: Report) -> str:
    """One sentence of the whole run."""
    totals = report.totals
    verb = "would be copied" if report.is_dry_run else "copied"
    parts = [f"{totals.copied} {verb}", f"{totals.skipped} in sync", f"{totals.failed} failed"]
    if totals.deferred:
        parts.append(f"{totals.deferred} deferred")
    if totals.invalid:
        parts.append(f"{totals.invalid} bad line{'s' if totals.invalid > 1 else ''}")
    moved = f"{human_bytes(totals.bytes)} {'to move' if report.is_dry_run else 'moved'}"
    if totals.pulls:
        verb = "would be counted" if report.is_dry_run else "counted"
        moved += f", {totals.pulls} pull{'s' if totals.pulls > 1 else ''} {verb} by Docker Hub"
    state = "interrupted: " if report.is_interrupted else ""
    return f"{state}{', '.join(parts)}; {moved} in {human_seconds(report.seconds)}"


def result_line(result: Result) -> str:
    """One result on one line, for the log as it goes."""
    image, platform, target, outcome, why, size, time = _row(result)
    amount = f", {size} in {time}" if result.outcome is Outcome.COPIED else ""
    return f"{image} ({platform}) -> {target}: {outcome} ({why}){amount}"


def _failures_last(report: Report) -> tuple[Result, ...]:
    failed = of_outcome(report.results, Outcome.FAILED)
    return (*(one for one in report.results if one.outcome is not Outcome.FAILED), *failed)


def _row(result: Result) -> tuple[str, ...]:
    moves = result.outcome in (Outcome.COPIED, Outcome.WOULD_COPY)
    return (
        result.item.source.familiar,
        str(result.item.choice),
        result.item.target.name,
        _OUTCOMES[result.outcome],
        f"{result.reason}; {result.note}" if result.note else result.reason,
        human_bytes(result.bytes) if moves else "",
        human_seconds(result.seconds),
    )


def _failures(report: Report) -> list[str]:
    """Each failure once, with all the targets that it kept an image from."""
    targets: dict[tuple[int, str, str], list[str]] = {}
    for result in of_outcome(report.results, Outcome.FAILED):
        if result.error:
            told = (result.item.line, result.error.message, result.error.hint)
            targets.setdefault(told, []).append(result.item.target.name)
    return [
        line
        for (number, message, hint), names in targets.items()
        for line in _told(number, message, hint, names)
    ]


def _told(number: int, message: str, hint: str, targets: list[str]) -> Iterator[str]:
    line = f"line {number}, " if number else ""
    yield one_line(f"{line}{', '.join(targets)}: {message}")
    if hint:
        yield one_line(f"  -> {hint}")


def _problems(report: Report) -> list[str]:
    """The first bad lines: the JSON report has them all."""
    told = first_lines(report.problems, of="bad lines")
    return [one_line(str(problem)) for problem in told]
