"""Nothing that a user's file or a registry says becomes an option, a path or a command."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.config.image_list import parse_list
from orchestrator.config.load import load_settings
from orchestrator.config.targets import Target
from orchestrator.errors import SyncerError
from orchestrator.oci.platform import PlatformChoice
from orchestrator.plan.items import name_items
from orchestrator.report.github import of_report
from orchestrator.report.json_report import document
from orchestrator.report.summary import markdown_summary, text_summary
from orchestrator.skopeo.arguments import Connection, CopyRequest, copy_argv, inspect_argv
from tests.support.reports import a_report, failed

SMUGGLED = (
    "--authfile=/etc/passwd",
    "-v",
    "--",
    "docker://x",
    "../../../etc",
    "redis --name=../../up",
    "redis --name=--authfile=x",
    "redis --to=--debug",
    "redis --platform=--all",
    "--platform=linux/../../x redis",
    "redis\x1b[2J",
    "redis\x00",
    "re\u202edis",
    "::set-output name=a::b",
    "%0A::error::x",
    "redis # --authfile=x",
    "$(id)",
)
LINES = (
    st.sampled_from(SMUGGLED)
    | st.text(max_size=60)
    | st.from_regex(
        r"(--(platform|name|to|authfile)[= ])?[a-z0-9./:@-]{1,40}( --name=[a-zA-Z0-9./:_-]{1,20})?",
        fullmatch=True,
    )
)
TARGET = Target("near", "near.example", "lab")
CONNECTION = Connection(Path("/run/auth.json"), lambda _: False, lambda _: None, str)
PLACE = re.compile(
    r"docker://[a-z0-9.:-]+(?:/[a-z0-9._-]+)+(?::[\w.-]{1,128}|@sha256:[0-9a-f]{64})"
)
OPTIONS = re.compile(
    r"--(override-(os|arch|variant)=[\w.-]+|debug|all|preserve-digests|raw"
    r"|authfile=/run/auth\.json)|copy|inspect",
    re.ASCII,
)
HOSTILE = (
    "\x1b]0;title\x07",
    "\n::set-output name=x::y",
    "\r\n::error::x",
    "%0A::add-mask::x",
    "<script>alert(1)</script>",
    "[click](javascript:x)",
    "| a | b |",
    "@everyone <!channel>",
    "\u202e",
)
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=80)


@given(st.lists(LINES, max_size=8))
@example(list(SMUGGLED))
def test_no_line_of_a_list_becomes_an_option_of_skopeo(lines: list[str]) -> None:
    images = parse_list("\n".join(lines).encode("utf-8", "surrogatepass"), file="images.txt")
    named = name_items(
        images,
        targets={"near": TARGET},
        others={},
        default_platform=PlatformChoice.parse("linux/amd64"),
    )
    for item in named.items:
        assert str(item.destination).startswith("near.example/lab/")
        assert ".." not in str(item.destination).split("/")
        request = CopyRequest(item.source, item.destination, item.choice.single)
        for argv in (copy_argv(request, CONNECTION), inspect_argv((), item.source, CONNECTION)):
            for word in argv:
                is_place = PLACE.fullmatch(word)
                assert is_place or OPTIONS.fullmatch(word) or item.source.digest, word
    for problem in named.problems:
        assert problem.line > 0


@given(st.lists(LINES, max_size=8))
@example(list(SMUGGLED))
def test_what_is_said_of_a_list_commands_nobody(lines: list[str]) -> None:
    images = parse_list("\n".join(lines).encode("utf-8", "surrogatepass"), file="images.txt")
    report = a_report(problems=images.problems)
    told = (text_summary(report), markdown_summary(report))
    for text in told:
        assert_harmless(text)
    for annotation in of_report(report, file="images.txt"):
        assert annotation.command.isprintable()


@given(TEXTS, TEXTS)
@example(HOSTILE[1], HOSTILE[0])
def test_what_a_registry_says_commands_nobody(message: str, hint: str) -> None:
    report = a_report(failed("redis", message, hint))
    for text in (text_summary(report), markdown_summary(report)):
        assert_harmless(text)
    markdown = markdown_summary(report)
    assert "<script" not in markdown
    assert "](" not in markdown.replace("\\]", "")
    for annotation in of_report(report, file="images.txt"):
        assert annotation.command.replace("\t", "").isprintable()
        assert annotation.command.count("::") >= 2
    assert document(report).isascii() or "\x1b" not in document(report)


def assert_harmless(text: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in text)
    assert not any(line.startswith("::") for line in text.splitlines())


@given(
    st.dictionaries(
        st.sampled_from(["SYNC_MODE", "ALIYUN_REGISTRY", "ALIYUN_NAMESPACE", "NAMING", "JOBS"]),
        st.sampled_from(SMUGGLED) | st.text(max_size=30),
    )
)
def test_no_setting_leads_out_of_its_place(values: dict[str, str]) -> None:
    given_ = {name: text for name, text in values.items() if "\0" not in text}
    try:
        settings = load_settings(given_, base=Path("/nowhere"))
    except SyncerError:
        return
    for target in settings.targets.values():
        assert re.fullmatch(r"(?:[a-zA-Z0-9.:\[\]-]*)", target.registry), target.registry
        assert not target.base.startswith("-")
        assert ".." not in target.base.split("/")


VALUES = st.one_of(
    st.sampled_from(SMUGGLED), st.text(max_size=20), st.integers(), st.booleans(), st.floats()
)
KEYS = st.sampled_from(
    ["registry", "namespace", "username", "password_env", "naming", "profile", "jobs", "ca"]
) | st.text(max_size=8)


@given(
    st.dictionaries(
        st.sampled_from(["x", "aliyun", "ghcr", "--x", "a b", ""]) | st.text(max_size=5),
        st.dictionaries(KEYS, VALUES, max_size=5),
        max_size=3,
    )
)
def test_no_table_of_targets_leads_out_of_its_place(tables: dict[str, dict[str, object]]) -> None:
    lines = []
    for name, table in tables.items():
        lines.append(f"[targets.{json.dumps(name)}]")
        lines += [f"{json.dumps(key)} = {in_toml(value)}" for key, value in table.items()]
    assert_targets_are_sound("\n".join(lines))


@given(st.text(max_size=60) | st.sampled_from(SMUGGLED).map("[targets.{}]".format))
def test_a_file_of_targets_that_is_none_is_told_as_such(text: str) -> None:
    assert_targets_are_sound(text)


def in_toml(value: object) -> str:
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


def assert_targets_are_sound(text: str) -> None:
    """They are refused in our own words, or they name places and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "targets.toml").write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            settings = load_settings({}, base=base)
        except SyncerError:
            return
    for target in settings.targets.values():
        assert re.fullmatch(r"[a-z0-9.:\[\]-]*", target.registry), target.registry
        assert re.fullmatch(r"[a-z0-9._/-]*", target.namespace), target.namespace
        assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*", target.name), target.name
        assert target.jobs is None or target.jobs > 0
