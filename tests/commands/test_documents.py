"""The documents and the code say the same thing, in both languages.

What the pages show is run: a list is named, a file of targets is read, and each fenced command of
a README is tried as `COMMANDS` says.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

import pytest
import yaml

from orchestrator.catalog.page import ISSUE_FIELD, ISSUE_FORM
from orchestrator.config.files import SOURCE_KEYS, TARGET_KEYS
from orchestrator.config.image_list import OPTIONS
from orchestrator.config.keys import KEYS
from orchestrator.config.targets import NO_LIMITS, PROFILES, Limits
from orchestrator.errors import ImageError
from orchestrator.notify.formats import FORMATS
from orchestrator.oci.manifest import Descriptor
from orchestrator.oci.reference import Reference, digest_of
from orchestrator.plan.decision import Upstream, check_limits
from orchestrator.report.result import Outcome, Result
from orchestrator.report.summary import text_summary
from orchestrator.text import human_bytes
from tests.support.refusals import REFUSALS
from tests.support.reports import a_count, a_report
from tests.support.schema import SCHEMA
from tests.support.verdicts import item
from tests.support.verdicts import target as a_target

ROOT = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
PAGES = (
    *READMES,
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
IN_BOTH = pytest.mark.parametrize("name", READMES)
ON_EVERY_PAGE = pytest.mark.parametrize("name", PAGES)
DIGEST = "ab" * 32
CODE = ("orchestrator", "demo", "benchmarks", "tests")


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def syncer(*words: str, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the program as a user does who has set nothing but `environ`."""
    environment = {"PATH": "/usr/bin:/bin", "SYNCER_PYTHON": sys.executable, **environ}
    command = [str(ROOT / "bin" / "syncer"), *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


# Tables.


def rows(name: str, block: str) -> dict[str, tuple[str, ...]]:
    """The rows of the table between two markers, by their first cell."""
    (table,) = re.findall(rf"<!-- {block} -->\n(.*?)<!-- /{block} -->", text_of(name), re.DOTALL)
    return cells(table)


def cells(table: str) -> dict[str, tuple[str, ...]]:
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    split = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    return {row[0].strip("`"): row for row in split}


def enumerated(*path: str) -> set[str]:
    """The words that the schema of the report lists there; its own test holds them to the code."""
    found = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    for key in path:
        found = found[key]
    words: set[str] = set(found["enum"])
    return words


def reasons_of(action: str) -> set[str]:
    """The reasons that the schema allows for an action."""
    branches = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]["item"]["oneOf"]
    kinds = [branch["properties"] for branch in branches]
    return {
        word
        for kind in kinds
        if action in kind["action"].get("enum", [kind["action"].get("const")])
        for word in kind["reason"]["enum"]
    }


def test_every_key_is_in_the_table_with_its_default_and_no_other_is() -> None:
    found = rows("docs/settings.md", "settings")
    assert {key: row[1].strip("`") for key, row in found.items()} == {
        key.name: key.default for key in KEYS.values()
    }
    assert list(found) == list(KEYS)


def test_every_secret_of_the_workflows_is_in_the_table() -> None:
    used: set[str] = set()
    for workflow in (ROOT / ".github" / "workflows").glob("0*.yml"):
        used |= set(re.findall(r"secrets\.([A-Z_]+)", workflow.read_text(encoding="utf-8")))
    assert set(rows("docs/github-actions.md", "secrets")) == used


def test_every_workflow_is_named() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("0*.yml"):
        title = yaml.safe_load(workflow.read_text(encoding="utf-8"))["name"]
        assert f"`{title}`" in text_of("docs/github-actions.md")


def test_every_chat_is_in_the_table_by_the_name_that_its_format_has() -> None:
    found = [row[1].strip("`") for row in rows("docs/notifications.md", "chats").values()]
    assert found == list(FORMATS)


@pytest.mark.parametrize(
    ("page", "block", "words"),
    [
        pytest.param("docs/list.md", "options", set(OPTIONS), id="options of a line"),
        pytest.param("docs/targets.md", "target-keys", set(TARGET_KEYS), id="keys of a target"),
        pytest.param("docs/targets.md", "source-keys", set(SOURCE_KEYS), id="keys of a source"),
        pytest.param("docs/targets.md", "profiles", set(PROFILES), id="profiles"),
        pytest.param(
            "docs/targets.md", "limits", {one.name for one in fields(Limits)}, id="limits"
        ),
        pytest.param(
            "docs/report.md", "reasons", reasons_of("copied") | reasons_of("skipped"), id="verdicts"
        ),
        pytest.param("docs/report.md", "deferred", reasons_of("deferred"), id="deferred"),
    ],
)
def test_a_table_has_all_that_the_code_knows(page: str, block: str, words: set[str]) -> None:
    assert set(rows(page, block)) == words


def test_every_kind_of_failure_stands_under_the_words_that_a_user_sees() -> None:
    found = rows("docs/troubleshooting.md", "words").values()
    kinds = {kind for _, reason, _ in found for kind in re.findall(r"`([a-z-]+)`", reason)}
    assert kinds == enumerated("kind")


def test_every_message_about_a_refusal_can_be_looked_up() -> None:
    looked_up = " | ".join(rows("docs/troubleshooting.md", "words"))
    said = {row.says for row in REFUSALS}
    rare = {
        "a part of it is refused, though its manifest is not",
        "the registry does not give it out",
        "the registry does not let itself be asked from here",
        "the registry got another size than was sent",
        "the registry refuses it",
    }
    assert {one for one in said if one.removeprefix("the registry ") not in looked_up} == rare


def help_of(*command: str) -> str:
    done = syncer(*command, "--help", folder=ROOT)
    assert done.returncode == 0
    return done.stdout


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What --help says of each command."""
    listed = help_of().partition("\nmirror:\n")[2].partition("\noptions:")[0]
    commands = re.findall(r"^  ([a-z]+)", listed, re.MULTILINE)
    return {command: help_of(command) for command in commands}


def test_every_command_and_option_is_named(helps: dict[str, str]) -> None:
    page = text_of("docs/commands.md")
    assert [command for command in helps if f"`{command}" not in page] == []
    options = {word for text in helps.values() for word in re.findall(r"--[a-z][a-z-]+", text)}
    assert sorted(word for word in options - {"--help"} if word not in page) == []


def test_every_format_of_the_report_is_in_the_table(helps: dict[str, str]) -> None:
    (choices,) = set(re.findall(r"--output \{([a-z,]+)\}", helps["batch"]))
    assert list(rows("docs/report.md", "formats")) == choices.split(",")


def test_every_verb_of_make_is_named() -> None:
    verbs = re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE)
    page = text_of("docs/commands.md")
    assert [verb for verb in verbs if verb != "help" and f"`make {verb}" not in page] == []


# The two READMEs.


@IN_BOTH
def test_a_readme_has_at_most_160_lines(name: str) -> None:
    assert len(text_of(name).splitlines()) <= 160


def test_both_readmes_have_the_same_sections() -> None:
    english, chinese = (re.findall(r"^(#+) ", text_of(name), re.MULTILINE) for name in READMES)
    assert english == chinese


def test_both_readmes_show_the_same_but_for_comments() -> None:
    english, chinese = (
        [(fence.language, tuple(map(uncommented, fence.lines))) for fence in fences(name)]
        for name in READMES
    )
    assert english == chinese


def test_both_readmes_lead_to_every_page() -> None:
    for name in READMES:
        linked = set(re.findall(r"\]\(([^)#]+)\)", text_of(name)))
        assert {page for page in PAGES if page not in READMES} - linked == set()


# What stands between fences.


@dataclass(frozen=True)
class Fence:
    """What stands between two fences."""

    language: str
    lines: tuple[str, ...]


def fences(name: str) -> Iterator[Fence]:
    for language, body in re.findall(
        r"^```(\w*)\n(.*?)^```$", text_of(name), re.MULTILINE | re.DOTALL
    ):
        yield Fence(language, tuple(body.splitlines()))


def uncommented(line: str) -> str:
    return re.sub(r"\s+# .*", "", line)


def shown(name: str, language: str) -> tuple[Fence, ...]:
    return tuple(fence for fence in fences(name) if fence.language == language)


@IN_BOTH
def test_a_readme_shows_nothing_that_is_not_tried(name: str) -> None:
    assert {fence.language for fence in fences(name)} == {"console", "text", "cron"}


def commands(name: str) -> tuple[tuple[str, ...], ...]:
    """The commands that a page shows, each as its words."""
    lines = [line for fence in shown(name, "console") for line in fence.lines]
    assert [line for line in lines if not line.startswith("$ ")] == []
    return tuple(tuple(shlex.split(line[2:], comments=True)) for line in lines)


@dataclass(frozen=True)
class Page:
    """A README, as its reader follows it: what it has them export and write, and where."""

    name: str
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        given = [words for program, *words in commands(self.name) if program == "export"]
        return dict(word.split("=", 1) for words in given for word in words)

    def destinations(self) -> tuple[str, ...]:
        """Where the images of the page's own list go."""
        (fence,) = shown(self.name, "text")
        write_list(self.folder, fence.lines)
        return named(syncer("name", folder=self.folder, **self.environ))


def check_export(page: Page, words: tuple[str, ...]) -> None:
    """Only settings are exported; `check_docker` uses them."""
    del page
    assert {word.partition("=")[0] for word in words} <= set(KEYS)


def check_make(page: Page, words: tuple[str, ...]) -> None:
    """Make says what it would do: these verbs need an account, or take minutes."""
    del page
    assert re.search(rf"^{words[0]}:.*## ", text_of("Makefile"), re.MULTILINE)
    done = subprocess.run(
        ["make", "-n", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},  # no variable of a make that runs the suite
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def check_docker(page: Page, words: tuple[str, ...]) -> None:
    """Docker is not ours: its address is the registry that is set, or what the list brings."""
    verb, address = words
    if verb == "login":
        assert address == page.environ["ALIYUN_REGISTRY"]
    else:
        assert verb == "pull"
        assert address in page.destinations()


COMMANDS: Mapping[str, Callable[[Page, tuple[str, ...]], None]] = {
    "export": check_export,
    "make": check_make,
    "docker": check_docker,
}
"""How each program of a README's commands is tried. Another one has to be given its way here."""


@IN_BOTH
def test_every_command_that_is_shown_does_what_it_is_shown_for(name: str, tmp_path: Path) -> None:
    page = Page(name, tmp_path)
    assert len(commands(name)) >= 8
    for program, *words in commands(name):
        COMMANDS[program](page, tuple(words))


@IN_BOTH
def test_the_line_for_cron_is_the_one_of_the_example(name: str) -> None:
    (fence,) = shown(name, "cron")
    (line,) = fence.lines
    assert line in (ROOT / "deploy" / "crontab.example").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", [*READMES, "docs/list.md"])
def test_the_list_that_is_shown_is_a_good_one(name: str, tmp_path: Path) -> None:
    (fence,) = shown(name, "text")
    write_list(tmp_path, fence.lines)
    done = syncer("name", folder=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["docs/targets.md", "docs/notifications.md"])
def test_the_file_of_targets_that_is_shown_is_a_good_one(name: str, tmp_path: Path) -> None:
    text = "\n".join(line for fence in shown(name, "toml") for line in fence.lines)
    (tmp_path / "targets.toml").write_text(text, encoding="utf-8")
    targets = re.findall(r"^\[targets\.(\w+)\]", text, re.MULTILINE)
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "https://a.test")
    write_list(tmp_path, ["redis"])
    done = syncer("name", f"--to={','.join(targets or ['ghcr'])}", folder=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert "targets.toml" not in done.stdout


@pytest.mark.parametrize("name", [*READMES, "docs/list.md"])
def test_the_names_in_the_table_are_those_that_images_get(name: str, tmp_path: Path) -> None:
    table = table_of_names(name)
    assert len(table) >= 5
    for nth in range(max(len(lines) for lines, _ in table)):
        folder = tmp_path / str(nth)
        folder.mkdir()
        write_list(folder, [lines[min(nth, len(lines) - 1)] for lines, _ in table])
        found = named(syncer("name", folder=folder))
        assert list(found) == [destination for _, destination in table]


def test_the_packed_names_in_the_table_are_those_that_images_get(tmp_path: Path) -> None:
    table = rows("docs/list.md", "packed").values()
    assert len(table) >= 5
    write_list(tmp_path, [row[0].strip("`") for row in table])
    found = named(syncer("name", folder=tmp_path, NAMING="packed"))
    assert list(found) == [row[1].strip("`").replace("<64 hex>", DIGEST) for row in table]


def test_what_goes_over_a_limit_is_told_as_the_page_says(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"<!-- over -->\n```text\n(.*?)```", text_of("docs/targets.md"), re.DOTALL
    )
    write_list(tmp_path, ["redis", "mysql", "nginx"])
    (tmp_path / "targets.toml").write_text(
        '[targets.tiny]\nregistry = "registry.example.com"\nnamespace = "lab"\n'
        "limits = { repositories = 2 }\n",
        encoding="utf-8",
    )
    done = syncer("name", "--to=tiny", folder=tmp_path)
    assert done.returncode == 1
    assert block in done.stdout


def test_what_has_too_many_layers_is_told_as_the_page_says() -> None:
    (block,) = re.findall(
        r"<!-- over-layers -->\n```text\n(.*?)```", text_of("docs/targets.md"), re.DOTALL
    )
    tiny = replace(a_target("tiny"), own_limits=Limits(layers=2))
    one = replace(item(to=tiny), line=2, source=Reference.parse("nginx:1"))
    layer = Descriptor("", digest_of(b"layer"), 1)
    with pytest.raises(ImageError) as refused:
        check_limits(one, Upstream(layer.digest, layer.digest, "", blobs=(layer,) * 4))
    result = Result(one, Outcome.FAILED, "over-limit", error=refused.value)
    assert block in text_summary(a_report(result))


def test_a_plans_counts_look_as_the_page_says() -> None:
    (block,) = re.findall(
        r"<!-- counts -->\n```text\n(.*?)```", text_of("docs/report.md"), re.DOTALL
    )
    why = "no run has copied enough there yet to know how fast that is"
    counts = (a_count(), a_count("ghcr", seconds=None, no_forecast=why, unread=1))
    assert text_summary(a_report(is_dry_run=True, counts=counts)).startswith(block)


def test_the_limits_of_each_profile_stand_with_their_source() -> None:
    found = rows("docs/registries.md", "profile-limits")
    with_limits = {name: one.limits for name, one in PROFILES.items() if one.limits != NO_LIMITS}
    assert found.keys() == with_limits.keys()
    for name, limits in with_limits.items():
        size = human_bytes(limits.layer_size).replace(".0", "") if limits.layer_size else ""
        numbers = (limits.namespaces, limits.repositories, limits.layers)
        shown = [str(number or "") for number in numbers]
        assert [cell.strip() for cell in found[name][1:5]] == [*shown, size], name
        assert found[name][5], name


def table_of_names(name: str) -> list[tuple[list[str], str]]:
    """What stands in a list, and how it is named."""
    page = text_of(name)
    marked = re.search(r"<!-- names -->(.*?)<!-- /names -->", page, re.DOTALL)
    tables = [marked[1]] if marked else re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)
    (table,) = [table for table in tables if "`redis" in table]
    return [
        (re.findall(r"`([^`]+)`", left), right.strip("`").replace("<first 12 hex>", DIGEST[:12]))
        for left, right in cells(table).values()
    ]


def named(done: subprocess.CompletedProcess[str]) -> tuple[str, ...]:
    """The destinations that `syncer name` has printed for a list."""
    assert done.returncode == 0, done.stdout + done.stderr
    table, *_ = done.stdout.split("\n\n")
    return tuple(row.split()[-1] for row in table.splitlines()[2:])


def write_list(folder: Path, lines: tuple[str, ...] | list[str]) -> None:
    text = "\n".join(lines).replace("<64 hex>", DIGEST)
    (folder / "images.txt").write_text(f"{text}\n", encoding="utf-8")


def test_the_page_of_the_demo_shows_its_acts_and_how_they_end() -> None:
    (shown_output,) = re.findall(
        r"<!-- demo -->\n```text\n(.*?)```\n<!-- /demo -->", text_of("docs/demo.md"), re.DOTALL
    )
    source = (ROOT / "demo" / "__main__.py").read_text(encoding="utf-8")
    acts = re.findall(r'_act\("([^"]+)"\)', source)
    assert re.findall(r"^=+\n(.*)\n=+$", shown_output, re.MULTILINE) == acts
    assert re.findall(r"exit status (\d)", shown_output) == ["0", "0", "0", "1"]


# What GitHub reads.


def test_the_form_for_bugs_asks_for_doctor_and_the_log() -> None:
    form = yaml.safe_load(text_of(".github/ISSUE_TEMPLATE/bug.yml"))
    asked = {part["id"]: part for part in form["body"] if part["type"] == "textarea"}
    assert "make doctor" in asked["doctor"]["attributes"]["label"]
    assert "-v" in asked["verbose"]["attributes"]["label"]
    assert all(part["validations"]["required"] for part in asked.values())


def test_the_form_that_the_catalog_fills_in_has_the_field_for_it() -> None:
    form = yaml.safe_load(text_of(f".github/ISSUE_TEMPLATE/{ISSUE_FORM}"))
    fields = {part["id"]: part["type"] for part in form["body"] if "id" in part}
    assert fields[ISSUE_FIELD] in ("input", "textarea")
    assert set(form) >= {"name", "description", "body"}


def test_actions_and_packages_are_kept_up_to_date_weekly() -> None:
    updates = yaml.safe_load(text_of(".github/dependabot.yml"))["updates"]
    found = {one["package-ecosystem"]: one["schedule"]["interval"] for one in updates}
    assert found == {"github-actions": "weekly", "pip": "weekly"}


# Links and paths.


@ON_EVERY_PAGE
def test_every_link_inside_the_project_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text_of(name)):
        path, _, anchor = target.partition("#")
        file = (ROOT / name).parent / path if path else ROOT / name
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """The headings of a page, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_picture_is_small_and_is_shown() -> None:
    pictures = sorted((ROOT / "docs" / "images").iterdir())
    assert [path.name for path in pictures if path.stat().st_size >= 150_000] == []
    shown_ones = "".join(map(text_of, PAGES))
    assert [path.name for path in pictures if f"images/{path.name})" not in shown_ones] == []


_FOLDERS = "orchestrator|tests|docs|bin|demo|deploy|benchmarks|[.]github"
_PATH = re.compile(rf"(?<![\w./-])((?:{_FOLDERS})/[\w./*-]*[\w*])(?:::(\w+))?", re.ASCII)


@ON_EVERY_PAGE
def test_every_path_that_is_named_exists(name: str) -> None:
    for path, definition in _PATH.findall(text_of(name)):
        found = sorted(ROOT.glob(path))
        assert found, path
        if definition:
            assert f"def {definition}(" in found[0].read_text(encoding="utf-8"), definition


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


_MODULE = re.compile(r"(?<![\w./:-])[\w./-]*\w[.]py\b", re.ASCII)
_CODE = [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("folder", CODE)
def test_every_module_that_a_docstring_names_exists(folder: str) -> None:
    known = [str(path) for path in _CODE]
    named = {
        word
        for path in (ROOT / folder).rglob("*.py")
        for text in docstrings(path)
        for word in _MODULE.findall(text)
    }
    assert [word for word in named if not any(path.endswith(f"/{word}") for path in known)] == []
