"""The `name` command: what becomes of the list in each target, without network or logins.

It is what a change to the list can be checked with where there are no secrets: every bad line
and every clash of two names is found. A target that isn't set up yet names all the same; only
the registry and the namespace are left out, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TextIO

from orchestrator.commands.inputs import (
    Invocation,
    chosen_targets,
    named_anywhere,
    read_images,
)
from orchestrator.config.image_list import ImageList, without_placeholder
from orchestrator.config.settings import Settings, missing_place, not_set
from orchestrator.config.targets import Target
from orchestrator.errors import ExitStatus, Problem
from orchestrator.language import ENGLISH, Translations, gettext_noop
from orchestrator.plan.items import Item, name_items
from orchestrator.report.github import StepOutput, of_problems, stopped_commands, write_output
from orchestrator.report.json_report import SCHEMA, as_document, problem_as_json
from orchestrator.report.tables import Columns, markdown_table, markdown_text, text_table
from orchestrator.text import first_lines, one_line

_COLUMNS = Columns(
    (
        gettext_noop("line"),
        gettext_noop("image"),
        gettext_noop("platform"),
        gettext_noop("target"),
        gettext_noop("destination"),
    ),
    right=frozenset({0}),
    spare=(2, 3),
    below=4,
)
_KEYS = ("line", "source", "platform", "target", "destination")
"""As the report of a run calls them."""

_NOT_SAID = gettext_noop("What is there already, and whether an image exists, this does not say.")


@dataclass(frozen=True)
class NameTable:
    """The list with its names, and what a reader has to know of them."""

    rows: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def run(invocation: Invocation) -> ExitStatus:
    """Name the images of the command line, or the whole list."""
    arguments, settings = invocation.arguments, invocation.settings
    targets = chosen_targets(arguments, settings)
    if not targets:
        print("SYNC_MODE is none: nothing to do", file=invocation.streams.err)
        return ExitStatus.OK
    images = read_images(arguments, settings)
    if arguments.images and arguments.output == "table":
        return _name_given(images, settings, targets, invocation.streams.out)
    names = name_table(images, settings, targets)
    problems = tuple(one.redacted(invocation.redact) for one in names.problems)
    return _name_list(replace(names, problems=problems), invocation)


def _name_given(
    images: ImageList, settings: Settings, targets: tuple[str, ...], out: TextIO
) -> ExitStatus:
    named = name_items(
        images.with_placeholders(),
        targets={name: settings.target(name) for name in targets},
        others=settings.usable_targets,
        default_platform=settings.default_platform,
    )
    for item in named.items:
        print(without_placeholder(str(item.destination)), file=out)
    return ExitStatus.OK


def _name_list(names: NameTable, invocation: Invocation) -> ExitStatus:
    """Write the whole list; every bad line is reported, and makes the status 1."""
    settings, streams = invocation.settings, invocation.streams
    with stopped_commands(streams.err, settings.github):
        streams.out.write(_rendered(names, invocation))
        streams.out.flush()
    if settings.github:
        output = StepOutput(of_problems(names.problems), markdown_names(names, settings.words))
        write_output(output, settings.github, streams.err)
    return ExitStatus.FAILED if names.problems else ExitStatus.OK


def _rendered(names: NameTable, invocation: Invocation) -> str:
    match invocation.arguments.output:
        case "json":
            return json_names(names)
        case "markdown":
            return markdown_names(names, invocation.settings.words)
        case _:
            return text_names(names, invocation.settings.words, width=invocation.screen.width)


def name_table(images: ImageList, settings: Settings, targets: tuple[str, ...]) -> NameTable:
    """Name all of the list.

    Raises:
        ConfigurationError: There is no such target.
    """
    named = named_anywhere(images, settings, targets)
    used = dict.fromkeys(item.target.name for item in named.items)
    notes = [
        _note(settings.targets[name]) for name in used if missing_place(settings.targets[name])
    ]
    rows = tuple(_row(item, images, settings) for item in named.items)
    warnings = first_lines(named.warnings, of="warnings of the list")
    return NameTable(rows, named.problems, (*settings.warnings, *warnings, *notes))


def text_names(names: NameTable, words: Translations = ENGLISH, *, width: int | None = None) -> str:
    """A table for a terminal, and the notes below it."""
    table = text_table(_COLUMNS.translated(words), names.rows, width=width)
    lines = "\n".join(map(one_line, (*names.notes, *_bad(names))))
    return "\n\n".join(filter(None, (table, lines))) + "\n"


def markdown_names(names: NameTable, words: Translations = ENGLISH) -> str:
    """The same for a page on GitHub."""
    bad = words.ngettext("{n} bad line", "{n} bad lines", len(names.problems))
    wrong = words.gettext(", ") + bad.format(n=len(names.problems)) if names.problems else ""
    lines = "\n".join(f"- {markdown_text(line)}" for line in (*_bad(names), *names.notes))
    table = markdown_table(_COLUMNS.translated(words), names.rows)
    named = words.gettext("The list: {n} named").format(n=len(names.rows))
    title = f"### {named}{wrong}"
    return "\n\n".join(filter(None, (title, lines, words.gettext(_NOT_SAID), table))) + "\n"


def json_names(names: NameTable) -> str:
    """The same for programs, with all bad lines."""
    rows = [dict(zip(_KEYS, row, strict=True)) for row in names.rows]
    return as_document(
        {
            "schema": SCHEMA,
            "items": [{**row, "line": int(row["line"]) if row["line"] else None} for row in rows],
            "invalid": [problem_as_json(problem) for problem in names.problems],
            "warnings": list(names.notes),
        }
    )


def _bad(names: NameTable) -> tuple[str, ...]:
    return first_lines(names.problems, of="bad lines")


def _row(item: Item, images: ImageList, settings: Settings) -> tuple[str, ...]:
    destination = without_placeholder(str(item.destination))
    if missing_place(settings.targets[item.target.name]):
        destination = destination.removeprefix(f"{item.target.base}/")
    line = str(item.line or "")
    chooses = images.chosen_by(item.source)
    image = f"{chooses.source.familiar} {chooses.selection}" if chooses else item.source.familiar
    return line, image, str(item.choice), item.target.name, destination


def _note(target: Target) -> str:
    missing = not_set(missing_place(target))
    return f"{target.name}: {missing}, so its names stand here without registry and namespace"
