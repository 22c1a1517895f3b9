"""An issue is a request: the runner is played, and GitHub's API, by what they check."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking.github_api import GitHubApi
from orchestrator.errors import ConfigurationError
from orchestrator.system.http import HttpClient
from tests.support.github import TOKEN
from tests.support.github_api import GitHubStandIn
from tests.support.runner import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.github import Repository
    from tests.support.job_runs import WorkflowRun
    from tests.support.workflows import Node

ASK = "05-ask.yml"


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with GitHubStandIn(TOKEN).serving() as stand_in:
        yield stand_in


def form(images: str, *, keeps: bool = False) -> str:
    tick = "X" if keeps else " "
    return (
        f"### Images · 镜像\n\n{images}\n\n### Platform · 平台\n\n_No response_\n\n"
        f"### Keep it current · 持续同步\n\n- [{tick}] Add it to images.txt · 加入 images.txt\n"
    )


def ask(
    repository: Repository,
    github: GitHubStandIn,
    body: str,
    *,
    association: str = "OWNER",
    askers: str = "",
    without: str = "",
) -> WorkflowRun:
    """Let GitHub run the workflow for an issue with this body."""
    issue: dict[str, Node] = {
        "number": 12,
        "title": "Mirror: $(id)",
        "user": {"login": "ann"},
        "author_association": association,
        "state": github.state,
        "labels": [],
        "body": body,
    }
    there = replace(repository, environ={**repository.environ, "GITHUB_API_URL": github.url})
    event = Event(
        "issues",
        {},
        {name: value for name, value in repository.secrets.items() if name != without},
        {"ASKERS": askers},
        token=TOKEN,
        payload={"action": "opened", "issue": issue},
    )
    return there.run(ASK, event)


def rows_of(answer: str) -> list[list[str]]:
    lines = [line for line in answer.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_ten_messy_requests_are_one_run_and_one_comment(
    repository: Repository, github: GitHubStandIn
) -> None:
    names = [repository.publish(f"app{number}:1") for number in range(8)]
    messy = "\n".join(
        (
            f"- `{names[0]}`",
            f"$ docker pull {names[1]}",
            f"请同步 {names[2]}，谢谢",
            names[3].replace(":", "：") + "。",
            f"http://{names[4]}/",
            "```yaml\nservices:\n  a:",
            f"    image: '{names[5]}'",
            f'  b: {{image: "{names[6]}"}}\n```',
            f"1. podman pull {names[7]}",
            names[0].replace("app0", "nowhere"),
            '$(id)::error::<script>`id`"@octocat',
        )
    )
    run = ask(repository, github, form(messy, keeps=True))
    (answer,) = github.answers
    log = run.jobs["sync"].step("Sync").log
    assert run.result == "success", log
    rows = rows_of(answer)
    assert len(rows) == 10, answer
    states = [row[-1] for row in rows]
    is_well = [state.partition(":")[0] == "copied" for state in states]
    assert is_well == [True] * 8 + [False] * 2, answer
    assert states[-2].startswith("not-found")
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", row[3]) for row in rows[:8])
    assert all(repository.mirrored(f"app{number}") for number in range(8))
    for client in ("docker", "podman", "nerdctl", "ctr"):
        assert f"<summary>{client}</summary>" in answer
    assert (github.state, github.labels) == ("open", {"not-mirrored"})
    assert github.files["images.txt"].decode().splitlines() == names
    assert len(github.commits) == 1
    assert [one for one in github.refused if not one.startswith(("DELETE", "GET"))] == []

    again = ask(repository, github, form("\n".join(names)))
    assert again.result == "success"
    (answer,) = github.answers
    assert [row[-1] for row in rows_of(answer)] == ["skipped"] * 8
    assert (github.state, github.labels) == ("closed", {"mirrored"})


@pytest.mark.parametrize(
    "askers", [pytest.param("", id="nobody"), pytest.param("bob", id="others")]
)
def test_a_stranger_s_issue_makes_no_request_at_all(
    repository: Repository, github: GitHubStandIn, askers: str
) -> None:
    image = repository.publish("app:1")
    registries = (repository.network.upstream, repository.network.aliyun)
    before = [len(one.requests()) for one in registries]
    run = ask(repository, github, form(image), association="NONE", askers=askers)
    assert run.result in ("success", "skipped")
    assert github.asked == []
    assert [len(one.requests()) for one in registries] == before
    assert repository.mirrored("app") is None


def test_what_keeps_the_run_from_beginning_is_answered(
    repository: Repository, github: GitHubStandIn
) -> None:
    run = ask(repository, github, form("nginx"), without="ALIYUN_PASSWORD")
    assert run.result == "failure"
    (answer,) = github.answers
    assert "Nothing was tried: " in answer
    assert (github.state, github.labels) == ("open", {"not-mirrored"})


def test_a_list_that_github_hands_out_without_its_content_is_left_as_it_is(
    github: GitHubStandIn,
) -> None:
    github.files["images.txt"] = before = b"nginx\n" * 200_000
    with closing(HttpClient()) as http:
        api = GitHubApi(http, github.url, github.repository, TOKEN)
        with pytest.raises(ConfigurationError, match="too large for GitHub's API"):
            api.change_file("images.txt", lambda old: old + b"x\n", message="x", branch="main")
    assert github.files["images.txt"] == before


def test_who_is_named_may_ask_and_another_commit_is_kept(
    repository: Repository, github: GitHubStandIn
) -> None:
    github.files["images.txt"] = b"# mine\nredis:7\n"
    github.conflicts = 1
    github.comments[1] = ("mallory", "<!-- docker-image-syncer: answer -->")
    image = repository.publish("app:1")
    run = ask(repository, github, form(image, keeps=True), association="NONE", askers="bob, Ann")
    assert run.result == "success"
    assert len(github.answers) == 1
    assert github.comments[1][0] == "mallory"
    kept = f"# mine\nredis:7\n# from another commit\n{image}\n"
    assert github.files["images.txt"].decode() == kept
    assert github.state == "closed"
