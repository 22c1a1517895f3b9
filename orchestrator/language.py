"""The words of messages in the user's language, by gettext; English has no catalogue."""

from __future__ import annotations

from gettext import NullTranslations

Translations = NullTranslations
"""What has `gettext` and `ngettext`."""

ENGLISH: Translations = NullTranslations()


def gettext_noop(text: str) -> str:
    """Mark a text in a table, which is translated where it is shown."""
    return text
