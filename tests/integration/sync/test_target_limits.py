"""What a target does not take is refused before a byte is moved, and the rest goes on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from demo.images import build_image

if TYPE_CHECKING:
    from tests.support.runs import Site

OWNERS = ("", "team/", "quay.io/team/")
NINE_HUNDRED = [f"{OWNERS[number % 3]}app{number}:1.0" for number in range(900)]


def test_line_301_is_refused_in_the_plan_by_its_number(site: Site) -> None:
    site.publish(build_image())
    site.list_images(*(f"{site.source()} --name=app{number}" for number in range(1, 303)))
    outcome = site.run("plan", "--shard=1/60")  # all of the list counts; a few will do to plan
    assert outcome.status == 1
    assert [problem["line"] for problem in outcome.report["invalid"]] == [301, 302]
    assert 0 < outcome.report["totals"]["copied"] == len(outcome.report["items"]) < 30
    assert "images.txt:301:1: " in outcome.stdout
    assert "would be repository 301, and its account may have 300; set NAMING=packed" in (
        outcome.stdout
    )


def test_nine_hundred_images_have_nine_hundred_packed_names_in_three_repositories(
    site: Site,
) -> None:
    site.list_images(*NINE_HUNDRED)
    outcome = site.run("name", "--output=json", environ={"NAMING": "packed"})
    assert outcome.status == 0, outcome.stdout
    document = json.loads(outcome.stdout)
    places = {item["destination"] for item in document["items"]}
    assert len(places) == 900
    assert len({place.rpartition(":")[0] for place in places}) == 3


def test_an_image_of_too_many_layers_fails_alone_and_no_byte_of_it_is_moved(site: Site) -> None:
    site.publish(build_image(layers=[site.noise(10), site.noise(20)]), "high:1")
    site.publish(build_image())
    (site.folder / "targets.toml").write_text("[targets.aliyun]\nlimits = { layers = 2 }\n")
    site.list_images(site.source("high:1"), site.source())
    outcome = site.run("batch")
    assert outcome.status == 1
    failed, copied = outcome.report["items"]
    assert copied["action"] == "copied"
    assert failed["error"] is not None
    assert failed["error"]["kind"] == "over-limit"
    assert "it has 3 layers, and aliyun takes 2" in outcome.stdout
    assert not [one for one in site.writes() if "high" in one.path]
