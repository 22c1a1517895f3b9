"""The catalog as Markdown, for a page on GitHub or a wiki."""

from __future__ import annotations

from datetime import datetime, timezone

from orchestrator.catalog.entries import CatalogEntry, ImageState
from orchestrator.catalog.page import Catalog
from orchestrator.catalog.words import WORDS, filled
from orchestrator.language import ENGLISH, Translations
from orchestrator.report.tables import Columns, markdown_table
from orchestrator.text import human_bytes

_COLUMNS = ("image", "target", "platforms", "size", "changed", "checked", "state", "address")
_SIZE = 3


def markdown_page(catalog: Catalog, words: Translations = ENGLISH) -> str:
    """A table of all images, with the address of each that is there."""

    def say(name: str) -> str:
        return words.gettext(WORDS[name])

    head = Columns(tuple(map(say, _COLUMNS)), right=frozenset({_SIZE}))
    made = filled(
        say("made"), {"time": f"{catalog.made.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"}
    )
    counts = ", ".join(
        f"{count} {say(f'state.{state.value}')}" for state, count in catalog.counts.items()
    )
    if not catalog.entries:
        return f"# {say('title')}\n\n{say('nothing.yet')}\n"
    rows = (_row(entry, words) for entry in catalog.entries)
    return f"# {say('title')}\n\n{counts}; {made}\n\n{markdown_table(head, rows)}\n"


def _row(entry: CatalogEntry, words: Translations) -> tuple[str, ...]:
    state = words.gettext(WORDS[f"state.{entry.state.value}"])
    is_told = entry.state in (ImageState.FAILED, ImageState.WAITING) and entry.reason
    return (
        entry.source,
        entry.target,
        ", ".join(entry.platforms) or entry.platform,
        human_bytes(entry.size) if entry.size else "",
        _day(entry.changed),
        _day(entry.checked),
        f"{state} ({words.gettext(entry.reason)})" if is_told else state,
        entry.place if entry.is_there else "",
    )


def _day(moment: datetime | None) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d}" if moment else ""
