"""The report for eyes: every cell as it was written, failures last, nothing a terminal obeys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.errors import ErrorKind, ImageError
from orchestrator.report.result import Outcome, Report, Result
from orchestrator.report.summary import (
    View,
    markdown_summary,
    result_line,
    text_summary,
    totals_line,
)
from orchestrator.system.terminal import Screen
from tests.support.reports import (
    ALIYUN,
    a_count,
    a_report,
    an_item,
    bad_line,
    copied,
    deferred,
    failed,
    skipped,
)


@pytest.mark.parametrize(
    "source", ["redis:1.10", "redis:1e5", "redis:007", "redis:1_000", "redis:0x10", "redis:nan"]
)
def test_a_tag_that_looks_like_a_number_is_shown_as_it_is(source: str) -> None:
    assert text_summary(a_report(copied(source))).splitlines()[2].split()[0] == source
    assert f"| {source.replace('_', chr(92) + '_')} " in markdown_summary(a_report(copied(source)))


def test_what_was_copied_comes_first_and_then_failures_each_with_its_hint() -> None:
    report = a_report(failed("nginx:nope", "nginx:nope: it is not there", "see the tags"), copied())
    lines = text_summary(report).splitlines()
    assert [line.split()[3] for line in lines[2:4]] == ["copied", "FAILED"]
    assert lines[5:7] == ["line 1, aliyun: nginx:nope: it is not there", "  -> see the tags"]
    assert lines[-1].startswith("1 copied, 0 in sync, 1 failed; ")


def test_one_failure_that_kept_an_image_from_two_targets_is_told_once() -> None:
    ours = failed("nginx:nope", "it is not there")
    target = replace(ours.item.target, name="ghcr")
    theirs = replace(ours, item=replace(ours.item, target=target))
    text = text_summary(a_report(ours, theirs))
    assert text.count("it is not there") == 1
    assert "line 1, aliyun, ghcr: it is not there" in text


def test_a_bad_line_is_told_with_its_place_and_hint() -> None:
    told = "images.txt:14:1: unknown option '--platfrom'; did you mean '--platform'?"
    assert told in text_summary(a_report(problems=(bad_line(),))).splitlines()


def test_without_items_there_is_no_table() -> None:
    assert text_summary(a_report()) == ("0 copied, 0 in sync, 0 failed; 0 B moved in 3 min 12 s\n")
    assert "|" not in markdown_summary(a_report())


ESCAPES = "\x1b[31mred\x1b]0;title\x07 \u202eevil\u200b"


def test_what_a_terminal_would_obey_is_shown_escaped() -> None:
    report = a_report(
        failed(message=f"no {ESCAPES}", hint=ESCAPES),
        replace(copied(), note=ESCAPES),
        problems=(bad_line(ESCAPES),),
    )
    for text in (text_summary(report), markdown_summary(report)):
        assert not set(text) & {"\x1b", "\x07", "\u202e", "\u200b"}
        assert "u001b" in text
        assert "u202e" in text


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\u2028", "\x85"])
def test_a_message_can_not_begin_a_line_of_its_own(line_break: str) -> None:
    forged = f"no{line_break}::error::forged"
    report = a_report(failed(message=forged, hint=forged), problems=(bad_line(forged),))
    for text in (text_summary(report), markdown_summary(report)):
        assert not [line for line in text.splitlines() if line.lstrip("- ").startswith("::")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("`rm`", r"\`rm\`"),
        ("*bold*", r"\*bold\*"),
        ("snake_case", r"snake\_case"),
        ("[link](x)", r"\[link\](x)"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("@everyone", "@<!-- -->everyone"),
        ("#12", r"\#12"),
        ("$x^2$", "<span>$</span>x^2<span>$</span>"),
        ("see https://evil.example", "see https:<!-- -->//evil.example"),
        ("HTTP://evil.example", "HTTP:<!-- -->//evil.example"),
        ("go to www.evil.example", "go to www<!-- -->.evil.example"),
        ("WWW.evil.example", "WWW<!-- -->.evil.example"),
        ("mail root@evil.example", "mail root@<!-- -->evil.example"),
        (r"back\slash", r"back\\slash"),
    ],
)
def test_markdown_of_others_is_escaped_in_cells_and_in_lines(text: str, shown: str) -> None:
    report = a_report(replace(copied(), note=text), failed(message=text))
    page = markdown_summary(report)
    assert f"missing; {shown} " in page
    assert f"- line 1, aliyun: {shown}\n" in page


def test_a_row_of_markdown_has_as_many_cells_as_the_head() -> None:
    page = markdown_summary(a_report(replace(copied(), note="a|b\n|c|")))
    head, _, row = [line for line in page.splitlines() if line.startswith("|")]
    assert head.count("|") == row.count("|") - row.count(r"\|")


@pytest.mark.parametrize(
    ("report", "line"),
    [
        pytest.param(
            a_report(copied(size=2048), skipped(), failed(), deferred()),
            "1 copied, 1 in sync, 1 failed, 1 deferred; 2.0 KiB moved in 3 min 12 s",
            id="one of each",
        ),
        pytest.param(
            a_report(Result(an_item(), Outcome.WOULD_COPY, "missing", bytes=5), is_dry_run=True),
            "1 would be copied, 0 in sync, 0 failed; 5 B to move in 3 min 12 s",
            id="dry run",
        ),
        pytest.param(
            a_report(copied(size=0), is_interrupted=True),
            "interrupted: 1 copied, 0 in sync, 0 failed; 0 B moved in 3 min 12 s",
            id="interrupted",
        ),
    ],
)
def test_the_totals_are_one_sentence(report: Report, line: str) -> None:
    assert totals_line(report) == line


@pytest.mark.parametrize(("count", "words"), [(1, "1 bad line;"), (2, "2 bad lines;")])
def test_bad_lines_are_counted(count: int, words: str) -> None:
    assert words in totals_line(a_report(problems=(bad_line(),) * count))


def test_the_log_has_a_result_on_one_line() -> None:
    assert result_line(replace(copied(size=1024), seconds=2.0)) == (
        "nginx:alpine (linux/amd64) -> aliyun: copied (missing), 1.0 KiB in 2.0 s; "
        "docker pull registry.cn-hangzhou.aliyuncs.com/mine/nginx:alpine"
    )
    error = ImageError(ErrorKind.DENIED, "no")
    denied = Result(an_item(), Outcome.FAILED, "denied", error=error)
    assert result_line(denied) == "nginx:alpine (linux/amd64) -> aliyun: FAILED (denied)"


MANY = tuple(skipped(f"app:{number}") for number in range(198))


def test_what_is_in_sync_is_counted_and_listed_for_those_who_ask() -> None:
    report = a_report(copied("nginx:1"), *MANY, copied("nginx:2"))
    text = text_summary(report)
    assert len(text.splitlines()) <= 10
    assert "2 copied, 198 in sync, 0 failed" in text
    every = text_summary(report, View(lists_all=True)).splitlines()
    assert [line.split()[0] for line in every[2:5]] == ["nginx:1", "nginx:2", "app:0"]
    assert len(every) == 2 + 200 + 2


def test_a_page_folds_what_is_in_sync_and_has_its_addresses() -> None:
    page = markdown_summary(a_report(copied(), *MANY))
    news, _, folded = page.partition("<details><summary>198 in sync</summary>\n\n")
    assert "app:7" not in news
    assert folded.endswith("\n\n</details>\n")
    assert f"| {ALIYUN.base}/app:7 " in folded


@pytest.mark.parametrize(
    ("source", "own_name"),
    [
        pytest.param("nginx:alpine", "nginx:alpine", id="a tag"),
        pytest.param(f"quay.io/a/b:1@sha256:{'a' * 64}", "quay.io/a/b:1", id="tag and digest"),
        pytest.param(f"busybox@sha256:{'a' * 64}", "", id="a digest has no name to get back"),
    ],
)
def test_a_page_has_commands_to_pull_what_is_new_and_to_name_it_as_upstream(
    source: str, own_name: str
) -> None:
    result = copied(source)
    address = str(result.item.destination)
    named = f"docker tag {address} {own_name}\n" if own_name else ""
    page = markdown_summary(a_report(result, skipped()))
    assert f"```sh\ndocker pull {address}\n{named}```" in page


def test_a_page_with_nothing_new_has_no_commands() -> None:
    assert "docker" not in markdown_summary(a_report(skipped(), failed()))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_fits_its_terminal(width: int) -> None:
    long = "registry.example.com/some/deeply/nested/repository/of/images:1.2.3-alpine3.20"
    results = (
        copied(note="the image is for linux/arm/v7, which serves linux/arm/v8"),
        copied(long),
        failed(long, "it is not there"),
    )
    text = text_summary(a_report(*results), View(Screen(width)))
    words = {word for line in text.splitlines() if len(line) > width for word in line.split()}
    assert all(f"docker pull {result.pull}" in text or width == 200 for result in results[:2])
    assert not [
        word for word in words if len(word) < 30 and word not in "docker pull line 1, aliyun:"
    ]


@pytest.mark.parametrize(
    ("width", "headers"),
    [
        (200, "image platform target outcome why size time address to pull"),
        (80, "image platform target outcome why size time"),
        (70, "image platform target outcome why size"),
        (60, "image platform target outcome why"),
    ],
)
def test_a_table_drops_what_matters_least(width: int, headers: str) -> None:
    lines = text_summary(a_report(copied()), View(Screen(width))).splitlines()
    assert lines[0].split() == headers.split()
    address = copied().pull
    below = [f"  docker pull {address}"] if width < 200 else []
    assert lines[3 : 3 + len(below)] == below


def test_outcomes_are_in_colour_where_the_terminal_has_it() -> None:
    report = a_report(copied(), failed(), deferred())
    lines = text_summary(report, View(Screen(None, is_coloured=True))).splitlines()
    assert [line[:5] for line in lines[2:5]] == ["\x1b[32m", "\x1b[31m", "\x1b[33m"]
    assert "\x1b" not in text_summary(report)


def refused(line: int, name: str, kind: ErrorKind = ErrorKind.UNAUTHORIZED) -> Result:
    item = an_item(name, line=line)
    words = "the registry wants a login, or refuses the one it was given"
    error = ImageError(
        kind,
        f"{item.destination.familiar}: {words}",
        hint=f"check that the namespace of {item.destination.name} exists",
        registry=item.destination.registry,
    )
    return Result(item, Outcome.FAILED, kind.value, error=error)


def test_one_cause_is_one_message_whatever_it_hit() -> None:
    report = a_report(*(refused(line, f"app{line}:1") for line in range(3, 33)))
    text = text_summary(report)
    assert text.count("wants a login") == 1
    assert (
        "30 lines (3, 4, 5, 6, 7, …), aliyun: registry.cn-hangzhou.aliyuncs.com: the registry wants"
    ) in text
    assert text.count("  -> ") == 1


def test_two_causes_are_two_messages() -> None:
    report = a_report(refused(1, "a:1"), refused(2, "b:1", ErrorKind.DENIED))
    assert text_summary(report).count("wants a login") == 2


def test_images_that_are_missing_have_a_message_each() -> None:
    missing = [replace(failed(name), item=an_item(name, line=n)) for n, name in enumerate("ab", 1)]
    assert text_summary(a_report(*missing)).count("there is no such tag") == 2


UNMEASURED = "no run has copied enough there yet to know how fast that is"


def test_a_plan_says_what_it_comes_to_for_each_target_and_why_a_forecast_is_missing() -> None:
    counts = (a_count(), a_count("ghcr", seconds=None, no_forecast=UNMEASURED, unread=1))
    text = text_summary(a_report(is_dry_run=True, counts=counts))
    head, _, first, second, why, _, totals, _ = text.split("\n")
    assert head.split("  ")[0] == "target"
    assert " ".join(first.split()) == "aliyun 12 of 300 40 3 14 120.0 MiB 310.0 MiB 3 2 min 10 s"
    assert " ".join(second.split()) == "ghcr 12 40 3 ≥ 14 120.0 MiB ≥ 310.0 MiB 3"
    assert why == f"no forecast for ghcr: {UNMEASURED}"
    assert totals.startswith("0 would be copied")
    markdown = markdown_summary(a_report(is_dry_run=True, counts=counts))
    (row,) = [line for line in markdown.splitlines() if line.startswith("| aliyun ")]
    assert [cell.strip() for cell in row.split("|")[1:4]] == ["aliyun", "12 of 300", "40"]
    assert f"- no forecast for ghcr: {UNMEASURED}" in markdown


def test_targets_without_a_forecast_for_one_reason_are_one_line() -> None:
    counts = tuple(a_count(one, seconds=None, no_forecast=UNMEASURED) for one in ("a", "b"))
    text = text_summary(a_report(is_dry_run=True, counts=counts))
    assert f"\nno forecast for a, b: {UNMEASURED}\n" in text


@pytest.mark.parametrize("width", [40, 80, 100])
def test_on_a_narrow_terminal_the_counts_fit(width: int) -> None:
    report = a_report(is_dry_run=True, counts=(a_count(),))
    text = text_summary(report, View(Screen(width=width)))
    assert all(len(line) <= width for line in text.splitlines()[:-1])
