"""The run's own authfile: the user's logins, and those of the settings on top.

The format is containers-auth.json(5); nothing but this file ever holds a password.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping

from orchestrator.settings import Login


def merged(documents: Iterable[bytes], logins: Iterable[Login]) -> bytes:
    """One authfile of them all, the first document the strongest, our logins above them."""
    whole: dict[str, object] = {}
    auths: dict[str, object] = {}
    for raw in documents:
        try:
            document = json.loads(raw)
        except ValueError:
            continue
        if isinstance(document, Mapping):
            for key, value in document.items():
                whole.setdefault(key, value)
            for key, value in (document.get("auths") or {}).items():
                auths.setdefault(key, value)
    for login in logins:
        pair = f"{login.username}:{login.password}".encode()
        auths[login.registry] = {"auth": b64encode(pair).decode()}
    return json.dumps({**whole, "auths": auths}).encode()
