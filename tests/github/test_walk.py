"""The newcomer's walk, as docs/walk.md tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.github.walk import PAGE, walk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.github import Network


def test_the_page_says_what_happens(tmp_path: Path, network: Network) -> None:
    """Where it does not, and the change is meant: python -m tests.github.walk."""
    assert walk(tmp_path, network) == PAGE.read_text(encoding="utf-8")
