"""skopeo's command lines, what they name, and what is checked before and after them.

References are passed as `docker://` and a parsed name, so that nothing that a user wrote can
become an option.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.config.authfile import has_login, secrets_in, without
from orchestrator.config.registries_conf import read_registries_conf, usual_paths
from orchestrator.config.settings import Settings
from orchestrator.config.targets import Target
from orchestrator.errors import ConfigurationError, ErrorKind, ImageError
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import Digest, Reference, digest_of, registry_of
from orchestrator.skopeo.policy import SignaturePolicy, read_policy
from orchestrator.system.files import write_private
from orchestrator.text import Redactor


def connection_of(
    settings: Settings,
    targets: tuple[Target, ...],
    folder: Path,
    logins: bytes,
) -> Connection:
    """Write the run's authfiles and the registries' own CAs, and say where they are."""
    authfile = folder / "auth.json"
    write_private(authfile, logins)
    certificates = {
        target.registry: _certificates(target.ca, folder / f"ca-{target.name}")
        for target in targets
        if target.ca
    }
    relayed = _relayed_authfiles(targets, folder, logins)
    conf = read_registries_conf(usual_paths(settings.tool_environ))

    def relayed_authfile(source: Reference) -> Path:
        if conf.reason_against(source):  # whose logins skopeo will need is not known
            return authfile
        return relayed.get(source.registry, relayed[""])

    return Connection(
        authfile=authfile,
        relayed_authfile=relayed_authfile,
        is_insecure=settings.is_insecure,
        certificates=certificates.get,
        login_of=settings.login_of,
        has_login=lambda reference: has_login(logins, reference.registry, reference.repository),
        policy=read_policy(settings.policy) if settings.policy else None,
        redact=Redactor((*settings.secrets, *secrets_in(logins))),
    )


def _relayed_authfiles(
    targets: tuple[Target, ...], folder: Path, logins: bytes
) -> Mapping[str, Path]:
    """Logins without the targets' own, by the target that is the copy's source, if one is."""
    registries = {registry_of(target.registry) for target in targets}
    written = {}
    for number, source in enumerate(("", *sorted(registries))):
        path = written[source] = folder / f"auth-relayed-{number}.json"
        write_private(path, without(logins, registries - {source}))
    return written


def _certificates(ca: Path, folder: Path) -> Path:
    """A folder as skopeo wants it: whatever ends in .crt there is an authority (certs.d(5))."""
    folder.mkdir()
    try:
        shutil.copyfile(ca, folder / "ca.crt")
    except OSError as error:
        raise ConfigurationError(f"{ca} can't be read: {error.strerror}") from None
    return folder


@dataclass(frozen=True)
class Connection:
    """How skopeo reaches registries in this run.

    Attributes:
        authfile: The run's own logins.
        is_insecure: Whether a registry may be spoken to in plain HTTP or unverified TLS.
        certificates: The folder that holds a registry's own CA, where it has one.
        login_of: What holds a registry's credentials, in the user's words.
        has_login: Whether there is one for an image's registry.
        policy: Which sources have to be signed; None leaves that to the machine's own policy.
        redact: Masks secrets in skopeo's words: a registry may send back what it was sent.
    """

    authfile: Path
    is_insecure: Callable[[str], bool]
    certificates: Callable[[str], Path | None]
    login_of: Callable[[str], str]
    policy: SignaturePolicy | None = None
    redact: Callable[[str], str] = str
    has_login: Callable[[Reference], bool] = lambda _reference: True
    relayed_authfile: Callable[[Reference], Path] | None = None


@dataclass(frozen=True)
class CopyRequest:
    """What goes where, and how.

    Attributes:
        source: By digest: what was looked at is what is copied.
        destination: By tag.
        platform: The one that is wanted; None copies an index with all its children.
        is_image: Whether it is an image, which a policy may want signed, and no signature itself.
        is_upstream: Whether it is read where it comes from, and not from a target that has it.
        keeps_digests: Whether a copy that would change a digest is an error.
        pulls: How many manifests are read at the source.
        size: Bytes of the blobs; None where nobody knows.
        blobs: The blobs that are known to travel, and their sizes in bytes.
        also: Where the same image is wanted, too: a relay feeds these along the way.
    """

    source: Reference
    destination: Reference
    platform: Platform | None
    is_image: bool = True
    is_upstream: bool = True
    keeps_digests: bool = True
    pulls: int = 1
    size: int | None = None
    blobs: Mapping[Digest, int] = field(default_factory=dict)
    also: tuple[Reference, ...] = ()


class CopyWatcher(Protocol):
    """Learns how far copies are."""

    def moved(self, destination: str, count: int) -> None:
        """So many bytes have arrived there since the last call."""
        ...

    def was_there(self, destination: str, digest: str) -> None:
        """A blob need not be moved there."""
        ...


class Unwatched:
    """Whom nobody asked to watch."""

    def moved(self, destination: str, count: int) -> None:
        """Nobody wants to know."""

    def was_there(self, destination: str, digest: str) -> None:
        """Nobody wants to know."""


class Journey(Protocol):
    """What a stand-in knows of the copy that goes through it."""

    @property
    def sent(self) -> int:
        """Bytes that have gone on to the destination so far."""
        ...

    @property
    def uploaded(self) -> tuple[Digest, ...]:
        """The blobs that were sent and have arrived."""
        ...


@dataclass(frozen=True)
class Fed:
    """What a destination was given along with another one.

    Attributes:
        digest: Of the manifest.
        uploaded: The blobs that were sent.
        sent: Bytes.
    """

    digest: Digest
    uploaded: tuple[Digest, ...]
    sent: int


@dataclass(frozen=True)
class Route:
    """How skopeo reaches the destination of one copy.

    Attributes:
        address: What it pushes to: the destination itself, or its stand-in on loopback.
        in_targets_words: Puts the destination in the stand-in's place in what skopeo said.
        fault: Why the destination gave no answer on this way; None where it did.
        journey: What the stand-in knows of the copy; None where there is no stand-in.
        fed: What is there since another destination got it, too; None where a copy is needed.
    """

    address: Reference
    in_targets_words: Callable[[str], str] = str
    fault: Callable[[], ImageError | None] = lambda: None
    journey: Journey | None = None
    fed: Fed | None = None


@contextmanager
def straight(request: CopyRequest) -> Iterator[Route]:
    """The way without a stand-in."""
    yield Route(request.destination)


def copy_argv(
    request: CopyRequest,
    connection: Connection,
    *,
    keeps: bool = True,
    is_relayed: bool = False,
) -> tuple[str, ...]:
    """The arguments of one copy, the program's own path left out.

    Args:
        request: What goes where.
        connection: How it reaches registries.
        keeps: Whether this skopeo can be told to keep digests.
        is_relayed: Whether the destination is the relay, which has the target's login itself.
    """
    options: list[str] = []
    if request.platform:
        options += _override(request.platform)
    is_judged = connection.policy and request.is_image
    if connection.policy and is_judged:
        options.append(f"--policy={connection.policy.file}")
    options += ["--debug", "copy"]
    if is_judged:
        # They go along by SIGNATURES; skopeo would want a place of its own to write them to.
        options.append("--remove-signatures")
    if request.platform is None:
        options.append("--all")
    if request.keeps_digests and keeps:
        options.append("--preserve-digests")
    of_relayed = connection.relayed_authfile
    authfile = of_relayed(request.source) if is_relayed and of_relayed else connection.authfile
    options.append(f"--authfile={authfile}")
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


def list_argv(repository: Reference, connection: Connection) -> tuple[str, ...]:
    """The arguments of listing a repository's tags, the program's own path left out."""
    access = _access("", repository.registry, connection)
    authfile = f"--authfile={connection.authfile}"
    return ("list-tags", authfile, *access, f"docker://{repository.name}")


def push_argv(
    folder: str, destination: Reference, connection: Connection, *, keeps: bool = True
) -> tuple[str, ...]:
    """The arguments of pushing a manifest alone, the program's own path left out.

    `keeps` is whether this skopeo can be told to keep digests, and to push an index alone.
    """
    kept = ("--multi-arch=index-only", "--preserve-digests") if keeps else ()
    options = ("--debug", "copy", *kept)
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


def loses_keys(raw: bytes) -> bool:
    """Whether skopeo, as far as 1.20, would lose keys of an index's descriptors (skopeo#2778)."""
    document = json.loads(raw)
    return any({"artifactType", "data"} & child.keys() for child in document.get("manifests", ()))


def check_digest(raw: bytes, reference: Reference) -> None:
    """Refuse what is not what a digest names."""
    if digest_of(raw) != reference.digest:
        raise ImageError(
            ErrorKind.DIGEST_MISMATCH,
            f"{reference.familiar}: the registry sent other content than was asked for",
            hint="the registry, or a proxy before it, is broken",
        )
