"""Chinese: no text is missing, none is stale, and what takes two columns lines up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.config.load import load_settings
from orchestrator.errors import ErrorKind
from orchestrator.language import Language, language_of, translations
from orchestrator.notify.markup import PLAIN
from orchestrator.notify.text import text_of, title_of
from orchestrator.report.causes import REMEDIES
from orchestrator.report.github import of_report
from orchestrator.report.summary import View, markdown_summary, text_summary
from orchestrator.system.terminal import Screen
from orchestrator.text import display_width
from tests.support.messages import catalogue, compiled, template, texts
from tests.support.reports import a_report, bad_line, copied, deferred, failed, skipped

CHINESE = translations(Language.CHINESE)
WORDS = re.compile(r"[\u4e00-\u9fff]")
REPORT = a_report(copied(), skipped(), failed(), deferred("mysql:8.0"), problems=(bad_line(),))


def test_the_catalogue_has_every_text_and_no_other() -> None:
    """Where it has not: python -m tests.support.messages, and write the texts that are new."""
    assert texts(catalogue()).keys() == texts(template()).keys()


def test_every_text_is_written_with_the_same_fields() -> None:
    for message in catalogue():
        one = message.id if isinstance(message.id, str) else message.id[0]
        text_or_forms = message.string or ""
        for text in [text_or_forms] if isinstance(text_or_forms, str) else text_or_forms:
            assert text, one
            if one:
                assert fields(text) == fields(one), one


def fields(text: str) -> list[str]:
    return sorted(re.findall(r"{\w+}", text))


def test_the_program_reads_what_people_wrote() -> None:
    assert texts(compiled()) == texts(catalogue())


def test_every_kind_of_fault_has_a_remedy() -> None:
    assert REMEDIES.keys() == set(ErrorKind)


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        pytest.param({}, Language.ENGLISH, id="nothing is said"),
        pytest.param({"LANG": "C.UTF-8"}, Language.ENGLISH, id="as on a server"),
        pytest.param({"LANG": "zh_CN.UTF-8"}, Language.CHINESE, id="LANG"),
        pytest.param({"LC_ALL": "en_US", "LANG": "zh_CN"}, Language.ENGLISH, id="LC_ALL first"),
        pytest.param({"LANGUAGE": "zh_CN:en", "LANG": "en_US"}, Language.CHINESE, id="gettext's"),
        pytest.param({"LC_ALL": "", "LANG": "zh_TW"}, Language.CHINESE, id="an empty one is none"),
    ],
)
def test_the_locale_names_the_language(environ: dict[str, str], language: Language) -> None:
    assert language_of(environ) is language


@pytest.mark.parametrize(
    ("in_file", "environ", "language"),
    [
        pytest.param("zh", {}, Language.CHINESE, id="config.env"),
        pytest.param("en", {"LANG": "zh_CN"}, Language.ENGLISH, id="before the locale"),
        pytest.param("en", {"LANGUAGE": "zh"}, Language.CHINESE, id="the environment is stronger"),
        pytest.param("zh", {"LANGUAGE": "en_US:en"}, Language.CHINESE, id="gettext's is a locale"),
        pytest.param("auto", {"LANG": "zh_CN"}, Language.CHINESE, id="auto"),
    ],
)
def test_the_setting_goes_before_the_locale(
    tmp_path: Path, in_file: str, environ: dict[str, str], language: Language
) -> None:
    (tmp_path / "config.env").write_text(f"LANGUAGE={in_file}\n", encoding="utf-8")
    assert load_settings(environ, base=tmp_path).language is language


def test_a_wide_table_lines_up() -> None:
    head, dashes, *rows = text_summary(REPORT, View(words=CHINESE)).split("\n\n")[0].splitlines()
    starts = [match.start() for match in re.finditer(r"(?<![^ ])-", dashes)]
    for line in (head, *rows):
        for start in starts[1:]:
            assert before(line, start).endswith("  "), line


def before(line: str, column: int) -> str:
    """What stands before a column of the terminal."""
    taken = ""
    for character in line:
        if display_width(taken) >= column:
            break
        taken += character
    return taken + " " * (column - display_width(taken))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_chinese_table_fits(width: int) -> None:
    text = text_summary(a_report(copied(), deferred()), View(Screen(width), CHINESE))
    table, _, _ = text.partition("\n\n")
    wide = [line for line in table.splitlines() if display_width(line) > width]
    assert all(line.startswith("  docker pull ") for line in wide)


def test_a_failure_says_its_kind_in_words_and_what_to_do() -> None:
    text = text_summary(REPORT, View(words=CHINESE))
    assert "第 1 行, aliyun: 镜像不存在 (not-found): there is no such tag" in text
    assert "  -> 请检查镜像名称和标签 (see the tags)" in text
    (_, annotation) = of_report(REPORT, file="images.txt", words=CHINESE)
    assert "镜像不存在" in annotation.title
    assert "请检查镜像名称和标签" in annotation.message


def test_pages_and_chats_are_chinese_too() -> None:
    page = markdown_summary(REPORT, View(words=CHINESE))
    assert "<details><summary>1 个已同步</summary>" in page
    assert "拉取新镜像：" in page
    assert title_of(REPORT, CHINESE) == (
        "❌ Docker Image Syncer: 1 个失败，1 行有误，1 个已推迟，1 个已复制"
    )
    text = text_of(REPORT, PLAIN, CHINESE, limit=5000)
    assert "共 4 项：1 个已复制，1 个已同步，1 个失败，1 个已推迟" in text
    assert "↳ 请检查镜像名称和标签" in text
    cut = text_of(REPORT, PLAIN, CHINESE, limit=200)
    assert "条" in cut
    assert WORDS.search(cut)
