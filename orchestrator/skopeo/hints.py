"""What to do next: one table for pulls, one for pushes, and what some words alone tell.

A hint holds for the kind of fault as it was established, and works when it is followed to the
letter. `{registry}`, `{name}` and `{login}` stand for the image's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.errors import INCOMPLETE_HINT, ErrorKind, Side
from orchestrator.language import gettext_noop
from orchestrator.oci.reference import DOCKER_HUB
from orchestrator.skopeo.failure import SkopeoFailure
from orchestrator.skopeo.kinds import CUT_OFF, meaning_of

_WAY = "check the network's way to {registry}; the next run tries again"
_CUT_OFF = gettext_noop("check its name, and proxy, firewall and DNS; the next run tries again")
_HUB_CUT_OFF = gettext_noop(
    "check proxy, firewall and DNS; most networks in mainland China can't reach it: run it on "
    "GitHub Actions there"
)

ASKED_FOR = "a policy of this machine asks for a signature: see containers-policy.json(5)"

_BY_WORDS: tuple[tuple[str, str], ...] = (
    (
        "unknown manifest class",
        "it takes images, and nothing that only tells of one: name one platform with --platform",
    ),
    (
        "server gave HTTP response",
        "it speaks plain HTTP: if that is meant, name {registry} in INSECURE_REGISTRIES",
    ),
    (
        "sigstore disabled",
        "this skopeo, as Debian 12 has it, checks no sigstore signatures: install 1.11 or later",
    ),
    (
        "Unknown policy requirement type",
        "check that rule; sigstoreSigned needs skopeo 1.11 or later",
    ),
    ("invalid policy in", "mend that file: see containers-policy.json(5)"),
    ("trust policy", "put the policy.json of skopeo's package into /etc/containers"),
    ("token has expired", "log in to {registry} anew: what it gives as a password runs out"),
    (
        "proxy project",
        "it is a project that only caches another registry: name one of the usual kind as "
        "the namespace",
    ),
    (
        "cannot be pulled due to",
        "a rule of its project forbids it: choose another tag, or have the rule changed there",
    ),
    ("client with IP", "allow this machine's address in the firewall settings of {registry}"),
)
"""What the very words tell, whatever their kind."""

_PULL: Mapping[ErrorKind, str] = {
    ErrorKind.NOT_FOUND: "check the name and the tag",
    ErrorKind.SOURCE_INCOMPLETE: INCOMPLETE_HINT,
    ErrorKind.UNSIGNED: ASKED_FOR,
    ErrorKind.RATE_LIMITED: "the next run tries again",
    ErrorKind.UNREACHABLE: _WAY,
    ErrorKind.TIMEOUT: _WAY,
    ErrorKind.TLS: "give the registry's CA in targets.toml, or name {registry} in "
    "INSECURE_REGISTRIES",
    ErrorKind.BAD_MANIFEST: "the registry or the image is odd; -v shows what was asked",
    ErrorKind.DIGEST_MISMATCH: "what arrived is not what was promised; the next run tries again",
    ErrorKind.NO_SPACE: "free some of the disk; skopeo itself needs next to none",
    ErrorKind.NO_SUCH_PLATFORM: "choose another with --platform",
    ErrorKind.TOOL: "-v shows skopeo's own words",
}

_PUSH: Mapping[ErrorKind, str] = {
    **_PULL,
    ErrorKind.DENIED: "check that the namespace of {name} exists, and that {login} may push there",
    ErrorKind.NO_SUCH_NAMESPACE: "create the namespace (project, organization) of {name} in the "
    "registry's console first, or name one that exists",
    ErrorKind.RATE_LIMITED: "the next run tries again; fewer JOBS at once ask for less",
    ErrorKind.BAD_MANIFEST: "ask the operator of {registry} which manifest types it takes",
    ErrorKind.DIGEST_MISMATCH: "what arrived is not what was sent; the next run tries again",
    ErrorKind.TOO_LARGE: "raise the largest body that is let through to {registry} (nginx: "
    "client_max_body_size), or ask its operator what size it takes",
    ErrorKind.QUOTA: "delete images that nobody needs there, or have the quota raised",
    ErrorKind.READ_ONLY: "ask the operator of {registry} when it takes pushes again, if it ever "
    "does",
    ErrorKind.IMMUTABLE: "allow tags to be overwritten in the registry's settings, or mirror it "
    "to another tag with --name",
}


_BY_PATTERN: tuple[tuple[re.Pattern[str], ErrorKind, str], ...] = (
    (
        re.compile(r"pinging container registry .*\b404\b"),
        ErrorKind.UNREACHABLE,
        "check the registry's name: {registry}",
    ),
    (
        re.compile(r"pinging container registry .*\b403\b"),
        ErrorKind.DENIED,
        "check that this machine may ask {registry} (proxy, firewall)",
    ),
    (
        re.compile(r"[Ff]etching blob: .*\b403\b"),
        ErrorKind.DENIED,
        "the next run tries again",
    ),
    (
        re.compile(r"StatusCode: 451\b"),
        ErrorKind.DENIED,
        "it may not be given out where this machine is: mirror it from elsewhere",
    ),
)
"""What some words tell of one kind."""


def hint_for(kind: ErrorKind, failure: SkopeoFailure) -> str:
    """What to do next, for one kind of fault at one end."""
    text = next((hint for words, hint in _BY_WORDS if words in failure.text), "")
    text = text or _of_the_way(failure) or _particular(kind, failure) or _general(kind, failure)
    reference = failure.reference
    return text.format(registry=reference.registry, name=reference.name, login=failure.login)


def _of_the_way(failure: SkopeoFailure) -> str:
    if meaning_of(failure)[1] != CUT_OFF:
        return ""
    return _HUB_CUT_OFF if failure.reference.registry == DOCKER_HUB else _CUT_OFF


def _particular(kind: ErrorKind, failure: SkopeoFailure) -> str:
    rows = (row for row in _BY_PATTERN if row[1] is kind and row[0].search(failure.text))
    _, _, by_pattern = next(rows, (None, None, ""))
    if by_pattern or failure.is_push:
        return by_pattern or _of_a_push(kind, failure)
    return _of_a_limit(failure) if kind is ErrorKind.RATE_LIMITED else ""


def _of_a_limit(failure: SkopeoFailure) -> str:
    if failure.reference.registry == DOCKER_HUB:
        return "set DOCKERHUB_USERNAME and DOCKERHUB_TOKEN for a higher limit, or wait 6 hours"
    return "" if failure.has_login else "wait, or log in (skopeo login {registry})"


def _of_a_push(kind: ErrorKind, failure: SkopeoFailure) -> str:
    if "The repository with name" in failure.text and kind is ErrorKind.NO_SUCH_NAMESPACE:
        return "create the repository {name} first: this registry makes none by itself"
    if " project " in failure.text and kind is ErrorKind.NO_SUCH_NAMESPACE:
        return "create the project of {name} first, or name one that exists"
    if kind is ErrorKind.DENIED and failure.reference.registry == "ghcr.io":
        return (
            "the job needs `permissions: packages: write`, a personal token the scope "
            "write:packages; a package made by other means needs this repository under its "
            "settings > Manage Actions access"
        )
    if kind is ErrorKind.DENIED and re.search("(?:name|tag) invalid", failure.text):
        return "choose another with --name, or another way of naming with NAMING"
    if kind is ErrorKind.DENIED and not failure.has_login:
        return "it was asked without a login: give it {login}"
    return ""


def _general(kind: ErrorKind, failure: SkopeoFailure) -> str:
    if kind is ErrorKind.UNAUTHORIZED or (kind is ErrorKind.DENIED and not failure.is_push):
        return _for_access(failure)
    return (_PUSH if failure.is_push else _PULL).get(kind, "")


def _for_access(failure: SkopeoFailure) -> str:
    """A pull's name comes first: few registries tell what is missing from what is private."""
    if failure.side is Side.DESTINATION:
        if not failure.has_login:
            return "it needs {login}"
        is_token = (
            re.search(r"bearer token|gave no token \(it answered 403", failure.text) is not None
        )
        return "check {login}" + (", and that the namespace of {name} exists" * is_token)
    if "incorrect username or password" in failure.text or "find robot" in failure.text:
        return "check {login}"
    if failure.has_login:
        return "check the name and the tag, and that {login} may read it"
    return "check the name and the tag; if it is private, it needs {login}"
