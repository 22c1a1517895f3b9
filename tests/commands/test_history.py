"""Past runs, told from the state database of real runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from demo.images import build_image

if TYPE_CHECKING:
    from tests.support.runs import Site


def test_where_nothing_ran_it_says_so(site: Site) -> None:
    outcome = site.run("history")
    assert (outcome.status, outcome.stdout) == (0, "there was no run yet\n")


def test_runs_are_listed_the_newest_first_and_one_is_told_whole(site: Site) -> None:
    site.publish(build_image())
    first = site.sync(site.source()).report["run_id"]
    second = site.sync(site.source()).report["run_id"]
    listed = site.run("history").stdout.splitlines()
    assert [line.split()[0] for line in listed[2:]] == [second, first]
    changes = site.run("history", first).stdout
    assert "copied" in changes
    assert "missing" in changes
    assert site.run("history", second).stdout == ("nothing changed in this run\n")
    (item,) = json.loads(site.run("history", first, "--output=json").stdout)["items"]
    assert (item["action"], item["reason"], item["bytes"] > 0) == ("copied", "missing", True)


def test_an_unknown_run_is_an_error_with_a_hint(site: Site) -> None:
    outcome = site.run("history", "nonesuch")
    assert outcome.status == 2
    assert "there is no run 'nonesuch'" in outcome.stderr
    assert "syncer history" in outcome.stderr
