"""Every refusal of the table, met by the skopeo on PATH at a stand-in before a real registry."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import ImageError
from orchestrator.oci.reference import Reference
from tests.support.refusals import REFUSALS, Refusal, meet

if TYPE_CHECKING:
    from demo.registry import Registry

_AT_ONCE = 6


def test_every_refusal_is_told_with_its_remedy(upstream: Registry, mirror: Registry) -> None:
    """All in one, since each is a process: what differs is listed."""

    def differing(number: int, row: Refusal) -> str:
        error = _error_of(row, upstream, mirror, f"refused{number}/b")
        is_as_told = f": {row.says} (" in error.message and error.hint == row.hint_for(
            Reference.parse(f"{error.registry}/refused{number}/b")
        )
        is_that = (error.kind, error.is_transient) == (row.kind, row.is_transient)
        return (
            "" if is_that and is_as_told else f"{row.name}: {error.kind}: {error} -> {error.hint}"
        )

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = tuple(pool.map(differing, *zip(*enumerate(REFUSALS), strict=True)))
    assert not [one for one in found if one]


def _error_of(row: Refusal, upstream: Registry, mirror: Registry, repository: str) -> ImageError:
    with tempfile.TemporaryDirectory() as folder:
        try:
            meet(row, upstream, mirror, repository, Path(folder))
        except ImageError as error:
            return error
    raise AssertionError(f"{row.name}: nothing was refused")
