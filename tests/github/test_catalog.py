"""The catalog on GitHub Pages: off unless asked for, and whole where a list was shared out."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import workflows
from tests.support.expressions import fill, is_true
from tests.support.github import TOKEN
from tests.support.runner import Event
from tests.support.workflows import ROOT, sequence, table

if TYPE_CHECKING:
    from tests.support.github import Repository
    from tests.support.job_runs import WorkflowRun
    from tests.support.workflows import Node

BATCH = "01-batch-sync.yml"


def batch(repository: Repository) -> WorkflowRun:
    asked = {"CATALOG": "pages"}
    event = Event("schedule", {}, repository.secrets, asked, token=TOKEN)
    return repository.run(BATCH, event)


def published(run: WorkflowRun) -> str:
    """The page, as it was handed to GitHub Pages."""
    job = run.jobs["catalog"]
    assert job.result == "success", job.step("Make the page").log
    assert [step.uses.partition("@")[0] for step in job.steps if "pages" in step.uses] == [
        "actions/upload-pages-artifact",
        "actions/deploy-pages",
    ]
    folder = Path(str(job.step("Hand it to GitHub Pages").given["path"]))
    return (folder / "index.html").read_text(encoding="utf-8")


def states(page: str) -> list[str]:
    return sorted(re.findall(r'<tr role="row" data-state="([\w-]+)"', page))


@pytest.mark.parametrize(
    ("catalog", "branch", "is_dry_run", "is_cancelled", "holds"),
    [
        pytest.param("pages", "main", False, False, True, id="asked for"),
        pytest.param("", "main", False, False, False, id="not asked for"),
        pytest.param("pages", "other", False, False, False, id="another branch's list"),
        pytest.param("pages", "main", True, False, False, id="a dry run"),
        pytest.param("pages", "main", False, True, False, id="cancelled"),
    ],
)
def test_it_is_published_only_where_that_is_asked_for(
    catalog: str, branch: str, *, is_dry_run: bool, is_cancelled: bool, holds: bool
) -> None:
    jobs = table(workflows.read(ROOT / ".github" / "workflows" / BATCH)["jobs"])
    contexts: dict[str, Node] = {
        "vars": {"CATALOG": catalog},
        "needs": {"sync": {"result": "failure"}},
        "inputs": {"dry_run": is_dry_run},
        "github": {"ref_name": branch, "event": {"repository": {"default_branch": "main"}}},
    }
    condition = table(jobs["catalog"])["if"]
    assert is_true(fill(condition, contexts, {"cancelled": lambda: is_cancelled})) is holds


def test_the_page_has_what_the_run_did_and_a_failure_does_not_keep_it_back(
    repository: Repository,
) -> None:
    source = repository.publish()
    bad = "two images ::error::owned"
    repository.write("images.txt", source, source.replace("app:1", "gone:1"), bad)
    run = batch(repository)
    assert run.result == "failure"
    page = published(run)
    assert states(page) == ["failed", "in-sync"]
    assert f"{repository.network.aliyun.host}/{repository.namespace}/" in page
    assert "octocat/mirror/issues/new?template=mirror-an-image.yml" in page
    assert not run.jobs["catalog"].step("Make the page").errors

    # What several machines did, no state knows; their reports are where the job fetches them to.
    part = repository.temporary / "syncer-shards" / "shard-0"
    part.mkdir(parents=True)
    shutil.copy(str(run.jobs["sync"].step("Sync").outputs["report"]), part)
    environ = {**repository.runner_environ, "STATE_DIR": "none"}
    script = [str(repository.checkout / "bin" / "actions-catalog")]
    subprocess.run(script, env={**environ, "RUNNER_TEMP": str(repository.temporary)}, check=True)
    again = (repository.temporary / "syncer-catalog" / "index.html").read_text(encoding="utf-8")
    assert states(again) == states(page)


def test_reports_are_fetched_as_they_are_for_merging() -> None:
    jobs = table(workflows.read(ROOT / ".github" / "workflows" / BATCH)["jobs"])
    (ours, theirs) = [
        next(
            step
            for step in map(table, sequence(table(jobs[name])["steps"]))
            if step.get("name") == "Fetch the reports"
        )
        for name in ("catalog", "merge")
    ]
    assert (ours["uses"], ours["with"]) == (theirs["uses"], theirs["with"])
