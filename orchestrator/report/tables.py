"""The one door to tabulate: rows become a table, and every cell stays as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from orchestrator.text import one_line

Row = Sequence[str]


def text_table(headers: Row, rows: Iterable[Row], *, right: frozenset[int] = frozenset()) -> str:
    """A table for a terminal.

    Args:
        headers: One for each column.
        rows: The cells.
        right: The columns, counted from 0, that are aligned to the right.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    return _table(headers, cells, style="simple", right=right)


def markdown_table(
    headers: Row, rows: Iterable[Row], *, right: frozenset[int] = frozenset()
) -> str:
    """A table for GitHub; what Markdown would take for its own is escaped."""
    cells = [[markdown_text(cell) for cell in row] for row in rows]
    return _table(headers, cells, style="pipe", right=right)


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


def _table(headers: Row, rows: list[list[str]], *, style: str, right: frozenset[int]) -> str:
    from tabulate import tabulate  # noqa: PLC0415  (starting up stays fast)

    align = ["right" if column in right else "left" for column in range(len(headers))]
    # Without disable_numparse the tag 1.10 would be shown as 1.1.
    return tabulate(
        rows, headers=list(headers), tablefmt=style, colalign=align, disable_numparse=True
    )
