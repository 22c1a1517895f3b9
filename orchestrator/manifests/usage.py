"""What a file says of the images that it uses, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """One place where a file names an image.

    Attributes:
        image: Its name, with all variables replaced.
        line: Counted from 1.
        start: Where the name stands in the text, in characters.
        end: The first character behind it; equal to `start` where the name stands in several
            places, so that it can't be written as another.
        platform: As the file wrote it; empty where it wrote none.
        owner: The compose service that uses it; empty elsewhere.
        written: The name as it stands there, with its variables.
    """

    image: str
    line: int
    start: int
    end: int
    platform: str = ""
    owner: str = ""
    written: str = ""

    @property
    def can_be_written(self) -> bool:
        """Whether another name can be put into its place."""
        return self.end > self.start


@dataclass(frozen=True)
class Note:
    """What a reader has to know of a line.

    Attributes:
        is_problem: Whether an image was left out that may be wanted.
    """

    line: int
    text: str
    is_problem: bool = False


@dataclass(frozen=True)
class Reading:
    """All that a file says of images, in its order."""

    usages: tuple[Usage, ...] = ()
    notes: tuple[Note, ...] = ()

    @classmethod
    def joined(cls, parts: Iterable[Reading]) -> Reading:
        """All of several, in their order."""
        every = tuple(parts)
        usages = (usage for one in every for usage in one.usages)
        return cls(tuple(usages), tuple(note for one in every for note in one.notes))

    def __add__(self, other: Reading) -> Reading:
        return Reading((*self.usages, *other.usages), (*self.notes, *other.notes))
