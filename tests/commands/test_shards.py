"""One list on several machines: its parts, and the one report that they make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import CountDocument, Outcome, Site

SHARDS = 4
MOVED_OR_TIMED = {"bytes", "seconds", "size"}
"""What goes by which machine came first: of a shared layer or a size, and of the clock."""


@pytest.fixture
def double(site: Site) -> Site:
    """The site with both built-in targets."""
    site.configure(
        SYNC_MODE="double",
        GHCR_REGISTRY=site.mirror.host,
        GHCR_NAMESPACE=f"{site.namespace}/ghcr",
    )
    return site


def shard(site: Site, number: int, command: str) -> Path:
    """Run one part on a machine of its own; where its report is."""
    path = site.folder / f"shard-{number}.json"
    options = (f"--shard={number}/{SHARDS}", f"--report={path}", "--no-notify")
    site.run(command, *options, environ={"STATE_DIR": f".syncer-{number}"})
    return path


def counts(found: CountDocument) -> list[object]:
    """What is the same for the parts as for the whole: a layer is brought once by each part."""
    return [
        found["target"],
        found["repositories"],
        found["most_repositories"],
        found["tags"],
        found["copies"],
        found["largest_layer"],
        found["unread"],
    ]


def items(outcome: Outcome) -> list[dict[str, object]]:
    return [
        {key: value for key, value in item.items() if key not in MOVED_OR_TIMED}
        for item in outcome.report["items"]
    ]


def test_four_shards_of_a_hundred_lines_are_as_one_run(double: Site) -> None:
    """With images that would be copied, that are in sync, that are missing, and a bad line."""
    for number in range(8):
        double.publish(build_image(layers=[double.noise(100 + number)]), f"app{number}:1")
    lines = [f"{double.source(f'app{n % 8}:1')} --name=image{n}" for n in range(96)]
    missing = [f"{double.source('app0')}:{n} --name=missing{n}" for n in range(3)]
    (double.folder / "targets.toml").write_text(
        "[targets.aliyun]\nlimits = { repositories = 1000 }\n", encoding="utf-8"
    )
    double.sync(*lines[:2])
    double.list_images(*lines, *missing, "no image at all")
    whole = double.run("plan")
    assert len(whole.report["items"]) == 198
    reports = [str(shard(double, number, "plan")) for number in range(1, SHARDS + 1)]
    parts = [json.loads((double.folder / name).read_text())["items"] for name in reports]
    assert all(parts)
    assert sum(map(len, parts)) == 198
    together = double.run("merge", *reversed(reports))
    assert items(together) == items(whole)
    assert together.report["invalid"] == whole.report["invalid"]
    assert [counts(one) for one in together.report["targets"]] == [
        counts(one) for one in whole.report["targets"]
    ]
    assert together.report["mode"] == whole.report["mode"]
    assert together.status == whole.status == 1


def test_shards_that_copy_are_in_sync_together_and_one_that_died_is_named(double: Site) -> None:
    for number in range(6):
        double.publish(build_image(layers=[double.noise(100 + number)]), f"app{number}:1")
    double.list_images(*(double.source(f"app{number}:1") for number in range(6)))
    reports = [shard(double, number, "batch") for number in range(1, SHARDS + 1)]
    together = double.run("merge", *map(str, reports))
    assert together.status == 0, together.stderr
    assert together.report["totals"]["copied"] == 12
    assert all(double.mirrored(f"app{number}:1") for number in range(6))
    lost = max(reports, key=lambda path: len(json.loads(path.read_text())["items"]))
    gone = json.loads(lost.read_text())
    lost.unlink()
    together = double.run("merge", *map(str, reports))
    assert together.status == 1
    assert together.report["totals"]["failed"] == len(gone["items"])
    assert f"shard {gone['shard']} left no report" in together.stdout
    assert f"{lost.name} can't be read" in together.stderr


def test_a_list_says_how_many_shards_it_is_worth(double: Site) -> None:
    double.list_images(*(f"redis:{number}" for number in range(10)))
    outcome = double.run("shards", environ={"SHARD_ABOVE": "7"})
    assert outcome.status == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {"shard": ["1/3", "2/3", "3/3"]}
    assert "20 items" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("batch", "--shard=5/4"), "'5/4' is no shard", id="no such part"),
        pytest.param(("merge",), "--shards=4", id="no report at all"),
        pytest.param(("merge", "--shards=0"), "'0' is no number", id="no number"),
        pytest.param(("merge", "one.json", "--shards=3"), "different numbers", id="of another"),
        pytest.param(("merge", "one.json", "one.json"), "two reports of shard 1", id="twice"),
    ],
)
def test_what_is_typed_wrong_is_told(double: Site, arguments: tuple[str, ...], words: str) -> None:
    double.list_images("redis:7")
    double.run("plan", "--shard=1/2", "--report=one.json")
    outcome = double.run(*arguments)
    assert outcome.status == 2
    assert words in outcome.stderr


def test_where_no_shard_left_a_report_all_is_lost(double: Site) -> None:
    double.list_images("redis:7")
    outcome = double.run("merge", "--shards=3")
    assert outcome.status == 1
    assert [item["reason"] for item in outcome.report["items"]] == ["lost", "lost"]
