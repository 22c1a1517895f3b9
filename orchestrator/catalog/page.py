"""The catalog as one HTML page that needs nothing else: the one door to Jinja2.

Every value is escaped by the template. The page may run its own script and its own style, told by
their hashes, and can load or send nothing (Content Security Policy 3, "Hash sources").
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from orchestrator.catalog.chart import Chart
from orchestrator.catalog.clients import CLIENTS
from orchestrator.catalog.entries import CatalogEntry, ImageState
from orchestrator.catalog.words import filled, page_words
from orchestrator.language import Language, translations
from orchestrator.text import human_bytes, one_line

ISSUE_FORM = "mirror-an-image.yml"
"""The form that asks for an image, in `.github/ISSUE_TEMPLATE`."""
ISSUE_FIELD = "images"
"""The form's field that takes their names."""

_ASSETS = Path(__file__).parent / "assets"
_SHORT = len("sha256:") + 12


@dataclass(frozen=True)
class Catalog:
    """All that the page shows.

    Attributes:
        places: Where each target is, by its name.
        made: When.
        repository_url: The page of the repository on GitHub; empty where there is none.
    """

    entries: tuple[CatalogEntry, ...]
    chart: Chart
    places: Mapping[str, str]
    made: datetime
    repository_url: str = ""

    @property
    def ask_url(self) -> str:
        """Where a missing image is asked for, its name still to be added; may be empty."""
        page = f"{self.repository_url}/issues/new?template={quote(ISSUE_FORM)}&{ISSUE_FIELD}="
        return page if self.repository_url else ""

    @property
    def counts(self) -> Mapping[ImageState, int]:
        """How many images there are of each state that there is one of."""
        counted = Counter(entry.state for entry in self.entries)
        return {state: counted[state] for state in ImageState if counted[state]}


def html_page(catalog: Catalog, language: Language) -> str:
    """The page.

    Args:
        catalog: What it shows.
        language: In which it begins; the reader may choose the other one.
    """
    catalog = replace(
        catalog,
        entries=tuple(entry.legible for entry in catalog.entries),
        places={one_line(name): one_line(place) for name, place in catalog.places.items()},
    )
    words = {
        one.value: page_words(translations(one), catalog.entries)
        for one in (Language.ENGLISH, Language.CHINESE)
    }
    style, script, theme = (_asset(name) for name in ("page.css", "page.js", "theme.js"))
    first = Language.CHINESE if language is Language.CHINESE else Language.ENGLISH
    return _template().render(
        catalog=catalog,
        chart=catalog.chart,
        clients=[asdict(client) for client in CLIENTS],
        language=first.value,
        words=words,
        t=partial(_said, words[first.value]),
        style=style,
        script=script,
        theme=theme,
        policy=_policy(style, script, theme),
    )


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"size": human_bytes, "utc": _utc, "iso": _iso}
    environment.filters["short"] = _short_digest
    return environment.get_template("page.html")


def _said(texts: Mapping[str, str], name: str, /, **values: object) -> str:
    return filled(texts[name], values)


def _policy(style: str, *scripts: str) -> str:
    allowed = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> Markup:
    text = (_ASSETS / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of ours, and the page's policy has its hash


def _utc(moment: datetime | None) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC" if moment else ""


def _iso(moment: datetime | None) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def _short_digest(digest: str) -> str:
    return digest[:_SHORT]
