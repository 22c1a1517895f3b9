"""What a step's log and files say to GitHub's runner, and what the runner blots out of them."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_COMMAND = re.compile(r"::(?P<name>[^\s:]+)(?P<properties>(?:(?!::).)*)::(?P<data>.*)", re.DOTALL)
_OLD_COMMAND = re.compile(r"##\[(?P<name>[\w-]+)(?P<properties>[^\]]*)\](?P<data>.*)", re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A workflow command that a step has printed, and that the runner obeys."""

    name: str
    properties: Mapping[str, str]
    data: str


def obeyed(lines: tuple[str, ...]) -> Iterator[Command]:
    """The commands in a log, as the runner takes them (ActionCommandManager.cs)."""
    token = ""
    for line in lines:
        match = _COMMAND.match(line.strip()) or _OLD_COMMAND.search(line)
        if not match:
            continue
        if token:
            token = "" if match["name"] == token else token
        elif match["name"] == "stop-commands":
            token = match["data"]
        else:
            yield Command(
                match["name"], dict(_properties(match["properties"])), _read(match["data"])
            )


def _properties(written: str) -> Iterator[tuple[str, str]]:
    for one in filter(None, written.strip().split(",")):
        name, _, value = one.partition("=")
        yield name.strip(), _read(value)


def _read(written: str) -> str:
    marks = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    return re.sub("|".join(marks), lambda match: marks[match[0]], written)


def pairs(written: str) -> Iterator[tuple[str, str]]:
    """The outputs of a step: `name=value`, or between two lines of a delimiter."""
    lines = iter(written.splitlines())
    for line in lines:
        name, sign, delimiter = line.partition("<<")
        if not sign:
            name, sign, value = line.partition("=")
            assert sign, f"no output: {line!r}"
            yield name, value
            continue
        value_lines = []
        for more in lines:
            if more == delimiter:
                break
            value_lines.append(more)
        yield name, "\n".join(value_lines)


def masked(values: Iterable[str]) -> set[str]:
    """All that is blotted out for these secrets: each as others write it, too.

    SecretMasker and its ValueEncoders, in actions/runner.
    """
    found = {value for value in values if value}
    for value in tuple(found):
        raw = value.encode()
        found |= {b64encode(raw[shift:]).decode().rstrip("=") for shift in range(3)}
        found |= {json.dumps(value)[1:-1], quote(value, safe=""), escape(value), value.strip('"')}
    return found - {""}
