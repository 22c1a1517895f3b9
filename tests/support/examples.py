"""The worked examples of the pages, played: `<!-- example NAME -->` before a block of a console.

`$ cat FILE` shows a file that is there, `$ syncer …` is run, `# …` is something that happens
elsewhere. What stands below a command is in its output: each line, and in it each cell, in this
order. Columns may be left out on the page; times, dates and sizes are other ones each time.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.runs import Site

_ROOT = Path(__file__).resolve().parents[2]
_MEASURED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}( [0-9:]{5} UTC)?|[0-9.]+ (?:s|B|KiB)(?![a-z])")


def block_of(page: str, name: str) -> str:
    """What stands on a page under an example's name."""
    text = (_ROOT / "docs" / page).read_text(encoding="utf-8")
    (block,) = re.findall(rf"<!-- example {name} -->\n```console\n(.*?)```", text, re.DOTALL)
    return str(block)


def play(
    site: Site,
    block: str,
    *,
    names: Mapping[str, str],
    events: Mapping[str, Callable[[], object]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Do what an example does; what its commands print has to be what it shows.

    Args:
        site: Where.
        block: The example.
        names: What the page calls something, and what it is here.
        events: What happens elsewhere, by the words that the page has for it.
        environ: Variables that are set.
    """
    for shown, real in names.items():
        block = block.replace(shown, real)
    for step in re.split(r"^(?=\$ |# )", block, flags=re.MULTILINE):
        head, _, below = step.partition("\n")
        if head.startswith("# "):
            assert events is not None
            events[head[2:]]()
        elif head.startswith("$ cat "):
            (site.folder / head[len("$ cat ") :]).write_text(below, encoding="utf-8")
        elif head:
            prompt, *command = shlex.split(head)
            assert (prompt, command[0]) == ("$", "syncer")
            _check(site.run(*command[1:], environ=environ).stdout, below)


def _check(printed: str, shown: str) -> None:
    lines = [_measured(line) for line in printed.splitlines()]
    for line in shown.splitlines():
        cells = ".*".join(re.escape(_measured(cell)) for cell in re.split(r" {2,}", line.strip()))
        place = next((n for n, one in enumerate(lines) if re.search(cells, one)), None)
        assert place is not None, f"not printed: {line}\n{printed}"
        del lines[: place + 1]


def _measured(text: str) -> str:
    return _MEASURED.sub("?", text)
