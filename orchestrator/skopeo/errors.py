"""What skopeo's words mean: its last fatal line becomes an error of our family.

skopeo exits with 1 whatever happened (2 for a missing manifest, from 1.16 on),
so its words are all there is. The table goes from the particular to the
general; each row is a text seen from skopeo 1.9 to 1.22 with real registries.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.errors import ErrorKind, ImageError, Side
from orchestrator.oci.reference import DOCKER_HUB, Reference
from orchestrator.text import printable, shortened


@dataclass(frozen=True)
class SkopeoFailure:
    """A failure of skopeo, and what it is about.

    Attributes:
        text: The last fatal message, as skopeo says it.
        reference: The image it is about.
        login: What holds the credentials for its registry, in the user's words.
    """

    text: str
    reference: Reference
    side: Side
    login: str


_TABLE: tuple[tuple[str, ErrorKind, str], ...] = (
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
    (r"secondary rate limit", ErrorKind.RATE_LIMITED, "the registry asks for a pause"),
    (
        r"toomanyrequests|[Tt]oo [Mm]any [Rr]equests|rate limit|[Ss]tatus(?:Code)?: 429|code 429",
        ErrorKind.RATE_LIMITED,
        "the registry's rate limit is reached",
    ),
    (
        r"[Dd]igest did not match|does not match expected sha256|would not match destination"
        r"|[Mm]anifest does not match provided manifest digest",
        ErrorKind.DIGEST_MISMATCH,
        "the content does not match its digest",
    ),
    (r"immutable|cannot be overwritten", ErrorKind.CONFLICT, "the tag there can't be overwritten"),
    (r"manifest unknown|[Ss]tatus(?:Code)?: 404", ErrorKind.NOT_FOUND, "it is not there"),
    (
        r"name unknown|repository .{0,100}not found|does not exist",
        ErrorKind.NOT_FOUND,
        "there is no such repository",
    ),
    (
        r"requested access to the resource is denied[\s\S]*unauthorized"
        r"|unauthorized[\s\S]*requested access to the resource is denied",
        ErrorKind.UNAUTHORIZED,
        "it is not there, or the login may not reach it",
    ),
    (
        r"invalid username/password|unauthorized|authentication required|[Ss]tatus(?:Code)?: 401"
        r"|incorrect username or password|no basic auth credentials",
        ErrorKind.UNAUTHORIZED,
        "the registry wants a login, or refuses the one it was given",
    ),
    (
        r"trust policy|(?:open|mkdir|stat) /\S*: permission denied",
        ErrorKind.TOOL,
        "skopeo can't use a file of this machine",
    ),
    (r"denied|[Ff]orbidden|[Ss]tatus(?:Code)?: 403", ErrorKind.DENIED, "permission is denied"),
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
        r"connection refused|connection reset|no such host|network is unreachable|no route to host"
        r"|broken pipe|server misbehaving|temporary failure|\bEOF\b|use of closed"
        r"|stream error|GOAWAY|connection lost|closed idle connection"
        r"|HTTP status: [235]\d\d|StatusCode: 5\d\d|code from registry 5\d\d|blob upload unknown"
        r"|destination repository :? ?5\d\d \(|no Location header",
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
_AT_DESTINATION: tuple[tuple[str, ErrorKind, str], ...] = (
    (r"requested access to the resource is denied", ErrorKind.DENIED, "permission is denied"),
)
"""Goes before the table: who pushes is not looking for an image, but lacks a permission."""

_HINTS = (
    (
        "unknown manifest class",
        "it refuses attestation manifests: set ATTESTATIONS=drop, or name one platform",
    ),
    (
        "server gave HTTP response",
        "it speaks plain HTTP: if that is meant, name {registry} in INSECURE_REGISTRIES",
    ),
    ("trust policy", "put the policy.json of skopeo's package into /etc/containers"),
    (
        "The repository with name",
        "create the repository first: this registry makes none by itself",
    ),
)
"""What to do next where the very words tell it, whatever their kind."""

_FATAL = re.compile(
    r'^(?:time=\S+ )?level=fatal msg=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"]+))',
    re.MULTILINE,
)
_INDEX_REFUSED = re.compile(
    r'^(?:time=\S+ )?level=debug msg="Upload of manifest list type \S+ failed: '
    r'(?P<quoted>(?:[^"\\]|\\.)*)"',
    re.MULTILINE,
)
_MASK = r"Manifest list (?:must be converted to type|was edited, but we cannot modify it)"
"""What skopeo says in the end of an index that may not be changed, whatever stood in its way."""

_ESCAPE = re.compile(r'\\([ntr"\\])')
_MEANT = {"n": "\n", "t": "\t", "r": "\r"}
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
_QUERY = re.compile(r"\?[^\s\"?]*=[^\s\"]*[^\s\":]")
"""Of a URL: upload sessions and signed downloads bear their secret there."""

_NAMES = re.compile(
    r"(?:docker|https?)://[^\s\"]*[^\s\":]|/v2/[^\s\"]+"
    r"|(?<=manifest )\S+ (?:in|to) \S*[^\s:]|(?<=repository )[^\s:]+(?=: \d)|(?<=lookup )\S+"
)
_COPYING = re.compile(r"^copying (?:system image|image \d+/\d+) from manifest list: ")
_DESTINATION = re.compile(
    r"^initializing destination|at destination|initiating layer upload|^writing blob"
    rf"|^writing manifest|[Uu]ploading (?:manifest|layer)|blob upload|^{_MASK}"
)
_MIDWAY = re.compile(
    r"reading blob sha256|uploading (?:layer|manifest)|^writing blob: (?:Patch|Put|happened)"
)
"""Past the point where a login has proved good: a 401 there is a token that has run out."""

_BLOB_REFUSED = re.compile(
    r"[Ff]etching blob: (?:invalid status code from registry |StatusCode: )403"
)
_SOURCE = re.compile(r"happened during read|^initializing source|^reading blob|Fetching")
_SHOWN = 300


def fatal_message(errors: str) -> str:
    """Skopeo's last word, as it meant it: unquoted, and without upload URLs' secrets."""
    found = tuple(_FATAL.finditer(errors))
    text = found[-1]["bare"] or _unquoted(found[-1]["quoted"]) if found else _last_line(errors)
    refusals = _INDEX_REFUSED.findall(errors) if re.match(_MASK, text) else ()
    if refusals:
        text = _unquoted(refusals[-1])
    return _QUERY.sub("?...", text)


def _unquoted(text: str) -> str:
    """Undo what Go's %q did; escapes of what a terminal would obey stay as they are."""
    return _ESCAPE.sub(lambda one: _MEANT.get(one[1], one[1]), text)


def side_of(text: str) -> Side:
    """Which end of a copy a fatal message is about."""
    said = _COPYING.sub("", text)
    if _SOURCE.search(said):
        return Side.SOURCE
    return Side.DESTINATION if _DESTINATION.search(said) else Side.SOURCE


def image_error(failure: SkopeoFailure) -> ImageError:
    """The error that a failure means, and what the user can do about it."""
    said = _without_names(failure)
    rows = (*_AT_DESTINATION, *_TABLE) if failure.side is Side.DESTINATION else _TABLE
    kind, words = next(
        ((kind, words) for pattern, kind, words in rows if re.search(pattern, said)),
        (ErrorKind.TOOL, "skopeo failed"),
    )
    detail = shortened(printable(" ".join(_PREFIXES.sub("", failure.text).split())), _SHOWN)
    subject = failure.reference.familiar
    return ImageError(
        kind,
        f"{subject}: {words}" + (f" ({detail})" if detail else ""),
        hint=hint_for(kind, failure),
        transient=_transient(kind, failure),
        registry=failure.reference.registry,
    )


def _transient(kind: ErrorKind, failure: SkopeoFailure) -> bool | None:
    """Whether another try may succeed, where that is known better than the kind tells.

    Docker Hub's pull limit holds for six hours. A login that has just been good and is refused
    has run out, and another try comes with a new token: a blob is refused whose manifest was
    not (storage behind a registry says 403 to a link that has run out, and so does GitHub's
    pause, whose words skopeo leaves out here).
    """
    if kind is ErrorKind.RATE_LIMITED and failure.reference.registry == DOCKER_HUB:
        return False
    if kind is ErrorKind.DENIED and _BLOB_REFUSED.search(failure.text):
        return True
    if kind is ErrorKind.UNAUTHORIZED and _MIDWAY.search(_COPYING.sub("", failure.text)):
        return True
    return None


def _without_names(failure: SkopeoFailure) -> str:
    """The message without names and addresses: x509-exporter's trouble need not be TLS's."""
    reference = failure.reference
    text = _NAMES.sub("", failure.text)
    return text.replace(reference.name, "").replace(reference.registry, "")


def hint_for(kind: ErrorKind, failure: SkopeoFailure) -> str:
    """What to do next, for one kind of fault at one end."""
    registry = failure.reference.registry
    particular = _particular_hint(kind, failure, registry)
    if particular:
        return particular
    hints = {
        ErrorKind.NOT_FOUND: "check the name and the tag",
        ErrorKind.UNAUTHORIZED: f"check {failure.login}",
        ErrorKind.DENIED: f"check that {failure.login} may do this in {failure.reference.name}",
        ErrorKind.RATE_LIMITED: f"wait, or log in to {registry}",
        ErrorKind.UNREACHABLE: f"check the network's way to {registry}; the next run tries again",
        ErrorKind.TIMEOUT: f"check the network's way to {registry}; the next run tries again",
        ErrorKind.TLS: f"give the registry's CA in targets.toml, or name {registry} in "
        "INSECURE_REGISTRIES",
        ErrorKind.BAD_MANIFEST: "the registry or the image is odd; -v shows what was asked",
        ErrorKind.DIGEST_MISMATCH: "what arrived is not what was promised; the next run tries "
        "again",
        ErrorKind.CONFLICT: "allow the tag to be overwritten in the registry's settings",
        ErrorKind.NO_SPACE: "free some of the disk; skopeo itself needs next to none",
        ErrorKind.NO_SUCH_PLATFORM: "choose another with --platform",
        ErrorKind.TOOL: "-v shows skopeo's own words",
    }
    return hints.get(kind, "")


def _particular_hint(kind: ErrorKind, failure: SkopeoFailure, registry: str) -> str:
    by_words = next((hint for words, hint in _HINTS if words in failure.text), "")
    if by_words:
        return by_words.format(registry=registry)
    if failure.side is Side.DESTINATION:
        return _push_hint(kind, failure, registry)
    if registry == DOCKER_HUB and kind is ErrorKind.UNAUTHORIZED:
        return (
            "Docker Hub does not tell a missing image from a private one: check the name, or set "
            "DOCKERHUB_USERNAME and DOCKERHUB_TOKEN"
        )
    if registry == DOCKER_HUB and kind is ErrorKind.RATE_LIMITED:
        return "set DOCKERHUB_USERNAME and DOCKERHUB_TOKEN for a higher limit, or wait 6 hours"
    return ""


def _push_hint(kind: ErrorKind, failure: SkopeoFailure, registry: str) -> str:
    if kind is ErrorKind.RATE_LIMITED:
        return "the next run tries again; fewer JOBS at once ask for less"
    if kind is ErrorKind.BAD_MANIFEST:
        return "the registry does not take it as it is: try one platform, or ATTESTATIONS=drop"
    if kind is ErrorKind.DENIED and registry == "ghcr.io":
        return (
            "the job needs `permissions: packages: write`, a personal token the scope "
            "write:packages; a package made by other means needs this repository under its "
            "settings > Manage Actions access"
        )
    is_about_access = kind is ErrorKind.UNAUTHORIZED and "access" in failure.text
    if kind in (ErrorKind.DENIED, ErrorKind.NOT_FOUND) or is_about_access:
        return (
            f"check that the namespace of {failure.reference.name} exists, and that "
            f"{failure.login} may push there"
        )
    return ""


def _last_line(errors: str) -> str:
    lines = [line for line in errors.strip().splitlines() if "level=debug" not in line]
    return lines[-1] if lines else ""
