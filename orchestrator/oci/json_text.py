"""JSON from outside: strict UTF-8, and nothing in it that can't be written down again.

Python's own reader takes more than RFC 8259 does: UTF-16, `NaN`, and lone surrogates, which no
file, database or chat takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeAlias

Json: TypeAlias = "None | bool | int | float | str | Sequence[Json] | Mapping[str, Json]"

Pairs: TypeAlias = "list[tuple[str, Json]]"


def parse_json(
    raw: bytes, *, make_object: Callable[[Pairs], Mapping[str, Json]] | None = None
) -> Json:
    """Read a document whose every text can be encoded.

    Args:
        raw: The bytes.
        make_object: Makes an object of its keys and values; a dictionary where it is None.

    Raises:
        ValueError: It is no such JSON; or it is nested too deeply.
    """
    try:
        document: Json = json.loads(
            raw.decode("utf-8-sig"), object_pairs_hook=make_object, parse_constant=_refuse
        )
        if b"\\u" in raw:
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return document


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
