"""The catalogues of messages, as they follow from the code.

python -m tests.support.messages    brings locale/ up to date: what is new has no text yet
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po, write_po

from orchestrator.errors import ErrorKind
from orchestrator.language import DOMAIN, FOLDER
from orchestrator.plan.decision import Reason
from tests.support.schema import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

_KEYWORDS = {"gettext": None, "ngettext": (1, 2), "gettext_noop": None}
CHINESE = FOLDER / "zh" / "LC_MESSAGES" / f"{DOMAIN}.po"


def template() -> Catalog:
    """All that may be shown: what the code marks, and the words of enumerations."""
    catalog = Catalog()
    found = extract_from_dir(
        str(FOLDER.parent), method_map=[("**.py", "python")], keywords=_KEYWORDS
    )
    for _, _, message, _, _ in found:
        catalog.add(message)
    for word in (*Reason, *ErrorKind):
        catalog.add(word.value)
    for word in _left_alone():
        catalog.add(word)
    return catalog


def _left_alone() -> list[str]:
    """Why items are deferred, held back or kept, as the report's schema has it."""
    branches = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]["item"]["oneOf"]
    found = {one["properties"]["action"].get("const"): one["properties"] for one in branches}
    words: list[str] = found["deferred"]["reason"]["enum"]
    return [*words, *(found[action]["reason"]["const"] for action in ("held", "kept"))]


def catalogue() -> Catalog:
    """The Chinese texts, as people write them."""
    with CHINESE.open("rb") as file:
        return read_po(file, locale="zh", domain=DOMAIN)


def compiled() -> Catalog:
    """The Chinese texts, as the program reads them."""
    with CHINESE.with_suffix(".mo").open("rb") as file:
        return read_mo(file)


def texts(catalog: Catalog) -> dict[object, object]:
    """Every message of a catalogue with its text; the forms of a plural are tuples."""

    def frozen(text: object) -> object:
        return tuple(text) if isinstance(text, list) else text

    return {frozen(one.id): frozen(one.string) for one in catalog if one.id}


def main() -> None:
    """Bring the catalogue up to date, and compile it."""
    catalog = catalogue()
    catalog.update(template(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    _write(catalog, CHINESE)


def _write(catalog: Catalog, path: Path) -> None:
    text = BytesIO()
    write_po(text, catalog, width=100, sort_output=True)
    path.write_bytes(text.getvalue())
    binary = BytesIO()
    write_mo(binary, catalog)
    path.with_suffix(".mo").write_bytes(binary.getvalue())


if __name__ == "__main__":
    main()
