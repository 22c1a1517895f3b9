"""Each exception to a rule of security has its reason behind it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("orchestrator", "demo", "benchmarks", "tests")
SOURCES = sorted(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))
NOTED = re.compile(r"#\s*(?:noqa:\s*(?:\w+,\s*)*S\d|nosec)")
REASON = re.compile(r"#\s*noqa: [A-Z0-9, ]+(?:\s+\(\w.{5,}\)| - \w.{5,})$")


@pytest.mark.parametrize(
    ("line", "is_fine"),
    [
        pytest.param("x = 1  # noqa: S101", False, id="none"),
        pytest.param("x = 1  # noqa: S101  (a pipe's end)", True, id="one"),
        pytest.param("x = 1  # noqa: PLR0913, S101  (a pipe's end)", True, id="one for two"),
        pytest.param("x = 1  # noqa: S101 - our own names", True, id="another"),
        pytest.param("x = 1  # nosec", False, id="bandit's"),
    ],
)
def test_a_reason_is_told_from_none(line: str, is_fine: bool) -> None:
    assert NOTED.search(line)
    assert bool(REASON.search(line)) is is_fine


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_exception_has_its_reason(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    noted = [line for line in lines if NOTED.search(line) and "pytest.param(" not in line]
    assert [line for line in noted if not REASON.search(line)] == []
