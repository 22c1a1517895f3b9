"""The language of what people read: English as the code has it, or Chinese by gettext.

The catalogues lie in `locale/`. Texts stay English where no catalogue has them: those of
registries and of skopeo, and what only the log says.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

DOMAIN = "syncer"
FOLDER = Path(__file__).parent / "locale"

_LOCALES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
"""Variables that name a language, the strongest first (gettext's manual, "Locale Environment
Variables")."""

Translations = NullTranslations
"""What has `gettext` and `ngettext`."""

ENGLISH: Translations = NullTranslations()


class Language(str, Enum):
    """The values of the setting `LANGUAGE`."""

    AUTO = "auto"
    ENGLISH = "en"
    CHINESE = "zh"


def language_of(environ: Mapping[str, str]) -> Language:
    """The language that the environment's locale names: Chinese, or else English."""
    named = next((environ[name] for name in _LOCALES if environ.get(name)), "")
    return Language.CHINESE if named.lower().startswith("zh") else Language.ENGLISH


@cache
def translations(language: Language) -> Translations:
    """The catalogue of a language."""
    if language is not Language.CHINESE:
        return ENGLISH
    with (FOLDER / "zh" / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as file:
        return GNUTranslations(file)


def gettext_noop(text: str) -> str:
    """Mark a text in a table, which is translated where it is shown."""
    return text
