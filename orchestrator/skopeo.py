"""The skopeo adapter: questions in, values out; nobody else knows its flags or its words.

skopeo 1.9.3 is the oldest that has what we need (`--preserve-digests` came with
1.6, and 1.9.3 is what Debian 12 has). References are passed as `docker://` and a
parsed name, so that nothing a user wrote can become an option.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from orchestrator.command import Finished, Programs
from orchestrator.diagnosis import Complaint, Side, diagnose, last_fatal, side_of
from orchestrator.errors import ImageError, Kind, ToolMissingError
from orchestrator.platforms import Platform
from orchestrator.pulls import Pulls
from orchestrator.reference import Digest, Reference, digest_of
from orchestrator.registry_answers import Refused, Unknown
from orchestrator.work import Once

_log = logging.getLogger(__name__)

OLDEST = (1, 9, 3)
INSTALL_HINT = "run bin/install-tools, or install skopeo 1.9.3 or newer yourself"
_VERSION = re.compile(rb"skopeo version (\d+)\.(\d+)\.(\d+)")
_UPLOADED = re.compile(r"Upload of layer (sha256:[0-9a-f]{64}) complete")
_PATIENCE = 120.0
"""Seconds without a byte moved; skopeo's own patience with a busy registry is 30."""

PutIndex: TypeAlias = "Callable[[bytes, Reference], None | Refused | Unknown]"


@dataclass(frozen=True)
class Connection:
    """How skopeo reaches registries in this run.

    Attributes:
        authfile: The run's own logins.
        is_insecure: Whether a registry may be spoken to in plain HTTP or unverified TLS.
        certificates: The folder that holds a registry's own CA, where it has one.
        login_of: What holds a registry's credentials, in the user's words.
        redact: Blots secrets out of skopeo's words: a registry may send back what it was sent.
    """

    authfile: Path
    is_insecure: Callable[[str], bool]
    certificates: Callable[[str], Path | None]
    login_of: Callable[[str], str]
    redact: Callable[[str], str] = str


@dataclass(frozen=True)
class CopyRequest:
    """What goes where, and how.

    Attributes:
        source: By digest: what was looked at is what is copied.
        destination: By tag.
        platform: The one that is wanted; None copies an index with all its children.
        keeps_digests: Whether a copy that would change a digest is an error.
        pulls: How many manifests are read at the source.
        size: Bytes of the blobs; None where nobody knows.
    """

    source: Reference
    destination: Reference
    platform: Platform | None
    keeps_digests: bool = True
    pulls: int = 1
    size: int | None = None


@dataclass(frozen=True)
class Copied:
    """What a copy did.

    Attributes:
        uploaded: The blobs that travelled; others were there, or were mounted.
    """

    uploaded: tuple[Digest, ...]


class Skopeo:
    """skopeo, as this run uses it; nothing is started before something has to be asked.

    Args:
        programs: Starts it.
        connection: How it reaches registries.
        pulls: Counts what Docker Hub counts.
        patience: Seconds without a byte moved before a program is ended.
        put_index: Writes an index in skopeo's place, where skopeo would lose a part of it.

    Raises:
        ToolMissingError: It is not there. One that is too old is noticed when it is first used.
    """

    def __init__(
        self,
        programs: Programs,
        connection: Connection,
        pulls: Pulls,
        *,
        patience: float = _PATIENCE,
        put_index: PutIndex | None = None,
    ) -> None:
        self._programs = programs
        self._patience = patience
        self._connection = connection
        self._pulls = pulls
        self._put_index = put_index
        self._on_upload: Callable[[str, Digest], None] = lambda _registry, _digest: None
        self._path = programs.find("skopeo", hint=INSTALL_HINT)
        self._version = Once(self._checked_version)
        self.used_version = ""

    def listen(self, on_upload: Callable[[str, Digest], None]) -> None:
        """Have somebody told of each blob that a registry has got, at once, by any thread."""
        self._on_upload = on_upload

    def version(self) -> str:
        """Its version, which is new enough.

        Raises:
            ToolMissingError: It is too old, or says none.
        """
        return self._version(self._path)

    def policy_fault(self) -> str:
        """What is wrong with the trust policy, without which skopeo copies nothing; else empty.

        skopeo itself is asked, since where the policy stands was settled when it was built
        (containers-policy.json(5)): it reads it before it looks for what is to be copied.
        """
        with tempfile.TemporaryDirectory() as folder:
            argv = ("copy", f"dir:{folder}/nothing", f"dir:{folder}/copy")
            finished = self._run(argv)
        said = last_fatal(finished.errors)
        return said if "trust policy" in said else ""

    def _checked_version(self, path: str) -> str:
        output = self._programs.run([path, "--version"], stall_timeout=self._patience).output
        match = _VERSION.search(output)
        if match is None:
            raise ToolMissingError(
                f"{path} does not say which version of skopeo it is", hint=INSTALL_HINT
            )
        version = tuple(int(part) for part in match.groups())
        shown = ".".join(map(str, version))
        if version < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise ToolMissingError(
                f"skopeo {shown} is too old: {oldest} is the oldest that will do",
                hint=INSTALL_HINT,
            )
        self.used_version = shown
        return shown

    def _run(
        self,
        argv: tuple[str, ...],
        *,
        size: int | None = 0,
        on_complaint: Callable[[bytes], None] | None = None,
    ) -> Finished:
        self._version(self._path)
        return self._programs.run(
            (self._path, *argv),
            stall_timeout=self._patience,
            size=size,
            on_complaint=on_complaint,
        )

    def read_manifest(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes | None:
        """The raw manifest or index; None where the registry says that there is none.

        Raises:
            ImageError: The registry said something else, or nothing.
        """
        try:
            raw = self._inspect(("--raw",), reference, side)
        except ImageError as error:
            if error.kind is Kind.NOT_FOUND:
                return None
            raise
        if reference.digest:
            _check_digest(raw, reference)
        return raw

    def read_config(self, reference: Reference, *, side: Side = Side.SOURCE) -> bytes:
        """The raw config blob of a single image.

        Raises:
            ImageError: It can't be had.
        """
        return self._inspect(("--config", "--raw"), reference, side)

    def copy(self, request: CopyRequest) -> Copied:
        """Copy an image from registry to registry.

        Raises:
            ImageError: It did not work; the end where it failed is part of the diagnosis.
        """
        finished, copied = self._copy(request)
        if finished.status != 0:
            raise self._copy_error(finished, request)
        return copied

    def copy_blobs(self, request: CopyRequest) -> Copied:
        """Copy what an image is made of, whether or not the registry takes its manifest.

        The manifest comes last, so that all else is there when it is refused.

        Raises:
            ImageError: Something else than the manifest was in the way.
        """
        finished, copied = self._copy(request)
        if finished.status != 0:
            error = self._copy_error(finished, request)
            is_there = error.registry == request.destination.registry
            if error.kind is not Kind.BAD_MANIFEST or not is_there:
                raise error
        return copied

    def push_manifest(self, raw: bytes, destination: Reference, *, config: bytes = b"") -> None:
        """Push a manifest whose blobs, or an index whose children, are there already.

        skopeo reads it from a folder of its `dir:` transport, which holds a manifest as it is;
        it looks for an image's config there, too.

        Args:
            raw: The manifest; the bytes stay as they are.
            destination: Where it goes.
            config: The config blob, where it is an image's manifest.

        Raises:
            ImageError: The registry did not take it.
        """
        if not config and _loses_keys(raw) and self._is_put(raw, destination):
            return
        with tempfile.TemporaryDirectory(dir=self._connection.authfile.parent) as name:
            folder = Path(name)
            (folder / "manifest.json").write_bytes(raw)
            if config:
                (folder / digest_of(config).removeprefix("sha256:")).write_bytes(config)
            argv = push_argv(name, destination, self._connection)
            finished = self._run(argv)
        if finished.status != 0:
            raise self._error(finished, destination, Side.DESTINATION)

    def _is_put(self, raw: bytes, destination: Reference) -> bool:
        """Write an index past skopeo; False where that is not possible."""
        answer = self._put_index(raw, destination) if self._put_index else Unknown("no other way")
        if isinstance(answer, Unknown):
            _log.debug("%s: %s", destination.familiar, answer.reason)
            return False
        if answer is None:
            return True
        login = self._connection.login_of(destination.registry)
        raise diagnose(Complaint(answer.text, destination, Side.DESTINATION, login))

    def _copy(self, request: CopyRequest) -> tuple[Finished, Copied]:
        self._pulls.check(request.source)
        registry = request.destination.registry
        uploaded: list[Digest] = []

        def heed(line: bytes) -> None:
            for digest in map(Digest, _UPLOADED.findall(line.decode("utf-8", "replace"))):
                uploaded.append(digest)
                self._on_upload(registry, digest)

        argv = copy_argv(request, self._connection)
        finished = self._run(argv, size=request.size, on_complaint=heed)
        if finished.status == 0 or side_of(last_fatal(finished.errors)) is Side.DESTINATION:
            self._pulls.add(request.source, request.pulls)
        return finished, Copied(tuple(uploaded))

    def _copy_error(self, finished: Finished, request: CopyRequest) -> ImageError:
        side = side_of(last_fatal(finished.errors))
        reference = request.source if side is Side.SOURCE else request.destination
        return self._error(finished, reference, side)

    def _inspect(self, options: tuple[str, ...], reference: Reference, side: Side) -> bytes:
        self._pulls.check(reference)
        argv = inspect_argv(options, reference, self._connection)
        finished = self._run(argv)
        if not finished.is_whole:
            raise ImageError(
                Kind.BAD_MANIFEST,
                f"{reference.familiar}: the registry sent more than a manifest or a config has",
                hint="the registry, or a proxy before it, is broken",
                registry=reference.registry,
            )
        if finished.status != 0:
            raise self._error(finished, reference, side)
        self._pulls.add(reference)
        return finished.output

    def _error(self, finished: Finished, reference: Reference, side: Side) -> ImageError:
        if finished.has_stalled:
            return ImageError(
                Kind.TIMEOUT,
                f"{reference.familiar}: nothing moved for too long, so skopeo was ended",
                hint=f"check the network's way to {reference.registry}, or raise STALL_TIMEOUT",
                registry=reference.registry,
            )
        login = self._connection.login_of(reference.registry)
        said = self._connection.redact(last_fatal(finished.errors))
        text = said or f"it ended with status {finished.status}"
        _log.debug("skopeo said: %s", text)
        error = diagnose(Complaint(text, reference, side, login))
        self._pulls.heed(error)
        return error


def _loses_keys(raw: bytes) -> bool:
    """Whether skopeo, as far as 1.20, would lose keys of an index's descriptors (skopeo#2778)."""
    document = json.loads(raw)
    return any({"artifactType", "data"} & child.keys() for child in document.get("manifests", ()))


def copy_argv(request: CopyRequest, connection: Connection) -> tuple[str, ...]:
    """The arguments of one copy, the program's own path left out."""
    options: list[str] = []
    if request.platform:
        options += _override(request.platform)
    options += ["--debug", "copy"]
    if request.platform is None:
        options.append("--all")
    if request.keeps_digests:
        options.append("--preserve-digests")
    options.append(f"--authfile={connection.authfile}")
    options += _access("src-", request.source.registry, connection)
    options += _access("dest-", request.destination.registry, connection)
    return (*options, _transport(request.source), _transport(request.destination))


def inspect_argv(
    options: tuple[str, ...], reference: Reference, connection: Connection
) -> tuple[str, ...]:
    """The arguments of one question, the program's own path left out.

    skopeo refuses a tag beside a digest; the digest alone says it all.
    """
    asked = reference.at(reference.digest) if reference.digest else reference
    access = _access("", reference.registry, connection)
    authfile = f"--authfile={connection.authfile}"
    return ("inspect", *options, authfile, *access, _transport(asked))


def push_argv(folder: str, destination: Reference, connection: Connection) -> tuple[str, ...]:
    """The arguments of pushing a manifest alone, the program's own path left out."""
    options = ("--debug", "copy", "--multi-arch=index-only", "--preserve-digests")
    access = _access("dest-", destination.registry, connection)
    authfile = f"--authfile={connection.authfile}"
    return (*options, authfile, *access, f"dir:{folder}", _transport(destination))


def _override(platform: Platform) -> list[str]:
    """Say the platform although the source is named by its digest.

    Without it, skopeo takes the platform of the machine it runs on.
    """
    options = [f"--override-os={platform.os}", f"--override-arch={platform.architecture}"]
    return options + ([f"--override-variant={platform.variant}"] if platform.variant else [])


def _access(prefix: str, registry: str, connection: Connection) -> list[str]:
    certificates = connection.certificates(registry)
    options = [f"--{prefix}cert-dir={certificates}"] if certificates else []
    if connection.is_insecure(registry):
        options.append(f"--{prefix}tls-verify=false")
    return options


def _transport(reference: Reference) -> str:
    return f"docker://{reference}"


def _check_digest(raw: bytes, reference: Reference) -> None:
    if digest_of(raw) != reference.digest:
        raise ImageError(
            Kind.DIGEST_MISMATCH,
            f"{reference.familiar}: the registry sent other content than was asked for",
            hint="the registry, or a proxy before it, is broken",
        )
