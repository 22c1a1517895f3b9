"""The documents and the code say the same thing, in both languages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator.keys import KEYS
from orchestrator.notify.formats import FORMATS

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
IN_BOTH = pytest.mark.parametrize("name", READMES)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(name: str, block: str) -> dict[str, str]:
    """The rows of the table between two markers: the first cell, and the rest of the row."""
    (table,) = re.findall(rf"<!-- {block} -->\n(.*?)<!-- /{block} -->", text_of(name), re.DOTALL)
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return {line.split("|")[1].strip().strip("`"): line for line in lines}


@IN_BOTH
def test_every_key_is_in_the_table_with_its_default_and_no_other_is(name: str) -> None:
    found = rows(name, "settings")
    assert list(found) == list(KEYS)
    for key in KEYS.values():
        default = found[key.name].split("|")[2].strip().strip("`")
        assert default == key.default, key.name


@IN_BOTH
def test_every_secret_of_the_workflows_is_in_the_table(name: str) -> None:
    used: set[str] = set()
    for workflow in (ROOT / ".github" / "workflows").glob("0*.yml"):
        used |= set(re.findall(r"secrets\.([A-Z_]+)", workflow.read_text(encoding="utf-8")))
    assert set(rows(name, "secrets")) == used


@IN_BOTH
def test_every_workflow_is_named(name: str) -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("0*.yml"):
        title = yaml.safe_load(workflow.read_text(encoding="utf-8"))["name"]
        assert f"`{title}`" in text_of(name)


@IN_BOTH
def test_every_chat_is_named(name: str) -> None:
    hosts = "".join(rows(name, "chats").values()).lower()
    for chat in FORMATS:
        assert chat in hosts or chat in ("json", "wecom", "lark")
    assert len(rows(name, "chats")) == len(FORMATS)


def help_of(*command: str) -> str:
    words = [sys.executable, "-m", "orchestrator", *command, "--help"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What --help says of each command."""
    listed = help_of().partition("  COMMAND\n")[2].partition("\noptions:")[0]
    commands = re.findall(r"^    ([a-z]+)", listed, re.MULTILINE)
    return {command: help_of(command) for command in commands}


@IN_BOTH
def test_every_command_and_option_is_named(name: str, helps: dict[str, str]) -> None:
    whole = text_of(name)
    assert [command for command in helps if f"`{command}" not in whole] == []
    options = {word for text in helps.values() for word in re.findall(r"--[a-z][a-z-]+", text)}
    assert sorted(word for word in options - {"--help"} if word not in whole) == []


@IN_BOTH
def test_every_link_inside_the_project_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(name)):
        assert (ROOT / target).exists(), target


def test_both_readmes_have_the_same_sections() -> None:
    english, chinese = (re.findall(r"^(#+) ", text_of(name), re.MULTILINE) for name in READMES)
    assert english == chinese
    assert [len(rows(name, "settings")) for name in READMES] == [len(KEYS)] * 2
