"""How the code is laid out: what a newcomer may rely on when looking for something."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "orchestrator"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(CODE.rglob("*.py"))
    if path.name != "__init__.py"
}
PACKAGES = sorted(path.parent for path in CODE.rglob("__init__.py"))

MOST_MODULES = 10
MOST_LINES = 400
LONGEST_CHAIN = 13


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_module_stands_in_the_page_about_the_code() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [
        str(path.relative_to(ROOT))
        for path in MODULES.values()
        if f"| `{path.relative_to(ROOT)}` |" not in page
    ]
    assert missing == []


def test_no_two_public_classes_share_a_name() -> None:
    homes = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_is_small_and_its_init_defines_nothing(package: Path) -> None:
    names = [path.name for path in package.glob("*.py") if path.name != "__init__.py"]
    is_a_table = package.name == "services"  # a module for each service, all of one shape
    assert is_a_table or len(names) <= MOST_MODULES, names
    body = tree_of(package / "__init__.py").body
    kept = ("__version__",) if package == CODE else ()
    assert [ast.unparse(node) for node in body[1:] if not ast.unparse(node).startswith(kept)] == []


def test_no_module_is_longer_than_a_person_reads() -> None:
    lengths = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in MODULES.items()
    }
    assert {module: n for module, n in lengths.items() if n > MOST_LINES} == {}


@cache
def chain_from(module: str) -> tuple[str, ...]:
    """The longest chain of imports that begins with a module."""
    imported = {
        node.module
        for node in ast.walk(tree_of(MODULES[module]))
        if isinstance(node, ast.ImportFrom) and node.module in MODULES
    }
    longest = max(map(chain_from, sorted(imported)), key=len, default=())
    return (module, *longest)


def test_a_chain_of_imports_is_short() -> None:
    longest = max(map(chain_from, MODULES), key=len)
    print(f"{len(longest)} files: {' > '.join(longest)}")
    assert len(longest) <= LONGEST_CHAIN, longest
