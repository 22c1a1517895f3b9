"""The badge, from the batch to the branch, where it stands with the last batch's clock."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.report.github import unmaskable
from tests.support.github import TOKEN, git
from tests.support.runner import Event
from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.github import Repository
    from tests.support.job_runs import StepRun, WorkflowRun
    from tests.support.workflows import Node

BATCH = "01-batch-sync.yml"


def batch(repository: Repository, *, with_secrets: bool = True) -> WorkflowRun:
    secrets = repository.secrets if with_secrets else {}
    return repository.run(BATCH, Event("schedule", {}, secrets, token=TOKEN))


def pushed(run: WorkflowRun) -> StepRun:
    return run.jobs["badge"].step("Push the badge")


def badge(repository: Repository) -> dict[str, str]:
    document: dict[str, str] = json.loads(repository.git("show", "main:.github/badge.json"))
    return document


def push(repository: Repository, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the script by itself."""
    given = {
        "PATH": os.environ["PATH"],
        "GITHUB_SERVER_URL": repository.server,
        "GITHUB_REPOSITORY": "octocat/mirror",
        "GITHUB_REF_NAME": "main",
        **environ,
    }
    script = str(ROOT / "bin" / "push-badge")
    return subprocess.run([script], env=given, capture_output=True, text=True, check=False)


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


def test_its_clock_is_that_of_the_last_batch(repository: Repository, tmp_path: Path) -> None:
    repository.write("images.txt", repository.publish())
    batch(repository)
    work = tmp_path / "work"
    git(tmp_path, "clone", "--quiet", str(repository.remote), str(work))
    for path in (work / ".github" / "badge.json", work / "README.md"):
        old = re.sub(r"\d\d(:|%3A)\d\d(?=( |%20)UTC)", r"99\g<1>99", path.read_text("utf-8"))
        assert "99" in old
        path.write_text(old, encoding="utf-8")
    git(work, "commit", "--quiet", "--all", "--message=Some minutes ago")
    git(work, "push", "--quiet")
    before = commits(repository)
    batch(repository)
    assert commits(repository) == before + 1
    assert not re.search("99(:|%3A)99", repository.git("show", "main:README.md"))
    assert "99:99" not in badge(repository)["message"]


def test_no_secret_keeps_it_from_arriving(repository: Repository) -> None:
    """GitHub drops a job's output that holds a secret's value, in whatever encoding."""
    mirror = replace(repository, namespace="mirror")
    mirror.write("images.txt", mirror.publish(f"{repository.namespace}:1"))
    words = ("1", "UTC", "green", "in sync", "schemaVersion", "none", " ")
    others = {f"OTHER_{number}": word for number, word in enumerate(words)}
    secrets: dict[str, Node] = {**mirror.secrets, **others}
    run = mirror.run(BATCH, Event("schedule", {}, secrets, token=TOKEN))
    assert run.jobs["sync"].dropped == ()
    assert run.result == "success", pushed(run).log
    assert badge(mirror)["message"].startswith("1 in sync · ")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param("", "did not arrive", id="none"),
        pytest.param("{}", "can't be read", id="not what a batch writes"),
    ],
)
def test_a_success_without_a_badge_is_an_error(
    repository: Repository, given: str, words: str
) -> None:
    before = commits(repository)
    done = push(repository, BADGE=given, RESULT="success")
    assert done.returncode == 1
    assert "::error title=Docker Image Syncer::" in done.stdout
    assert words in done.stdout
    assert commits(repository) == before


GREEN = unmaskable('{"schemaVersion": 1, "color": "green"}\n![mirror](green)')


@pytest.mark.parametrize(
    "given", [pytest.param("", id="no badge"), pytest.param(GREEN, id="green")]
)
@pytest.mark.parametrize(
    ("result", "message", "colour"),
    [
        pytest.param("failure", "failed · ", "red", id="failure"),
        pytest.param("cancelled", "cancelled · ", "yellow", id="cancelled"),
    ],
)
def test_a_job_that_did_not_succeed_is_no_green_badge(
    repository: Repository, result: str, message: str, colour: str, given: str
) -> None:
    done = push(repository, BADGE=given, RESULT=result)
    assert done.returncode == 0, done.stdout
    assert badge(repository)["color"] == colour
    assert badge(repository)["message"].startswith(message)


def test_a_tag_makes_no_branch(repository: Repository) -> None:
    repository.git("tag", "v1", "main")
    repository.write("images.txt", repository.publish())
    event = Event(
        "workflow_dispatch", {}, repository.secrets, ref_name="v1", ref_type="tag", token=TOKEN
    )
    run = repository.run(BATCH, event)
    assert run.result == "success", pushed(run).log
    assert repository.git("for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/main",
        "refs/tags/v1",
    ]


def test_a_failed_run_is_red(repository: Repository) -> None:
    repository.write("images.txt", repository.publish(), "two images")
    assert batch(repository).result == "failure"
    assert badge(repository)["color"] == "red"
    assert badge(repository)["message"].startswith("1 bad line, 1 in sync · ")


def test_a_run_that_did_not_even_begin_is_red(repository: Repository) -> None:
    repository.configure(SYNC_MODE="double")
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
