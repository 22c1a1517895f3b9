"""Two runs at once on one tag, each with a state directory of its own."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from demo.faults import Call, Rule
from demo.images import build_image
from demo.proxy import FaultProxy
from tests.support.runs import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.images import Image
    from tests.support.runs import Outcome, Running, Site

OLD, NEW = (build_image(files={"app": word}) for word in (b"old", b"new"))


@contextmanager
def held(site: Site, path: str) -> Iterator[tuple[Running, Gate]]:
    """A run over `first` and `app`, held where the mirror is asked for this."""
    gate = Gate()
    site.publish(build_image(layers=[site.noise()]), "first:1")
    site.publish(OLD)
    site.list_images(site.source("first:1"), site.source())
    with FaultProxy(site.mirror.url) as far:
        far.add(Rule(Call(gate), method="PUT", path=path, times=1))
        site.configure(ALIYUN_REGISTRY=far.host)
        try:
            with site.running("batch", "--jobs=1") as run:
                gate.wait()
                wait_until_read(site, OLD)
                yield run, gate
        finally:
            gate.open()


def wait_until_read(site: Site, image: Image) -> None:
    """Until a run has read all that it needs to know of `app`."""
    config = f"/app/blobs/{json.loads(image.manifest)['config']['digest']}"
    deadline = time.monotonic() + 20
    while not any(config in one.path for one in site.asked(site.upstream)):
        assert time.monotonic() < deadline, "nobody reads it"
        time.sleep(0.02)


def run_elsewhere(site: Site) -> Outcome:
    """Another user's run: its own folder and state, the same mirror."""
    folder = site.folder / "elsewhere"
    folder.mkdir()
    other = replace(site, folder=folder)
    other.home.mkdir()
    other.temporary.mkdir()
    other.configure()
    return other.sync(other.source())


def test_a_slow_run_writes_nothing_older_than_what_another_has_written(site: Site) -> None:
    with held(site, "_first/manifests/") as (run, gate):
        site.publish(NEW)
        assert run_elsewhere(site).verdict == ("copied", "missing")
        gate.open()
        outcome = run.finish()
    assert outcome.verdicts() == (("copied", "missing"), ("failed", "conflict"))
    error = outcome.report["items"][1]["error"]
    assert error is not None
    assert "another run has written it since" in error["message"]
    assert site.mirrored() == NEW.digest


def test_two_runs_with_the_same_in_mind_do_not_disturb_each_other(site: Site) -> None:
    with held(site, "_first/manifests/") as (run, gate):
        run_elsewhere(site)
        gate.open()
        outcome = run.finish()
    assert outcome.verdicts() == (("copied", "missing"), ("copied", "missing"))
    assert site.mirrored() == OLD.digest


def test_a_tag_that_was_written_late_is_named_and_the_next_run_sets_it_right(site: Site) -> None:
    with held(site, "_app/manifests/") as (run, gate):
        site.publish(NEW)
        run_elsewhere(site)
        gate.open()
        outcome = run.finish()
    item = outcome.report["items"][1]
    assert item["destination_digest"] == site.mirrored() == OLD.digest
    assert f"its source has become {NEW.digest} meanwhile" in (item["note"] or "")
    assert "the next run copies that" in outcome.stderr
    site.configure()
    assert site.sync(site.source()).item["action"] == "copied"
    assert site.mirrored() == NEW.digest


def test_a_source_that_moves_where_nobody_else_writes_is_copied_as_it_was_seen(site: Site) -> None:
    with held(site, "_first/manifests/") as (run, gate):
        site.publish(NEW)
        gate.open()
        outcome = run.finish()
    assert outcome.verdicts()[1] == ("copied", "missing")
    assert NEW.digest in (outcome.report["items"][1]["note"] or "")
    assert site.mirrored() == OLD.digest


# One name for two sources


def test_a_destination_that_another_source_filled_is_not_overwritten_unnoticed(site: Site) -> None:
    site.publish(OLD, "a/b_c:1")
    site.publish(NEW, "a_b/c:1")
    first, second = site.source("a/b_c:1"), site.source("a_b/c:1")
    assert site.run("aliyun", first).verdict == ("copied", "missing")

    strict = site.run("aliyun", second, "--strict")
    assert strict.status == 1
    (problem,) = strict.report["invalid"]
    assert f"which an earlier run filled from '{first}'" in problem["message"]
    assert problem["text"] == second
    assert strict.report["items"] == []
    assert site.mirrored("a_b_c:1") == OLD.digest

    site.list_images(second)
    warned = site.run("batch")
    assert (warned.status, warned.item["action"]) == (0, "copied")
    (warning,) = warned.report["warnings"]
    assert warning.startswith(f"images.txt:1: '{second}' goes to '")
    assert f"which an earlier run filled from '{first}'" in warning
    assert site.mirrored("a_b_c:1") == NEW.digest

    assert site.run("batch", "--strict").report["warnings"] == []
    assert len(site.run("plan", first).report["warnings"]) == 1


def test_a_source_that_is_pinned_anew_is_no_other_source(site: Site) -> None:
    for image in (OLD, NEW):
        site.publish(image)
        outcome = site.sync(f"{site.source()}@{image.digest}")
        assert outcome.item["action"] == "copied"
        assert outcome.report["warnings"] == []
