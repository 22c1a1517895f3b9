"""Two runs and one tag: what was looked at may be old by the time that it is written.

Registries have no "write if unchanged". So the source is asked again just before a copy and
just after it, by a HEAD, which nobody counts: an older digest never takes a newer one's place
without a word. Two lists, or two versions of one, may also give one name to two sources: who
filled a destination is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace

from orchestrator.errors import ErrorKind, ImageError, Problem
from orchestrator.oci.reference import Digest, Reference
from orchestrator.plan.decision import Verdict
from orchestrator.plan.items import Item
from orchestrator.registry.reader import HttpRegistry, digest_or_none


class ConflictCheck:
    """Notices that another run may have been here meanwhile; safe to be asked by many threads.

    Args:
        registry: Is asked.
        pool: Asks the source while the destination is asked.
    """

    def __init__(self, registry: HttpRegistry, pool: Executor) -> None:
        self._registry = registry
        self._pool = pool
        self._asked: dict[Reference, Future[Digest | None]] = {}

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

    def has_arrived(self, item: Item, digest: Digest) -> bool:
        """After a copy: does a HEAD tell that the destination has it? The source is asked, too."""
        if not item.source.digest:
            self._asked[item.destination] = self._pool.submit(self._head, item.source)
        return self._head(item.destination) == digest

    def new_source_digest(self, verdict: Verdict) -> Digest | None:
        """What the source is now, where that is known to be something else than was looked at."""
        source = verdict.item.source
        if source.digest:
            return None
        asked = self._asked.pop(verdict.item.destination, None)
        now = asked.result() if asked else self._head(source)
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
