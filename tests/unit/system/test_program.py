"""The door to programs, as far as none is started: tests/integration/skopeo has the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import InterruptedRunError, ToolMissingError
from orchestrator.system.program import ProgramRunner, moved_bytes


def test_a_program_is_found_on_the_path_it_is_given(tmp_path: Path) -> None:
    tool = tmp_path / "some-tool"
    tool.write_text("#!/bin/sh\n", encoding="ascii")
    programs = ProgramRunner({"PATH": str(tmp_path)})
    with pytest.raises(ToolMissingError, match="some-tool is not installed") as caught:
        programs.find("some-tool", hint="install it")
    assert caught.value.hint == "install it"
    tool.chmod(0o755)
    assert programs.find("some-tool", hint="") == str(tool)


def test_bytes_are_counted_by_the_kernel() -> None:
    before = moved_bytes(os.getpid())
    Path("/proc/self/status").read_bytes()
    after = moved_bytes(os.getpid())
    assert before is not None
    assert after is not None
    assert after > before
    assert moved_bytes(2**22 + 1) is None


def test_nothing_is_started_once_the_run_is_to_end() -> None:
    programs = ProgramRunner({})
    programs.end_all()
    with pytest.raises(InterruptedRunError):
        programs.run(["/bin/true"], stall_timeout=1)
