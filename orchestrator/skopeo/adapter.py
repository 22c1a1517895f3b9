"""The adapter of skopeo: one method a question, answered by a value.

References are passed as `docker://` and a parsed name, so that nothing a user wrote can become an
option.
"""

from __future__ import annotations

import logging
import re
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.reference import Digest, Reference, digest_of
from orchestrator.registry.health import Precautions
from orchestrator.registry.responses import Inconclusive, WriteRefused, tags_of
from orchestrator.skopeo.arguments import (
    Connection,
    CopyRequest,
    CopyWatcher,
    Route,
    Unwatched,
    check_digest,
    copy_argv,
    inspect_argv,
    list_argv,
    loses_keys,
    push_argv,
    straight,
)
from orchestrator.skopeo.errors import image_error
from orchestrator.skopeo.failure import SkopeoFailure, fatal_message, side_of
from orchestrator.skopeo.folders import write_manifest, write_unfit_image
from orchestrator.skopeo.version import InstalledSkopeo, too_old_alone
from orchestrator.system.program import FinishedProgram, Movement, ProgramRunner, Question

_log = logging.getLogger(__name__)

_UPLOADED = re.compile(r"Upload of layer (sha256:[0-9a-f]{64}) complete")
_REUSED = re.compile(r"Skipping blob (sha256:[0-9a-f]{64}) \(already present\)")
_PATIENCE = 120.0
"""Seconds without a byte moved; skopeo's own patience with a busy registry is 30."""

_PATIENCE_WITH_GOOD = 3
"""So many times longer a host may take that has not been silent: for its 429 skopeo waits 30 s."""

Router: TypeAlias = "Callable[[CopyRequest], AbstractContextManager[Route]]"
PutIndex: TypeAlias = "Callable[[bytes, Reference], None | WriteRefused | Inconclusive]"


class Skopeo:
    """The program skopeo; nothing is started before something has to be asked.

    Args:
        programs: Starts it.
        connection: How it reaches registries.
        patience: Seconds without a byte moved before a program is ended.
        put_index: Writes an index in skopeo's place, where skopeo would lose a part of it.
        route: Says how a destination is reached, for as long as a copy lasts.
        precautions: What is seen to before a host is spoken to.

    Raises:
        ToolMissingError: It is not there. One that is too old is noticed when it is first used.
    """

    def __init__(
        self,
        programs: ProgramRunner,
        connection: Connection,
        *,
        patience: float = _PATIENCE,
        put_index: PutIndex | None = None,
        route: Router = straight,
        precautions: Precautions | None = None,
    ) -> None:
        self._programs = programs
        self._patience = patience
        self._connection = connection
        self._put_index = put_index
        self._route = route
        precautions = precautions or Precautions()
        self._health = precautions.health
        self._check_login = precautions.check_login
        self._longest = precautions.longest_question
        self._on_upload: Callable[[str, Digest], None] = lambda _registry, _digest: None
        self._watcher: CopyWatcher = Unwatched()
        self._installed = InstalledSkopeo(programs, patience)

    def listen(self, on_upload: Callable[[str, Digest], None], watcher: CopyWatcher) -> None:
        """Choose what is called while copies run, at once, by any thread.

        Args:
            on_upload: Called with each blob that a registry has got.
            watcher: Learns how far each copy is.
        """
        self._on_upload = on_upload
        self._watcher = watcher

    def version(self) -> str:
        """Its version, which is new enough.

        Raises:
            ToolMissingError: It is too old, or says none.
        """
        return ".".join(map(str, self._installed.version()))

    @property
    def used_version(self) -> str:
        """The same, where it was used already; else empty."""
        return self._installed.used_version

    def check_alone(self, destination: Reference) -> None:
        """See that it is new enough to push somewhere by itself.

        Raises:
            ImageError: It is too old.
        """
        if not self._installed.keeps_digests():
            raise too_old_alone(destination, self.used_version)

    def policy_fault(self) -> str:
        """What is wrong with the trust policy, without which skopeo copies nothing; else empty.

        skopeo itself is asked, since where the policy stands was settled when it was built
        (containers-policy.json(5)): it reads it before it looks for what is to be copied.
        """
        with tempfile.TemporaryDirectory() as folder:
            policy = self._connection.policy
            chosen = (f"--policy={policy.file}",) if policy else ()
            finished = self._run((*chosen, "copy", f"dir:{folder}/nothing", f"dir:{folder}/copy"))
        said = fatal_message(finished.stderr)
        return said if "trust policy" in said else ""

    def _run(
        self,
        argv: tuple[str, ...],
        *,
        size: int | None = 0,
        on_stderr_line: Callable[[bytes], None] | None = None,
        movement: Movement | None = None,
        question: Question | None = None,
    ) -> FinishedProgram:
        self._installed.version()
        patience = min(self._patience, self._longest) if question else self._patience
        return self._programs.run(
            (self._installed.path, *argv),
            stall_timeout=patience,
            question=question,
            size=size,
            on_stderr_line=on_stderr_line,
            movement=movement or Movement(),
        )

    def read_digest(self, reference: Reference, *, side: Side = Side.SOURCE) -> Digest | None:
        """The digest of what a reference names; None where there is nothing.

        Raises:
            ImageError: The registry said something else, or nothing.
        """
        raw = self.read_manifest(reference, side=side)
        return digest_of(raw) if raw is not None else None

    def read_manifest(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes | None:
        """The raw manifest or index; None where the registry says that there is none.

        Raises:
            ImageError: The registry said something else, or nothing.
        """
        try:
            raw = self._inspect(("--raw",), reference, side)
        except ImageError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        if reference.digest:
            check_digest(raw, reference)
        return raw

    def read_config(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes:
        """The raw config blob of a single image.

        Raises:
            ImageError: It can't be had.
        """
        return self._inspect(("--config", "--raw"), reference, side)

    def read_referrers(
        self, reference: Reference, *, side: Side = Side.SOURCE
    ) -> tuple[bytes, ...] | None:
        """Nothing: skopeo does not know the API that lists what refers to a digest."""
        del reference, side
        return None

    def list_tags(self, repository: Reference) -> tuple[str, ...]:
        """All tags of a repository.

        Raises:
            ImageError: They can't be had.
        """
        finished = self._run(list_argv(repository, self._connection))
        if finished.status != 0:
            raise self._error(finished, repository, Side.SOURCE)
        tags = tags_of(finished.stdout if finished.is_whole else b"", key="Tags")
        if tags is None:
            message = f"{repository.familiar}: its list of tags can't be read"
            raise ImageError(ErrorKind.BAD_MANIFEST, message, registry=repository.registry)
        return tags

    def copy(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy an image from registry to registry; the blobs that travelled, not the others.

        Raises:
            ImageError: It did not work; the end where it failed stands in its `registry`.
        """
        finished, uploaded = self._copy(request)
        if finished.status != 0:
            raise self._copy_error(finished, request)
        return uploaded

    def copy_blobs(self, request: CopyRequest) -> tuple[Digest, ...]:
        """Copy what an image is made of, whether or not its manifest, the last, is taken.

        Raises:
            ImageError: Something else than the manifest was in the way.
        """
        finished, uploaded = self._copy(request)
        if finished.status != 0:
            error = self._copy_error(finished, request)
            is_there = error.registry == request.destination.registry
            if error.kind is not ErrorKind.BAD_MANIFEST or not is_there:
                raise error
        return uploaded

    def push_manifest(self, raw: bytes, destination: Reference, *, config: bytes = b"") -> None:
        """Push a manifest whose blobs, or an index whose children, are there already.

        Args:
            raw: The manifest; the bytes stay as they are.
            destination: Where it goes.
            config: The config blob, where it is an image's manifest.

        Raises:
            ImageError: The registry did not take it.
        """
        is_put = not config and (loses_keys(raw) or not self._installed.keeps_digests())
        if is_put and self._is_put(raw, destination):
            return
        self._check(destination)
        with tempfile.TemporaryDirectory(dir=self._connection.authfile.parent) as name:
            write_manifest(Path(name), raw, config=config)
            argv = push_argv(
                name, destination, self._connection, keeps=self._installed.keeps_digests()
            )
            finished = self._run(argv)
        if finished.status != 0:
            raise self._error(finished, destination, Side.DESTINATION)

    def try_push(self, destination: Reference) -> None:
        """Try whether an image may be pushed there, and push none.

        skopeo itself begins, with the login that it finds, and stops at the first bytes of a
        layer that is not what its digest says: what is left is an upload without content, which
        the registry forgets.

        Raises:
            ImageError: The registry refuses it, in the words of a copy.
        """
        self._check(destination)
        with tempfile.TemporaryDirectory(dir=self._connection.authfile.parent) as name:
            write_unfit_image(Path(name))
            keeps = self._installed.keeps_digests()
            finished = self._run(push_argv(name, destination, self._connection, keeps=keeps))
        error = self._error(finished, destination, Side.DESTINATION)
        if error.kind is not ErrorKind.DIGEST_MISMATCH:
            raise error

    def _is_put(self, raw: bytes, destination: Reference) -> bool:
        """Write an index past skopeo; False where that is not possible."""
        answer = (
            self._put_index(raw, destination) if self._put_index else Inconclusive("no other way")
        )
        if isinstance(answer, Inconclusive):
            _log.debug("%s: %s", destination.familiar, answer.reason)
            return False
        if answer is None:
            return True
        said = self._connection.redact(answer.text)
        raise image_error(self._failure(said, destination, Side.DESTINATION))

    def _copy(self, request: CopyRequest) -> tuple[FinishedProgram, tuple[Digest, ...]]:
        registry, destination = request.destination.registry, str(request.destination)
        self._check(request.source)
        self._check(request.destination)
        uploaded: list[Digest] = []

        def on_line(line: bytes) -> None:
            text = line.decode("utf-8", "replace")
            for digest in map(Digest, _UPLOADED.findall(text)):
                uploaded.append(digest)
                self._on_upload(registry, digest)
            for digest in _REUSED.findall(text):
                self._watcher.was_there(destination, digest)

        told = 0

        def on_moved(count: int) -> None:
            nonlocal told
            # Without a stand-in each byte counts twice, as it is read and as it is written.
            new = journey.sent - told if journey else count // 2
            told += new
            self._watcher.moved(destination, new)

        with self._route(request) as route:
            if route.fed:
                self._watcher.moved(destination, route.fed.sent)
                return FinishedProgram(0, b"", ""), route.fed.uploaded
            journey = route.journey
            keeps = self._installed.keeps_digests()
            if journey is None:
                self.check_alone(request.destination)
            routed = replace(request, destination=route.address)
            argv = copy_argv(routed, self._connection, keeps=keeps, is_relayed=journey is not None)
            finished = self._run(
                argv,
                size=request.size,
                on_stderr_line=on_line,
                movement=Movement(on_moved, lambda: journey.sent if journey else 0),
            )
        finished = replace(finished, stderr=route.in_targets_words(finished.stderr))
        fault = route.fault() if finished.status != 0 and not finished.has_stalled else None
        if fault is not None:
            raise fault
        arrived = journey.uploaded if journey else tuple(uploaded)
        moved = journey.sent if journey else sum(request.blobs.get(one, 0) for one in arrived)
        self._watcher.moved(destination, max(0, moved - told))  # since it was last looked at
        return finished, arrived

    def _check(self, reference: Reference) -> None:
        """Before its registry is spoken to: is there any use in it, and no harm?"""
        self._health.check(reference.registry)
        self._check_login(reference)

    def _copy_error(self, finished: FinishedProgram, request: CopyRequest) -> ImageError:
        side = side_of(fatal_message(finished.stderr))
        reference = request.source if side is Side.SOURCE else request.destination
        error, policy = self._error(finished, reference, side), self._connection.policy
        return policy.explained(error, request.source) if policy else error

    def _inspect(self, options: tuple[str, ...], reference: Reference, side: Side) -> bytes:
        registry, began = reference.registry, time.monotonic()
        self._check(reference)
        argv = inspect_argv(options, reference, self._connection)
        longest = self._longest * (1 if self._health.is_suspect(registry) else _PATIENCE_WITH_GOOD)
        finished = self._run(argv, question=Question(registry, longest))
        if not finished.is_whole:
            raise ImageError(
                ErrorKind.BAD_MANIFEST,
                f"{reference.familiar}: the registry sent more than a manifest or a config has",
                hint="the registry, or a proxy before it, is broken",
                registry=reference.registry,
            )
        error = self._error(finished, reference, side) if finished.status != 0 else None
        if error and error.kind is ErrorKind.TIMEOUT:
            self._health.was_silent(registry, since=began)
        elif error is None or error.kind is not ErrorKind.UNREACHABLE:
            self._health.answered(registry)
        if error is None:
            return finished.stdout
        if not finished.has_stalled:
            raise error
        raise ImageError(
            error.kind,
            f"{reference.familiar}: {registry} did not answer in time",
            hint=f"check the network's way to {registry}; the next run tries again",
            registry=registry,
        )

    def _error(self, finished: FinishedProgram, reference: Reference, side: Side) -> ImageError:
        if finished.has_stalled:
            return ImageError(
                ErrorKind.TIMEOUT,
                f"{reference.familiar}: nothing moved for too long, so skopeo was ended",
                hint=f"check the network's way to {reference.registry}, or raise STALL_TIMEOUT",
                registry=reference.registry,
            )
        said = self._connection.redact(fatal_message(finished.stderr))
        text = said or f"it ended with status {finished.status}"
        _log.debug("skopeo said: %s", text)
        return image_error(self._failure(text, reference, side))

    def _failure(self, text: str, reference: Reference, side: Side) -> SkopeoFailure:
        login = self._connection.login_of(reference.registry)
        return SkopeoFailure(text, reference, side, login, self._connection.has_login(reference))
