"""The blobs of one target in this run: each is sent once, and mounted for whoever else needs it.

Copies are numbered as they begin. A copy waits for a blob that an older one sends, never for a
younger one's: so nobody waits in a circle, whatever the images share.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from orchestrator.oci.reference import Digest, Reference
from orchestrator.registry.responses import Inconclusive
from orchestrator.system.http import Response

_LEAST_REMEMBERED = 32 * 1024
"""Bytes of a blob whose place is kept for later runs; a smaller one is sent as fast as mounted."""


@dataclass(frozen=True)
class Present:
    """The repository has the blob."""


@dataclass(frozen=True)
class Upload:
    """An upload that the target has begun; any blob may be sent by it.

    Attributes:
        repository: Any reference into the repository that the blob goes to.
        path: Path and query of the upload; who knows them may go on with it.
    """

    repository: Reference
    path: str = field(repr=False)


@dataclass(frozen=True)
class Refused:
    """What the target answered instead, for skopeo to hear; or why there was no answer."""

    answer: Response | Inconclusive


Begun: TypeAlias = "Present | Upload | Refused"


class BlobTarget(Protocol):
    """Who is asked for blobs.

    Attributes:
        refuses_mounts: Whether a mount from another repository was refused.
    """

    refuses_mounts: bool

    def begin(self, repository: Reference, digest: Digest, *, mount_from: Reference) -> Begun:
        """Ask for a blob and begin its upload, in one trip."""
        ...


class BlobMemory(Protocol):
    """Who knows between runs where blobs are."""

    def blob_place(self, registry: str, blob: Digest) -> str | None:
        """The repository of a registry that a run has sent a blob to."""
        ...

    def remember_blob_place(self, registry: str, blob: Digest, repository: str) -> None:
        """Keep where a blob was sent to."""
        ...


class Forgetful:
    """Whoever knows nothing."""

    def blob_place(self, registry: str, blob: Digest) -> str | None:
        """Nowhere."""
        del registry, blob
        return None

    def remember_blob_place(self, registry: str, blob: Digest, repository: str) -> None:
        """Forget it."""


@dataclass(eq=False)
class _Transfer:
    """A blob on its way to a repository, and by which copy.

    Attributes:
        done: Whether it arrived, once that is known.
    """

    owner: int
    repository: Reference
    done: Future[bool] = field(default_factory=Future)


class TargetBlobs:
    """What is known of the blobs of one target; safe to be used by many threads.

    Args:
        target: Asks the target.
        executor: Where the questions run, so that all blobs of an image are asked for at once.
        memory: Knows from earlier runs where a blob can be mounted from. What it says need not
            be so any more: then the same request begins the upload.
    """

    def __init__(
        self, target: BlobTarget, executor: Executor, memory: BlobMemory | None = None
    ) -> None:
        self._target = target
        self._memory = memory or Forgetful()
        self._executor = executor
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._transfers: dict[Digest, _Transfer] = {}
        self._ended: set[int] = set()
        self._present: set[tuple[str, Digest]] = set()

    def begin_copy(
        self, repository: Reference, digests: Iterable[Digest]
    ) -> tuple[int, dict[Digest, Future[Begun]], tuple[Future[bool], ...]]:
        """Number a copy, and ask for all blobs of its image at once.

        It gets its number and claims its blobs in one step: else an older copy might come after
        a younger one, and would not wait for it.

        Args:
            repository: Any reference into the repository that is to have them.
            digests: The blobs.

        Returns:
            The copy's number; what `ask_for` returns; and what ends with the blobs that older
            copies are sending, so that the copy can be begun after that.
        """
        asked: dict[Digest, Future[Begun]] = {digest: Future() for digest in digests}
        with self._lock:
            copy = next(self._numbers)
            older = {digest: self._claim(copy, repository, digest) for digest in asked}
        sending = tuple(one.done for one in older.values() if one is not None)
        return copy, self._answers(copy, repository, asked, older), sending

    def ask_for(
        self, copy: int, repository: Reference, digests: Iterable[Digest]
    ) -> dict[Digest, Future[Begun]]:
        """Ask for blobs that a copy turns out to need, too.

        Args:
            copy: The number of the copy that needs them.
            repository: Any reference into the repository that is to have them.
            digests: The blobs.

        Returns:
            What the target says of each, once it is known; of one that an older copy sends,
            after that.
        """
        asked: dict[Digest, Future[Begun]] = {digest: Future() for digest in digests}
        with self._lock:
            older = {digest: self._claim(copy, repository, digest) for digest in asked}
        return self._answers(copy, repository, asked, older)

    def finish(
        self, copy: int, repository: Reference, digest: Digest, *, arrived: bool, size: int = 0
    ) -> None:
        """A blob was sent, or could not be: whoever waits for it goes on."""
        if arrived and size >= _LEAST_REMEMBERED:
            self._memory.remember_blob_place(repository.registry, digest, repository.repository)
        with self._lock:
            if arrived:
                self._present.add((repository.repository, digest))
            transfer = self._transfers.get(digest)
        if transfer is not None and transfer.owner == copy:
            _settle(transfer, arrived=arrived)

    def give_up(self, copy: int) -> None:
        """A copy has ended: what it has not sent, it will not send, and it claims nothing more."""
        with self._lock:
            self._ended.add(copy)
            left = [one for one in self._transfers.values() if one.owner == copy]
        for transfer in left:
            _settle(transfer, arrived=False)

    def _claim(self, copy: int, repository: Reference, digest: Digest) -> _Transfer | None:
        """The transfer of an older copy, to wait for; None where this one is to ask and send."""
        transfer = self._transfers.get(digest)
        arrived = transfer.done.result() if transfer and transfer.done.done() else None
        if copy in self._ended:  # whoever waited for it would wait for ever
            return None
        if transfer is None or arrived is False:
            self._transfers[digest] = _Transfer(copy, repository)
            return None
        return transfer if arrived or transfer.owner < copy else None

    def _answers(
        self,
        copy: int,
        repository: Reference,
        asked: dict[Digest, Future[Begun]],
        older: Mapping[Digest, _Transfer | None],
    ) -> dict[Digest, Future[Begun]]:
        for digest, found in asked.items():
            self._answer(found, copy, repository, digest, older[digest])
        return asked

    def _answer(
        self,
        found: Future[Begun],
        copy: int,
        repository: Reference,
        digest: Digest,
        older: _Transfer | None,
    ) -> None:
        """Find out about one blob, after the older copy that sends it."""
        if copy in self._ended:
            found.set_result(Refused(Inconclusive("the copy that asked has ended")))
            return
        if older is None:
            self._start(found, lambda: self._begin_remembered(copy, repository, digest))
            return

        def go_on(done: Future[bool]) -> None:
            if done.result():
                origin = older.repository
                self._start(found, lambda: self._begin(copy, repository, digest, origin))
                return
            with self._lock:
                another = self._claim(copy, repository, digest)
            self._answer(found, copy, repository, digest, another)

        older.done.add_done_callback(go_on)

    def _begin_remembered(self, copy: int, repository: Reference, digest: Digest) -> Begun:
        """Ask for a blob that this run knows nothing of; earlier ones may know where it is."""
        place = None
        if not self._target.refuses_mounts:
            place = self._memory.blob_place(repository.registry, digest)
        origin = replace(repository, repository=place) if place else repository
        return self._begin(copy, repository, digest, origin)

    def _begin(
        self, copy: int, repository: Reference, digest: Digest, mount_from: Reference
    ) -> Begun:
        if (repository.repository, digest) in self._present:
            return Present()
        begun = self._target.begin(repository, digest, mount_from=mount_from)
        if isinstance(begun, Present):
            self.finish(copy, repository, digest, arrived=True)
        return begun

    def _start(self, found: Future[Begun], work: Callable[[], Begun]) -> None:
        def run() -> None:
            try:
                found.set_result(work())
            except BaseException as error:
                found.set_exception(error)
                raise

        self._executor.submit(run)


def _settle(transfer: _Transfer, *, arrived: bool) -> None:
    if not transfer.done.done():
        transfer.done.set_result(arrived)
