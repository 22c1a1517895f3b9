"""What skopeo's words mean: the kind of fault, and how it is said to people.

The tables go from the particular to the general; the first row that fits counts. Each row is a
text that skopeo 1.9 to 1.22 prints of a registry's answer (tests/support/refusals.py has the
answers). skopeo leaves out the status of an answer whose body is the specification's JSON, and
the words of one whose body is not, so that both are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

from orchestrator.errors import ErrorKind, Side
from orchestrator.skopeo.failure import COPYING, SkopeoFailure

Meaning: TypeAlias = tuple[ErrorKind, str]
Row: TypeAlias = tuple[str, ErrorKind, str]

_ABSENT_OR_PRIVATE = "it is not there, or it is private"
_ABSENT_OR_REFUSED = "it is not there, or the login may not read it"
_MAY_NOT_PUSH = "permission is denied"
WITHHELD = "the registry does not give it out"
"""It is there: a scanner, a rule of signing, or a list of addresses is in the way."""

_ALWAYS: tuple[Row, ...] = (
    (r"no space left on device", ErrorKind.NO_SPACE, "the disk is full"),
    (
        r"unknown manifest class",
        ErrorKind.BAD_MANIFEST,
        "the registry refuses this kind of manifest",
    ),
    (
        r"no image found in (?:image index|manifest list)",
        ErrorKind.NO_SUCH_PLATFORM,
        "it has no such platform",
    ),
    (
        r"Source image rejected: |is rejected by policy",
        ErrorKind.UNSIGNED,
        "the policy does not let it in",
    ),
    (r"secondary rate limit", ErrorKind.RATE_LIMITED, "the registry asks for a pause"),
    (
        r"toomanyrequests|[Tt]oo [Mm]any [Rr]equests|rate limit",
        ErrorKind.RATE_LIMITED,
        "the registry's rate limit is reached",
    ),
    (
        r"[Dd]igest did not match|does not match expected sha256|would not match destination"
        r"|[Mm]anifest does not match provided manifest digest|digest invalid",
        ErrorKind.DIGEST_MISMATCH,
        "the content does not match its digest",
    ),
    (
        r"pinging container registry .{0,80}\b404\b",
        ErrorKind.UNREACHABLE,
        "what answers there is no registry",
    ),
    (
        r"pinging container registry .{0,80}\b403\b",
        ErrorKind.DENIED,
        "the registry does not let itself be asked from here",
    ),
)

_OF_A_PUSH: tuple[Row, ...] = (
    (
        r"exceed the configured upper limit|[Qq]uota|maximum allowed number|, limit is \d",
        ErrorKind.QUOTA,
        "what the registry allows the account is used up",
    ),
    (r"disk usage is too high", ErrorKind.QUOTA, "the registry has no room left for it"),
    (
        r"failed to satisfy constraint|manifest (?:blob )?(?:unknown|invalid)|blob unknown",
        ErrorKind.BAD_MANIFEST,
        "the registry does not take the manifest",
    ),
    (
        r"[Rr]ead[ -]only|proxy project|METHOD_NOT_ALLOWED|unsupported(?:: The operation|$)",
        ErrorKind.READ_ONLY,
        "nothing can be pushed there",
    ),
    (
        r"immutab|cannot be overwritten|not allow updating|tag \S+ already exists",
        ErrorKind.IMMUTABLE,
        "the tag there can't be overwritten",
    ),
    (r"size invalid", ErrorKind.DIGEST_MISMATCH, "the registry got another size than was sent"),
    (
        r"name unknown|(?:repository|project|namespace)\b.{0,100}(?:not found|does not exist)",
        ErrorKind.NO_SUCH_NAMESPACE,
        "there is nothing of that name to push into",
    ),
    (r"(?:name|tag) invalid", ErrorKind.DENIED, "the registry does not take the name"),
    (
        r"unable to retrieve auth token|Requesting bearer token: .*\b40[13]\b|gave no token",
        ErrorKind.UNAUTHORIZED,
        "the registry gives no token to push with",
    ),
    (
        r"requested access to the resource is denied|access to the requested resource"
        r"|unauthorized to access repository",
        ErrorKind.DENIED,
        _MAY_NOT_PUSH,
    ),
)
"""Goes before the others: who pushes is not looking for an image, but may lack a permission."""

_OF_A_PULL: tuple[Row, ...] = (
    (
        r"[Ff]etching blob: .*\b404\b|blob unknown",
        ErrorKind.SOURCE_INCOMPLETE,
        "a part of it is gone from its registry",
    ),
    (
        r"[Ff]etching blob: .*\b403\b",
        ErrorKind.DENIED,
        "a part of it is refused, though its manifest is not",
    ),
    (
        r"incorrect username or password|token has expired|[Cc]ould not find robot",
        ErrorKind.UNAUTHORIZED,
        "the registry refuses the login",
    ),
    (
        r"cannot be pulled due to|is not signed|client with IP",
        ErrorKind.DENIED,
        WITHHELD,
    ),
    (r"manifest unknown|[Ss]tatus(?:Code)?: 404", ErrorKind.NOT_FOUND, "it is not there"),
    (
        r"name (?:unknown|invalid)|(?:repository|artifact|project) .{0,100}not found"
        r"|does not exist",
        ErrorKind.NOT_FOUND,
        "there is no such repository, or no such tag",
    ),
)

_REFUSED: tuple[Row, ...] = (
    (
        r"unauthorized|authentication required|requested access to the resource is denied"
        r"|no basic auth credentials|token has expired"
        r"|incorrect username or password|[Ss]tatus(?:Code)?: 401|unable to retrieve auth token"
        r"|Requesting bearer token: .*\b40[13]\b",
        ErrorKind.UNAUTHORIZED,
        "",
    ),
    (
        r"trust policy|(?:open|mkdir|stat) /\S*: permission denied",
        ErrorKind.TOOL,
        "skopeo can't use a file of this machine",
    ),
    (
        r"denied|[Ff]orbidden|not authorized|[Ss]tatus(?:Code)?: 403",
        ErrorKind.DENIED,
        "",
    ),
)
"""What they are called depends on what was asked for, and under which login."""

CUT_OFF = "can't be reached from here"
"""What is said of a registry to which there is no connection at all."""

_OF_THE_WAY: tuple[Row, ...] = (
    (r"dial tcp.*(?:i/o timeout|deadline exceeded)", ErrorKind.TIMEOUT, CUT_OFF),
    (
        r"dial tcp|connection refused|no such host|network is unreachable|no route to host"
        r"|server misbehaving|temporary failure in name",
        ErrorKind.UNREACHABLE,
        CUT_OFF,
    ),
    (
        r"x509|certificate|tls: |server gave HTTP response to HTTPS client",
        ErrorKind.TLS,
        "no trusted TLS connection",
    ),
    (
        r"context deadline exceeded|Client\.Timeout|i/o timeout|TLS handshake timeout|timed out",
        ErrorKind.TIMEOUT,
        "no answer in time",
    ),
    (
        r"connection reset|broken pipe|temporary failure|\bEOF\b|use of closed"
        r"|stream error|GOAWAY|connection lost|closed idle connection"
        r"|blob upload (?:unknown|invalid)|no Location header",
        ErrorKind.UNREACHABLE,
        "the registry can't be reached, or fails",
    ),
    (
        r"exceeded maximum allowed size|with Body length",
        ErrorKind.BAD_MANIFEST,
        "its size is not what it may be, or not what its manifest says",
    ),
    (
        r"manifest invalid|invalid character|unexpected end of JSON|manifest blob unknown"
        r"|blob unknown to registry"
        r"|unsupported manifest|unsupported image-specific|Unknown media type|schema version"
        r"|zstd compression is not supported|formats: "
        r"|must be converted to type|was edited, but we cannot modify",
        ErrorKind.BAD_MANIFEST,
        "the manifest can't be used",
    ),
)

_STATUS = re.compile(
    r"(?:HTTP |HTTP status: |[Ss]tatus(?:Code)?: |[Cc]ode from registry |code |repository :? ?)"
    r"([2-5]\d\d)\b"
)
_BY_STATUS: Mapping[str, Meaning] = {
    "405": (ErrorKind.READ_ONLY, "nothing can be pushed there"),
    "408": (ErrorKind.TIMEOUT, "no answer in time"),
    "409": (ErrorKind.IMMUTABLE, "the tag there can't be overwritten"),
    "413": (ErrorKind.TOO_LARGE, "the registry, or what stands before it, finds it too large"),
    "415": (ErrorKind.BAD_MANIFEST, "the registry refuses this kind of manifest"),
    "429": (ErrorKind.RATE_LIMITED, "the registry's rate limit is reached"),
    "507": (ErrorKind.QUOTA, "the registry has no room left for it"),
}
"""What a status means to a push where no words tell."""

_REFUSED_SOMEHOW = re.compile(r"(?:^|: )(?:unknown|unsupported)\b")
_FAILS = (ErrorKind.UNREACHABLE, "the registry can't be reached, or fails")
_REFUSES = (ErrorKind.DENIED, "the registry refuses it")


def meaning_of(failure: SkopeoFailure) -> Meaning:
    """The kind of a failure, and what is said of it."""
    text = failure.bare_text
    status = _status_in(text)
    rows = (*_ALWAYS, *(_OF_A_PUSH if failure.is_push else _OF_A_PULL), *_REFUSED, *_OF_THE_WAY)
    if failure.is_push and status in _BY_STATUS:
        # The words of a page that stands before a registry are not the registry's.
        particular = (row for row in _OF_A_PUSH if re.search(row[0], text))
        found = next(((kind, words) for _, kind, words in particular), None)
        return found or _BY_STATUS[status]
    for pattern, kind, words in rows:
        if re.search(pattern, text):
            return _of_an_index(failure, kind, words or _refusal(failure, kind))
    return _by_status(failure, status, text)


def _of_an_index(failure: SkopeoFailure, kind: ErrorKind, words: str) -> Meaning:
    """An image that an index names and that is not there is no mistake in the index's name."""
    if kind is ErrorKind.NOT_FOUND and COPYING.match(failure.text):
        return ErrorKind.SOURCE_INCOMPLETE, "its index is there, but an image that it names is gone"
    return kind, words


def _by_status(failure: SkopeoFailure, status: str, text: str) -> Meaning:
    if not status:
        refused = _REFUSED_SOMEHOW.search(text)
        return _REFUSES if refused else (ErrorKind.TOOL, "skopeo failed")
    if status == "404" and failure.is_push:
        return ErrorKind.NO_SUCH_NAMESPACE, "there is nothing of that name to push into"
    if status in ("408", "429"):
        return _BY_STATUS[status]
    return _REFUSES if status.startswith("4") else _FAILS


def _status_in(text: str) -> str:
    found = _STATUS.search(text)
    return found[1] if found else ""


def _refusal(failure: SkopeoFailure, kind: ErrorKind) -> str:
    """What a refusal says for sure: registries tell no stranger whether a name exists."""
    if failure.is_push:
        is_login = kind is ErrorKind.UNAUTHORIZED
        wants = "refuses the login" if failure.has_login else "wants a login"
        return f"the registry {wants}" if is_login else _MAY_NOT_PUSH
    if failure.side is Side.DESTINATION:
        return "the registry does not let it be looked at"
    return _ABSENT_OR_REFUSED if failure.has_login else _ABSENT_OR_PRIVATE
