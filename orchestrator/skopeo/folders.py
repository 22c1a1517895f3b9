"""Folders as skopeo has them in its `dir:` transport: a manifest, and blobs by their digests."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from orchestrator.oci.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from orchestrator.oci.reference import Digest, digest_of


def write_manifest(folder: Path, raw: bytes, *, config: bytes = b"") -> None:
    """A manifest whose blobs, or whose children, are at its destination already.

    Args:
        folder: An empty one.
        raw: The manifest; the bytes stay as they are.
        config: The config blob, where it is an image's: skopeo looks for it.
    """
    (folder / "manifest.json").write_bytes(raw)
    if config:
        _write_blob(folder, digest_of(config), config)


def write_unfit_image(folder: Path) -> None:
    """An image whose only layer has other bytes than its digest says, so that none is pushed."""
    layer, config = secrets.token_bytes(16), b"{}"
    parts = [
        {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
        for media_type, content in ((OCI_CONFIG, config), (OCI_LAYER, layer))
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": parts[0]}
    write_manifest(folder, json.dumps({**document, "layers": parts[1:]}).encode(), config=config)
    _write_blob(folder, digest_of(layer), bytes(len(layer)))


def _write_blob(folder: Path, digest: Digest, content: bytes) -> None:
    (folder / digest.removeprefix("sha256:")).write_bytes(content)
