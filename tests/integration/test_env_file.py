"""config.env's values, each read as the system's own shell reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from orchestrator.config.env_file import Assignment, read_assignments

VALUES = [
    "",
    "plain",
    "a=b==",
    "a#b",
    "#a",
    "a#",
    "a  # comment",
    "a\t# comment",
    "  # comment",
    "\t#comment",
    "a   ",
    "密码",
    "p@ss%word+/:,.-_",
    "1e5",
    "{a}",
    "[a]",
    "a:b@c/d?e",
    "~x",
    "a~b",
    "!",
    "^a",
    "''",
    '""',
    "'a b'",
    '"a b"',
    "'a #b'",
    '"a #b"',
    "'a'#b",
    '"abc"#1',
    '"abc" # comment',
    "'abc' # comment",
    "'abc'   ",
    '"abc"\t',
    "'a\"b'",
    '"it\'s"',
    "'it'\\''s'",
    "'a''b'",
    '"a""b"',
    "'a'\"b\"'c'",
    '"a"b',
    "'a'b#c",
    "'a\\\\b'",
    "'a\\nb'",
    "'\\'",
    '"a\\\\b"',
    '"a\\$b"',
    '"a\\`b"',
    '"a\\"b"',
    '"corp\\tom"',
    '"corp\\nora"',
    '"a\\\'b"',
    '"a\\ b"',
    '"\\\\\\\\host\\\\share"',
    "'$HOME'",
    "'`id`'",
    "'$(id)'",
    "'p@${x}'",
    "'a\nb'",
    '"a\nb"',
    '"a\\\nb"',
    "'a\n# no comment\nb'",
    "'a'\\$b",
    '"a"\\#b',
    "'ends with a backslash\\'",
    '"%s %d"',
    "'*'",
    '"?"',
    "'  a  '",
    '" "',
]


def as_read_by_sh(values: list[str], folder: Path) -> list[str]:
    """All values in one shell: each is assigned, and printed with a NUL behind it."""
    lines = [f"K{place}={value}" for place, value in enumerate(values)]
    prints = [f'printf "%s\\000" "$K{place}"' for place in range(len(values))]
    script = folder / "config.sh"
    script.write_text("\n".join([*lines, *prints, ""]), encoding="utf-8")
    run = subprocess.run(["sh", str(script)], capture_output=True, check=True, cwd=folder)
    return run.stdout.decode().split("\0")[:-1]


def test_values_are_read_as_sh_reads_them(tmp_path: Path) -> None:
    assert len(VALUES) >= 60
    text = "\n".join(f"K{place}={value}" for place, value in enumerate(VALUES))
    found = list(read_assignments(text))
    assert all(isinstance(one, Assignment) for one in found)
    ours = [one.value for one in found if isinstance(one, Assignment)]
    assert ours == as_read_by_sh(VALUES, tmp_path)
