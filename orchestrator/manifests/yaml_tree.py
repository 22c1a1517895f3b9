"""YAML as a tree that remembers where each value stands; the one door to PyYAML.

Nothing is constructed: only the parser's events are read, so that no tag can make an object,
and an alias is the very node that it names, so that many of them cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from orchestrator.errors import FormatError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: ten times as fast, with the same marks."""
_DEEPEST = 100
_MERGE = "<<"


@dataclass(frozen=True, eq=False)
class Scalar:
    """A value, and where it stands with its quotes."""

    text: str
    line: int
    start: int = 0
    end: int = 0


@dataclass(frozen=True, eq=False)
class Sequence:
    """A list of values."""

    line: int
    values: list[Node] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Mapping:
    """Keys and values, as they are written: merges are not carried out."""

    line: int
    pairs: list[tuple[Node, Node]] = field(default_factory=list)

    def items(self) -> Iterator[tuple[str, Node]]:
        """What is written here, by its keys."""
        return ((key.text, value) for key, value in self.pairs if isinstance(key, Scalar))

    def get(self, name: str) -> Node | None:
        """A value by its key, be it written here or merged (YAML's merge key, `<<`)."""
        waiting: list[Node] = [self]
        seen: set[int] = set()
        while waiting:
            node = waiting.pop(0)
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, Sequence):
                waiting = [*node.values, *waiting]
            elif isinstance(node, Mapping):
                written = dict(node.items())
                if name in written:
                    return written[name]
                waiting = [value for key, value in node.items() if key == _MERGE] + waiting
        return None

    def text_of(self, name: str) -> str:
        """A scalar's text by its key; empty where there is none."""
        value = self.get(name)
        return value.text if isinstance(value, Scalar) else ""


Node: TypeAlias = Scalar | Sequence | Mapping


class _Builder:
    """Makes a document of events."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[Sequence | Mapping] = []
        self._keys: list[Node | None] = []
        self._anchors: dict[str, Node] = {}
        self.root: Node | None = None

    def add(self, event: yaml.Event) -> None:
        """Take the next event."""
        line = _line_of(event)
        match event:
            case yaml.ScalarEvent():
                self._put(self._scalar(event, line), event.anchor)
            case yaml.AliasEvent():
                self._put(self._anchors.get(event.anchor or "") or Scalar("", line), None)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                is_mapping = isinstance(event, yaml.MappingStartEvent)
                self._begin(Mapping(line) if is_mapping else Sequence(line), event.anchor)
            case yaml.CollectionEndEvent():
                self._open.pop()
                self._keys.pop()
            case _:
                pass

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Scalar:
        """A scalar's place without its anchor and its tag, which stand before it."""
        start = event.start_mark.index if event.start_mark else 0
        end = event.end_mark.index if event.end_mark else 0
        while self._text[start : start + 1] in ("&", "!") and (event.anchor or event.tag):
            while start < end and not self._text[start].isspace():
                start += 1
            while start < end and self._text[start].isspace():
                start += 1
        # A block reaches to whatever comes next.
        end = start + len(self._text[start:end].rstrip())
        return Scalar(event.value, line, start, end)

    def _begin(self, node: Sequence | Mapping, anchor: str | None) -> None:
        if len(self._open) >= _DEEPEST:
            raise FormatError(f"it is nested more than {_DEEPEST} deep")
        self._put(node, anchor)
        self._open.append(node)
        self._keys.append(None)

    def _put(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        inside = self._open[-1]
        if isinstance(inside, Sequence):
            inside.values.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = node
        else:
            inside.pairs.append((key, node))
            self._keys[-1] = None


def _line_of(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def read_documents(text: str) -> tuple[Node, ...]:
    """The documents of a text, in their order.

    Raises:
        FormatError: It is no YAML; the message names the line.
    """
    documents: list[Node] = []
    builder = _Builder(text)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = _Builder(text)
            elif isinstance(event, yaml.DocumentEndEvent) and builder.root is not None:
                documents.append(builder.root)
            else:
                builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise FormatError(f"{where}{error.problem or 'it is no YAML'}") from None
    except yaml.YAMLError:
        raise FormatError("it holds a character that YAML doesn't allow") from None
    return tuple(documents)
