"""The pulls of copies: counted as Docker Hub counts them, and none past its limit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image
from orchestrator.errors import DeferredError, ErrorKind, ImageError, Side
from orchestrator.oci.platform import Platform
from orchestrator.oci.reference import DOCKER_HUB, Digest, Reference
from orchestrator.plan.decision import FailedItem
from orchestrator.plan.shard import Shard
from orchestrator.registry.pull_limit import PullCounter, PullLimit
from orchestrator.skopeo.arguments import CopyRequest
from orchestrator.sync.schedule import CopyTask
from orchestrator.sync.upstream.pull_budget import CountedTool, PullBudget
from tests.support.fake_registry import FakeRegistries
from tests.support.verdicts import fault, item

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = build_image("linux/amd64")
SOURCE = Reference.parse("redis:7").at(Digest(IMAGE.digest))
GONE = Reference.parse("redis:gone")
COPY = CopyRequest(
    SOURCE, Reference.parse("near.example/redis:7"), Platform.parse("linux/amd64"), pulls=2
)


@pytest.fixture
def registries() -> FakeRegistries:
    made = FakeRegistries()
    made.put("redis:7", IMAGE)
    made.put("quay.io/x/redis:7", IMAGE)
    return made


@pytest.mark.parametrize(
    ("work", "pulls"),
    [
        pytest.param(lambda tool: tool.read_digest(SOURCE, side=Side.SOURCE), 1, id="digest"),
        pytest.param(lambda tool: tool.read_manifest(SOURCE, side=Side.SOURCE), 1, id="manifest"),
        pytest.param(lambda tool: tool.read_config(SOURCE, side=Side.SOURCE), 1, id="config"),
        pytest.param(lambda tool: tool.read_referrers(SOURCE, side=Side.SOURCE), 0, id="referrers"),
        pytest.param(lambda tool: tool.read_manifest(GONE, side=Side.SOURCE), 0, id="nothing"),
        pytest.param(
            lambda tool: tool.read_manifest(Reference.parse("quay.io/x/redis:7"), side=Side.SOURCE),
            0,
            id="another registry",
        ),
        pytest.param(lambda tool: tool.copy(COPY), 2, id="copy"),
        pytest.param(lambda tool: tool.copy_blobs(COPY), 2, id="blobs"),
    ],
)
def test_what_docker_hub_counts_is_counted(
    registries: FakeRegistries, work: Callable[[CountedTool], object], pulls: int
) -> None:
    counted = PullCounter()
    work(CountedTool(registries, counted))
    assert counted.count == pulls


@pytest.mark.parametrize(
    ("what", "at", "pulls"),
    [
        pytest.param("copy", DOCKER_HUB, 0, id="the source can't be read"),
        pytest.param("push", "near.example", 2, id="the destination refuses what was read"),
    ],
)
def test_a_copy_that_failed_counts_what_it_read(
    registries: FakeRegistries, what: str, at: str, pulls: int
) -> None:
    registries.faults[what, at] = [fault(at=at)]
    counted = PullCounter()
    with pytest.raises(ImageError):
        CountedTool(registries, counted).copy(COPY)
    assert counted.count == pulls


@pytest.mark.parametrize("what", ["read", "copy"])
def test_docker_hub_is_asked_no_more_once_it_has_refused(
    registries: FakeRegistries, what: str
) -> None:
    registries.faults[what, DOCKER_HUB] = [fault(ErrorKind.RATE_LIMITED, at=DOCKER_HUB)]
    pulls = PullCounter()
    tool = CountedTool(registries, pulls)
    with pytest.raises(ImageError):
        tool.copy(COPY) if what == "copy" else tool.read_manifest(SOURCE, side=Side.SOURCE)
    registries.asked.clear()
    with pytest.raises(DeferredError):
        tool.read_manifest(SOURCE, side=Side.SOURCE)
    with pytest.raises(DeferredError):
        tool.copy(COPY)
    assert registries.asked == []
    assert tool.read_manifest(Reference.parse("quay.io/x/redis:7"), side=Side.SOURCE)
    assert pulls.count == 0


def test_what_travelled_is_told_as_the_tool_tells_it(registries: FakeRegistries) -> None:
    travelled = CountedTool(registries, PullCounter()).copy(COPY)
    assert set(travelled) == {blob.digest for blob in IMAGE.blobs}


def test_what_is_pushed_takes_no_pull(registries: FakeRegistries) -> None:
    pulls = PullCounter()
    tool = CountedTool(registries, pulls)
    tool.copy(replace(COPY, destination=COPY.destination.at(Digest(IMAGE.digest))))
    counted = pulls.count
    tool.push_manifest(IMAGE.manifest, COPY.destination, config=IMAGE.config)
    assert registries.read_manifest(COPY.destination) == IMAGE.manifest
    assert pulls.count == counted


# What the limit leaves


@pytest.mark.parametrize(
    ("limit", "counted", "kept", "says"),
    [
        pytest.param(None, 0, [True, True], "", id="no limit is named"),
        pytest.param(4, 0, [True, True], "", id="just enough"),
        pytest.param(5, 1, [True, True], "", id="just enough of what was left"),
        pytest.param(3, 0, [True, False], "counts 4 pulls for this, and 3 are left", id="for one"),
        pytest.param(5, 2, [True, False], "and 3 are left", id="for one of what was left"),
        pytest.param(1, 0, [False, False], "and 1 are left", id="for none"),
        pytest.param(2, 9, [False, False], "and 0 are left", id="less than nothing"),
    ],
)
def test_copies_are_deferred_where_the_limit_will_not_do(
    limit: int | None,
    counted: int,
    kept: list[bool],
    says: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pulls = PullCounter()
    pulls.add(SOURCE, counted)
    found = None if limit is None else PullLimit(100, limit, 21600)
    tasks = [CopyTask(place, FailedItem(item(), fault(at="x")), pulls=2) for place in range(2)]
    within = PullBudget(lambda: found, pulls).within(tasks)
    assert [task in tasks for task in within] == kept
    assert [isinstance(task.planned, FailedItem) for task in within] == kept
    assert (says in caplog.text) if says else not caplog.text


def test_shards_have_what_docker_hub_leaves_together() -> None:
    limit = PullLimit(limit=200, remaining=101, window=21600)
    lefts = [
        PullBudget(lambda: limit, PullCounter(), Shard(number, 4)).left() for number in range(1, 5)
    ]
    assert lefts == [26, 25, 25, 25]
