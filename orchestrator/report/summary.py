"""The report for eyes: what was copied and what failed, each failure with its hint, and the totals.

What is in sync is counted; whoever wants to see every image asks for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.language import ENGLISH, Translations, gettext_noop
from orchestrator.report.causes import Cause, causes_of, hint_in, message_in
from orchestrator.report.result import Outcome, Report, Result, TargetCount, of_outcome
from orchestrator.report.tables import (
    Columns,
    drawn_table,
    markdown_table,
    markdown_text,
    text_table,
)
from orchestrator.system.terminal import PLAIN, Screen, coloured
from orchestrator.text import (
    MOST_LINES,
    first_lines,
    human_bytes,
    human_seconds,
    one_line,
    printable,
)

_HEADERS = (
    gettext_noop("image"),
    gettext_noop("platform"),
    gettext_noop("target"),
    gettext_noop("outcome"),
    gettext_noop("why"),
    gettext_noop("size"),
    gettext_noop("time"),
    gettext_noop("address to pull"),
)
_OUTCOMES = {
    Outcome.COPIED: gettext_noop("copied"),
    Outcome.SKIPPED: gettext_noop("in sync"),
    Outcome.FAILED: gettext_noop("FAILED"),
    Outcome.DEFERRED: gettext_noop("deferred"),
    Outcome.HELD: gettext_noop("held back"),
    Outcome.KEPT: gettext_noop("kept"),
    Outcome.WOULD_COPY: gettext_noop("would copy"),
    Outcome.WOULD_SKIP: gettext_noop("in sync"),
}
_COLOURS = {
    Outcome.COPIED: "green",
    Outcome.WOULD_COPY: "green",
    Outcome.FAILED: "red",
    Outcome.DEFERRED: "yellow",
    Outcome.HELD: "yellow",
    Outcome.KEPT: "yellow",
}
_IN_SYNC = (Outcome.SKIPPED, Outcome.WOULD_SKIP)
_IN_ORDER = (
    Outcome.COPIED,
    Outcome.WOULD_COPY,
    Outcome.FAILED,
    Outcome.DEFERRED,
    Outcome.KEPT,
    Outcome.HELD,
    *_IN_SYNC,
)
_SIZE, _TIME, _PULL = 5, 6, 7
_COUNTS = Columns(
    (
        gettext_noop("target"),
        gettext_noop("repositories"),
        gettext_noop("tags"),
        gettext_noop("to copy"),
        gettext_noop("layers"),
        gettext_noop("largest layer"),
        gettext_noop("to move"),
        gettext_noop("pulls"),
        gettext_noop("forecast"),
    ),
    right=frozenset(range(1, 9)),
    spare=(7, 5, 4, 2, 3),
)


@dataclass(frozen=True)
class View:
    """How a report is shown.

    Attributes:
        screen: What the text is shown on.
        words: The reader's language.
        lists_all: Whether every item is listed, those in sync included.
    """

    screen: Screen = PLAIN
    words: Translations = ENGLISH
    lists_all: bool = False


_USUAL = View()


def text_summary(report: Report, view: View = _USUAL) -> str:
    """The table and all there is to say beside it, for a terminal."""
    listed = _listed(report, view)
    blocks = ["\n".join(_table_lines(listed, view))] if listed else []
    if report.counts:
        table = text_table(
            _COUNTS.translated(view.words),
            (_count_row(one, view.words) for one in report.counts),
            width=view.screen.width,
        )
        blocks.append("\n".join((table, *_unknowns(report.counts, view.words))))
    failures = [line for cause in causes_of(report) for line in _told(cause, view.words)]
    blocks += ["\n".join(lines) for lines in (failures, _problems(report, view.words)) if lines]
    blocks.append(printable(totals_line(report, view.words)))
    return "\n\n".join(blocks) + "\n"


def markdown_summary(report: Report, view: View = _USUAL) -> str:
    """The same for a page on GitHub; what is in sync is folded."""
    words = view.words
    if report.error:
        lines = (report.error.message, report.error.hint and f"  -> {report.error.hint}")
        told = "\n".join(_bullet(one_line(line)) for line in lines if line)
        return f"### Docker Image Syncer: {words.gettext('nothing was mirrored')}\n\n{told}\n"
    parts = [f"### Docker Image Syncer: {markdown_text(totals_line(report, words))}"]
    problems = [f"- {markdown_text(line)}" for line in _problems(report, words)]
    failures = [_bullet(line) for cause in causes_of(report) for line in _told(cause, words)]
    if problems or failures:
        parts.append("\n".join((*problems, *failures)))
    in_sync = () if view.lists_all else of_outcome(report.results, *_IN_SYNC)
    listed = _listed(report, view)
    if listed:
        rows = (_row(result, words)[:_PULL] for result in listed)
        parts.append(markdown_table(_columns(words).without(_PULL), rows))
    if report.counts:
        rows = (_count_row(one, words) for one in report.counts)
        parts.append(markdown_table(_COUNTS.translated(words), rows))
        unknowns = "\n".join(map(_bullet, _unknowns(report.counts, words)))
        parts += [unknowns] * bool(unknowns)
    parts += _pull_block(report, words)
    if in_sync:
        rows = (_row(result, words) for result in in_sync)
        title = words.gettext("{n} in sync").format(n=len(in_sync))
        table = markdown_table(
            _columns(words).without(_TIME).without(_SIZE),
            ((*row[:_SIZE], row[_PULL]) for row in rows),
        )
        parts.append(f"<details><summary>{title}</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def totals_line(report: Report, words: Translations = ENGLISH) -> str:
    """One sentence of the whole run."""
    totals = report.totals
    copied = (
        words.gettext("{n} would be copied") if report.is_dry_run else words.gettext("{n} copied")
    )
    parts = [
        copied.format(n=totals.copied),
        words.gettext("{n} in sync").format(n=totals.skipped),
        words.gettext("{n} failed").format(n=totals.failed),
    ]
    if totals.deferred:
        parts.append(words.gettext("{n} deferred").format(n=totals.deferred))
    if totals.held:
        parts.append(words.gettext("{n} held back").format(n=totals.held))
    if totals.kept:
        parts.append(words.gettext("{n} kept").format(n=totals.kept))
    if totals.invalid:
        bad = words.ngettext("{n} bad line", "{n} bad lines", totals.invalid)
        parts.append(bad.format(n=totals.invalid))
    moved = words.gettext("{size} to move") if report.is_dry_run else words.gettext("{size} moved")
    amount = moved.format(size=human_bytes(totals.bytes))
    if totals.pulls:
        amount += words.gettext(", ") + _pulls(report, words)
    whole = words.gettext("{counts}; {amount} in {time}").format(
        counts=words.gettext(", ").join(parts), amount=amount, time=human_seconds(report.seconds)
    )
    return (
        words.gettext("interrupted: {whole}").format(whole=whole)
        if report.is_interrupted
        else whole
    )


def result_line(result: Result, words: Translations = ENGLISH) -> str:
    """One result on one line, for the log as it goes."""
    image, platform, target, outcome, why, size, time, pull = _row(result, words)
    is_new = result.outcome is Outcome.COPIED
    amount = f", {size} in {time}; docker pull {pull}" if is_new else ""
    return f"{image} ({platform}) -> {target}: {outcome} ({why}){amount}"


def is_news(result: Result) -> bool:
    """Whether a reader who knows that all is in sync learns something from it.

    An image may be in sync and yet not be all that was asked for: a platform is left out, say.
    """
    if result.is_told:
        return False
    return result.outcome not in _IN_SYNC or bool(result.note)


def _pulls(report: Report, words: Translations) -> str:
    count = report.totals.pulls
    if report.is_dry_run:
        counted = words.ngettext(
            "{n} pull would be counted by Docker Hub",
            "{n} pulls would be counted by Docker Hub",
            count,
        )
    else:
        counted = words.ngettext(
            "{n} pull counted by Docker Hub", "{n} pulls counted by Docker Hub", count
        )
    return counted.format(n=count)


def _columns(words: Translations) -> Columns:
    return Columns(
        tuple(map(words.gettext, _HEADERS)),
        right=frozenset({_SIZE, _TIME}),
        spare=(_TIME, _SIZE),
        below=_PULL,
        below_as="docker pull ",
    )


def _listed(report: Report, view: View) -> tuple[Result, ...]:
    """What is news, or all of it, in the order of its importance."""
    return tuple(
        one
        for outcome in _IN_ORDER
        for one in of_outcome(report.results, outcome)
        if view.lists_all or is_news(one)
    )


def _table_lines(listed: Sequence[Result], view: View) -> Iterator[str]:
    rows = [_row(result, view.words) for result in listed]
    head, drawn = drawn_table(_columns(view.words), rows, width=view.screen.width)
    yield from head
    for result, row in zip(listed, drawn, strict=True):
        colour = _COLOURS.get(result.outcome, "") if view.screen.is_coloured else ""
        first, *others = row.lines
        yield coloured(first, colour)
        yield from others


def _row(result: Result, words: Translations) -> tuple[str, ...]:
    moves = result.outcome in (Outcome.COPIED, Outcome.WOULD_COPY)
    reason = words.gettext(result.reason)
    return (
        result.item.source.familiar,
        str(result.item.choice),
        result.item.target.name,
        words.gettext(_OUTCOMES[result.outcome]),
        f"{reason}; {result.note}" if result.note else reason,
        human_bytes(result.bytes) if moves else "",
        human_seconds(result.seconds),
        result.pull,
    )


def _count_row(count: TargetCount, words: Translations) -> tuple[str, ...]:
    of_account = words.gettext("{n} of {most}")
    repositories = of_account.format(n=count.repositories, most=count.most_repositories)
    least = "≥ " if count.unread else ""
    return (
        count.target,
        repositories if count.most_repositories else str(count.repositories),
        str(count.tags),
        str(count.copies),
        f"{least}{count.layers}",
        human_bytes(count.largest_layer) if count.largest_layer else "",
        f"{least}{human_bytes(count.bytes)}",
        str(count.pulls or ""),
        human_seconds(count.seconds) if count.copies and count.seconds is not None else "",
    )


def _unknowns(counts: Iterable[TargetCount], words: Translations) -> Iterator[str]:
    """What a row could not say, and why; targets of one reason are one line."""
    without: dict[str, list[str]] = {}
    for one in counts:
        if one.no_forecast:
            without.setdefault(one.no_forecast, []).append(one.target)
    for reason, targets in without.items():
        line = words.gettext("no forecast for {targets}: {reason}")
        yield line.format(targets=", ".join(targets), reason=words.gettext(reason))


def _pull_block(report: Report, words: Translations) -> list[str]:
    """What is new, as commands to copy; an image gets its own name back by the second one."""
    new = of_outcome(report.results, Outcome.COPIED)
    if not new:
        return []
    commands = [command for result in new[:MOST_LINES] for command in _pull_commands(result)]
    left = len(new) - MOST_LINES
    if left > 0:
        commands.append(words.gettext("# and {n} more: the JSON report has all").format(n=left))
    title = words.gettext("Pull what is new:")
    return ["\n".join((title, "", "```sh", *commands, "```"))]


def _pull_commands(result: Result) -> Iterator[str]:
    yield f"docker pull {result.pull}"
    source = result.item.source
    if source.tag:
        yield f"docker tag {result.pull} {source.by_tag.familiar}"


def _bullet(line: str) -> str:
    """A point of a list; a hint is the second line of the point before it."""
    is_hint = line.startswith("  ")
    return f"{'  ' if is_hint else '- '}{markdown_text(line.strip())}"


def _told(cause: Cause, words: Translations) -> Iterator[str]:
    yield one_line(f"{_where(cause, words)}: {message_in(words, cause.error, cause.message)}")
    hint = hint_in(words, cause.error)
    if hint:
        yield one_line(f"  -> {hint}")


def _where(cause: Cause, words: Translations) -> str:
    """The lines of a list that a cause is about, and the targets."""
    places = [", ".join(cause.targets)]
    if len(cause.lines) > 1:
        lines = words.ngettext("{n} line", "{n} lines", len(cause.lines))
        places.insert(0, f"{lines.format(n=len(cause.lines))} ({_numbers(cause.lines)})")
    elif cause.lines:
        places.insert(0, words.gettext("line {n}").format(n=cause.lines[0]))
    return ", ".join(places)


def _numbers(lines: Sequence[int]) -> str:
    shown = [str(one) for one in lines[:_MOST_NUMBERS]]
    return ", ".join((*shown, "…") if len(lines) > _MOST_NUMBERS else shown)


_MOST_NUMBERS = 5


def _problems(report: Report, words: Translations) -> list[str]:
    """The first bad lines: the JSON report has them all."""
    shown: Iterable[str] = first_lines(report.problems, of=words.gettext("bad lines"))
    return [one_line(problem) for problem in shown]
