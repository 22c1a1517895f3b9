"""Two runs and one tag: what was looked at may be old by the time that it is written.

Registries have no "write if unchanged". So the source is asked again just before a copy and
just after it, by a HEAD, which nobody counts: an older digest never takes a newer one's place
without a word. Two lists, or two versions of one, may also give one name to two sources: who
filled a destination is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from orchestrator.errors import ErrorKind, ImageError, Problem
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.decision import Verdict
from orchestrator.plan.items import Item
from orchestrator.registry.reader import HttpRegistry, digest_or_none


class ConflictCheck:
    """Notices that another run may have been here meanwhile; safe to be asked by many threads."""

    def __init__(self, registry: HttpRegistry) -> None:
        self._registry = registry

    def check(self, verdict: Verdict) -> None:
        """Before a copy: has another run brought something newer since this one looked?

        Raises:
            ImageError: The source has moved on, and the destination too.
        """
        if not self.new_source_digest(verdict):
            return
        destination = verdict.item.destination
        found = self._head(destination)
        if found in (None, verdict.found, verdict.upstream.expected):
            return
        raise ImageError(
            ErrorKind.CONFLICT,
            f"{destination.familiar}: another run has written it since this one looked, "
            "and its source has moved on",
            hint="what is there was left alone; the next run looks again",
            registry=destination.registry,
        )

    def destination_has(self, destination: Reference, digest: Digest) -> bool:
        """Whether a HEAD tells that a destination has this digest now."""
        return self._head(destination) == digest

    def new_source_digest(self, verdict: Verdict) -> Digest | None:
        """What the source is now, where that is known to be something else than was looked at."""
        source = verdict.item.source
        if source.digest:
            return None
        now = self._head(source)
        return now if now != verdict.upstream.digest else None

    def _head(self, reference: Reference) -> Digest | None:
        return digest_or_none(self._registry.head(reference), reference)


def filled_by_others(
    items: Iterable[Item], writer_of: Callable[[str], str | None], *, file: str
) -> Iterator[Problem]:
    """Find the destinations that an earlier run filled from another source.

    Args:
        items: What is to be done.
        writer_of: The source that a destination was last filled from, as `source_name` has it.
        file: The list's; empty where the images are the command line's.
    """
    for item in items:
        before, now = writer_of(str(item.destination)), source_name(item)
        if before in (None, now):
            continue
        who = f"'{now}'" if item.line else "it"
        yield Problem(
            file,
            item.line,
            0,
            now,
            f"{who} goes to '{item.destination}', which an earlier run filled from '{before}'",
            hint="where both are wanted, give one of them another --name",
        )


def source_name(item: Item) -> str:
    """A source's name; a new digest behind the same tag makes no other source of it."""
    source = item.source
    return (replace(source, digest=None) if source.tag else source).familiar
