"""The one door to tabulate: rows become a table, and every cell stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

from orchestrator.language import Translations
from orchestrator.text import display_width, one_line

Row = Sequence[str]

_GAP = 2
"""Columns of a terminal between two cells."""

_PADDING = 2
"""What tabulate adds to a header."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table, and how it gets narrower.

    Attributes:
        headers: One for each column.
        right: Those that are aligned to the right, counted from 0.
        spare: Those that go first where there is no room, in this order.
        below: The one that then moves to a line of its own below its row.
        below_as: What is written before it there.
    """

    headers: tuple[str, ...]
    right: frozenset[int] = frozenset()
    spare: tuple[int, ...] = ()
    below: int | None = None
    below_as: str = ""

    def translated(self, words: Translations) -> Columns:
        """The same with its headers in the reader's language."""
        headers = tuple(words.gettext(header) if header else "" for header in self.headers)
        return replace(self, headers=headers)

    def without(self, column: int) -> Columns:
        """The same less one column."""

        def moved(one: int) -> int:
            return one - (one > column)

        return replace(
            self,
            headers=_without(self.headers, column),
            right=frozenset(moved(one) for one in self.right if one != column),
            spare=tuple(moved(one) for one in self.spare if one != column),
            below=None if self.below in (None, column) else moved(self.below),
        )


@dataclass(frozen=True)
class TableRow:
    """A row as it is drawn: more than one line where it is folded, or has a line below."""

    lines: tuple[str, ...]


def drawn_table(
    columns: Columns, rows: Iterable[Row], *, width: int | None = None
) -> tuple[tuple[str, ...], tuple[TableRow, ...]]:
    """A table for a terminal: the lines of its head, and its rows.

    Where it does not fit, a column moves below its rows, spare ones go, and at last each row is
    folded: its first cell, and the others on a line below it. Only a word that is longer than a
    line is longer than the terminal is wide: an address has to stay whole.

    Args:
        columns: What stands where.
        rows: The cells.
        width: Columns of the terminal; None where nothing bounds it.
    """
    cells = [tuple(map(one_line, row)) for row in rows]
    columns, cells = _without_empty(columns, cells)
    extra: list[tuple[str, ...]] = [()] * len(cells)
    if width is not None and _width(columns, cells) > width:
        if columns.below is not None:
            below = columns.below
            extra = [(f"  {columns.below_as}{row[below]}",) * bool(row[below]) for row in cells]
            columns, cells = columns.without(below), [_without(row, below) for row in cells]
        while columns.spare and _width(columns, cells) > width:
            spare = columns.spare[0]
            columns, cells = columns.without(spare), [_without(row, spare) for row in cells]
        if _width(columns, cells) > width:
            folded = (tuple(_folded(row, width)) for row in cells)
            return (), tuple(map(TableRow, _joined(folded, extra)))
    first, dashes, *lines = _table(columns, cells, style="simple").split("\n")
    return (first, dashes), tuple(map(TableRow, _joined(((line,) for line in lines), extra)))


def text_table(columns: Columns, rows: Iterable[Row], *, width: int | None = None) -> str:
    """The same as one text."""
    head, drawn = drawn_table(columns, rows, width=width)
    return "\n".join((*head, *(line for row in drawn for line in row.lines)))


def markdown_table(columns: Columns, rows: Iterable[Row]) -> str:
    """A table for GitHub; what Markdown would take for its own is escaped."""
    cells = [tuple(map(markdown_text, row)) for row in rows]
    return _table(columns, cells, style="pipe")


_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=\bwww)(?=\.)", re.IGNORECASE)
"""Where GitHub's Markdown takes a text for an address (GFM, "Autolinks")."""

_NO_ADDRESS = "<!-- -->"
"""Shows nothing, and parts what would be a link; who copies the text gets it as it was."""


def markdown_text(text: str) -> str:
    """Escape a text of others, so that Markdown and HTML show it as it is.

    No address in it becomes a link, and no name a mention. A dollar sign gets an element of its
    own, as GitHub asks for: no backslash keeps it from mathematics.
    """
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|~#!":
        escaped = escaped.replace(character, f"\\{character}")
    escaped = escaped.replace("@", f"@{_NO_ADDRESS}").replace("$", "<span>$</span>")
    return _ADDRESS.sub(_NO_ADDRESS, escaped)


def _width(columns: Columns, rows: Iterable[Row]) -> int:
    """Columns of the terminal that the table takes, as it is."""
    padded = (f"{header}{' ' * _PADDING}" for header in columns.headers)
    by_column = zip(padded, *rows, strict=True)
    widths = [max(map(display_width, cells)) for cells in by_column]
    return sum(widths) + _GAP * (len(widths) - 1)


def _without_empty(
    columns: Columns, rows: list[tuple[str, ...]]
) -> tuple[Columns, list[tuple[str, ...]]]:
    """The same less those columns that may go and say nothing in any row."""
    may_go = columns.spare if columns.below is None else (*columns.spare, columns.below)
    for column in sorted(may_go, reverse=True):
        if not any(row[column] for row in rows):
            columns, rows = columns.without(column), [_without(row, column) for row in rows]
    return columns, rows


def _folded(row: Row, width: int) -> Iterator[str]:
    first, *others = row
    yield first
    rest = "  ".join(filter(None, others))
    yield from wrap(
        rest,
        width,
        initial_indent="  ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _joined(
    rows: Iterable[tuple[str, ...]], extra: Iterable[tuple[str, ...]]
) -> Iterator[tuple[str, ...]]:
    for lines, more in zip(rows, extra, strict=True):
        yield (*lines, *more)


def _without(cells: Row, column: int) -> tuple[str, ...]:
    return (*cells[:column], *cells[column + 1 :])


def _table(columns: Columns, rows: Sequence[Row], *, style: str) -> str:
    from tabulate import tabulate  # noqa: PLC0415  (starting up stays fast)

    headers = list(columns.headers)
    align = ["right" if column in columns.right else "left" for column in range(len(headers))]
    # Without disable_numparse the tag 1.10 would be shown as 1.1.
    return tabulate(rows, headers=headers, tablefmt=style, colalign=align, disable_numparse=True)
