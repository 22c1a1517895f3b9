"""References as people write them, made into one normal form.

The grammar is distribution's (github.com/distribution/reference), by way of
docker-image-py; this is the only module that knows it. What it adds: hosts are
compared in lower case, Docker Hub has one name, and digests are sha256.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import NewType

from orchestrator.errors import FormatError
from orchestrator.oci.pasted import as_meant, named_by_command, named_by_page
from orchestrator.text import shortened

Digest = NewType("Digest", str)
"""`sha256:` and 64 hexadecimal digits: the identity of a blob or a manifest."""

DOCKER_HUB = "docker.io"
"""Docker Hub's name in references."""
DOCKER_HUB_SERVER = "registry-1.docker.io"
"""The host that answers for it."""
_DOCKER_HUB_HOSTS = frozenset(
    {DOCKER_HUB, "index.docker.io", DOCKER_HUB_SERVER, "registry.hub.docker.com"}
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NOT_PLAIN = re.compile(r"[^\x21-\x7e]")
_NAME = re.compile(r"(?:.*/)?[^:@/]*")
"""What stands before tag and digest, whose case counts; a port's colon has a slash after it."""
_DIGEST_HINT = "a digest is 'sha256:' and 64 hexadecimal digits in lower case"
_GRAMMAR_HINT = "write it as [registry/]repository[:tag][@sha256:digest]"
_PASTED_AROUND = "\"'`,;<>()"
_LONGEST = 1024
"""Far above the longest valid reference: 255 of name, 128 of tag, 71 of digest."""


class _MalformedError(Exception):
    """A text breaks the grammar of references."""


@dataclass(frozen=True, order=True)
class Reference:
    """One image in one registry: `registry/repository[:tag][@digest]`.

    Attributes:
        registry: Host, with its port if it has one, in lower case.
        repository: Path below the registry; official images stand in `library/`.
        tag: None only where a digest is there, or all of a repository is meant.
        digest: Set where the reference is pinned.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read a reference as Docker's command line does.

        `redis` is `docker.io/library/redis:latest`; a tag and a digest may both stand. Blanks
        around it don't count, and what can mean but one image means it (`pasted.as_meant`).

        Raises:
            FormatError: The text is no reference; the hint says what to write instead.
        """
        text = as_meant(text)
        _refuse_what_people_paste(text)
        try:
            return _of_grammar(text)
        except _MalformedError as error:
            raise _refused(text, str(error), hint=_hint_for(text)) from None

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def is_pinned(self) -> bool:
        """Whether the reference names content rather than a tag that may move."""
        return self.digest is not None

    @property
    def is_repository(self) -> bool:
        """Whether it names no image, but a repository of many."""
        return self.tag is None and self.digest is None

    @property
    def is_docker_hub(self) -> bool:
        """Whether the image is Docker Hub's, where pulls are counted."""
        return self.registry == DOCKER_HUB

    @property
    def familiar(self) -> str:
        """The short form people know: `redis:7` for `docker.io/library/redis:7`."""
        if not self.is_docker_hub:
            return str(self)
        short = str(self).removeprefix(f"{DOCKER_HUB}/")
        official = short.removeprefix("library/")
        return short if "/" in official else official

    @property
    def by_tag(self) -> Reference:
        """The same without its digest, as `docker tag` wants a name."""
        return replace(self, digest=None)

    def at(self, digest: Digest) -> Reference:
        """The same repository by digest alone: skopeo refuses a tag beside a digest."""
        return Reference(self.registry, self.repository, None, digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def registry_of(host: str) -> str:
    """The registry that a host in lower case stands for: Docker Hub has one name."""
    return DOCKER_HUB if host in _DOCKER_HUB_HOSTS else host


def is_host(text: str) -> bool:
    """Whether a text is a registry's host, with or without a port, as references have it."""
    from docker_image.regexp import ImageRegexps  # noqa: PLC0415

    return bool(ImageRegexps.DOMAIN_REGEXP.fullmatch(text))


def is_repository(text: str) -> bool:
    """Whether a text is a repository's path, as references have it."""
    from docker_image.regexp import ImageRegexps  # noqa: PLC0415

    return bool(ImageRegexps.REMOTE_NAME_REGEXP.fullmatch(text))


def parse_digest(text: str) -> Digest:
    """Check that `text` is a sha256 digest.

    Raises:
        FormatError: It is not, or it is of another algorithm.
    """
    if _DIGEST.fullmatch(text):
        return Digest(text)
    raise FormatError(
        f"'{shortened(text)}' is not a digest",
        hint=_DIGEST_HINT,
    )


def digest_of(content: bytes) -> Digest:
    """The digest of these very bytes (OCI image spec, descriptor: "Digests")."""
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def _of_grammar(text: str) -> Reference:
    # Imported here, as below: what needs no reference has to work where nothing is installed.
    from docker_image.digest import InvalidDigest  # noqa: PLC0415
    from docker_image.reference import InvalidReference  # noqa: PLC0415
    from docker_image.reference import Reference as Grammar  # noqa: PLC0415

    try:
        parsed = Grammar.parse_normalized_named(_lower_host(text))
    except (InvalidReference, InvalidDigest) as error:
        raise _MalformedError(_in_words(str(error))) from None
    registry = parsed.domain()
    if registry != registry.lower():
        raise _MalformedError("capital letters")
    digest = parse_digest(parsed["digest"]) if parsed["digest"] else None
    tag = parsed["tag"] or (None if digest else "latest")
    return Reference(registry, _with_library(registry, parsed.path()), tag, digest)


def _refuse_what_people_paste(text: str) -> None:
    if not text:
        raise FormatError("an image reference is empty", hint="write one, as 'nginx:alpine'")
    if len(text) > _LONGEST:
        raise FormatError(f"an image reference of {len(text)} characters is too long")
    scheme, found, rest = text.rpartition("://")
    meant = named_by_command(text) or named_by_page(rest)
    if found and not _NOT_PLAIN.search(text):
        hint = _write(meant or rest.partition("?")[0].rstrip("/"))
        raise _refused(
            text, f"it starts with '{scheme}://'", hint=hint or "write one, as 'nginx:alpine'"
        )
    if meant and _write(meant.rpartition(" ")[2]):
        why = "it is more than a name" if " " in text else "it is the address of a page"
        raise _refused(text, why, hint=f"write '{meant}'")
    odd = _NOT_PLAIN.search(text)
    if odd:
        raise _refused_for(odd[0])
    if text.startswith("["):
        why = "skopeo can't reach a registry by an IPv6 address"
        raise _refused(text, why, hint="give the registry a host name, in /etc/hosts or DNS")


def _refused_for(character: str) -> FormatError:
    """Name a character that no reference holds; a keyboard's full-width colon is common."""
    code = f"U+{ord(character):04X}"
    if character.isprintable() and not character.isspace():
        return FormatError(
            f"an image reference can't hold '{character}' ({code})",
            hint="retype it in plain ASCII",
        )
    return FormatError(
        f"an image reference holds a space or an invisible character ({code})", hint="retype it"
    )


def _lower_host(text: str) -> str:
    """Lower the host's case, and give Docker Hub its one name.

    skopeo keeps the case of a host, so that one registry would have two logins.
    """
    host, slash, path = text.partition("/")
    is_host = slash and ("." in host or ":" in host or host.lower() == "localhost")
    if not is_host:
        return text
    lowered = host.lower()
    return f"{registry_of(lowered)}/{path}"


def _with_library(registry: str, repository: str) -> str:
    if registry == DOCKER_HUB and "/" not in repository:
        return f"library/{repository}"
    return repository


def _refused(text: str, why: str, *, hint: str) -> FormatError:
    return FormatError(f"'{shortened(text)}' is not an image reference: {why}", hint=hint)


def _in_words(reason: str) -> str:
    if "lowercase" in reason:
        return "capital letters"
    return reason if "more than" in reason else "the format is wrong"


def _hint_for(text: str) -> str:
    name = _NAME.match(text)
    if name and name[0] != name[0].lower():
        lowered = f"{name[0].lower()}{text[name.end() :]}"
        if _write(lowered):
            return f"names are in lower case: '{lowered}'"
    if "@" in text:
        return _DIGEST_HINT
    return _write(text.strip(_PASTED_AROUND).rstrip("/:")) or _GRAMMAR_HINT


def _write(proposed: str) -> str:
    """A hint to write something else, where that would be taken."""
    is_plain = 0 < len(proposed) <= _LONGEST and not _NOT_PLAIN.search(proposed)
    if not is_plain or proposed.startswith("["):
        return ""
    try:
        _of_grammar(as_meant(proposed))
    except (_MalformedError, FormatError):
        return ""
    return f"write '{proposed}'"
