"""What jobs of one run hand to each other: actions/upload-artifact and its counterpart."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.expressions import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.workflows import Node


@dataclass(frozen=True)
class Artifacts:
    """Those of one run, each in a folder of its name."""

    folder: Path

    def play(self, uses: str, given: Mapping[str, Node]) -> None:
        """Do what one of the two actions does; any other is left alone."""
        action = uses.partition("@")[0]
        if action == "actions/upload-artifact":
            target = self.folder / as_text(given["name"])
            target.mkdir(parents=True)
            shutil.copy2(as_text(given["path"]), target)
        elif action == "actions/download-artifact":
            for found in sorted(self.folder.glob(as_text(given["pattern"]))):
                shutil.copytree(
                    found, Path(as_text(given["path"])) / found.name, dirs_exist_ok=True
                )
