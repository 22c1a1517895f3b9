"""GitHub's event of an issue: who asks, and for what; read as data, and nothing of it is run.

GitHub docs, "Webhook events and payloads": `issues`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.errors import UsageError
from orchestrator.oci.json_text import Json, parse_json

LABEL = "mirror"
"""What makes a request of an issue that was not written with the form."""

_TRUSTED = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_ACTIONS = frozenset({"opened", "edited", "labeled", "reopened"})
_HEADING = re.compile(r"^###[ \t]+(.+)$", re.MULTILINE)
_IMAGES, _PLATFORM, _KEEP = "Images", "Platform", "Keep it current"
"""What the headings of the form begin with; the same in Chinese stands behind."""
_NO_RESPONSE = "_No response_"
_TICKED = re.compile(r"^\s*[-*]\s*\[[xX]\]", re.MULTILINE)


@dataclass(frozen=True)
class IssueRequest:
    """An issue that may ask for images.

    Attributes:
        association: What the author is to the repository, in GitHub's words.
        images: The part of the issue that names images.
        platform: As it was written; empty where none was.
        keeps: Whether the images are to stand in the list, too.
        is_for_us: Whether the issue asks for images at all, and something about that is new.
    """

    number: int
    author: str
    association: str
    images: str
    platform: str
    keeps: bool
    is_closed: bool
    is_for_us: bool

    def is_allowed(self, askers: Iterable[str]) -> bool:
        """Whether its author may ask: owner, members, collaborators, and whom `ASKERS` names."""
        named = {name.strip().lstrip("@").lower() for name in askers}
        return self.association in _TRUSTED or self.author.lower() in named


def read_event(raw: bytes) -> IssueRequest:
    """Read what GitHub says of an issue.

    Raises:
        UsageError: It is no event of an issue.
    """
    try:
        event = _object(parse_json(raw))
        issue = _object(event.get("issue"))
        number, author = issue["number"], _object(issue["user"])["login"]
    except (ValueError, KeyError):
        number = author = None
    if not isinstance(number, int) or not isinstance(author, str):
        raise UsageError(
            "--event names no event of an issue", hint="on GitHub Actions it is $GITHUB_EVENT_PATH"
        )
    body = _text(issue.get("body")).replace("\r\n", "\n")
    sections = _sections(body)
    return IssueRequest(
        number=number,
        author=author,
        association=_text(issue.get("author_association")),
        images=sections.get(_IMAGES, body),
        platform=sections.get(_PLATFORM, "").strip(),
        keeps=bool(_TICKED.search(sections.get(_KEEP, ""))),
        is_closed=issue.get("state") == "closed",
        is_for_us=_is_for_us(event, issue, sections),
    )


def _is_for_us(event: dict[str, Json], issue: dict[str, Json], sections: dict[str, str]) -> bool:
    if "pull_request" in issue or event.get("action") not in _ACTIONS:
        return False
    if event.get("action") == "labeled":
        return _name_of(event.get("label")) == LABEL
    labels = issue.get("labels")
    named = [_name_of(one) for one in labels] if isinstance(labels, list) else []
    return _IMAGES in sections or LABEL in named


def _sections(body: str) -> dict[str, str]:
    """What was filled into the form, by the field that each heading begins with."""
    parts = _HEADING.split(body)
    sections: dict[str, str] = {}
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        field = next((name for name in (_IMAGES, _PLATFORM, _KEEP) if heading.startswith(name)), "")
        if field:
            sections.setdefault(field, "" if text.strip() == _NO_RESPONSE else text)
    return sections


def _name_of(label: Json) -> str:
    return _text(label.get("name")) if isinstance(label, dict) else ""


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - as of any text that is not what it should be
    return value
