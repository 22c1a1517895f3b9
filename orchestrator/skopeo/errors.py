"""A failure of skopeo becomes an error of our family: its kind, what is said of it, a hint."""

from __future__ import annotations

import re

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.oci.reference import DOCKER_HUB
from orchestrator.skopeo.failure import COPYING, SkopeoFailure
from orchestrator.skopeo.hints import hint_for
from orchestrator.skopeo.kinds import CUT_OFF, WITHHELD, meaning_of
from orchestrator.text import printable, shortened

_PREFIXES = re.compile(
    r'^(?:Error parsing image name "[^"]*": '
    r"|Error parsing manifest for image: "
    r"|Error reading manifest[^:]*: "
    r"|initializing (?:source|destination) docker://\S+: "
    r"|copying (?:system image|image \d+/\d+) from manifest list: "
    r"|(?:reading|fetching) manifest \S+ in \S+: "
    r"|pinging container registry \S+: "
    r"|unable to retrieve auth token: "
    r"|writing blob: .*happened during read: "
    r"|errors:\s+)+"
)
_MIDWAY = re.compile(
    r"reading blob sha256|uploading (?:layer|manifest)|^writing blob: (?:Patch|Put|happened)"
)
"""Past the point where a login has proved good: a 401 there is a token that has run out."""

_BLOB_REFUSED = re.compile(
    r"[Ff]etching blob: (?:invalid status code from registry |StatusCode: )403"
)
_MAY_BE_ABSENT = re.compile(
    r"requested access to the resource is denied|access to the requested resource"
    r"|unauthorized to access repository|Requesting bearer token: .*\b403\b"
)
"""What registries say of a repository that is not there, as of one that may not be read."""

_NO_REGISTRY = re.compile(r"pinging container registry .*\b404\b")
_OF_SOCKETS = re.compile(
    r"\b(?:dial|read|write) tcp|\bEOF\b|deadline exceeded|Client\.Timeout|i/o timeout|net/http"
    r"|connection reset|broken pipe|stream error|GOAWAY|connection lost|closed|handshake timeout"
)
"""Words of skopeo's libraries, where no registry has said anything."""

_SHOWN = 300


def image_error(failure: SkopeoFailure) -> ImageError:
    """The error that a failure means, and what the user can do about it."""
    kind, words = meaning_of(failure)
    is_denied = kind is ErrorKind.DENIED and words != WITHHELD
    return ImageError(
        kind,
        _message(kind, words, failure),
        hint=hint_for(kind, failure),
        transient=_transient(kind, failure),
        registry=failure.reference.registry,
        may_be_absent=is_denied or bool(_MAY_BE_ABSENT.search(failure.text)),
    )


def _message(kind: ErrorKind, words: str, failure: SkopeoFailure) -> str:
    """The sentence for people, with the registry's own words behind it.

    What skopeo's libraries say of sockets and look-ups is for the log, which has it with -v.
    """
    if words == CUT_OFF:
        return f"{failure.reference.registry} {words}"
    subject = failure.reference.familiar
    if kind in (ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT) and _OF_SOCKETS.search(failure.text):
        return f"{subject}: {words}"
    detail = shortened(printable(" ".join(_PREFIXES.sub("", failure.text).split())), _SHOWN)
    return f"{subject}: {words}" + (f" ({detail})" if detail else "")


def _transient(kind: ErrorKind, failure: SkopeoFailure) -> bool | None:
    """Whether another try may succeed, where that is known better than the kind tells.

    Docker Hub's pull limit holds for six hours. A login that has just been good and is refused
    has run out, and another try comes with a new token: a blob is refused whose manifest was
    not (storage behind a registry says 403 to a link that has run out, and so does GitHub's
    pause, whose words skopeo leaves out here). What is no registry does not become one.
    """
    if kind is ErrorKind.RATE_LIMITED and failure.reference.registry == DOCKER_HUB:
        return False
    if kind is ErrorKind.UNREACHABLE and _NO_REGISTRY.search(failure.text):
        return False
    if kind is ErrorKind.DENIED and _BLOB_REFUSED.search(failure.text):
        return True
    if kind is ErrorKind.UNAUTHORIZED and _MIDWAY.search(COPYING.sub("", failure.text)):
        return True
    return None
