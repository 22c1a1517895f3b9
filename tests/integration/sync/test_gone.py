"""What was mirrored once and is gone upstream is kept, in real registries."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import build_image
from demo.proxy import FaultProxy

if TYPE_CHECKING:
    from tests.support.runs import Site

KEPT = ("kept", "gone-upstream")


@pytest.fixture
def gone(site: Site) -> Site:
    """A site whose only image was mirrored, and has gone upstream since."""
    digest = site.publish(build_image())
    site.sync(site.source())
    site.upstream.delete(f"{site.namespace}/app", digest)
    return site


def test_what_is_gone_is_kept_told_once_and_told_again_when_it_is_back(gone: Site) -> None:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    planned = gone.run("plan")
    assert planned.verdict == KEPT  # and a dry run has told nobody
    first = gone.run("batch", "--strict")
    assert (first.status, first.verdict) == (0, KEPT)
    assert first.report["totals"]["kept"] == 1
    assert first.item["note"] == (
        f"its source is not found, first on {today}: the mirror may be the only copy"
    )
    assert first.item["pull"] == first.item["destination"]
    assert first.item["destination_digest"] == gone.mirrored()
    assert "gone-upstream" in first.stdout
    later = gone.run("batch")
    assert (later.status, later.verdict) == (0, KEPT)
    assert "gone-upstream" not in later.stdout
    assert "1 kept" in later.stdout
    assert [one.item["told"] for one in (first, later)] == [False, True]
    assert "gone-upstream" in gone.run("history", first.report["run_id"]).stdout
    gone.publish(build_image())
    back = gone.run("batch")
    assert back.verdict == ("skipped", "same-digest")
    assert back.item["note"] == f"its source is back; it was missed since {today}"
    assert gone.run("batch").item["note"] is None


def test_with_gone_fail_it_fails(gone: Site) -> None:
    gone.configure(GONE="fail")
    outcome = gone.run("batch")
    assert (outcome.status, outcome.verdict) == (1, ("failed", "not-found"))


def test_what_the_mirror_has_lost_too_fails(gone: Site) -> None:
    gone.mirror.delete(gone.mirrored_name(), gone.mirrored() or "")
    outcome = gone.run("batch")
    assert (outcome.status, outcome.verdict) == (1, ("failed", "not-found"))


def test_what_is_refused_is_kept_and_what_is_out_of_order_fails(site: Site) -> None:
    site.publish(build_image())
    denied = json.dumps({"errors": [{"code": "DENIED", "message": "denied"}]}).encode()
    with FaultProxy(site.upstream.url) as proxy:
        site.sync(site.source(host=proxy.host))
        proxy.add(Rule(Response(403, {"Content-Type": "application/json"}, denied)))
        kept = site.run("batch")
        assert kept.verdict == KEPT
        assert "refused by its registry" in (kept.item["note"] or "")
    outcome = site.run("batch", environ={"RETRIES": "1"})
    assert outcome.verdict == ("failed", "unreachable")
