"""Reports of runs of all kinds are as docs/report.schema.json says.

Every other report that a test reads is held to it, too: see tests/support/runs.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import build_image, build_index
from demo.proxy import FaultProxy
from orchestrator.errors import ErrorKind
from orchestrator.plan.decision import Reason
from orchestrator.report.result import Outcome
from tests.support.schema import SCHEMA, faults_of

if TYPE_CHECKING:
    from tests.support.runs import Outcome as RunOutcome
    from tests.support.runs import Site

IMAGES = (build_image("linux/amd64"), build_image("linux/arm64"))


def run_batch(site: Site) -> RunOutcome:
    site.list_images(site.source(), f"--platform=all {site.source()} --name=all")
    return site.run("batch")


def run_twice(site: Site) -> RunOutcome:
    run_batch(site)
    return site.run("batch", "--jobs=1")


def run_dry(site: Site) -> RunOutcome:
    site.list_images(site.source())
    return site.run("batch", "--dry-run")


def run_with_all_that_is_wrong(site: Site) -> RunOutcome:
    site.list_images(
        "Bad",
        f"{site.source()} --name=a:1",
        f"--platform=linux/arm64 {site.source()} --name=a:1",
        site.source("app:missing"),
        f"--platform=linux/s390x {site.source()}",
        site.source(),
        site.source(),
    )
    return site.run("batch")


def run_strict(site: Site) -> RunOutcome:
    site.list_images("Bad", site.source())
    return site.run("batch", "--strict")


def run_with_something_deferred(site: Site) -> RunOutcome:
    with FaultProxy(site.mirror.url) as proxy:
        proxy.add(Rule(Response.error(403, "DENIED", "no"), method="POST"))
        site.configure(ALIYUN_REGISTRY=proxy.host)
        site.publish(build_image(env=["OTHER=1"]), "other:1")
        site.list_images(site.source(), site.source("other:1"))
        return site.run("batch", "--fail-fast", "--jobs=1")


def run_with_a_conversion(site: Site) -> RunOutcome:
    with FaultProxy(site.mirror.url) as proxy:
        refusal = Response.error(400, "MANIFEST_INVALID", "manifest invalid")
        proxy.add(Rule(refusal, method="PUT", path="/manifests/", content="oci"))
        site.configure(ALIYUN_REGISTRY=proxy.host)
        site.list_images(site.source())
        return site.run("batch")


def run_for_one_image(site: Site) -> RunOutcome:
    return site.run("aliyun", site.source())


def run_with_nothing(site: Site) -> RunOutcome:
    site.list_images()
    return site.run("batch")


@pytest.mark.parametrize(
    ("run", "actions"),
    [
        pytest.param(run_batch, ["copied", "copied"], id="batch"),
        pytest.param(run_twice, ["skipped", "skipped"], id="again"),
        pytest.param(run_dry, ["would-copy"], id="dry run"),
        pytest.param(run_with_all_that_is_wrong, ["failed", "failed", "copied"], id="all wrong"),
        pytest.param(run_strict, [], id="strict"),
        pytest.param(run_with_something_deferred, ["failed", "deferred"], id="deferred"),
        pytest.param(run_with_a_conversion, ["copied"], id="conversion"),
        pytest.param(run_for_one_image, ["copied"], id="one image"),
        pytest.param(run_with_nothing, [], id="nothing"),
    ],
)
def test_the_report_of_every_kind_of_run_is_as_the_schema_says(
    site: Site, run: Callable[[Site], RunOutcome], actions: list[str]
) -> None:
    site.publish(build_index(IMAGES))
    report = run(site).report
    assert [item["action"] for item in report["items"]] == actions
    assert not faults_of(json.dumps(report))


ITEM = {
    "line": 3,
    "source": "docker.io/library/redis:7",
    "platform": "linux/amd64",
    "delivered": "linux/amd64",
    "target": "aliyun",
    "pull": "registry.example.com/mine/redis:7",
    "destination": "registry.example.com/mine/redis:7",
    "action": "copied",
    "reason": "missing",
    "note": None,
    "told": False,
    "source_digest": f"sha256:{'1' * 64}",
    "expected_digest": f"sha256:{'2' * 64}",
    "destination_digest_before": None,
    "destination_digest": f"sha256:{'2' * 64}",
    "created": "2024-01-01T00:00:00Z",
    "bytes": 1,
    "seconds": 0.5,
    "attempts": 1,
    "error": None,
}
ERROR = {"kind": "denied", "message": "no", "hint": ""}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"surprise": 1}, id="an unknown key"),
        pytest.param({"source_digest": "sha256:1"}, id="half a digest"),
        pytest.param({"line": 0}, id="line 0"),
        pytest.param({"bytes": -1}, id="fewer bytes than none"),
        pytest.param({"action": "moved"}, id="an unknown action"),
        pytest.param({"reason": "because"}, id="an unknown reason"),
        pytest.param({"action": "skipped", "reason": "missing"}, id="a reason of another action"),
        pytest.param({"action": "failed", "reason": "denied"}, id="a failure without an error"),
        pytest.param({"error": ERROR}, id="an error without a failure"),
    ],
)
def test_the_schema_refuses_what_is_no_report(change: dict[str, object]) -> None:
    totals = dict.fromkeys(
        ("items", "copied", "skipped", "failed", "deferred", "invalid", "bytes", "pulls"), 0
    )
    report: dict[str, object] = {
        "schema": 1,
        "run_id": "20240101T000000Z-abcdef",
        "started": "2024-01-01T00:00:00.000Z",
        "finished": "2024-01-01T00:00:01.000Z",
        "seconds": 1.0,
        "version": "1.0.0",
        "tools": {"skopeo": "1.9.3"},
        "mode": "aliyun",
        "shard": None,
        "totals": totals,
        "items": [copy.deepcopy(ITEM)],
        "invalid": [],
        "warnings": [],
    }
    assert not faults_of(json.dumps(report))
    assert faults_of(json.dumps({**report, "items": [{**ITEM, **change}]}))
    assert faults_of(json.dumps({**report, "surprise": 1}))
    assert faults_of(json.dumps({**report, "schema": 2}))


def test_the_schema_has_the_words_of_the_program() -> None:
    definitions = json.loads(SCHEMA.read_text(encoding="utf-8"))["$defs"]
    item = definitions["item"]
    reasons = {
        reason
        for row in item["oneOf"]
        if "deferred" not in json.dumps(row)
        for reason in row["properties"]["reason"].get("enum", [])
    }
    assert set(definitions["kind"]["enum"]) == {kind.value for kind in ErrorKind}
    assert set(item["properties"]["action"]["enum"]) == {one.value for one in Outcome}
    assert reasons == {reason.value for reason in Reason}
