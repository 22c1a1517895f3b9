"""What skopeo said when it failed: its last fatal message, and which end of a copy it is about.

skopeo exits with 1 whatever happened (2 for a missing manifest, from 1.16 on), so that its words
are all there is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.errors import Side
from orchestrator.oci.reference import Reference


@dataclass(frozen=True)
class SkopeoFailure:
    """A failure of skopeo, and what it is about.

    Attributes:
        text: The last fatal message, as skopeo says it.
        reference: The image it is about.
        login: What holds the credentials for its registry, in the user's words.
        has_login: Whether skopeo had a login for it.
    """

    text: str
    reference: Reference
    side: Side
    login: str
    has_login: bool = True

    @property
    def bare_text(self) -> str:
        """The message without names and addresses: x509-exporter's trouble need not be TLS's."""
        text = _NAMES.sub("", self.text)
        return text.replace(self.reference.name, "").replace(self.reference.registry, "")

    @property
    def is_push(self) -> bool:
        """Whether something was to be written when it happened."""
        return self.side is Side.DESTINATION and side_of(self.text) is Side.DESTINATION


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
_QUERY = re.compile(r"\?[^\s\"?]*=[^\s\"]*[^\s\":]")
"""Of a URL: upload sessions and signed downloads bear their secret there."""

_NAMES = re.compile(
    r"(?:docker|https?)://[^\s\"]*[^\s\":]|/v2/[^\s\"]+"
    r"|(?<=manifest )\S+ (?:in|to) \S*[^\s:]|(?<=repository )[^\s:]+(?=: \d)|(?<=lookup )\S+"
)
COPYING = re.compile(r"^copying (?:system image|image \d+/\d+) from manifest list: ")
"""What stands before a complaint about one image of an index."""

_DESTINATION = re.compile(
    r"^initializing destination|at destination|initiating layer upload|^writing blob"
    rf"|^writing manifest|[Uu]ploading (?:manifest|layer)|blob upload|^{_MASK}"
)
_SOURCE = re.compile(r"happened during read|^initializing source|^reading blob|Fetching")


def fatal_message(errors: str) -> str:
    """Skopeo's last word, as it meant it: unquoted, and without upload URLs' secrets."""
    found = tuple(_FATAL.finditer(errors))
    text = found[-1]["bare"] or _unquoted(found[-1]["quoted"]) if found else _last_line(errors)
    refusals = _INDEX_REFUSED.findall(errors) if re.match(_MASK, text) else ()
    if refusals:
        text = _unquoted(refusals[-1])
    return _QUERY.sub("?...", text)


def side_of(text: str) -> Side:
    """Which end of a copy a fatal message is about."""
    said = COPYING.sub("", text)
    if _SOURCE.search(said):
        return Side.SOURCE
    return Side.DESTINATION if _DESTINATION.search(said) else Side.SOURCE


def _unquoted(text: str) -> str:
    """Undo what Go's %q did; escapes of what a terminal would obey stay as they are."""
    return _ESCAPE.sub(lambda one: _MEANT.get(one[1], one[1]), text)


def _last_line(errors: str) -> str:
    lines = [line for line in errors.strip().splitlines() if "level=debug" not in line]
    return lines[-1] if lines else ""
