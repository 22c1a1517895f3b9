"""Pushed is not pullable: whether others can read what has just been pushed, asked once.

GHCR and Aliyun make a new repository private, and GHCR has no API that would change that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.catalog.image import MirroredImage
from orchestrator.config.targets import ALIYUN_HOSTS
from orchestrator.errors import ErrorKind
from orchestrator.oci.reference import Reference
from orchestrator.registry.responses import Inconclusive
from orchestrator.registry.transport import Request
from orchestrator.report.result import Outcome, Result
from orchestrator.system.http import Response
from orchestrator.system.parallel import OncePerKey

PUBLIC, PRIVATE = "public", "private"

_REFUSED = (401, 403)
"""What registries answer to a stranger; a 404 may be a tag that is not shown yet (GHCR)."""

_NOT_FOR_STRANGERS = (ErrorKind.UNAUTHORIZED, ErrorKind.DENIED)


class Stranger(Protocol):
    """A registry client without any login."""

    def send(self, request: Request, reference: Reference) -> Response | Inconclusive:
        """Ask as a stranger."""
        ...


class VisibilityMemory(Protocol):
    """Remembers whether repositories can be read by everybody."""

    def visibility(self, repository: str) -> str | None:
        """`public` or `private`, where a run has found out."""
        ...

    def remember_visibility(self, repository: str, found: str) -> None:
        """Keep it."""
        ...


class Visibility:
    """Finds out who can pull what a run pushes; safe to be asked by many threads.

    Args:
        stranger: Makes the client that asks, where there is anything to ask.
        memory: What earlier runs found out. A repository that is public is asked for once, and a
            private one again when something new is pushed there: somebody may have opened it.
        pool: Asks, while the run goes on.
        is_far: Whether each trip to a registry takes long.
    """

    def __init__(
        self,
        stranger: Callable[[], Stranger],
        memory: VisibilityMemory,
        pool: Executor,
        is_far: Callable[[str], bool] = lambda _registry: False,
    ) -> None:
        self._asker = OncePerKey[None, Stranger](lambda _: stranger())
        self._memory = memory
        self._pool = pool
        self._is_far = is_far
        self._lock = threading.Lock()
        self._expected: set[str] = set()
        self._asked: dict[str, Future[str]] = {}

    def expect(self, destination: Reference) -> None:
        """It will be pushed to: where it is far, a stranger's token is got meanwhile."""
        name = destination.name
        if self._is_far(destination.registry) and self._memory.visibility(name) != PUBLIC:
            with self._lock:
                is_new = name not in self._expected
                self._expected.add(name)
            if is_new:
                self._pool.submit(self._seen, destination)

    def ask(self, destination: Reference) -> None:
        """It has been pushed to: ask once, without waiting for the answer."""
        name = destination.name
        with self._lock:
            if name not in self._asked and self._memory.visibility(name) != PUBLIC:
                self._asked[name] = self._pool.submit(self._seen, destination)

    def of(self, results: Iterable[Result]) -> tuple[Result, ...]:
        """Say of whatever is in a repository that was copied to whether everybody can pull it."""
        results = tuple(results)
        copied = {_name(one): one.item.destination for one in results if _is_new(one)}
        before = {name: self._memory.visibility(name) for name in copied}
        for reference in copied.values():
            self.ask(reference)
        for name in copied.keys() & self._asked.keys():
            if found := self._asked[name].result():
                self._memory.remember_visibility(name, found)
        known = {name: self._memory.visibility(name) or "" for name in copied}
        untold = {name for name, found in known.items() if found == PRIVATE and not before[name]}
        return tuple(_with_visibility(one, known, untold) for one in results)

    def _seen(self, reference: Reference) -> str:
        return _seen_by(self._asker(None), reference)


def _is_new(result: Result) -> bool:
    return result.outcome is Outcome.COPIED


def _name(result: Result) -> str:
    return result.item.destination.name


def _with_visibility(result: Result, known: Mapping[str, str], untold: set[str]) -> Result:
    """The result with what is known; the first copy to a private repository tells of it."""
    name = _name(result)
    if name not in known:
        return result
    note = ""
    if name in untold and result.outcome is Outcome.COPIED:
        untold.remove(name)
        note = _note(result.item.destination)
    notes = "; ".join(filter(None, (result.note, note)))
    return replace(result, visibility=known[name], note=notes)


def _seen_by(asker: Stranger, reference: Reference) -> str:
    """Whether a stranger is shown a manifest; empty where that can't be told."""
    path = f"manifests/{reference.tag or reference.digest}"
    answer = asker.send(Request("HEAD", reference.repository, path), reference)
    if isinstance(answer, Inconclusive):
        return PRIVATE if answer.kind in _NOT_FOR_STRANGERS else ""
    if answer.status in _REFUSED:
        return PRIVATE
    return PUBLIC if answer.status == 200 else ""


@dataclass(frozen=True)
class Pullable:
    """Who can pull what runs have pushed to a target: numbers of repositories.

    Attributes:
        page: Where a person opens what is private; empty where nothing is, or we know none.
    """

    public: int
    private: int
    page: str = ""

    def __str__(self) -> str:
        """As the doctor has it."""
        counts = f"{self.public} public, {self.private} private, when last pushed to"
        who = "some repositories need a login" if self.private else "everybody can"
        return f"{who} ({counts})"

    @property
    def remedy(self) -> str:
        """Where to open what is private; empty where nothing is to be done, or we know no page."""
        return f"to let everybody pull: {self.page}" if self.page else ""


def pullable(
    images: Iterable[MirroredImage], base: str, memory: VisibilityMemory
) -> Pullable | None:
    """Count the repositories below a target's base, as they were when last pushed to.

    Args:
        images: What is known of destinations.
        base: The target's host and namespace.
        memory: What runs found out.

    Returns:
        None where they found out nothing.
    """
    below = (one.destination for one in images if one.destination.startswith(f"{base}/"))
    named = {there.name: there for there in map(Reference.parse, below)}
    seen = {name: found for name in named if (found := memory.visibility(name))}
    private = [named[name] for name, found in seen.items() if found == PRIVATE]
    page = settings_page(private[0]) if private else ""
    return Pullable(len(seen) - len(private), len(private), page) if seen else None


def _note(reference: Reference) -> str:
    page = settings_page(reference)
    return f"its repository is private ({page})" if page else "its repository is private"


def settings_page(reference: Reference) -> str:
    """Where a person changes who may read a repository; empty where we know no page."""
    host = reference.registry
    owner = reference.repository.partition("/")[0]
    if host == "ghcr.io":
        return f"https://github.com/{owner}?tab=packages"
    if host.endswith(ALIYUN_HOSTS):
        return "https://cr.console.aliyun.com"
    return ""
