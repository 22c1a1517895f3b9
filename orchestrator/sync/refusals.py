"""What a registry refused: the form, which another one may do for, or the image itself."""

from __future__ import annotations

import re

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.plan.decision import Upstream
from orchestrator.plan.items import Item


def refusal(error: ImageError, item: Item, upstream: Upstream) -> ImageError:
    """The error, where it says that the destination does not take the form; else it is raised.

    What was read of the source is good, so a bad manifest is one that is refused.
    """
    is_there = error.registry == item.destination.registry
    if is_there and error.kind is ErrorKind.BAD_MANIFEST:
        return error
    if is_there and _has_foreign_layers(upstream) and _FAILED_AT_MANIFEST.search(error.message):
        raise _foreign(error, item)
    raise error.about(item.source.familiar) if error.kind is ErrorKind.SOURCE_INCOMPLETE else error


def in_no_form(refused: ImageError, item: Item, upstream: Upstream) -> ImageError:
    """What is left to be said where every form was refused."""
    if _has_foreign_layers(upstream):
        return _foreign(refused, item)
    if item.choice.single:
        return refused
    return ImageError(
        refused.kind,
        refused.message,
        hint=f"name one platform with --platform, or {refused.hint}",
        registry=refused.registry,
    )


_FAILED_AT_MANIFEST = re.compile(r"uploading manifest .*HTTP status: 500")
"""What distribution 2.8 answers to foreign layers whose URLs it does not allow."""


def _has_foreign_layers(upstream: Upstream) -> bool:
    return any(blob.is_foreign for blob in upstream.blobs)


def _foreign(error: ImageError, item: Item) -> ImageError:
    """Say that an image is refused for what its registry does not have, either."""
    words = error.message.partition(": ")[2]
    return ImageError(
        ErrorKind.BAD_MANIFEST,
        f"{item.destination.familiar}: it has layers that may only be fetched from elsewhere "
        f"(foreign layers), and its manifest was refused ({words})",
        hint="allow their URLs in the settings of the registry (distribution: "
        "validation.manifests.urls.allow), or leave the image out of the list",
        registry=error.registry,
    )
