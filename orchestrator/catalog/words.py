"""What the catalog says, by the names that the page knows its texts by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from orchestrator.errors import ErrorKind
from orchestrator.language import Translations, gettext_noop
from orchestrator.report.causes import REMEDIES

WORDS: Mapping[str, str] = {
    "title": gettext_noop("Mirrored images"),
    "skip": gettext_noop("Skip to the images"),
    "made": gettext_noop("updated {time}"),
    "language": gettext_noop("Language"),
    "theme": gettext_noop("Colours"),
    "theme.auto": gettext_noop("as the system"),
    "theme.light": gettext_noop("light"),
    "theme.dark": gettext_noop("dark"),
    "search": gettext_noop("Search"),
    "search.hint": gettext_noop("name, tag, platform, digest"),
    "state": gettext_noop("State"),
    "state.all": gettext_noop("all"),
    "state.in-sync": gettext_noop("in sync"),
    "state.failed": gettext_noop("failed"),
    "state.waiting": gettext_noop("waiting"),
    "state.kept": gettext_noop("gone upstream"),
    "state.new": gettext_noop("not yet mirrored"),
    "state.unlisted": gettext_noop("not in the list"),
    "target": gettext_noop("Target"),
    "target.all": gettext_noop("all targets"),
    "client": gettext_noop("Pull with"),
    "retag": gettext_noop("and give it its original name"),
    "retag.hint": gettext_noop("A second command gives the image the name that it has upstream"),
    "shown": gettext_noop("{n} of {all}"),
    "nothing": gettext_noop("No image fits."),
    "nothing.yet": gettext_noop("Nothing is mirrored yet."),
    "reset": gettext_noop("Show all"),
    "ask": gettext_noop("Ask for an image"),
    "ask.for": gettext_noop("Ask for “{name}” to be mirrored"),
    "image": gettext_noop("Image"),
    "platforms": gettext_noop("Platforms"),
    "platform.asked": gettext_noop("Asked for"),
    "digest": gettext_noop("Digest"),
    "size": gettext_noop("Size"),
    "size.hint": gettext_noop("Compressed, all platforms together"),
    "visibility": gettext_noop("Who can pull it"),
    "visibility.public": gettext_noop("everybody"),
    "visibility.private": gettext_noop("those who are allowed to (private)"),
    "changed": gettext_noop("Changed"),
    "changed.hint": gettext_noop("When the mirror got this digest"),
    "checked": gettext_noop("Checked"),
    "checked.hint": gettext_noop("When it was last seen to be in sync"),
    "copy": gettext_noop("Copy"),
    "copy.of": gettext_noop("Copy the pull command of {name}"),
    "copied": gettext_noop("Copied"),
    "copy.failed": gettext_noop("Not allowed"),
    "commands": gettext_noop("Commands"),
    "source": gettext_noop("Source"),
    "address": gettext_noop("Address"),
    "by-digest": gettext_noop("By digest"),
    "source-digest": gettext_noop("Digest at the source"),
    "created": gettext_noop("Built"),
    "why": gettext_noop("Why"),
    "remedy": gettext_noop("What to do"),
    "unknown": gettext_noop("not known"),
    "not-there": gettext_noop("There is nothing to pull yet."),
    "older": gettext_noop("What is there is the last good copy."),
    "runs": gettext_noop("The last runs"),
    "runs.images": gettext_noop("images changed, and failed"),
    "runs.bytes": gettext_noop("bytes moved"),
    "runs.most": gettext_noop("at most {n}"),
    "runs.bar": gettext_noop("{time}: {copied} changed, {failed} failed, {bytes} moved"),
    "runs.table": gettext_noop("As a table"),
    "run.started": gettext_noop("Started (UTC)"),
    "run.changed": gettext_noop("Changed"),
    "run.in-sync": gettext_noop("In sync"),
    "run.failed": gettext_noop("Failed"),
    "run.moved": gettext_noop("Moved"),
    "keys": gettext_noop("Keys: / search, ↑ ↓ move, Enter details, c copy, Esc all"),
    "private": gettext_noop("If it is private, log in first:"),
    "no-script": gettext_noop(
        "Without JavaScript this is the plain list; addresses are below each name."
    ),
}
"""English texts; `{name}` and the like are filled in where they are shown."""

_FIELD = re.compile(r"\{(\w+)\}")


class _HasReason(Protocol):
    @property
    def reason(self) -> str: ...


def page_words(words: Translations, rows: Iterable[_HasReason]) -> dict[str, str]:
    """All texts in one language, with those of the reasons that rows have.

    Args:
        words: The language's catalogue.
        rows: Whatever has a reason.
    """
    texts = {name: words.gettext(text) for name, text in WORDS.items()}
    kinds = {kind.value: kind for kind in ErrorKind}
    for reason in sorted({row.reason for row in rows} - {""}):
        texts[f"reason.{reason}"] = words.gettext(reason)
        if reason in kinds:
            texts[f"remedy.{reason}"] = words.gettext(REMEDIES[kinds[reason]])
    return texts


def filled(text: str, values: Mapping[str, object]) -> str:
    """A text with its fields filled in; a field that nobody fills stays as it is."""
    return _FIELD.sub(lambda field: str(values.get(field[1], field[0])), text)
