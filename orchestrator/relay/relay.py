"""The relay of a run: one registry on loopback, a passage for each copy, one target a host."""

from __future__ import annotations

import logging
import math
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from orchestrator.config.authfile import Credentials
from orchestrator.config.settings import Login
from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import Reference
from orchestrator.registry.challenge import basic_authorization
from orchestrator.relay.blobs import BlobMemory, TargetBlobs
from orchestrator.relay.branch import Branch
from orchestrator.relay.pace import Pace
from orchestrator.relay.passage import Passage
from orchestrator.relay.server import RelayServer
from orchestrator.relay.target import RelayTarget, SentAnew, Writer
from orchestrator.skopeo.arguments import CopyRequest, Fed, Route

_log = logging.getLogger(__name__)

_USERNAME = "syncer"
_QUESTIONS_AT_ONCE = 24
"""Blobs that one target is asked for at once."""

_LONGEST_NAME = 255
"""What many clients allow for host and repository together (distribution specification)."""

_MOST_FAULTS = 2
"""Copies that got no answer through the relay before a host is pushed to by skopeo itself."""

_OTHERS_PATIENCE = 20.0
"""Seconds that another target may take no bytes, or not end its uploads: then it is let go."""

_POLL = 0.05
"""Seconds between two looks whether the relay is to end."""


class Relay:
    """A running relay; safe to be used by many threads.

    Attributes:
        login: What opens it; goes into the authfile that skopeo gets.

    Args:
        writer: Speaks to targets.
        reason_against: Why a destination can't be relayed; empty where it can.
        port: The port that is tried first, so that skopeo's cache knows the relay again.
        bandwidth_of: Bytes a second that a registry may be sent; None where nobody says.
        patience: Seconds without a byte after which skopeo is ended: another target that is fed
            along the way keeps it waiting for a part of that.
        memory: Knows between runs which repository of a target has a blob.
    """

    def __init__(
        self,
        writer: Writer,
        reason_against: Callable[[Reference], str],
        *,
        port: int,
        bandwidth_of: Callable[[str], int | None] = lambda _registry: None,
        patience: float = math.inf,
        memory: BlobMemory | None = None,
    ) -> None:
        password = secrets.token_urlsafe(32)
        self._writer = writer
        self._reason_against = reason_against
        self._memory = memory
        self._patience_with_others = min(_OTHERS_PATIENCE, patience / 3)
        self._passages: dict[str, Passage] = {}
        self._lock = threading.Lock()
        self._claiming = threading.Lock()
        self._fed: dict[Reference, Fed] = {}
        self._bandwidth_of = bandwidth_of
        self._targets: dict[str, tuple[RelayTarget, TargetBlobs, Pace]] = {}
        self._is_told: set[str] = set()
        self._faults: dict[str, int] = {}
        self._executors: list[ThreadPoolExecutor] = []
        authorization = basic_authorization(Credentials(_USERNAME, password))
        self._server = RelayServer(port, authorization, self._passages)
        self.login = Login(self._server.host, _USERNAME, password)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": _POLL}, daemon=True
        )

    def reason_against(self, destination: Reference) -> str:
        """Why skopeo pushes there itself; empty where the relay does."""
        if self._faults.get(destination.registry, 0) >= _MOST_FAULTS:
            return "it gave no answer through the relay"
        if len(self._address(destination, "0" * 32).name) > _LONGEST_NAME:
            return "its name is too long"
        return self._reason_against(destination)

    @contextmanager
    def route(self, request: CopyRequest) -> Iterator[Route]:
        """The way of one copy, open as long as the block lasts."""
        destination = request.destination
        if reason := self.reason_against(destination):
            self._tell(destination, reason)
            yield Route(destination)
            return
        fed = self._fed.pop(destination, None)
        if fed is not None and fed.digest == request.source.digest and request.keeps_digests:
            yield Route(destination, fed=fed)
            return
        passage, others = self._passage(request)
        self._passages[passage.key] = passage
        self._serve()
        address = self._address(destination, passage.key)
        try:
            passage.wait_for_others()
            yield Route(
                address,
                lambda text: _in_targets_words(text, address, destination),
                lambda: _fault(passage),
                passage,
            )
        finally:
            del self._passages[passage.key]
            passage.close()
            for other in others:
                if other.takes_part and other.written is not None:
                    fed = Fed(other.written, other.uploaded, other.sent)
                    self._fed[other.destination] = fed
            if passage.fault is not None and not isinstance(passage.fault, SentAnew):
                with self._lock:
                    before = self._faults.get(destination.registry, 0)
                    self._faults[destination.registry] = before + 1

    def close(self) -> None:
        """Take no more connections, and let what is asked end; `contextlib.closing` does it."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.end_connections()
        for executor in self._executors:
            executor.shutdown(wait=False, cancel_futures=True)

    def _serve(self) -> None:
        """Begin to answer, once there is a copy: most runs have none, and end without a wait."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()

    def _address(self, destination: Reference, key: str) -> Reference:
        repository = f"{key}/{destination.repository}"
        return Reference(
            self._server.host, repository, tag=destination.tag, digest=destination.digest
        )

    def _passage(self, request: CopyRequest) -> tuple[Passage, tuple[Branch, ...]]:
        """The passage of a copy, and the targets that are fed along the way.

        Of two copies one is the older at every target, since their blobs are claimed under one
        lock: else each might wait for the other's.
        """
        registries = {request.destination.registry}
        places = [request.destination]
        for place in request.also:
            is_wanted = place.registry not in registries and place not in self._fed
            if is_wanted and not self.reason_against(place):
                registries.add(place.registry)
                places.append(place)
        sides = [(place, *self._target(place.registry)) for place in places]
        with self._claiming:
            branch, *others = (
                Branch(place, request.blobs, target, blobs, pace)
                for place, target, blobs, pace in sides
            )
        patience = self._patience_with_others
        passage = Passage(request, branch, others, patience_with_others=patience)
        return passage, tuple(others)

    def _tell(self, destination: Reference, reason: str) -> None:
        """Say why a destination is not relayed; once aloud, where more was to come of it."""
        registry = destination.registry
        with self._lock:
            is_news = self._bandwidth_of(registry) is not None and registry not in self._is_told
            self._is_told.add(registry)
        if is_news:
            _log.warning("skopeo pushes to %s itself, at any bandwidth: %s", registry, reason)
        _log.debug("%s is not relayed: %s", destination.familiar, reason)

    def _target(self, registry: str) -> tuple[RelayTarget, TargetBlobs, Pace]:
        with self._lock:
            if registry not in self._targets:
                executor = ThreadPoolExecutor(_QUESTIONS_AT_ONCE, thread_name_prefix="relay")
                self._executors.append(executor)
                target = RelayTarget(self._writer)
                pace = Pace(self._bandwidth_of(registry))
                self._targets[registry] = target, TargetBlobs(target, executor, self._memory), pace
            return self._targets[registry]


def _fault(passage: Passage) -> ImageError | None:
    """Why the target gave no answer: skopeo knows only that the relay had none."""
    fault, destination = passage.fault, passage.destination
    if fault is None:
        return None
    return ImageError(
        fault.kind or ErrorKind.UNREACHABLE,
        f"{destination.familiar}: {fault.reason}",
        hint=f"check the network's way to {destination.registry}; the next run tries again",
        registry=destination.registry,
    )


def _in_targets_words(text: str, address: Reference, destination: Reference) -> str:
    """Skopeo's words with the target in the relay's place, so that they say who refused."""
    text = text.replace(address.repository, destination.repository)
    return text.replace(address.registry, destination.registry)
