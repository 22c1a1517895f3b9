"""`${VARIABLE:-default}` as compose and Dockerfiles have it.

Compose specification, "Interpolation"; Dockerfile reference, "Environment replacement". The
process's own environment is not looked at: it holds passwords, and a file could ask for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.config.env_file import Assignment, read_assignments
from orchestrator.errors import FormatError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_PLAIN = re.compile(rf"\$(?:(?P<escaped>\$)|(?P<name>{_NAME})|(?P<open>\{{))")
_OPENED = re.compile(rf"(?P<name>{_NAME})(?P<operator>:?[-?+]|(?=\}}))")
_DEEPEST = 8
_LONGEST = 4096


def replaced(text: str, values: Mapping[str, str], *, depth: int = 0) -> str:
    """The text with its variables replaced.

    Raises:
        FormatError: A variable is not set and has no default, or what stands there is none.
    """
    if depth > _DEEPEST or len(text) > _LONGEST:
        raise FormatError("its variables are too long or too deep")
    done, place = "", 0
    # Each value may name the one before twice: a few lines would come to more than memory holds.
    while len(done) <= _LONGEST and (found := _PLAIN.search(text, place)):
        done += text[place : found.start()]
        place = found.end()
        if found["escaped"]:
            done += "$"
        elif found["name"]:
            done += _value(found["name"], "", "", values, depth)
        else:
            end = _closing(text, place)
            opened = _OPENED.match(text, place, end + 1)
            if not opened:
                raise FormatError(f"'{text[found.start() : end + 1]}' is no variable")
            operand = text[opened.end() : end]
            done += _value(opened["name"], opened["operator"], operand, values, depth)
            place = end + 1
    if len(done) > _LONGEST:
        raise FormatError("its variables come to too long a text")
    return done + text[place:]


def _closing(text: str, place: int) -> int:
    open_braces = 1
    for index in range(place, len(text)):
        if text.startswith("${", index):
            open_braces += 1
        elif text[index] == "}":
            open_braces -= 1
            if not open_braces:
                return index
    raise FormatError(f"'{text}' has a brace that is not closed")


def _value(name: str, operator: str, operand: str, values: Mapping[str, str], depth: int) -> str:
    value = values.get(name)
    is_there = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("+"):
        return replaced(operand, values, depth=depth + 1) if is_there else ""
    if is_there:
        return value or ""
    if operator.endswith("-"):
        return replaced(operand, values, depth=depth + 1)
    raise FormatError(f"the variable {name} is not set")


def variables_of(content: bytes) -> dict[str, str]:
    """The variables of an `.env` file; a line that can't be read sets none."""
    text = content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    values: dict[str, str] = {}
    for line in read_assignments(text):
        if isinstance(line, Assignment):
            try:
                values[line.key] = replaced(line.value, values)
            except FormatError:
                continue
    return values
