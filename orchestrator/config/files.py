"""The files a user edits: config.env and targets.toml, read with where each value stands.

config.env is read as a shell reads it, without expansion (`env_file`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomli

from orchestrator.config.env_file import Assignment, BadLine, read_assignments
from orchestrator.config.keys import FILE_SUFFIX, KEYS
from orchestrator.errors import ConfigurationError, Problem, did_you_mean

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LARGEST = 1024 * 1024
TARGET_KEYS = (
    "registry",
    "namespace",
    "username",
    "password",
    "naming",
    "profile",
    "jobs",
    "insecure",
    "ca",
    "bandwidth",
    "limits",
    "requests_per_second",
)
SOURCE_KEYS = ("username", "password", "mirror", "jobs", "requests_per_second")
_TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RESERVED = ("double", "none")
"""What SYNC_MODE means by itself."""
_KNOWN = frozenset(KEYS) | {f"{name}{FILE_SUFFIX}" for name in KEYS}
NOTIFY_KEYS = ("url", "secret", "on", "format", "smtp", "username", "password", "from")


@dataclass(frozen=True)
class Value:
    """A setting as it was found: its text, and where it stands.

    Attributes:
        origin: The place in words.
        file: The file that it stands in, if `line` is known.
        line: Counted from 1; 0 where it stands in no line of a file.
    """

    text: str = field(repr=False)
    origin: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class ConfigFile:
    """What config.env says, and what of it may not be what was meant, or is no line of ours."""

    values: Mapping[str, Value]
    doubtful: tuple[Problem, ...] = ()
    bad: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class TargetsFile:
    """What targets.toml says: a table of texts for each target, webhook, and source by its host."""

    targets: Mapping[str, Mapping[str, Value]]
    notify: tuple[Mapping[str, Value], ...] = ()
    sources: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)


def read_config(path: Path) -> ConfigFile:
    """Read config.env.

    Raises:
        ConfigurationError: The file can't be read, a line is no `KEY=value`, or a key is unknown;
            all such lines are named at once.
    """
    found = parse_config(path)
    if found.bad:
        raise ConfigurationError("\n".join(map(str, found.bad)), problems=found.bad)
    return found


def parse_config(path: Path) -> ConfigFile:
    """Read config.env, and what is wrong in it as well.

    Raises:
        ConfigurationError: The file can't be read.
    """
    values: dict[str, Value] = {}
    doubtful: list[Problem] = []
    problems: list[Problem] = []
    for found in read_assignments(_text_of(path)):
        problem = _problem_of(found, path)
        if problem or isinstance(found, BadLine):
            problems += filter(None, (problem,))
            continue
        if found.value:
            values[found.key] = Value(found.value, f"{path}:{found.line}", str(path), found.line)
        else:
            values.pop(found.key, None)
        if found.value and found.is_cut and KEYS[found.key.removesuffix(FILE_SUFFIX)].is_secret:
            cut = f"{found.key} ends before ' #', and the rest is taken for a comment"
            hint = "if it belongs to the value, put all of it in single quotes"
            doubtful.append(Problem(str(path), found.line, 0, "", cut, hint))
    return ConfigFile(values, tuple(doubtful), tuple(problems))


def _problem_of(found: Assignment | BadLine, path: Path) -> Problem | None:
    if isinstance(found, BadLine):
        return Problem(str(path), found.line, 0, "", found.message, found.hint)
    if found.key in _KNOWN:
        return None
    meant = did_you_mean(found.key.upper(), _KNOWN) or "docs/settings.md has the keys"
    return Problem(str(path), found.line, 0, "", _unknown(found.key), meant)


def read_targets(path: Path, environ: Mapping[str, str]) -> TargetsFile:
    """Read targets.toml; `"${NAME}"` takes a value from the environment.

    Raises:
        ConfigurationError: It is no TOML, or has a key that we don't know.
    """
    document = parse_toml(
        path, hint='write each target as a table: [targets.NAME], then registry = "HOST"'
    )
    _refuse_unknown(document, ("targets", "sources", "notify"), where=str(path))
    tables, sources = document.get("targets", {}), document.get("sources", {})
    hooks = document.get("notify", [])
    if not isinstance(tables, dict) or not isinstance(hooks, list) or not isinstance(sources, dict):
        raise ConfigurationError(
            f"{path}: targets are written as [targets.NAME], webhooks as [[notify]], and sources "
            'as [sources."HOST"]'
        )
    for name in tables:
        _check_name(name, where=str(path))
    return TargetsFile(
        {
            name: _texts(table, TARGET_KEYS, where=f"{path}: [targets.{name}]", environ=environ)
            for name, table in tables.items()
        },
        tuple(
            _texts(table, NOTIFY_KEYS, where=f"{path}: [[notify]] {number}", environ=environ)
            for number, table in enumerate(hooks, start=1)
        ),
        {
            name: _texts(table, SOURCE_KEYS, where=f'{path}: [sources."{name}"]', environ=environ)
            for name, table in sources.items()
        },
    )


def parse_toml(path: Path, *, hint: str = "") -> Mapping[str, object]:
    """Read any TOML file.

    Args:
        path: Where it is.
        hint: What to do next where it is no TOML.

    Raises:
        ConfigurationError: It can't be read, or is no TOML.
    """
    try:
        return tomli.loads(_text_of(path))
    except tomli.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}", hint=hint) from None


def read_secret(value: Value, *, base: Path) -> Value:
    """Read the file that a key ending in `_FILE` names; its last newline is dropped.

    Raises:
        ConfigurationError: The file can't be read.
    """
    path = base / value.text
    return Value(_text_of(path, named_at=value.origin).rstrip("\r\n"), str(path))


def _text_of(path: Path, *, named_at: str = "") -> str:
    prefix = f"{named_at}: " if named_at else ""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"{prefix}{path} can't be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise ConfigurationError(f"{prefix}{path} is larger than {_LARGEST} bytes")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"{prefix}{path} is not UTF-8 text", hint="save the file as UTF-8"
        ) from None


def _unknown(key: str) -> str:
    return f"unknown key '{key}'"


def _check_name(name: str, *, where: str) -> None:
    """A name stands in SYNC_MODE and `--to`, with commas between, and in folders' names."""
    if name in _RESERVED:
        raise ConfigurationError(
            f"{where}: a target can't be named '{name}'", hint="SYNC_MODE has that word already"
        )
    if not _TARGET_NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where}: '{name}' is no name for a target",
            hint="it is made of letters and digits, with '.', '_' or '-' between",
        )


def _refuse_unknown(table: Mapping[str, object], known: tuple[str, ...], *, where: str) -> None:
    for key in table:
        if key not in known:
            meant = did_you_mean(key, known) or f"the keys are {', '.join(known)}"
            raise ConfigurationError(f"{where}: {_unknown(key)}", hint=meant)


def _texts(
    table: object, known: tuple[str, ...], *, where: str, environ: Mapping[str, str]
) -> dict[str, Value]:
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where}: this is not a table")
    _refuse_unknown(table, known, where=where)
    return dict(_pairs(table, where=where, environ=environ))


def _pairs(
    table: Mapping[str, object], *, where: str, environ: Mapping[str, str]
) -> Iterator[tuple[str, Value]]:
    for key, given in table.items():
        if isinstance(given, bool):
            yield key, Value(str(given).lower(), f"{where} {key}")
        elif isinstance(given, str | int):
            text = _expanded(str(given), environ)
            if text:
                yield key, Value(text, f"{where} {key}")
        elif key == "requests_per_second" and isinstance(given, float):
            yield key, Value(str(given), f"{where} {key}")
        elif key == "limits" and isinstance(given, dict):
            yield key, Value(json.dumps(given, default=str), f"{where} {key}")
        else:
            raise ConfigurationError(f"{where}: '{key}' is neither a text nor a number")


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    """What a variable holds; one that isn't set leaves its key as if it were not written.

    A target that is not used may so lack its password; one that is used says what it lacks.
    """
    variable = _VARIABLE.fullmatch(text)
    return environ.get(variable[1], "") if variable else text
