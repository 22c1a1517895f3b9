"""GitHub's expressions, as far as our workflows use them: contexts, `!`, `==`, `&&`, `||`.

https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, TypeAlias, final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.workflows import Node

Functions: TypeAlias = "Mapping[str, Callable[[], bool]]"

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<path>[A-Za-z_][\w.-]*)|(?P<sign>&&|\|\||==|!=|!|\(|\)))"
)
_WORDS: Mapping[str, Node] = {"true": True, "false": False, "null": None}


def is_true(value: Node) -> bool:
    """GitHub's truth: nothing, false, 0 and the empty text are false."""
    return bool(value) or isinstance(value, dict | list)


def as_text(value: Node) -> str:
    """How a value stands in a text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def evaluate(expression: str, contexts: Mapping[str, Node], functions: Functions) -> Node:
    """The value of an expression without its braces."""
    return _Reader(expression, contexts, functions).whole()


def fill(template: Node, contexts: Mapping[str, Node], functions: Functions) -> Node:
    """A value of a workflow, its expressions replaced; one that is all there is keeps its type."""
    if not isinstance(template, str):
        return template
    alone = _EXPRESSION.fullmatch(template.strip())
    if alone and "${{" not in alone[1]:
        return evaluate(alone[1], contexts, functions)
    return _EXPRESSION.sub(lambda match: as_text(evaluate(match[1], contexts, functions)), template)


@final
class _Reader:
    """Reads one expression from left to right."""

    def __init__(self, source: str, contexts: Mapping[str, Node], functions: Functions) -> None:
        self._tokens = self._split(source)
        self._contexts = contexts
        self._functions = functions

    def whole(self) -> Node:
        value = self._either()
        assert not self._tokens, f"left over: {self._tokens}"
        return value

    def _split(self, source: str) -> list[str]:
        tokens, place = [], 0
        while source[place:].strip():
            match = _TOKEN.match(source, place)
            assert match, f"not understood: {source[place:]!r}"
            tokens.append(match[0].strip())
            place = match.end()
        return tokens

    def _take(self, *signs: str) -> str:
        return self._tokens.pop(0) if self._tokens and self._tokens[0] in signs else ""

    def _either(self) -> Node:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value if is_true(value) else other
        return value

    def _both(self) -> Node:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = other if is_true(value) else value
        return value

    def _compared(self) -> Node:
        value = self._single()
        while sign := self._take("==", "!="):
            is_same = _folded(value) == _folded(self._single())
            value = is_same if sign == "==" else not is_same
        return value

    def _single(self) -> Node:
        if self._take("!"):
            return not is_true(self._single())
        if self._take("("):
            value = self._either()
            assert self._take(")"), "a bracket is open"
            return value
        token = self._tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._take("("):
            if token == "fromJSON":
                found: Node = json.loads(as_text(self._either()))
            else:
                found = self._functions[token]()
            assert self._take(")"), f"{token} takes no such arguments here"
            return found
        return _WORDS[token] if token in _WORDS else self._looked_up(token)

    def _looked_up(self, path: str) -> Node:
        first, *rest = path.split(".")
        assert first in self._contexts, f"no context '{first}'"
        value = self._contexts[first]
        for name in rest:
            value = value.get(name) if isinstance(value, dict) else None
        return value


def _folded(value: Node) -> Node:
    return value.casefold() if isinstance(value, str) else value
