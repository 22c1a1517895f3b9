"""A change to the list is checked without any secret: by list.yml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import workflows
from tests.support.expressions import evaluate, is_true
from tests.support.github import TOKEN
from tests.support.runner import Event, Runner
from tests.support.workflows import ROOT, sequence, table, text

if TYPE_CHECKING:
    from tests.support.github import Repository
    from tests.support.job_runs import JobRun
    from tests.support.workflows import Node

CHECK = "Check and plan"
CI = ".github/workflows/ci.yml"


def check(repository: Repository, variables: dict[str, Node] | None = None) -> JobRun:
    path = repository.checkout / ".github" / "workflows" / "list.yml"
    job = table(table(workflows.read(path)["jobs"])["list"])
    runner = Runner(repository.checkout, repository.temporary, repository.runner_environ)
    event = Event("pull_request", {}, {}, variables or {}, token=TOKEN)
    return runner.run_job(job, "List", event)


def test_bad_lines_and_clashes_are_annotated_where_they_stand(repository: Repository) -> None:
    image = repository.publish()
    repository.write("images.txt", image, "--platfrom=linux/arm64 app:1", f"{image}@nothing")
    repository.write("images.txt", image, "--platfrom=x app:1", "a/b:1", "c:1 --name=a_b")
    run = check(repository)
    step = run.step(CHECK)
    assert run.result == "failure"
    places = [(error.properties["line"], error.properties["title"]) for error in step.errors]
    assert places == [("2", "Bad line"), ("3", "Bad line"), ("4", "Bad line")]
    assert "did you mean '--platform'?" in step.errors[0].data


def test_a_good_list_is_named_with_a_note_where_no_target_is_set(repository: Repository) -> None:
    repository.write("images.txt", "redis:7", "bitnami/redis:7", "app:1 --to=ghcr")
    run = check(repository)
    step = run.step(CHECK)
    assert run.result == "success", step.log
    assert "bitnami\\_redis:7" in step.summary
    assert "ALIYUN\\_REGISTRY and ALIYUN\\_NAMESPACE are not set" in step.summary
    assert "There is no plan here: target 'aliyun'" in step.summary
    assert "namespace/redis" not in step.summary
    assert not step.errors


def test_with_the_place_as_variables_the_names_are_whole(repository: Repository) -> None:
    repository.write("images.txt", "redis:7")
    variables: dict[str, Node] = {"ALIYUN_REGISTRY": "registry.example", "ALIYUN_NAMESPACE": "me"}
    step = check(repository, variables).step(CHECK)
    assert "registry.example/me/redis:7" in step.summary
    assert "There is no plan here" in step.summary


def test_a_target_that_tells_without_a_secret_is_planned_for(repository: Repository) -> None:
    repository.configure(SYNC_MODE="ghcr")
    repository.write("images.txt", repository.publish())
    step = check(repository).step(CHECK)
    assert step.status == 0, step.log
    assert "1 would be copied" in step.summary
    assert not repository.mirrored("app", at="ghcr")


def test_a_plan_that_fails_is_shown_and_fails_nothing(repository: Repository) -> None:
    repository.configure(SYNC_MODE="ghcr")
    missing = f"{repository.network.upstream.host}/{repository.namespace}/missing:1"
    repository.write("images.txt", missing)
    run = check(repository)
    (error,) = run.step(CHECK).errors
    assert run.result == "success"
    assert error.properties["line"] == "1"


@pytest.mark.parametrize("line", ["X\n::error::owned", "X ##[error]owned"])
def test_a_hostile_line_commands_nothing(repository: Repository, line: str) -> None:
    repository.write("images.txt", line)
    step = check(repository).step(CHECK)
    assert {command.name for command in step.commands} == {"error"}
    assert "owned" not in {error.data for error in step.errors}


def test_the_code_is_not_tested_in_a_repository_made_from_the_template(
    repository: Repository,
) -> None:
    assert repository.run("ci.yml", Event("push")).jobs["code"].result == "skipped"


def test_the_code_is_tested_in_the_templates_own_repository() -> None:
    job = table(table(workflows.read(ROOT / CI)["jobs"])["code"])
    github: Node = {"event": {"repository": {"is_template": True}}}
    assert is_true(evaluate(text(job["if"]), {"github": github}, {}))


@pytest.mark.parametrize("event", ["push", "pull_request"])
def test_a_change_of_list_or_settings_alone_tests_no_code(event: str) -> None:
    how = table(table(workflows.read(ROOT / CI)["on"])[event])
    ignored = {"images.txt", "config.env", "targets.toml", ".github/badge.json"}
    assert {text(path) for path in sequence(how["paths-ignore"])} == ignored
