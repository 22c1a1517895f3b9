"""Workflows and actions as they are written: YAML, and the scripts that stand in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Node: TypeAlias = "None | bool | int | float | str | list[Node] | dict[str, Node]"
Table: TypeAlias = "dict[str, Node]"

ROOT = Path(__file__).parents[2]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's booleans, as GitHub has them: `on` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rows if tag != "tag:yaml.org,2002:bool"]
    for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path) -> Table:
    """A workflow, or an action."""
    with path.open(encoding="utf-8") as file:
        return table(_typed(yaml.load(file, _Loader)))  # noqa: S506  (a SafeLoader's child)


def table(node: Node) -> Table:
    """A mapping, or an empty one where there is none."""
    assert node is None or isinstance(node, dict), node
    return {} if node is None else node


def sequence(node: Node) -> list[Node]:
    """A list; a single value is a list of one."""
    if node is None:
        return []
    return node if isinstance(node, list) else [node]


def text(node: Node) -> str:
    """A word or a script; nothing is an empty one."""
    assert node is None or isinstance(node, str), node
    return node or ""


def files(root: Path = ROOT) -> Iterator[Path]:
    """Every workflow and every action of a repository."""
    yield from sorted((root / ".github" / "workflows").glob("*.yml"))
    yield from sorted((root / ".github" / "actions").glob("*/action.yml"))


def steps(document: Table) -> Iterator[Table]:
    """The steps of all jobs of a workflow, or those of an action."""
    runs = table(document.get("runs"))
    owners = [runs, *map(table, table(document.get("jobs")).values())]
    yield from (table(step) for owner in owners for step in sequence(owner.get("steps")))


def _typed(node: object) -> Node:
    if isinstance(node, dict):
        return {str(key): _typed(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_typed(value) for value in node]
    if node in ("true", "false"):
        return node == "true"
    assert node is None or isinstance(node, bool | int | float | str), node
    return node


def main(folder: Path) -> None:
    """Write each script that stands in a workflow or an action into a file of its own."""
    for path in files():
        for number, step in enumerate(steps(read(path))):
            if "run" in step:
                name = f"{path.parent.name}-{path.stem}-{number}.sh"
                (folder / name).write_text(text(step["run"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
