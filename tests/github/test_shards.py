"""A long list on several machines: 01 Batch Sync becomes a matrix, and is told as one run."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

from tests.support.github import TOKEN
from tests.support.loopback import Reply, serving
from tests.support.runner import Event
from tests.support.step_process import Stop

if TYPE_CHECKING:
    from tests.support.github import Repository

BATCH = "01-batch-sync.yml"
NAMES = [f"image{number}" for number in range(9)]


def shard_of(name: str) -> int:
    """Which of three parts a name falls to."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big") % 3 + 1


FAILING = next(name for name in NAMES if shard_of(name) == 1)
LOST = [name for name in NAMES if shard_of(name) == 2]
COPIED = [name for name in NAMES if name != FAILING and name not in LOST]


def make_list(repository: Repository) -> None:
    source = repository.publish()
    missing = source.replace("app:1", "gone:1")
    lines = [f"{missing if name == FAILING else source} --name={name}:1" for name in NAMES]
    repository.configure(SHARD_ABOVE="3")
    repository.write("images.txt", *lines)


def mirrored(repository: Repository, name: str) -> str | None:
    return repository.network.aliyun.digest(f"{repository.namespace}/{name}", "1")


def test_a_failing_part_and_a_killed_one_are_told_in_one_report(repository: Repository) -> None:
    make_list(repository)
    with serving(lambda _: Reply()) as chat:
        secrets = {**repository.secrets, "WEBHOOK_URL": f"{chat.url}/hook"}
        killed = Stop("checking", is_kill=True, shard="2/3")
        run = repository.run(BATCH, Event("schedule", {}, secrets, token=TOKEN), stop=killed)
    assert [part.result for part in run.jobs["sync"].parts] == ["failure", "failure", "success"]
    assert [name for name in NAMES if mirrored(repository, name)] == COPIED
    step = run.jobs["merge"].step("Sync")
    assert (run.result, step.status) == ("failure", 1)
    assert (step.outputs["copied"], step.outputs["failed"]) == (
        str(len(COPIED)),
        str(1 + len(LOST)),
    )
    assert "shard 2/3 left no report" in step.summary
    assert {error.properties["line"] for error in step.errors} == {
        str(NAMES.index(name) + 1) for name in (FAILING, *LOST)
    }
    (told,) = (json.loads(request.body) for request in chat.requests)
    reasons = {item["destination"].rpartition("/")[2]: item["reason"] for item in told["items"]}
    assert reasons == {
        **{f"{name}:1": "missing" for name in COPIED},
        f"{FAILING}:1": "not-found",
        **{f"{name}:1": "lost" for name in LOST},
    }
    badge = json.loads(repository.git("show", "main:.github/badge.json"))
    assert badge["color"] == "red"
    assert badge["message"].startswith(f"{1 + len(LOST)} failed, {len(COPIED)} in sync · ")


def test_parts_that_go_well_are_one_green_run(repository: Repository) -> None:
    make_list(repository)
    repository.publish("gone:1")
    run = repository.run(BATCH, Event("schedule", {}, repository.secrets, token=TOKEN))
    assert run.result == "success"
    assert run.jobs["merge"].step("Sync").outputs["copied"] == "9"
    badge = json.loads(repository.git("show", "main:.github/badge.json"))
    assert badge["message"].startswith("9 in sync · ")


def test_a_short_list_stays_on_one_machine(repository: Repository) -> None:
    repository.write("images.txt", "# a comment", repository.publish())
    run = repository.run(BATCH, Event("schedule", {}, repository.secrets, token=TOKEN))
    assert run.result == "success"
    assert len(run.jobs["sync"].parts) == 1
    assert run.jobs["merge"].result == "skipped"
    assert "1 lines: one machine" in run.jobs["shards"].step("Share out the list").log


def test_where_nobody_says_among_how_many_one_machine_has_it_all(repository: Repository) -> None:
    """GitHub drops an output that holds a secret's value."""
    repository.write("images.txt", repository.publish())
    secrets = {**repository.secrets, "OTHER": "shard"}
    run = repository.run(BATCH, Event("schedule", {}, secrets, token=TOKEN))
    assert run.jobs["shards"].dropped == ("matrix",)
    assert run.result == "success"
    assert run.jobs["sync"].step("Sync").outputs["copied"] == "1"
