"""What a step says to GitHub's runner: escaped, within its limits, and nothing else a command."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.settings import GitHubStep
from orchestrator.errors import ConfigurationError
from orchestrator.report.github import (
    LARGEST_SUMMARY,
    Annotation,
    StepOutput,
    cut,
    limited,
    mask,
    of_error,
    of_report,
    output_of_run,
    outputs,
    stopped_commands,
    write_output,
)
from orchestrator.report.result import Outcome
from tests.support.reports import ALIYUN, a_report, an_item, bad_line, copied, failed, kept, skipped

ACTIONS = GitHubStep()


@pytest.mark.parametrize(
    ("annotation", "command"),
    [
        pytest.param(
            Annotation("Bad line", "no such option", "images.txt", 3, 7),
            "::error file=images.txt,line=3,col=7,title=Bad line::no such option",
            id="a place",
        ),
        pytest.param(
            Annotation("Bad line", "no image", "images.txt", 3),
            "::error file=images.txt,line=3,title=Bad line::no image",
            id="a whole line",
        ),
        pytest.param(
            Annotation("a, b: c", "50%\r\n::error::x", "", 0),
            "::error title=a%2C b%3A c::50%25%0D%0A::error::x",
            id="escaped",
        ),
    ],
)
def test_an_annotation_is_one_command(annotation: Annotation, command: str) -> None:
    assert annotation.command == command


@given(st.text(), st.text(), st.text())
def test_whatever_it_holds_it_stays_one_line(title: str, message: str, file: str) -> None:
    command = Annotation(title, message, file, 1).command
    assert command.isprintable() or not set(command) & {"\n", "\r"}
    properties = command.removeprefix("::error ").partition("::")[0]
    assert properties.count(",") == (2 if file else 1)


def test_bad_lines_come_first_and_failures_stand_on_their_lines() -> None:
    report = a_report(copied(), failed(), problems=(bad_line(),))
    first, second = of_report(report, file="images.txt")
    assert (first.file, first.line, first.column) == ("images.txt", 14, 1)
    assert "did you mean '--platform'?" in first.message
    assert (second.file, second.line) == ("images.txt", 1)
    assert second.title == "nginx:nope -> aliyun: not-found"
    assert second.message == "there is no such tag\n-> see the tags"


def test_an_image_that_reaches_no_target_is_one_annotation() -> None:
    other = replace(ALIYUN, name="ghcr")
    results = [
        replace(failed(f"app:{line}"), item=an_item(f"app:{line}", line=line, target=target))
        for line in range(1, 11)
        for target in (ALIYUN, other)
    ]
    annotations = limited(of_report(a_report(*results), file="images.txt"))
    assert [annotation.line for annotation in annotations] == list(range(1, 11))
    assert annotations[0].title == "app:1 -> aliyun, ghcr: not-found"
    assert annotations[0].message == "there is no such tag\n-> see the tags"


def test_targets_that_fail_each_in_its_way_are_all_told() -> None:
    other = an_item("nginx:nope", target=replace(ALIYUN, name="ghcr"))
    results = [failed(), replace(failed(message="no right to push"), item=other)]
    (annotation,) = of_report(a_report(*results), file="images.txt")
    assert annotation.message.splitlines()[::2] == ["there is no such tag", "no right to push"]


def test_errors_leave_room_for_warnings() -> None:
    errors = [Annotation("", str(number)) for number in range(12)]
    warnings = [Annotation("", str(number), level="warning") for number in range(12)]
    shown = limited([*errors, *warnings])
    assert [one.level for one in shown] == ["error"] * 10 + ["warning"] * 10
    assert shown[-1].message.startswith("3 more warnings")


def test_an_error_of_the_whole_run_says_what_to_do() -> None:
    (annotation,) = of_error(ConfigurationError("X is not set", hint="set it"))
    assert annotation.command == "::error title=Docker Image Syncer::X is not set%0A-> set it"


@pytest.mark.parametrize(
    ("count", "shown", "last"),
    [
        pytest.param(0, 0, "", id="none"),
        pytest.param(10, 10, "10", id="as many as there is room for"),
        pytest.param(11, 10, "2 more errors", id="one too many"),
        pytest.param(500, 10, "491 more errors", id="many"),
    ],
)
def test_the_tenth_annotation_says_how_many_more(count: int, shown: int, last: str) -> None:
    found = limited([Annotation("", str(number + 1)) for number in range(count)])
    assert len(found) == shown
    assert not found or found[-1].message.startswith(last)


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        pytest.param(1_000_000, 1000, id="all of it"),
        pytest.param(5000, None, id="a part"),
        pytest.param(120, None, id="a little"),
    ],
)
def test_a_text_is_cut_between_lines_and_says_how_many_more(limit: int, kept: int | None) -> None:
    text = "".join(f"行 {number}\n" for number in range(1000))
    found = cut(text, limit=limit)
    assert len(found.encode()) <= limit
    whole = [line for line in found.splitlines() if line.startswith("行")]
    assert whole == text.splitlines()[: len(whole)]
    left = 1000 - len(whole)
    assert len(whole) == kept if kept else f"{left} more lines" in found


@given(st.text(), st.integers(min_value=0, max_value=200))
def test_what_is_cut_always_fits(text: str, limit: int) -> None:
    assert len(cut(text, limit=limit).encode()) <= limit


def test_no_value_of_an_output_ends_it() -> None:
    written = outputs({"copied": "1", "report": "a\nfailed=0\nEOF"}, delimiter="word")
    assert written == "copied<<word\n1\nword\nreport<<word\na\nfailed=0\nEOF\nword\n"


def test_a_run_has_totals_for_outputs() -> None:
    report = a_report(copied(), skipped(), failed())
    said = output_of_run(report, file="images.txt", written="/tmp/r.json", badge=None)
    assert said.outputs == {
        "copied": "1",
        "would-copy": "0",
        "skipped": "1",
        "failed": "1",
        "report": "/tmp/r.json",
    }


def test_a_badge_is_written_so_that_no_secret_is_in_it() -> None:
    badge = output_of_run(a_report(copied()), file="", written=None, badge="b").outputs["badge"]
    assert all(0x2800 <= ord(letter) <= 0x28FF for letter in badge)
    json_line, picture = bytes(ord(letter) - 0x2800 for letter in badge).decode().splitlines()
    assert json_line.startswith('{"schemaVersion": 1')
    assert picture.startswith("![mirror: 1 in sync · ")


def test_a_dry_run_copies_nothing_and_has_no_badge() -> None:
    would = replace(copied(), outcome=Outcome.WOULD_COPY)
    report = a_report(would, would, skipped(), is_dry_run=True)
    outputs = output_of_run(report, file="", written=None, badge="b").outputs
    assert (outputs["copied"], outputs["would-copy"], outputs["skipped"]) == ("0", "2", "1")
    assert "badge" not in output_of_run(report, file="", written=None, badge="b").outputs


def test_what_is_printed_meanwhile_is_no_command() -> None:
    stream = StringIO()
    with stopped_commands(stream, ACTIONS, title="a\nb"):
        stream.write("::error::owned\n")
    group, stop, said, end, folded = stream.getvalue().splitlines()
    word = stop.removeprefix("::stop-commands::")
    assert len(word) == 32
    assert (group, said, end, folded) == (
        "::group::a%0Ab",
        "::error::owned",
        f"::{word}::",
        "::endgroup::",
    )


def test_each_guard_has_its_own_word() -> None:
    words = []
    for _ in range(2):
        stream = StringIO()
        with stopped_commands(stream, ACTIONS):
            pass
        words.append(stream.getvalue())
    assert words[0] != words[1]


def test_an_error_of_ours_ends_the_guard_and_any_other_leaves_it_on() -> None:
    ours, other = StringIO(), StringIO()
    with pytest.raises(ConfigurationError), stopped_commands(ours, ACTIONS):
        raise ConfigurationError("no")
    with pytest.raises(ZeroDivisionError), stopped_commands(other, ACTIONS):
        raise ZeroDivisionError
    assert len(ours.getvalue().splitlines()) == 2
    assert len(other.getvalue().splitlines()) == 1


def test_elsewhere_there_is_no_guard() -> None:
    stream = StringIO()
    with stopped_commands(stream, None, title="x"):
        pass
    assert stream.getvalue() == ""


def test_each_line_of_a_secret_is_masked() -> None:
    stream = StringIO()
    mask(stream, ["one", "a%b\nc\n"])
    assert stream.getvalue() == "::add-mask::a%25b\n::add-mask::c\n::add-mask::one\n"


def test_files_get_what_belongs_to_them(tmp_path: Path) -> None:
    actions = GitHubStep(tmp_path / "summary", tmp_path / "output")
    stream = StringIO()
    said = StepOutput((Annotation("t", "what"),), "# title\n", {"copied": "1"})
    write_output(said, actions, stream)
    assert stream.getvalue() == "::error title=t::what\n"
    assert (tmp_path / "summary").read_text() == "# title\n"
    assert (tmp_path / "output").read_text().startswith("copied<<")


def test_the_summary_of_a_step_never_grows_beyond_its_limit(tmp_path: Path) -> None:
    actions = GitHubStep(summary=tmp_path / "summary")
    for _ in range(3):
        write_output(StepOutput(summary="ä row\n" * 100_000), actions, StringIO())
    assert (tmp_path / "summary").stat().st_size <= LARGEST_SUMMARY


def test_a_file_that_cant_be_written_fails_nothing(tmp_path: Path) -> None:
    write_output(
        StepOutput(summary="x", outputs={"a": "b"}), GitHubStep(tmp_path, tmp_path), StringIO()
    )


def test_what_is_gone_upstream_is_a_warning_once() -> None:
    annotations = of_report(a_report(kept(), kept("redis:5", is_told=True)), file="images.txt")
    message = "aliyun: gone-upstream; its source is not found"
    title = "redis:6 is kept"
    assert annotations == (Annotation(title, message, "images.txt", 1, level="warning"),)
