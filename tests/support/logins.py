"""What skopeo makes of files of logins, as a table that both skopeo and we are held to."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

SECRET = "secret"


def entry(username: str, password: str = SECRET, **more: str) -> dict[str, str]:
    """One of a document's `auths`."""
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode(), **more}


def document(auths: Mapping[str, Mapping[str, object]], **more: object) -> bytes:
    """A document with these `auths`."""
    return json.dumps({"auths": auths, **more}).encode()


@dataclass(frozen=True)
class LoginCase:
    """A document, a name of a repository or a host, and whose login skopeo uses for it.

    Attributes:
        username: Empty for nobody's.
    """

    about: str
    document: bytes
    name: str
    username: str


_HUB = "docker.io/library/redis"

LOGIN_CASES = (
    LoginCase("a host", document({"h.io": entry("me")}), "h.io/a/b", "me"),
    LoginCase("a port is part of a host", document({"h.io": entry("me")}), "h.io:443/a", ""),
    LoginCase("a host with its port", document({"h.io:443": entry("me")}), "h.io:443/a", "me"),
    LoginCase("capitals are another host", document({"H.io": entry("me")}), "h.io/a", ""),
    LoginCase("a slash at the end", document({"h.io/": entry("me")}), "h.io/a", ""),
    LoginCase(
        "the longest key wins",
        document({"h.io": entry("host"), "h.io/a": entry("a"), "h.io/a/b": entry("b")}),
        "h.io/a/b/c",
        "b",
    ),
    LoginCase(
        "half a name is no namespace",
        document({"h.io": entry("host"), "h.io/a": entry("a")}),
        "h.io/ab/c",
        "host",
    ),
    LoginCase("a namespace alone", document({"h.io/a": entry("a")}), "h.io/b", ""),
    LoginCase("a whole repository", document({"h.io/a/b": entry("a")}), "h.io/a/b", "a"),
    LoginCase(
        "an empty entry hides the host's",
        document({"h.io": entry("host"), "h.io/a": {}}),
        "h.io/a/b",
        "",
    ),
    LoginCase("a URL", document({"https://h.io/v1/": entry("me")}), "h.io/a", "me"),
    LoginCase("a URL with another path", document({"http://h.io/x/y": entry("me")}), "h.io", "me"),
    LoginCase(
        "a host goes before its URL",
        document({"https://h.io/v1/": entry("url"), "h.io": entry("host")}),
        "h.io/a",
        "host",
    ),
    LoginCase("no colon", document({"h.io": {"auth": "YWJj"}}), "h.io/a", ""),
    LoginCase("an empty password", document({"h.io": entry("me", "")}), "h.io/a", "me"),
    LoginCase(
        "name and password in the clear",
        document({"h.io": {"username": "me", "password": "secret"}}),
        "h.io",
        "",
    ),
    LoginCase("an identity token alone", document({"h.io": {"identitytoken": "t"}}), "h.io", ""),
    LoginCase("Docker's store", document({"h.io": {}}, credsStore="none"), "h.io", ""),
    LoginCase("another host's helper", document({}, credHelpers={"g.io": "none"}), "h.io", ""),
    LoginCase("no logins", b"{}", "h.io", ""),
    LoginCase("null", b'{"auths": null}', "h.io", ""),
    LoginCase("Hub", document({"docker.io": entry("me")}), _HUB, "me"),
    LoginCase("Hub by docker", document({"https://index.docker.io/v1/": entry("me")}), _HUB, "me"),
    LoginCase("Hub's index", document({"index.docker.io": entry("me")}), _HUB, "me"),
    LoginCase("Hub's registry", document({"registry-1.docker.io": entry("me")}), _HUB, "me"),
    LoginCase("Hub's namespace", document({"docker.io/library": entry("me")}), _HUB, "me"),
    LoginCase(
        "a namespace has Hub's first name only",
        document({"index.docker.io/library": entry("me")}),
        _HUB,
        "",
    ),
)
