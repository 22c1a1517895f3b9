"""Records what the skopeo on PATH says of each refusal: `python -m tests.support.record_words`.

The words go to tests/unit/skopeo/words, one file for each version, where a test reads them: so
every version that is supported is held to the same table without being there.
"""

from __future__ import annotations

import json
import logging
import subprocess
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import final

from demo.registry import Registry
from orchestrator.errors import ImageError
from tests.support.refusals import REFUSALS, Refusal, meet

WORDS = Path(__file__).parents[1] / "unit" / "skopeo" / "words"
REGISTRY = "registry.example:5000"
REPOSITORY = "mirrors/b"
_AT_ONCE = 6


@final
class _Listener(logging.Handler):
    """Keeps what each thread's skopeo said last."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "skopeo said: %s":
            self.heard.text = record.getMessage().removeprefix("skopeo said: ")


def record() -> dict[str, str]:
    """The words by the row's name, every registry and repository under one name."""
    listener = _Listener()
    log = logging.getLogger("orchestrator.skopeo.adapter")
    log.addHandler(listener)
    log.setLevel(logging.DEBUG)
    with Registry() as upstream, Registry() as mirror, ThreadPoolExecutor(_AT_ONCE) as pool:

        def words_of(numbered: tuple[int, Refusal]) -> str:
            number, row = numbered
            repository = f"row{number}/b"
            with tempfile.TemporaryDirectory() as folder:
                try:
                    meet(row, upstream, mirror, repository, Path(folder))
                except ImageError as error:
                    text: str = listener.heard.text
                    return text.replace(error.registry, REGISTRY).replace(repository, REPOSITORY)
            raise AssertionError(row.name)

        return dict(
            zip(
                (row.name for row in REFUSALS), pool.map(words_of, enumerate(REFUSALS)), strict=True
            )
        )


if __name__ == "__main__":
    told = subprocess.run(["skopeo", "--version"], check=True, capture_output=True, text=True)
    version = told.stdout.split()[2]
    WORDS.mkdir(exist_ok=True)
    text = json.dumps(record(), indent=1, ensure_ascii=False) + "\n"
    (WORDS / f"{version}.json").write_text(text, encoding="utf-8")
