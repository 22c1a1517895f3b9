"""GitHub Actions, as a step of it speaks: annotations, a summary, outputs, a guarded log.

The runner reads commands (`::error ...::`) from whatever a step prints, and takes ten
annotations and 1 MiB of summary of it; what goes beyond is dropped without a word. So both
are cut here, and nothing but this module's own lines can be read as a command.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from orchestrator.config.settings import GitHubStep
from orchestrator.errors import ConfigurationError, Problem, SyncerError
from orchestrator.language import ENGLISH, Translations
from orchestrator.report.badge import NO_BADGE, badge_document, badge_of, badge_picture
from orchestrator.report.causes import hint_in, message_in
from orchestrator.report.result import Outcome, Report, Result, of_outcome
from orchestrator.report.summary import View, markdown_summary
from orchestrator.text import printable, shortened

_log = logging.getLogger(__name__)

MOST_ANNOTATIONS = 10
LARGEST_SUMMARY = 1024 * 1024
_LONGEST_MESSAGE = 4000
_BRAILLE = 0x2800


@dataclass(frozen=True)
class Annotation:
    """An error or a warning, where the reader of a change or of a run sees it.

    Attributes:
        file: From the repository's root; empty where it is about no file.
        line: Counted from 1; 0 where it is about no line.
        column: Counted from 1; 0 means the whole line.
        level: `error`, `warning` or `notice`.
    """

    title: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    level: str = "error"

    @property
    def command(self) -> str:
        """The workflow command that makes it, on one line."""
        places = {"file": self.file, "line": self.line, "col": self.column} if self.line else {}
        properties = [f"{name}={_property(str(value))}" for name, value in places.items() if value]
        properties.append(f"title={_property(self.title)}")
        message = _data(shortened(self.message, _LONGEST_MESSAGE))
        return f"::{self.level} {','.join(properties)}::{message}"


def of_report(
    report: Report, *, file: str, words: Translations = ENGLISH
) -> tuple[Annotation, ...]:
    """All there is to annotate of a run: bad lines, then one for each image that failed.

    Where the run did not begin, why that is.

    Args:
        report: The run's.
        file: The list, as the repository has it.
        words: The reader's language.
    """
    if report.error:
        return of_error(report.error)
    images: dict[tuple[int, str, str], list[Result]] = {}
    for result in of_outcome(report.results, Outcome.FAILED):
        item = result.item
        image = (item.line, str(item.source), str(item.choice))
        images.setdefault(image, []).append(result)
    failures = (_of_failures(results, file, words) for results in images.values())
    return (*of_problems(report.problems), *failures, *_of_gone(report, file, words))


def _of_gone(report: Report, file: str, words: Translations) -> Iterator[Annotation]:
    """What an earlier run did not tell: an image may be nowhere but in the mirror."""
    for result in of_outcome(report.results, Outcome.KEPT):
        if not result.is_told:
            item = result.item
            message = f"{item.target.name}: {words.gettext(result.reason)}; {result.note}"
            title = f"{item.source.familiar} is kept"
            place = file if item.line else ""
            yield Annotation(title, printable(message), place, item.line, level="warning")


def of_problems(problems: Iterable[Problem], *, level: str = "error") -> tuple[Annotation, ...]:
    """What is wrong line by line: in a list, or in config.env."""
    return tuple(_of_problem(problem, level) for problem in problems)


def of_error(error: SyncerError) -> tuple[Annotation, ...]:
    """Why a run did not begin at all; on the lines that are to blame, where they are known."""
    if isinstance(error, ConfigurationError) and error.problems:
        return of_problems(error.problems)
    return (Annotation("Docker Image Syncer", _told(error.message, error.hint)),)


def limited(annotations: Sequence[Annotation]) -> tuple[Annotation, ...]:
    """As many of each level as the runner shows; the last one says how many more there are."""
    levels = dict.fromkeys(annotation.level for annotation in annotations)
    return tuple(
        shown
        for level in levels
        for shown in _limited([one for one in annotations if one.level == level], level)
    )


def _limited(annotations: Sequence[Annotation], level: str) -> Iterator[Annotation]:
    if len(annotations) <= MOST_ANNOTATIONS:
        yield from annotations
        return
    left = len(annotations) - MOST_ANNOTATIONS + 1
    yield from annotations[: MOST_ANNOTATIONS - 1]
    message = f"{left} more {level}s: see the summary of the run"
    yield Annotation("And more", message, level=level)


def cut(text: str, *, limit: int) -> str:
    """A text that fits into `limit` bytes: whole lines, and how many more there were."""
    if len(text.encode()) <= limit:
        return text
    lines = text.splitlines(keepends=True)
    room = limit - len(_more(len(lines)).encode())
    kept = 0
    for line in lines:
        room -= len(line.encode())
        if room < 0:
            break
        kept += 1
    more = _more(len(lines) - kept)
    return "".join((*lines[:kept], more)) if len(more.encode()) <= limit else ""


def outputs(values: Mapping[str, str], *, delimiter: str) -> str:
    """What the file of outputs gets; no value can end where we don't end it."""
    return "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in values.items())


def unmaskable(text: str) -> str:
    """Write a text in letters that no secret is made of: each byte as a braille pattern.

    GitHub drops the output of a job, whole, where any secret's value stands in it; and a
    namespace may well be called `mirror`, or `42`. bin/push-badge reads it back.
    """
    return "".join(chr(_BRAILLE + byte) for byte in text.encode())


@contextmanager
def stopped_commands(
    stream: TextIO, github: GitHubStep | None, *, title: str = ""
) -> Iterator[None]:
    """Nothing that is printed meanwhile is read as a command; with a title, it folds.

    The word that ends it is random. An exception that is not of our family leaves it on, so
    that a traceback, and whatever text of others it may hold, is no command either.
    """
    if github is None:
        yield
        return
    token = secrets.token_hex(16)
    _say(stream, f"::group::{_data(title)}" if title else "", f"::stop-commands::{token}")
    end = (f"::{token}::", "::endgroup::" if title else "")
    try:
        yield
    except SyncerError:
        _say(stream, *end)
        raise
    _say(stream, *end)


def mask(stream: TextIO, values: Iterable[str]) -> None:
    """Have the runner mask secrets that it can't know, since they come from files."""
    lines = {line for value in values for line in value.splitlines() if line}
    _say(stream, *(f"::add-mask::{_data(line)}" for line in sorted(lines)))


@dataclass(frozen=True)
class StepOutput:
    """What a step says to the runner.

    Attributes:
        annotations: However many there are.
        summary: Markdown, however long.
        outputs: The step's outputs, by name.
    """

    annotations: tuple[Annotation, ...] = ()
    summary: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)


def output_of_run(
    report: Report,
    *,
    file: str,
    written: str | None,
    badge: str | None,
    doubtful: Iterable[Problem] = (),
    words: Translations = ENGLISH,
) -> StepOutput:
    """All that there is to say of a run.

    Args:
        report: The run's.
        file: The list, as the repository has it.
        written: Where the report stands, if it was written.
        badge: Where the badge stands, if it was written.
        doubtful: Lines of config.env that may not say what was meant.
        words: The reader's language.
    """
    totals = report.totals
    would_copy = len(of_outcome(report.results, Outcome.WOULD_COPY))
    values = {
        "copied": str(len(of_outcome(report.results, Outcome.COPIED))),
        "would-copy": str(would_copy),
        "skipped": str(totals.skipped),
        "failed": str(totals.failed),
        "report": str(Path(written).absolute()) if written else "",
    }
    if badge and not report.is_dry_run:
        shown = badge_of(report)
        values["badge"] = unmaskable(f"{badge_document(shown)}{badge_picture(shown)}")
    annotations = (
        *of_report(report, file=file, words=words),
        *of_problems(doubtful, level="warning"),
    )
    return StepOutput(annotations, markdown_summary(report, View(words=words)), values)


def output_of_nothing() -> StepOutput:
    """What there is to say where nothing is to be mirrored: that no badge is missing."""
    counts = dict.fromkeys(("copied", "would-copy", "skipped", "failed"), "0")
    return StepOutput(outputs={**counts, "badge": unmaskable(NO_BADGE)})


def write_output(said: StepOutput, github: GitHubStep, stream: TextIO) -> None:
    """Say it: annotations on the stream, the rest in the runner's files, within its limits."""
    _say(stream, *(annotation.command for annotation in limited(said.annotations)))
    if github.summary and said.summary:
        _append(github.summary, cut(said.summary, limit=LARGEST_SUMMARY - _size(github.summary)))
    if github.output and said.outputs:
        _append(github.output, outputs(said.outputs, delimiter=secrets.token_hex(16)))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _append(path: Path, text: str) -> None:
    """Append to a file of the runner's; that it can't be is no reason to fail a run."""
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        _log.warning("%s can't be written: %s", path, error.strerror)


def _of_problem(problem: Problem, level: str) -> Annotation:
    message, file = _told(problem.message, problem.hint), _from_checkout(problem.file)
    return Annotation("Bad line", message, file, problem.line, problem.column, level)


def _from_checkout(file: str) -> str:
    """A file as the repository has it: the runner works in its checkout."""
    path = Path(file)
    inside = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if inside else file


def _of_failures(results: Sequence[Result], file: str, words: Translations) -> Annotation:
    """One image's failures, whatever number of targets it failed to reach."""
    item = results[0].item
    reasons = dict.fromkeys(words.gettext(result.reason) for result in results)
    targets = ", ".join(result.item.target.name for result in results)
    messages = dict.fromkeys(
        _told(message_in(words, result.error), hint_in(words, result.error))
        if result.error
        else result.reason
        for result in results
    )
    title = f"{item.source.familiar} -> {targets}: {', '.join(reasons)}"
    return Annotation(title, "\n".join(messages), file if item.line else "", item.line)


def _told(message: str, hint: str) -> str:
    return printable(f"{message}\n-> {hint}" if hint else message)


def _more(lines: int) -> str:
    return f"\n\n{lines} more lines did not fit here; the log and the report have them all.\n"


def _say(stream: TextIO, *lines: str) -> None:
    stream.writelines(f"{line}\n" for line in lines if line)
    stream.flush()


def _data(text: str) -> str:
    """Escape as the runner's toolkit does (actions/toolkit, core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
