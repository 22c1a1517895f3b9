"""What the workflows may do, read from their YAML: pinned, unprivileged, no value in a script."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support import workflows
from tests.support.workflows import ROOT, Table, sequence, table, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = [pytest.param(path, id=path.name) for path in workflows.files()]
WORKFLOWS = [param for param in FILES if param.id != "action.yml"]
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
OWN = re.compile(r"uses: \./\.github/actions/\w+$")
SECRET = re.compile(r"secrets\.(\w+)")
WRITES = {
    "01-batch-sync.yml": {
        "sync": {"packages"},
        "badge": {"contents"},
        "catalog": {"pages", "id-token"},
    },
    "02-double-sync.yml": {"sync": {"packages"}},
    "03-to-aliyun.yml": {},
    "04-to-ghcr.yml": {"sync": {"packages"}},
    "05-ask.yml": {"sync": {"contents", "issues", "packages"}},
    "ci.yml": {},
    "list.yml": {},
    "image.yml": {"build": {"packages"}, "join": {"packages"}},
}


def jobs(path: Path) -> Iterator[tuple[str, Table]]:
    for name, job in table(workflows.read(path)["jobs"]).items():
        yield name, table(job)


@pytest.mark.parametrize("path", FILES)
def test_no_value_stands_in_a_script(path: Path) -> None:
    for step in workflows.steps(workflows.read(path)):
        assert "${{" not in text(step.get("run"))


@pytest.mark.parametrize("path", FILES)
def test_actions_are_pinned_with_their_version_behind(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\s*(- )?uses:", line):
            used = line.strip().removeprefix("- ")
            assert PINNED.match(used) or OWN.match(used), line


@pytest.mark.parametrize("path", FILES)
def test_one_action_has_one_pin(path: Path) -> None:
    everywhere = "\n".join(one.read_text(encoding="utf-8") for one in workflows.files())
    for action, pin in re.findall(r"uses: ([\w-]+/[\w-]+)\S*@(\S+)", path.read_text("utf-8")):
        assert set(re.findall(rf"uses: {action}\S*@(\S+)", everywhere)) == {pin}


@pytest.mark.parametrize("path", WORKFLOWS)
def test_a_job_may_write_only_what_it_has_to(path: Path) -> None:
    assert workflows.read(path)["permissions"] == {}
    found = {
        name: {what for what, how in table(job["permissions"]).items() if how == "write"}
        for name, job in jobs(path)
    }
    assert {name: what for name, what in found.items() if what} == WRITES[path.name]


@pytest.mark.parametrize("path", WORKFLOWS)
def test_each_permission_has_its_reason_behind(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.match(r"\s+[a-z-]+: (read|write)\b", line):
            assert re.search(r": (read|write) # to \w+", line), line


@pytest.mark.parametrize("path", WORKFLOWS)
def test_a_job_ends_some_time_and_cancels_none_that_was_asked_for(path: Path) -> None:
    concurrency = table(workflows.read(path)["concurrency"])
    assert all("timeout-minutes" in job for _, job in jobs(path))
    assert concurrency["cancel-in-progress"] in (
        False,
        "${{ github.event_name == 'pull_request' }}",
    )


@pytest.mark.parametrize("path", WORKFLOWS)
def test_a_checkout_keeps_no_credentials(path: Path) -> None:
    for step in workflows.steps(workflows.read(path)):
        if text(step.get("uses")).startswith("actions/checkout@"):
            assert table(step["with"])["persist-credentials"] is False


def test_secrets_reach_the_steps_that_need_them_alone() -> None:
    action = workflows.read(ROOT / ".github" / "actions" / "sync" / "action.yml")
    steps = [table(step) for step in sequence(table(action["runs"])["steps"])]
    for step in steps:
        given = re.findall(r"(?:password|token|secret|webhook)\w*", str(step).lower())
        assert bool(given) == (step.get("id") in ("sync", "tell")), step
        if step.get("id") == "tell":
            assert set(table(step["env"])) == {"WEBHOOK_URL", "WEBHOOK_SECRET", "HEARTBEAT_URL"}


def test_only_the_secrets_that_the_readme_names_are_used() -> None:
    used = {name for path in workflows.files() for name in SECRET.findall(path.read_text("utf-8"))}
    assert used == {
        "ALIYUN_REGISTRY",
        "ALIYUN_NAMESPACE",
        "ALIYUN_USERNAME",
        "ALIYUN_PASSWORD",
        "DOCKERHUB_USERNAME",
        "DOCKERHUB_TOKEN",
        "WEBHOOK_URL",
        "WEBHOOK_SECRET",
        "HEARTBEAT_URL",
    }


def test_the_three_forms_are_one() -> None:
    forms = [
        table(table(table(workflows.read(path)["on"])["workflow_dispatch"])["inputs"])
        for path in sorted((ROOT / ".github" / "workflows").glob("0[234]-*.yml"))
    ]
    assert forms[0] == forms[1] == forms[2]
    assert list(forms[0]) == ["image_name", "target_name", "platform", "force_sync", "clean_disk"]
    assert table(forms[0]["image_name"])["required"] is True
    assert table(forms[0]["clean_disk"])["default"] is False


def test_the_schedule_is_not_at_the_top_of_the_hour() -> None:
    batch = workflows.read(ROOT / ".github" / "workflows" / "01-batch-sync.yml")
    (when,) = sequence(table(batch["on"])["schedule"])
    assert text(table(when)["cron"]).split()[0] not in ("0", "*")
