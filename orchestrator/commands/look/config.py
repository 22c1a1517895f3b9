"""The `config` command: what is in force, and where each value is from; no secret is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.commands.inputs import Invocation, found_settings
from orchestrator.config.files import TargetsFile, Value
from orchestrator.config.keys import KEYS
from orchestrator.errors import ExitStatus
from orchestrator.hosts import host_of
from orchestrator.report.json_report import SCHEMA, as_document
from orchestrator.report.tables import Columns, markdown_table, text_table
from orchestrator.text import one_line

_COLUMNS = Columns(("setting", "value", "from"))
_MASK = "***"
_NOT_SET = "-"
_SECRET = frozenset({"password", "secret"})
"""Keys of targets.toml whose values are shown to nobody."""


@dataclass(frozen=True)
class Setting:
    """A setting as it is in force.

    Attributes:
        value: What may be shown of it; empty where it is not set, or is a secret.
        is_set: Whether it has a value.
        origin: Where that stands, in words.
    """

    name: str
    value: str
    is_set: bool
    origin: str

    @property
    def shown(self) -> str:
        """The value as a person reads it."""
        return self.value or (_MASK if self.is_set else _NOT_SET)


def run(invocation: Invocation) -> ExitStatus:
    """Write the table."""
    values, tables = found_settings(invocation.arguments, invocation.environ)
    redact = invocation.redact
    settings = tuple(
        Setting(one.name, redact(one.value), one.is_set, redact(one.origin))
        for one in (*_of_config(values), *_of_tables(tables))
    )
    invocation.streams.out.write(_rendered(settings, invocation))
    return ExitStatus.OK


def _of_config(values: Mapping[str, Value]) -> Iterator[Setting]:
    for name, value in values.items():
        shown = "" if KEYS[name].is_secret else value.text
        yield Setting(name, shown, bool(value.text), value.origin)


def _of_tables(tables: TargetsFile) -> Iterator[Setting]:
    """What targets.toml says, key by key."""
    for name, table in tables.targets.items():
        yield from _of_table(f"[targets.{name}]", table)
    for name, table in tables.sources.items():
        yield from _of_table(f'[sources."{name}"]', table)
    for number, table in enumerate(tables.notify, start=1):
        yield from _of_table(f"[[notify]] {number}", table)


def _of_table(where: str, table: Mapping[str, Value]) -> Iterator[Setting]:
    for key, value in table.items():
        shown = _url_of(value.text) if key == "url" else value.text
        yield Setting(
            f"{where} {key}", "" if key in _SECRET else shown, bool(value.text), "targets.toml"
        )


def _url_of(text: str) -> str:
    """A webhook's host alone: what follows it is a secret."""
    return text if text.startswith("mailto:") else host_of(text)


def _rendered(settings: Iterable[Setting], invocation: Invocation) -> str:
    rows = [(one_line(one.name), one_line(one.shown), one_line(one.origin)) for one in settings]
    match invocation.arguments.output:
        case "json":
            return as_document(
                {
                    "schema": SCHEMA,
                    "settings": [
                        {
                            "name": one.name,
                            "value": one.value or None,
                            "is_set": one.is_set,
                            "from": one.origin,
                        }
                        for one in settings
                    ],
                }
            )
        case "markdown":
            return f"{markdown_table(_COLUMNS.translated(invocation.settings.words), rows)}\n"
        case _:
            columns = _COLUMNS.translated(invocation.settings.words)
            return f"{text_table(columns, rows, width=invocation.screen.width)}\n"
