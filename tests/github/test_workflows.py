"""Each workflow's steps, from the YAML itself, with a stand-in for GitHub's runner."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.proxy import FaultProxy
from tests.support.github import ALIYUN, TOKEN, make_repository, use_init
from tests.support.runner import Event

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.github import Network, Repository
    from tests.support.job_runs import JobRun, WorkflowRun
    from tests.support.workflows import Node

BATCH = "01-batch-sync.yml"
DOUBLE = "02-double-sync.yml"
TO_ALIYUN = "03-to-aliyun.yml"
TO_GHCR = "04-to-ghcr.yml"


def sync(run: WorkflowRun) -> JobRun:
    return run.jobs["sync"]


def test_a_folder_that_init_wrote_runs_on_github(tmp_path: Path, network: Network) -> None:
    repository = make_repository(tmp_path, network, "init1", fill=use_init)
    image = repository.publish()
    repository.write("images.txt", image)
    run = repository.run(BATCH, push_of(repository))
    assert run.result == "success", sync(run).step("Sync").log
    assert repository.mirrored("app")


def push_of(repository: Repository) -> Event:
    return Event("push", {}, repository.secrets, token=TOKEN)


def test_a_batch_mirrors_the_list_and_says_so_everywhere(repository: Repository) -> None:
    repository.write("images.txt", repository.publish("app:1"), repository.publish("web:2"))
    run = repository.run(BATCH, push_of(repository))
    step = sync(run).step("Sync")
    assert run.result == "success", step.log
    assert repository.mirrored("app", "1")
    assert repository.mirrored("web", "2")
    assert (step.outputs["copied"], step.outputs["skipped"], step.outputs["failed"]) == (
        "2",
        "0",
        "0",
    )
    report = json.loads(Path(str(step.outputs["report"])).read_text(encoding="utf-8"))
    assert report["totals"]["copied"] == 2
    assert "2 copied" in step.summary
    assert not step.errors


def test_a_second_batch_finds_all_in_sync(repository: Repository) -> None:
    repository.write("images.txt", repository.publish())
    repository.run(BATCH, push_of(repository))
    run = repository.run(BATCH, Event("schedule", {}, repository.secrets, token=TOKEN))
    assert sync(run).step("Sync").outputs["skipped"] == "1"


def test_the_targets_of_a_batch_are_those_of_config_env(repository: Repository) -> None:
    repository.configure(SYNC_MODE="ghcr")
    repository.write("images.txt", repository.publish())
    run = repository.run(BATCH, Event("schedule", token=TOKEN))
    assert run.result == "success", sync(run).step("Sync").log
    assert repository.mirrored("app", at="ghcr")
    assert not repository.mirrored("app", at="aliyun")


def test_a_dry_run_writes_nothing_and_leaves_the_badge(repository: Repository) -> None:
    repository.write("images.txt", repository.publish())
    run = repository.dispatch(BATCH, {"dry_run": True})
    assert run.result == "success"
    assert "1 would be copied" in sync(run).step("Sync").summary
    outputs = sync(run).steps[-1].outputs
    assert (outputs["copied"], outputs["would-copy"]) == ("0", "1")
    assert not repository.mirrored("app")
    assert run.jobs["badge"].result == "skipped"


def test_force_copies_what_is_in_sync(repository: Repository) -> None:
    repository.write("images.txt", repository.publish())
    repository.run(BATCH, push_of(repository))
    run = repository.dispatch(BATCH, {"force_sync": True})
    assert sync(run).step("Sync").outputs["copied"] == "1"


def test_double_writes_both_and_later_only_the_one_that_is_behind(repository: Repository) -> None:
    image = repository.publish()
    first = repository.dispatch(DOUBLE, {"image_name": image})
    assert first.result == "success", sync(first).step("Sync").log
    assert repository.mirrored("app", at="ghcr") == repository.mirrored("app", at="aliyun")
    repository.publish(seed=1)
    repository.dispatch(TO_GHCR, {"image_name": image})
    last = repository.dispatch(DOUBLE, {"image_name": image})
    outputs = sync(last).step("Sync").outputs
    assert (outputs["copied"], outputs["skipped"]) == ("1", "1")
    assert repository.mirrored("app", at="ghcr") == repository.mirrored("app", at="aliyun")


@pytest.mark.parametrize(
    ("workflow", "target", "other"),
    [
        pytest.param(TO_ALIYUN, "aliyun", "ghcr", id="to aliyun"),
        pytest.param(TO_GHCR, "ghcr", "aliyun", id="to ghcr"),
    ],
)
def test_one_target_is_written_and_the_list_is_not_read(
    repository: Repository, workflow: str, target: str, other: str
) -> None:
    repository.write("images.txt", "this is: no list")
    run = repository.dispatch(workflow, {"image_name": repository.publish()})
    assert run.result == "success", sync(run).step("Sync").log
    assert repository.mirrored("app", at=target)
    assert not repository.mirrored("app", at=other)


def test_a_name_and_a_platform_of_ones_own(repository: Repository) -> None:
    run = repository.dispatch(
        TO_ALIYUN,
        {"image_name": repository.publish(), "target_name": "mine:3", "platform": "linux/amd64"},
    )
    assert run.result == "success", sync(run).step("Sync").log
    assert repository.network.aliyun.digest(f"{repository.namespace}/mine", "3")


@pytest.mark.parametrize(
    "name", ["ALIYUN_REGISTRY", "ALIYUN_NAMESPACE", "ALIYUN_USERNAME", "ALIYUN_PASSWORD"]
)
def test_a_missing_secret_is_named_with_where_to_set_it_before_anything_runs(
    repository: Repository, name: str
) -> None:
    repository.write("images.txt", repository.publish())
    secrets = {key: value for key, value in repository.secrets.items() if key != name}
    asked = len(repository.network.upstream.requests())
    run = repository.run(BATCH, Event("push", {}, secrets, token=TOKEN))
    step = sync(run).step("Sync")
    assert (run.result, step.status) == ("failure", 2)
    (error,) = step.errors
    assert f"{name} is not set" in error.data
    assert "Settings > Secrets and variables > Actions" in error.data
    assert len(repository.network.upstream.requests()) == asked


def test_all_missing_secrets_are_named_at_once(repository: Repository) -> None:
    repository.configure(SYNC_MODE="double")
    run = repository.run(BATCH, Event("push"))
    (error,) = sync(run).step("Sync").errors
    assert (
        "ALIYUN_REGISTRY, ALIYUN_NAMESPACE, ALIYUN_USERNAME and ALIYUN_PASSWORD are not set"
        in error.data
    )


def test_registry_and_namespace_do_as_variables(repository: Repository) -> None:
    repository.write("images.txt", repository.publish())
    places = ("ALIYUN_REGISTRY", "ALIYUN_NAMESPACE")
    variables = {name: repository.secrets[name] for name in places}
    secrets = {key: value for key, value in repository.secrets.items() if key not in places}
    run = repository.run(BATCH, Event("push", {}, secrets, variables, token=TOKEN))
    assert run.result == "success", sync(run).step("Sync").log


def test_a_failing_image_is_annotated_on_its_line_and_the_others_go_on(
    repository: Repository,
) -> None:
    missing = f"{repository.network.upstream.host}/{repository.namespace}/missing:1"
    repository.write("images.txt", "# the list", repository.publish(), missing, "two images")
    run = repository.run(BATCH, push_of(repository))
    step = sync(run).step("Sync")
    assert (run.result, step.status) == ("failure", 1)
    assert repository.mirrored("app")
    places = [(error.properties["file"], error.properties["line"]) for error in step.errors]
    assert places == [("images.txt", "4"), ("images.txt", "3")]
    assert step.outputs["failed"] == "1"


def test_ten_annotations_at_most_and_the_last_one_says_how_many_more(
    repository: Repository,
) -> None:
    repository.write("images.txt", *(f"bad{number} line" for number in range(25)))
    run = repository.run(BATCH, push_of(repository))
    errors = sync(run).step("Sync").errors
    assert len(errors) == 10
    assert "16 more" in errors[-1].data


def test_with_two_targets_ten_annotations_are_ten_images(repository: Repository) -> None:
    repository.configure(SYNC_MODE="double", RETRIES="1")
    missing = f"{repository.network.upstream.host}/{repository.namespace}/missing"
    repository.write("images.txt", *(f"{missing}{number}:1" for number in range(10)))
    errors = sync(repository.run(BATCH, push_of(repository))).step("Sync").errors
    assert sorted(int(error.properties["line"]) for error in errors) == list(range(1, 11))
    assert "ghcr, aliyun" in errors[0].properties["title"]


def test_mistakes_in_config_env_are_annotated_on_their_lines(repository: Repository) -> None:
    repository.write("config.env", "# settings", "JOBS=many", "RETRIES=2")
    (error,) = sync(repository.run(BATCH, push_of(repository))).step("Sync").errors
    assert (error.properties["file"], error.properties["line"]) == ("config.env", "2")
    assert "JOBS" in error.data
    repository.write("config.env", "SYNC_MODE=aliyun", "", "this is no setting", "nor that")
    errors = sync(repository.run(BATCH, push_of(repository))).step("Sync").errors
    assert [error.properties["line"] for error in errors] == ["3", "4"]


def test_an_unknown_key_in_config_env_is_an_error_on_its_line(repository: Repository) -> None:
    repository.configure(JOSB="2")
    run = repository.run(BATCH, push_of(repository))
    (error,) = sync(run).step("Sync").errors
    assert (error.properties["file"], error.properties["line"]) == ("config.env", "4")
    assert "did you mean 'JOBS'?" in error.data


def test_a_secret_that_is_cut_short_is_a_warning_on_its_line(repository: Repository) -> None:
    repository.configure(WEBHOOK_SECRET="before #after")
    repository.write("images.txt", repository.publish())
    run = repository.run(BATCH, push_of(repository))
    assert run.result == "success"
    (warning,) = sync(run).step("Sync").named("warning")
    assert (warning.properties["file"], warning.properties["line"]) == ("config.env", "4")
    assert "WEBHOOK_SECRET ends before ' #'" in warning.data
    assert "after" not in warning.data


def test_the_state_is_restored_and_kept_after_a_failure_too(repository: Repository) -> None:
    repository.write("images.txt", "two images")
    steps = sync(repository.run(BATCH, push_of(repository))).steps
    (restored,) = [step for step in steps if step.uses.startswith("actions/cache/restore@")]
    (kept,) = [step for step in steps if step.uses.startswith("actions/cache/save@")]
    assert restored.given["key"] == kept.given["key"] == "syncer-01 Batch Sync-1/1-4711-1"
    assert restored.given["path"] == kept.given["path"] == ".syncer/*\n!.syncer/private-*\n"
    assert (
        restored.given["restore-keys"]
        == "syncer-01 Batch Sync-1/1-\nsyncer-01 Batch Sync-\nsyncer-\n"
    )


@pytest.mark.parametrize(
    ("workflow", "event", "group"),
    [
        pytest.param(BATCH, Event("push"), "batch-refs/heads/main", id="push"),
        pytest.param(BATCH, Event("schedule"), "batch-refs/heads/main", id="schedule"),
        pytest.param(BATCH, Event("workflow_dispatch", run_id=7), "batch-7", id="by hand"),
        pytest.param(
            DOUBLE,
            Event("workflow_dispatch", {"image_name": ""}, run_id=7),
            "double-7",
            id="one image",
        ),
    ],
)
def test_no_run_by_hand_shares_a_group(
    repository: Repository, workflow: str, event: Event, group: str
) -> None:
    assert repository.run(workflow, event).group == group


def test_a_push_to_another_branch_runs_nothing(repository: Repository) -> None:
    run = repository.run(BATCH, Event("push", ref_name="master"))
    assert sync(run).result == "skipped"
    assert run.jobs["badge"].result == "skipped"


@pytest.mark.parametrize(
    ("asked", "by_config"),
    [
        pytest.param(True, "false", id="in the form"),
        pytest.param(False, "true", id="not in the form, whatever config.env says"),
    ],
)
def test_the_disk_is_freed_only_when_asked(
    repository: Repository, asked: bool, by_config: str
) -> None:
    repository.configure(CLEAN_DISK_SPACE=by_config)
    run = repository.dispatch(TO_ALIYUN, {"image_name": repository.publish(), "clean_disk": asked})
    assert run.result == "success"
    assert ("free-disk: this is no GitHub-hosted runner" in sync(run).step("Sync").log) == asked


@pytest.mark.parametrize("asked", [True, False])
def test_a_batch_frees_the_disk_where_config_env_says_so(
    repository: Repository, asked: bool
) -> None:
    repository.configure(CLEAN_DISK_SPACE=str(asked).lower())
    run = repository.run(BATCH, push_of(repository))
    assert ("free-disk" in sync(run).step("Sync").log) == asked


def test_no_secret_is_ever_seen(repository: Repository) -> None:
    repository.write("images.txt", repository.publish(), "two images")
    run = repository.run(BATCH, push_of(repository))
    for step in sync(run).steps:
        told = f"{step.log}{step.summary}{step.outputs}"
        assert ALIYUN.password not in told
        assert TOKEN not in told


CANARY = "canary"

HOSTILE = [
    pytest.param("$(touch canary)", id="command"),
    pytest.param("`touch canary`", id="backticks"),
    pytest.param("x; touch canary", id="semicolon"),
    pytest.param("x' ; touch canary ; '", id="single quotes"),
    pytest.param('x" ; touch canary ; "', id="double quotes"),
    pytest.param("x\ntouch canary\n", id="new line"),
    pytest.param("--authfile=x", id="option"),
    pytest.param("--report=canary", id="option of ours"),
    pytest.param("-h", id="short option"),
    pytest.param("x\n::error::owned", id="command of the runner"),
    pytest.param("::error::owned", id="command of the runner alone"),
    pytest.param("x\r::error::owned", id="command of the runner after a return"),
    pytest.param("x ##[error]owned", id="old command of the runner"),
    pytest.param("x%0A::error::owned", id="escaped new line"),
    pytest.param("x\n::add-mask::mirror", id="mask"),
    pytest.param("x\ncopied=99\nEOF\ncopied=99", id="output"),
    pytest.param("${{ github.token }}", id="expression"),
    pytest.param("*", id="glob"),
    pytest.param("../../etc/passwd", id="path"),
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("into", ["image_name", "target_name", "platform"])
def test_nothing_written_into_a_form_is_executed(
    repository: Repository, into: str, value: str
) -> None:
    inputs: dict[str, Node] = {"image_name": repository.publish(), into: value}
    run = repository.dispatch(DOUBLE, inputs)
    step = sync(run).step("Sync")
    assert run.result == "failure"
    assert step.status in (1, 2), step.log
    (error,) = step.errors
    assert error.properties["title"] in ("Docker Image Syncer", "Bad line")
    assert error.data != "owned"
    assert {command.name for command in step.commands} <= {"error", "group", "endgroup"}
    assert step.outputs.get("copied", "0") == "0"
    assert not list(repository.folder.rglob(CANARY))


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_written_into_the_list_is_executed(repository: Repository, value: str) -> None:
    image = repository.publish()
    bad = value.replace("x", "X", 1)  # in capitals it is no image of Docker Hub's
    repository.write("images.txt", image, bad, f"{image} --name={value}")
    run = repository.run(BATCH, push_of(repository))
    step = sync(run).step("Sync")
    assert step.status == 1, step.log
    assert {error.properties["title"] for error in step.errors} == {"Bad line"}
    assert "owned" not in {error.data for error in step.errors}
    assert {command.name for command in step.commands} == {"error", "group", "endgroup"}
    assert step.outputs["failed"] == "0"
    assert not list(repository.folder.rglob(CANARY))


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("no\n::error::owned", id="new line"),
        pytest.param("no\n::stop-commands::x\n::x::\n::error::owned", id="stop-commands"),
        pytest.param("no ##[add-mask]mirror", id="old command"),
        pytest.param("no%0A::error::owned", id="escaped"),
        pytest.param("no\x1b]0;owned\x07", id="terminal"),
    ],
)
def test_nothing_that_a_registry_says_is_a_command(repository: Repository, words: str) -> None:
    with FaultProxy(repository.network.upstream.url) as proxy:
        proxy.add(Rule(Response.error(403, "DENIED", words), path="/manifests/"))
        repository.write("images.txt", f"{proxy.url.removeprefix('http://')}/a/b:1")
        run = repository.run(BATCH, push_of(repository))
    step = sync(run).step("Sync")
    (error,) = step.errors
    assert error.properties["line"] == "1"
    assert {command.name for command in step.commands} == {"error", "group", "endgroup"}
    assert "\x1b" not in step.log


def test_the_scripts_can_be_run() -> None:
    for path in (Path(__file__).parents[2] / "bin").iterdir():
        assert path.stat().st_mode & stat.S_IXUSR, path
