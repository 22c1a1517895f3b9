"""The badge, from the batch to the branch: pushed when the state or the day has changed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.github import TOKEN, git
from tests.support.runner import Event

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.github import Repository
    from tests.support.runner import StepRun, WorkflowRun

BATCH = "01-batch-sync.yml"
CLOCK = re.compile(r" \d{2}:\d{2} UTC")


def batch(repository: Repository, *, with_secrets: bool = True) -> WorkflowRun:
    secrets = repository.secrets if with_secrets else {}
    return repository.run(BATCH, Event("schedule", {}, secrets, token=TOKEN))


def pushed(run: WorkflowRun) -> StepRun:
    return run.jobs["badge"].step("Push the badge")


def badge(repository: Repository) -> dict[str, str]:
    document: dict[str, str] = json.loads(repository.git("show", "main:.github/badge.json"))
    return document


def commits(repository: Repository) -> int:
    return int(repository.git("rev-list", "--count", "main"))


def test_the_first_batch_pushes_badge_and_picture(repository: Repository) -> None:
    repository.write("images.txt", repository.publish())
    run = batch(repository)
    assert run.result == "success", pushed(run).log
    assert set(badge(repository)) == {"schemaVersion", "label", "message", "color"}
    assert badge(repository)["color"] == "green"
    assert re.fullmatch(r"1 in sync · \d{4}-\d\d-\d\d \d\d:\d\d UTC", badge(repository)["message"])
    readme = repository.git("show", "main:README.md")
    page = f"{repository.server}/octocat/mirror/actions/workflows/01-batch-sync.yml"
    assert re.search(
        r"<!-- badge -->\[!\[mirror: 1 in sync · .* UTC\]"
        r"\(https://img\.shields\.io/badge/mirror-1%20in%20sync%20%C2%B7%20[\w%-]+-green\)\]"
        rf"\({re.escape(page)}\)<!-- /badge -->\n\nMine\.\n",
        readme,
    )
    assert "[skip ci]" in repository.git("log", "-1", "--format=%s", "main")


def test_the_clock_alone_is_no_news(repository: Repository) -> None:
    repository.write("images.txt", repository.publish())
    batch(repository)
    before = commits(repository)
    run = batch(repository)
    assert commits(repository) == before
    assert "says this already" in pushed(run).log


def test_another_day_is_news(repository: Repository, tmp_path: Path) -> None:
    repository.write("images.txt", repository.publish())
    batch(repository)
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(repository.remote), str(work))
    for path in (work / ".github" / "badge.json", work / "README.md"):
        text = re.sub(r"\d{4}-(-?)\d\d-(-?)\d\d", r"1999-\g<1>01-\g<2>01", path.read_text("utf-8"))
        path.write_text(text, encoding="utf-8")
    git(work, "commit", "--quiet", "--all", "--message=Yesterday")
    git(work, "push", "--quiet")
    batch(repository)
    assert "1999" not in repository.git("show", "main:.github/badge.json", "main:README.md")


def test_a_failed_run_is_red(repository: Repository) -> None:
    repository.write("images.txt", repository.publish(), "two images")
    assert batch(repository).result == "failure"
    assert badge(repository)["color"] == "red"
    assert badge(repository)["message"].startswith("1 bad line, 1 in sync · ")


def test_a_run_that_did_not_even_begin_is_red(repository: Repository) -> None:
    run = batch(repository, with_secrets=False)
    assert run.jobs["badge"].result == "success", pushed(run).log
    assert badge(repository)["color"] == "red"
    assert badge(repository)["message"].startswith("failed · ")
    assert "badge/mirror-failed%20%C2%B7%20" in repository.git("show", "main:README.md")


def test_nothing_is_pushed_where_there_is_nothing_to_do(repository: Repository) -> None:
    repository.configure(SYNC_MODE="none")
    before = commits(repository)
    assert batch(repository).result == "success"
    assert commits(repository) == before


def test_somebody_who_pushes_meanwhile_loses_nothing(repository: Repository) -> None:
    """The remote's hook lets another push in before ours, once."""
    hook = repository.remote / "hooks" / "pre-receive"
    hook.write_text(
        "#!/bin/sh\n"
        "[ ! -e once ] || exit 0\n"
        "touch once\n"
        "unset GIT_QUARANTINE_PATH\n"
        "new=$(git -c user.name=x -c user.email=x commit-tree -p main -m Other 'main^{tree}')\n"
        'git update-ref refs/heads/main "$new"\n',
        encoding="utf-8",
    )
    hook.chmod(0o755)
    repository.write("images.txt", repository.publish())
    run = batch(repository)
    assert run.result == "success", pushed(run).log
    subjects = repository.git("log", "--format=%s", "main").splitlines()
    assert subjects == ["Update the badge [skip ci]", "Other", "First"]


def test_a_remote_that_refuses_fails_after_five_tries(repository: Repository) -> None:
    hook = repository.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho tried >>tries\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    repository.write("images.txt", repository.publish())
    run = batch(repository)
    assert run.jobs["badge"].result == "failure"
    assert len((repository.remote / "tries").read_text().splitlines()) == 5
    (error,) = pushed(run).errors
    assert "5 tries" in error.data


@pytest.mark.parametrize("secret", [TOKEN])
def test_the_token_is_in_no_file_and_no_log(repository: Repository, secret: str) -> None:
    repository.write("images.txt", repository.publish())
    run = batch(repository)
    assert secret not in pushed(run).log
    left = [path for path in repository.folder.rglob("*") if path.is_file()]
    assert not [path for path in left if secret.encode() in path.read_bytes()]
