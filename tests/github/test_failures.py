"""Runs on Actions that don't begin, or don't end by themselves: who is told, and what is left."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from demo.faults import Hang, Rule
from demo.proxy import FaultProxy
from tests.support.chats import FEISHU_PATH
from tests.support.github import TOKEN
from tests.support.loopback import Loopback, Reply, serving
from tests.support.runner import Event
from tests.support.step_process import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.github import Repository
    from tests.support.job_runs import WorkflowRun
    from tests.support.workflows import Node

BATCH = "01-batch-sync.yml"
FIRST_STEPS = "Docker Image Syncer: not set up yet"


@dataclass(frozen=True)
class Chat:
    """A chat that takes everything."""

    server: Loopback

    @property
    def url(self) -> str:
        return f"{self.server.url}{FEISHU_PATH}"

    @property
    def told(self) -> tuple[dict[str, Node], ...]:
        """The reports that it got."""
        return tuple(json.loads(request.body) for request in self.server.requests)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with serving(lambda _: Reply()) as server:
        yield Chat(server)


def batch(
    repository: Repository,
    chat: Chat | None,
    *,
    without: tuple[str, ...] = (),
    stop: Stop | None = None,
    monitor: str = "",
) -> WorkflowRun:
    secrets = {key: value for key, value in repository.secrets.items() if key not in without}
    told = {"WEBHOOK_URL": chat.url} if chat else {}
    told |= {"HEARTBEAT_URL": monitor} if monitor else {}
    event = Event("schedule", {}, {**secrets, **told}, token=TOKEN)
    return repository.run(BATCH, event, stop=stop)


def message(told: dict[str, Node]) -> str:
    error = told["error"]
    assert isinstance(error, dict)
    return f"{error['message']}; {error['hint']}"


def test_a_repository_that_was_just_made_is_green_and_says_what_to_set(
    repository: Repository,
) -> None:
    before = repository.git("rev-parse", "main")
    run = repository.run(BATCH, Event("push", token=TOKEN))
    step = run.jobs["sync"].step("Sync")
    assert run.result == "success", step.log
    assert FIRST_STEPS in step.summary
    settings = f"{repository.server}/octocat/mirror/settings"
    for name, kind in (
        ("REGISTRY", "variables"),
        ("NAMESPACE", "variables"),
        ("USERNAME", "secrets"),
        ("PASSWORD", "secrets"),
    ):
        assert f"`ALIYUN_{name}` | [{kind[:-1]}]({settings}/{kind}/actions)" in step.summary
    assert [notice.properties["title"] for notice in step.named("notice")]
    assert not step.errors
    assert repository.git("rev-parse", "main") == before


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(("ALIYUN_REGISTRY",), id="where to"),
        pytest.param(("ALIYUN_PASSWORD",), id="a password"),
        pytest.param(("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"), id="Docker Hub"),
        pytest.param(("WEBHOOK_URL",), id="a chat"),
    ],
)
def test_one_that_is_half_set_up_is_red(repository: Repository, given: tuple[str, ...]) -> None:
    secrets: dict[str, Node] = dict.fromkeys(given, "127.0.0.1:1")
    if "WEBHOOK_URL" in secrets:
        secrets["WEBHOOK_URL"] = "http://127.0.0.1:1"
    run = repository.run(BATCH, Event("push", {}, secrets, token=TOKEN))
    assert run.result == "failure"
    assert "not set" in run.jobs["sync"].step("Sync").errors[0].data


def test_one_image_by_hand_is_red_where_nothing_is_set_up(repository: Repository) -> None:
    event = Event("workflow_dispatch", {"image_name": "redis:7"}, token=TOKEN)
    assert repository.run("03-to-aliyun.yml", event).result == "failure"


def test_a_missing_secret_is_told(repository: Repository, chat: Chat) -> None:
    run = batch(repository, chat, without=("ALIYUN_PASSWORD",))
    (told,) = chat.told
    assert "ALIYUN_PASSWORD is not set" in message(told)
    assert "nothing was mirrored" in run.jobs["sync"].step("Sync").summary
    assert "ALIYUN\\_PASSWORD is not set" in run.jobs["sync"].step("Sync").summary


@pytest.mark.parametrize("line", ["JOBS=many", "this is no setting", "WEBHOOK_ON=sometimes"])
def test_a_bad_setting_is_told(repository: Repository, chat: Chat, line: str) -> None:
    repository.write("config.env", line)
    run = batch(repository, chat)
    (told,) = chat.told
    assert "config.env:1" in message(told)
    assert "config.env:1" in run.jobs["sync"].step("Sync").summary
    assert run.jobs["badge"].result == "success"


def stubs(folder: Path, **scripts: str) -> str:
    """A PATH on which these come first."""
    folder.mkdir()
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_a_skopeo_that_cant_be_installed_is_told(
    repository: Repository, chat: Chat, tmp_path: Path
) -> None:
    path = stubs(tmp_path / "stubs", skopeo="echo skopeo version 1.3.1", apt_get="exit 1")
    repository.write("images.txt", repository.publish())
    run = batch(replace(repository, environ={"PATH": path}), chat)
    assert run.result == "failure"
    (told,) = chat.told
    assert "skopeo" in message(told)
    assert "skopeo" in run.jobs["sync"].step("Sync").summary


def test_packages_that_cant_be_installed_are_told(repository: Repository, chat: Chat) -> None:
    """By the system's Python, with none of its packages."""
    broken = replace(repository, environ={"SYNCER_PYTHON": "", "PYTHON": "false"})
    with serving(lambda _: Reply()) as monitor:
        run = batch(broken, chat, monitor=f"{monitor.url}/check")
    assert [request.path for request in monitor.requests] == ["/check/fail"]
    job = run.jobs["sync"]
    assert run.result == "failure"
    assert job.step("Install").status != 0
    (told,) = chat.told
    assert "the installation failed" in message(told)
    step = job.step("Tell that the installation failed")
    assert "the installation failed" in step.summary
    assert len(step.errors) == 1
    assert "failed · " in repository.git("show", "main:.github/badge.json")


def test_a_plan_tells_no_chat(repository: Repository, chat: Chat) -> None:
    repository.write("config.env", "JOBS=many")
    event = Event("workflow_dispatch", {"dry_run": True}, {"WEBHOOK_URL": chat.url}, token=TOKEN)
    run = repository.run(BATCH, event)
    assert run.result == "failure"
    assert "config.env:1" in run.jobs["sync"].step("Sync").summary
    assert not chat.told


@contextmanager
def an_image_that_hangs(repository: Repository) -> Iterator[None]:
    with FaultProxy(repository.network.upstream.url) as proxy:
        proxy.add(Rule(Hang(), path="/blobs/"))
        image = repository.publish()
        slow = image.replace(repository.network.upstream.host, proxy.url.removeprefix("http://"))
        repository.write("images.txt", slow)
        yield


@pytest.mark.parametrize(
    "is_timeout", [pytest.param(False, id="cancelled"), pytest.param(True, id="timed out")]
)
def test_a_run_that_is_stopped_reports_tells_and_cleans_up(
    repository: Repository, chat: Chat, is_timeout: bool
) -> None:
    with an_image_that_hangs(repository):
        run = batch(repository, chat, stop=Stop("checking 1 item", is_timeout=is_timeout))
    step = run.jobs["sync"].step("Sync")
    assert run.jobs["sync"].result == "cancelled"
    assert step.status == 130, step.log
    assert "interrupted" in step.summary
    (told,) = chat.told
    assert [item["action"] for item in told["items"]] == ["deferred"]  # type: ignore[union-attr,index,call-overload]
    assert not list((repository.checkout / ".syncer").glob("private-*"))
    badge = json.loads(repository.git("show", "main:.github/badge.json"))
    assert badge["color"] == "yellow"


def test_a_chat_that_hangs_costs_a_stopped_run_no_report(repository: Repository) -> None:
    """The runner sends SIGTERM 7.5 seconds after SIGINT, and then no more than kills."""
    with serving(lambda _: Reply(is_silent=True)) as server, an_image_that_hangs(repository):
        run = batch(repository, Chat(server), stop=Stop("checking 1 item"))
    step = run.jobs["sync"].step("Sync")
    assert run.jobs["sync"].result == "cancelled"
    assert "interrupted" in step.summary
    assert step.outputs["badge"]
    assert server.requests
