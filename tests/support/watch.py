"""What others can see of a run while it runs: the arguments and the environment of skopeo."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterator


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@final
class WatchdogIntervals:
    """Collects the arguments and environments of the skopeo processes below another."""

    def __init__(self, process_id: int) -> None:
        self._root = process_id
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._found: set[str] = set()

    def __enter__(self) -> WatchdogIntervals:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def seen(self) -> str:
        return "\n".join(sorted(self._found))

    def _watch(self) -> None:
        while not self._stopped.wait(0.002):
            for process in filter(_is_skopeo, _descendants(self._root)):
                for name in ("cmdline", "environ"):
                    self._found.add(_read_or_nothing(Path(f"/proc/{process}/{name}")))


def _is_skopeo(process: int) -> bool:
    """Between fork and exec, a child is still the program itself."""
    try:
        return Path(f"/proc/{process}/exe").readlink().name == "skopeo"
    except OSError:
        return False


def _descendants(root: int) -> Iterator[int]:
    try:
        tasks = tuple(Path(f"/proc/{root}/task").glob("*/children"))
    except OSError:  # it has just ended
        return
    for child in {int(one) for task in tasks for one in _read_or_nothing(task).split()}:
        yield child
        yield from _descendants(child)


def _read_or_nothing(path: Path) -> str:
    try:
        return text_of(path).replace("\0", " ")
    except OSError:
        return ""
