"""What a run leaves behind it: processes, files, and what stands at the mirror."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from demo.registry import MANIFEST_TYPES, Client

if TYPE_CHECKING:
    from tests.support.runs import Site

PATIENCE = 20.0
ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}


def programs_of(site: Site) -> list[str]:
    """The command lines that name the site's folder: its logins are an argument of each skopeo."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"--authfile={site.folder}" in words:
            found.append(words)
    return found


def has_ended(site: Site) -> bool:
    """Whether every program of the site is gone before long."""
    deadline = time.monotonic() + PATIENCE
    while programs_of(site):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def private_folders(site: Site) -> set[Path]:
    """What runs have made for their logins."""
    return set(site.state.glob("private-*"))


def lacking(url: str, repository: str, tag: str) -> list[str]:
    """The blobs that a tag's manifest names and its registry has not; none without a tag."""
    with Client(url) as client:
        answer = client.ask("GET", f"/v2/{repository}/manifests/{tag}", headers=ACCEPT)
        if answer.status_code == 404:
            return []
        manifest = json.loads(answer.content)
        digests = [one["digest"] for one in (manifest["config"], *manifest["layers"])]
        heads = [client.ask("HEAD", f"/v2/{repository}/blobs/{digest}") for digest in digests]
    return [digest for digest, head in zip(digests, heads, strict=True) if head.status_code != 200]
