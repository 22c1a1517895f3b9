"""What a person, a list or a form holds stays what it is: never an option, a command or a path.

The programs that are started are stand-ins which write down their arguments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

ECHO = '#!/bin/sh\nprintf "%s\\0" "$@" >"$SEEN"\n'
EVIL = (
    "--authfile=/etc/passwd",
    "-v",
    "$(touch owned)",
    "`touch owned`",
    "a;touch owned",
    "a\ntouch owned",
    "$(shell touch owned)",
    "${IMAGE}",
    "$$IMAGE",
    "$@ $< %",
    "a#b",
    "'\"\\",
    "../../etc/passwd",
    "a\\",
    "镜像:标签",
    "\u202egpj.exe",
    "::set-output name=x::y",
    "a%0A::error::b",
    "\x1b]0;title\x07",
    "*",
    "~",
)
WORDS = st.sampled_from(EVIL) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40
)
TRIMMED = WORDS.filter(lambda text: text == text.strip())
"""make takes no white space at the ends of a value."""

FEW = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The Makefile and the scripts, with a stand-in for the program."""
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "bin" / "actions-sync", tmp_path / "bin")
    (tmp_path / "bin" / "syncer").write_text(ECHO, encoding="utf-8")
    (tmp_path / "bin" / "syncer").chmod(0o755)
    return tmp_path


def seen_by(folder: Path, command: list[str], environ: Mapping[str, str]) -> list[str]:
    """The arguments that the program got; whatever else came of the command is an error."""
    seen = folder / "seen"
    seen.unlink(missing_ok=True)
    before = set(folder.rglob("*"))
    given_ = {"PATH": os.environ["PATH"], "SEEN": str(seen), **environ}
    done = subprocess.run(command, cwd=folder, env=given_, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(folder.rglob("*")) == before | {seen}
    return seen.read_bytes().decode().split("\0")[:-1]


@FEW
@given(TRIMMED, TRIMMED, TRIMMED)
@example("redis", "--authfile=x", "$(touch owned)")
def test_a_value_given_to_make_reaches_the_program_as_it_is(
    folder: Path, image: str, name: str, platform: str
) -> None:
    values = [f"IMAGE={image}", f"NAME={name}", f"PLATFORM={platform}"]
    found = seen_by(folder, ["make", "-s", "-o", "venv", "name", *values], {})
    assert found == ["name", f"--name={name}", f"--platform={platform}", "--", image]


def test_make_takes_no_value_from_the_environment(folder: Path) -> None:
    shell = dict.fromkeys(("NAME", "PLATFORM", "TO", "FORCE", "FILE", "ARGS"), "DESKTOP-1A2B3C")
    found = seen_by(folder, ["make", "-s", "-o", "setup", "aliyun", "IMAGE=redis"], shell)
    assert found == ["aliyun", "--", "redis"]
    assert seen_by(folder, ["make", "-s", "-e", "-o", "setup", "batch"], shell) == ["batch"]


def refused(folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> str:
    """What make says of a command line that it does not carry out."""
    given_ = {"PATH": os.environ["PATH"], "SEEN": str(folder / "seen"), **(environ or {})}
    command = ["make", "-s", "-o", "setup", *words]
    done = subprocess.run(
        command, cwd=folder, env=given_, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert not (folder / "seen").exists()
    return done.stderr


def test_an_image_of_the_environment_is_none(folder: Path) -> None:
    said = refused(folder, "aliyun", environ={"IMAGE": "redis"})
    assert "make aliyun IMAGE=nginx:alpine" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["batch", "PLATFROM=arm64"], "'make batch' takes no PLATFROM (it takes: ARGS FILE FORCE"),
        (["batch", "IMAGE=redis"], "'make batch' takes no IMAGE "),
        (["plan", "image=redis"], "'make plan' takes no image "),
        (["batch", "JOBS=2"], "as in: JOBS=2 make batch"),
        (["aliyun", "IMAGE=redis", "FORCE=maybe"], "FORCE is 1 or 0"),
    ],
)
def test_a_variable_that_a_verb_does_not_take_stops_it(
    folder: Path, words: list[str], message: str
) -> None:
    assert message in refused(folder, *words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["batch", "TO=ghcr", "FILE=my list.txt"], ["--file=my list.txt", "--to=ghcr"]),
        (["batch", "FORCE=1", "ARGS=--jobs 2 --file=*"], ["--force", "--jobs", "2", "--file=*"]),
        (["plan", "IMAGE=redis", "FORCE=0"], ["--", "redis"]),
        (["copy", "IMAGE=redis", "TO=a,b"], ["--to=a,b", "--", "redis"]),
    ],
)
def test_each_verb_hands_on_what_it_takes(
    folder: Path, words: list[str], expected: list[str]
) -> None:
    assert seen_by(folder, ["make", "-s", "-o", "setup", *words], {}) == [words[0], *expected]


@FEW
@given(WORDS, WORDS, WORDS, WORDS)
@example("--authfile=x", "-v", "--force", "$(touch owned)")
def test_a_form_of_a_workflow_reaches_the_program_as_it_is(
    folder: Path, image: str, name: str, platform: str, force: str
) -> None:
    form = {
        "SYNC_COMMAND": "double",
        "IMAGE_NAME": image,
        "TARGET_NAME": name,
        "PLATFORM": platform,
        "FORCE_SYNC": force,
        "CLEAN_DISK_SPACE": "false",
        "RUNNER_TEMP": str(folder / "temp"),
    }
    found = seen_by(folder, ["bin/actions-sync"], form)
    report = f"--report={folder}/temp/syncer-report.json"
    forced = ["--force"] if force == "true" else []
    expected = ["double", report, *forced, f"--name={name}", f"--platform={platform}"]
    assert found == [*expected, "--", image]
