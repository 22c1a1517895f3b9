"""A part of the list, for one of several machines: stable, and the same on each of them.

Which part an item falls to goes by its destination's name alone, so that a line more or less moves
no other. All tags of one repository fall to one part, since they share layers (and signatures'
tags); under `packed` that is the source's, whose path the tag begins with. So does an image in all
its targets, since its source is then read once.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from orchestrator.config.targets import PACKED
from orchestrator.errors import FormatError
from orchestrator.plan.items import Item

MOST_SHARDS = 256
"""Jobs that one matrix of GitHub Actions may have."""

_SHARD = re.compile(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})")


@dataclass(frozen=True)
class Shard:
    """One of several parts of a list.

    Attributes:
        number: Counted from 1.
        count: How many parts there are.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `K/N`.

        Raises:
            FormatError: It is not that.
        """
        match = _SHARD.fullmatch(text)
        shard = cls(int(match[1]), int(match[2])) if match else None
        if shard is None or shard.number > shard.count or shard.count > MOST_SHARDS:
            raise FormatError(
                f"'{text}' is no shard", hint=f"write it as 2/4; {MOST_SHARDS} are the most"
            )
        return shard

    def has(self, item: Item) -> bool:
        """Whether an item falls to this part."""
        return shard_number(item, self.count) == self.number

    def share(self, amount: int) -> int:
        """This part's share of what all parts have together; the shares add up to it."""
        return (amount + self.count - self.number) // self.count

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def shard_number(item: Item, count: int) -> int:
    """Which of so many parts an item falls to, counted from 1."""
    name = item.destination.name.removeprefix(f"{item.target.base}/")
    if item.target.naming == PACKED and ".." in (item.destination.tag or ""):
        name = (item.destination.tag or "").partition("..")[0]
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % count + 1


def shards_for(items: int, *, most: int) -> tuple[Shard, ...]:
    """As many parts as a list is worth.

    Args:
        items: How many it has.
        most: How many one part may have.
    """
    count = min(max(1, -(-items // most)), MOST_SHARDS)
    return tuple(Shard(number, count) for number in range(1, count + 1))


def matrix_of(shards: tuple[Shard, ...]) -> str:
    """The matrix of a job on GitHub Actions, as JSON on one line."""
    return json.dumps({"shard": [str(shard) for shard in shards]}, separators=(",", ":"))
