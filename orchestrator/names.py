"""The `name` command: what becomes of the list in each target, without network or logins.

It is what a change to the list can be checked with where there are no secrets: every bad line
and every clash of two names is found. A target that isn't set up yet names all the same; only
the registry and the namespace are left out, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.errors import Problem
from orchestrator.image_list import ImageList
from orchestrator.items import name_all
from orchestrator.plan import Item
from orchestrator.report.tables import markdown_table, markdown_text, text_table
from orchestrator.settings import Settings, missing_place, not_set
from orchestrator.targets import Target
from orchestrator.text import first_lines, one_line

_HEADERS = ("line", "image", "platform", "target", "destination")
_NOT_SAID = "What is there already, and whether an image exists, this does not say."


@dataclass(frozen=True)
class Names:
    """The list with its names, and what a reader has to know of them."""

    rows: tuple[tuple[str, ...], ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()


def names_of(images: ImageList, settings: Settings, targets: tuple[str, ...]) -> Names:
    """Name all of the list.

    Raises:
        ConfigurationError: There is no such target.
    """
    known = {name: placed(target) for name, target in settings.targets.items()}
    named = name_all(
        images,
        targets={settings.known_target(name).name: known[name] for name in targets},
        others=known,
        default_platform=settings.default_platform,
    )
    used = dict.fromkeys(item.target.name for item in named.items)
    notes = [
        _note(settings.targets[name]) for name in used if missing_place(settings.targets[name])
    ]
    rows = tuple(_row(item, settings) for item in named.items)
    warnings = first_lines(named.warnings, of="warnings of the list")
    return Names(rows, named.problems, (*settings.warnings, *warnings, *notes))


def text_names(names: Names) -> str:
    """A table for a terminal, and the notes below it."""
    table = text_table(_HEADERS, names.rows, right=frozenset({0}))
    lines = "\n".join(map(one_line, (*names.notes, *_bad(names))))
    return "\n\n".join(filter(None, (table, lines))) + "\n"


def markdown_names(names: Names) -> str:
    """The same for a page on GitHub."""
    wrong = f", {len(names.problems)} bad" if names.problems else ""
    lines = "\n".join(f"- {markdown_text(line)}" for line in (*_bad(names), *names.notes))
    table = markdown_table(_HEADERS, names.rows, right=frozenset({0}))
    title = f"### The list: {len(names.rows)} named{wrong}"
    return "\n\n".join(filter(None, (title, lines, _NOT_SAID, table))) + "\n"


def _bad(names: Names) -> tuple[str, ...]:
    return first_lines(names.problems, of="bad lines")


def placed(target: Target) -> Target:
    """A target, with something in the place of what is not set, so that names can be made."""
    return replace(
        target,
        registry=target.registry or "registry.invalid",
        namespace=target.namespace or "namespace",
    )


def _row(item: Item, settings: Settings) -> tuple[str, ...]:
    destination = str(item.destination)
    if missing_place(settings.targets[item.target.name]):
        destination = destination.removeprefix(f"{item.target.base}/")
    line = str(item.line or "")
    return line, item.source.familiar, str(item.choice), item.target.name, destination


def _note(target: Target) -> str:
    missing = not_set(missing_place(target))
    return f"{target.name}: {missing}, so its names stand here without registry and namespace"
