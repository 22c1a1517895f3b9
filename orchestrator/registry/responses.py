"""What the answers of a registry's API mean. Values in, values out.

Only two answers count: "this digest" and "not there". All else is `Inconclusive`, and skopeo is
asked instead. Source: OCI distribution specification 1.1, "Pulling manifests" and "Error
codes"; Docker Hub's documentation of its pull limit for the `ratelimit-` headers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from orchestrator.errors import ErrorKind, FormatError
from orchestrator.oci.json_text import Json, parse_json
from orchestrator.oci.manifest import LARGEST_LIST, MANIFEST_TYPES, OCI_INDEX, Descriptor
from orchestrator.oci.reference import Digest, Reference, digest_of, parse_digest
from orchestrator.system.http import Response
from orchestrator.text import shortened

_ABSENT_CODES = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})
_LONGEST_MESSAGE = 2000
"""Whoever shows it masks secrets first and cuts it then: of half a secret nobody knows it."""
_NEXT = re.compile(r'<([^<>]*)>\s*;(?:[^,"<>]|"[^"]*")*\brel\s*=\s*"?next\b', re.IGNORECASE)


@dataclass(frozen=True)
class NotFound:
    """The registry says, by the specification's code, that there is no such image."""


@dataclass(frozen=True)
class Inconclusive:
    """HTTP does not settle the question; skopeo has to be asked.

    Attributes:
        reason: Why, for the log.
        ends_host: Whether the registry is left alone for the rest of the run.
        kind: The class of fault, where there was one.
        was_left_alone: Whether the registry was not asked, since it had failed before.
    """

    reason: str
    ends_host: bool = False
    kind: ErrorKind | None = None
    was_left_alone: bool = False

    @property
    def is_of_host(self) -> bool:
        """Whether the registry as a whole is out of order, now or since it failed."""
        return self.ends_host or self.was_left_alone

    @property
    def is_out_of_reach(self) -> bool:
        """Whether the registry gave no answer at all; a 5xx is one, and may have passed soon."""
        return self.is_of_host and self.kind in (ErrorKind.UNREACHABLE, ErrorKind.TIMEOUT)


@dataclass(frozen=True)
class PushAllowed:
    """The registry lets us write there.

    Attributes:
        is_cleared: Whether what was begun to find out is gone again.
    """

    is_cleared: bool = True


@dataclass(frozen=True)
class WriteRefused:
    """The registry refused what was written; its words, put as skopeo puts them."""

    text: str


def digest_in(answer: Response, reference: Reference) -> Digest | NotFound | Inconclusive:
    """What a HEAD for a manifest says."""
    if answer.status == 404 and _is_plain_absence(answer):
        return NotFound()
    if (surprise := _surprise_in(answer, reference)) is not None:
        return surprise
    digest = _declared_digest(answer)
    if isinstance(digest, Inconclusive):
        return digest
    if digest is None:
        return Inconclusive(f"{reference.registry} sent no digest")
    if reference.digest and digest != reference.digest:
        return Inconclusive(f"{reference.registry} sent another digest than was asked for")
    return digest


def manifest_in(answer: Response, reference: Reference) -> bytes | NotFound | Inconclusive:
    """What a GET for a manifest says; the digest is computed from the bytes."""
    if answer.status == 404 and error_codes(answer) & _ABSENT_CODES:
        return NotFound()
    if (surprise := _surprise_in(answer, reference)) is not None:
        return surprise
    if not answer.is_whole:
        return Inconclusive(f"{reference.registry} sent too large a manifest")
    declared = _declared_digest(answer)
    if isinstance(declared, Inconclusive):
        return declared
    promised = {digest for digest in (declared, reference.digest) if digest}
    if promised != {digest_of(answer.body)}:
        lie = f"{reference.registry} sent other content than its digest says"
        return Inconclusive(lie, kind=ErrorKind.DIGEST_MISMATCH)
    return answer.body


def blob_in(answer: Response, wanted: Descriptor, *, registry: str) -> bytes | Inconclusive:
    """What a GET for a blob says."""
    if answer.status != 200:
        return Inconclusive(f"{registry} answered {answer.status} for a blob")
    if not answer.is_whole or len(answer.body) != wanted.size:
        lie = f"{registry} sent a blob of another size than its manifest says"
        return Inconclusive(lie, kind=ErrorKind.DIGEST_MISMATCH)
    if digest_of(answer.body) != wanted.digest:
        lie = f"{registry} sent another blob than was asked for"
        return Inconclusive(lie, kind=ErrorKind.DIGEST_MISMATCH)
    return answer.body


def has_blob_in(answer: Response, *, registry: str) -> bool | Inconclusive:
    """What a HEAD for a blob says (specification, "Pulling blobs")."""
    if answer.status in (200, 404):
        return answer.status == 200
    refusals = {401: ErrorKind.UNAUTHORIZED, 403: ErrorKind.DENIED}
    return Inconclusive(
        f"{registry} answered {answer.status} for a blob", kind=refusals.get(answer.status)
    )


def referrers_in(answer: Response, reference: Reference) -> bytes | NotFound | Inconclusive:
    """What a GET for referrers says: an index; a registry that has no such API has none.

    Some registries that know no such API answer with a page of theirs (as oras and
    go-containerregistry take it, too). Source: OCI distribution specification 1.1, "Listing
    Referrers".
    """
    if 400 <= answer.status < 500 and answer.status not in (401, 403, 429):
        return NotFound()
    if answer.status == 200 and _media_type(answer) != OCI_INDEX:
        return NotFound()
    said = f"{reference.registry} answered {answer.status} for referrers"
    if answer.status != 200:
        refusals = {401: ErrorKind.UNAUTHORIZED, 403: ErrorKind.DENIED}
        return Inconclusive(said, kind=refusals.get(answer.status))
    if not answer.is_whole:
        too_large = f"{reference.registry} lists more referrers than {LARGEST_LIST} bytes hold"
        return Inconclusive(too_large, kind=ErrorKind.BAD_MANIFEST)
    return answer.body


def tags_in(answer: Response, reference: Reference) -> tuple[str, ...] | NotFound | Inconclusive:
    """What one page of a repository's tags says (distribution specification, "Listing Tags")."""
    if answer.status == 404 and error_codes(answer) & _ABSENT_CODES:
        return NotFound()
    if answer.status != 200:
        return Inconclusive(f"{reference.registry} answered {answer.status} for a list of tags")
    tags = tags_of(answer.body if answer.is_whole else b"", key="tags")
    return Inconclusive(f"{reference.registry} sent no list of tags") if tags is None else tags


def tags_of(raw: bytes, *, key: str) -> tuple[str, ...] | None:
    """The tags in a document; `null` are none. None where it holds no list of texts."""
    try:
        document = parse_json(raw)
    except ValueError:
        return None
    tags = document.get(key, "") if isinstance(document, Mapping) else ""
    if tags is None:
        return ()
    is_one = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
    return tuple(map(str, tags)) if is_one and isinstance(tags, list) else None


def moment_in(date: str) -> float | None:
    """The seconds since the epoch that an HTTP date stands for; None where it is none."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()


def next_page_in(answer: Response, *, path: str) -> str | None:
    """The path and query of the page that follows; empty where none does.

    Whatever host the Link names, it is the registry's own that is asked. None where it leads
    anywhere but to the same list.

    Args:
        answer: One page, whose Link header may name the next (RFC 8288, RFC 3986 section 5).
        path: The list's own, from the host on.
    """
    found = _NEXT.search(answer.headers.get("link", ""))
    if found is None:
        return ""
    try:
        parts = urlsplit(urljoin(path, found[1]))
    except ValueError:
        return None
    return f"{path}?{parts.query}" if parts.path == path and parts.query else None


def written_in(answer: Response) -> WriteRefused | None:
    """What a PUT of a manifest says; None where it was taken."""
    if 200 <= answer.status < 300:
        return None
    for error in _errors(answer):
        code = str(error.get("code")).lower().replace("_", " ")
        return WriteRefused(shortened(f"{code}: {error.get('message') or ''}", _LONGEST_MESSAGE))
    return WriteRefused(f"received unexpected HTTP status: {answer.status}")


def push_right_in(answer: Response | Inconclusive, *, registry: str) -> PushAllowed | Inconclusive:
    """What a POST that begins an upload says: 202 where we may (specification, "Pushing blobs")."""
    if isinstance(answer, Inconclusive):
        return answer
    said = f"it answered {answer.status}{_first_message(answer)}"
    if answer.status == 202:
        return PushAllowed()
    if answer.status == 401:
        kind = (
            ErrorKind.DENIED
            if "insufficient_scope" in _challenge(answer)
            else ErrorKind.UNAUTHORIZED
        )
        return Inconclusive(f"{registry} does not let this login write ({said})", kind=kind)
    if answer.status == 403:
        return Inconclusive(
            f"{registry} does not let this login write ({said})", kind=ErrorKind.DENIED
        )
    if answer.status == 404:
        return Inconclusive(
            f"{registry} has no such namespace or repository ({said})", kind=ErrorKind.DENIED
        )
    return Inconclusive(f"{registry} begins no upload ({said})", kind=ErrorKind.DENIED)


def upload_in(answer: Response, *, repository: str) -> str:
    """The path and query of an upload that was begun; empty where they are no such thing.

    Whatever host the Location names, it is the registry's own that is asked.
    """
    try:
        parts = urlsplit(answer.headers.get("location", ""))
    except ValueError:
        return ""
    if not parts.path.startswith(f"/v2/{repository}/blobs/uploads/"):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _challenge(answer: Response) -> str:
    return answer.headers.get("www-authenticate", "")


def _first_message(answer: Response) -> str:
    """The first error's code and words, as far as they fit into a sentence."""
    errors = _errors(answer)
    if not errors:
        return ""
    return shortened(f": {errors[0].get('code')}: {errors[0].get('message')}", _LONGEST_MESSAGE)


def _surprise_in(answer: Response, reference: Reference) -> Inconclusive | None:
    """What is wrong with an answer that should hold a manifest."""
    if answer.status != 200:
        return Inconclusive(
            f"{reference.registry} answered {answer.status} for {reference.familiar}"
        )
    if _media_type(answer) not in MANIFEST_TYPES:
        return Inconclusive(f"{reference.registry} sent no manifest for {reference.familiar}")
    return None


def _is_plain_absence(answer: Response) -> bool:
    """A 404 to a HEAD has no body to tell more; a web page's headers betray a proxy."""
    if answer.body:
        return bool(error_codes(answer) & _ABSENT_CODES)
    return _media_type(answer) in ("", "application/json")


def error_codes(answer: Response) -> frozenset[str]:
    """The codes of the errors in an answer's body, as the specification writes them."""
    return frozenset(str(error.get("code")) for error in _errors(answer))


def _errors(answer: Response) -> tuple[Mapping[str, Json], ...]:
    """The errors as the specification writes them: `{"errors": [{"code": …}]}`."""
    try:
        document: Json = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ()
    errors = document.get("errors") if isinstance(document, Mapping) else None
    found = errors if isinstance(errors, list) else []
    return tuple(error for error in found if isinstance(error, Mapping))


def _declared_digest(answer: Response) -> Digest | None | Inconclusive:
    text = answer.headers.get("docker-content-digest", "")
    try:
        return parse_digest(text) if text else None
    except FormatError:
        return Inconclusive("a registry sent a digest that can't be read")


def _media_type(answer: Response) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()
