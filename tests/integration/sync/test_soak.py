"""Many items over a network that fails one request in ten: no false verdict, and no leak.

Half of the items are copied with the relay, the others without it. SOAK=1 takes 2,000 items, and
both orders; without it there are a few. The run is in this very process, so that
what it leaves open can be counted.
"""

from __future__ import annotations

import gc
import io
import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from demo.faults import Corrupt, Fault, Refuse, Reset, Response, Rule, Truncate, WrongDigest
from demo.images import build_image
from demo.proxy import FaultProxy
from demo.registry import Client, Registry
from orchestrator.config.image_list import parse_list
from orchestrator.config.load import load_settings
from orchestrator.report.result import Outcome, Report
from orchestrator.sync.run import RunOptions, run_sync
from tests.support.runs import Site
from tests.support.traces import has_ended, lacking, private_folders

IS_LONG = bool(os.environ.get("SOAK"))
ITEMS = 2000 if IS_LONG else 30
IMAGES = 10
TRIES = 6
CHANCE = 0.1
ORDERS = [("auto", "off"), ("off", "auto")][: 2 if IS_LONG else 1]
SETTLING = 10.0
COPIED, SKIPPED, FAILED = Outcome.COPIED, Outcome.SKIPPED, Outcome.FAILED
PASSING = {"unreachable", "rate-limited", "denied"}
"""What an item may come to whose last try failed as well; of a blob's 403 skopeo tells no words."""

SPOILT = {"digest-mismatch", "bad-manifest"}
"""What corrupt bytes are called, which are not tried again within a run."""

LIMIT = {"Retry-After": "0"}
PAUSE = Response.error(403, "DENIED", "You have exceeded a secondary rate limit")
"""Told by its words alone; the answer to a HEAD has none, and so is a plain denial."""

FAULTS: tuple[Fault, ...] = (
    Refuse(),
    Reset(),
    Reset(20),
    Truncate(20),
    Response(500),
    Response(503),
    Response.error(429, "TOOMANYREQUESTS", "slow down", LIMIT),
    PAUSE,
    WrongDigest(),
    Corrupt(5),
)


def storm(proxy: FaultProxy) -> list[Rule]:
    """One request in ten meets a fault, each kind as often as any other."""
    rules = []
    for place, fault in enumerate(FAULTS):
        share = CHANCE / len(FAULTS)
        chance = share / (1 - place * share)
        method = "GET|PUT|POST|PATCH" if fault is PAUSE else ".*"
        rules.append(Rule(fault, method=method, path="/(manifests|blobs)/", chance=chance))
        proxy.add(rules[-1])
    return rules


def carry_out(site: Site, relay: str) -> Report:
    environ = {"PATH": os.environ["PATH"], "HOME": str(site.home), "TMPDIR": str(site.temporary)}
    settings = load_settings({**environ, "RELAY": relay}, base=site.folder)
    images = parse_list((site.folder / "images.txt").read_bytes(), file="images.txt")
    options = RunOptions(targets=("aliyun",), retry_base=0.02)
    return run_sync(images, settings, options, stderr=io.StringIO())


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def settles(count: int, now: object) -> bool:
    """Whether a number comes down to what it was; what ends, ends in a moment."""
    assert callable(now)
    deadline = time.monotonic() + SETTLING
    while now() > count and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    return bool(now() <= count)


def false_verdicts(site: Site, report: Report, digests: list[str]) -> list[str]:
    """Items that are said to be in sync and are not, or failed for a reason that nobody gave."""
    found = []
    with Client(site.mirror.url) as client:
        for place, result in enumerate(report.results):
            name = f"{site.namespace}/copy{place}"
            answer = client.ask("HEAD", f"/v2/{name}/manifests/1", headers=ALL_TYPES)
            is_there = answer.headers.get("Docker-Content-Digest") == digests[place % IMAGES]
            is_in_sync = result.outcome in (COPIED, SKIPPED)
            is_true = is_there if is_in_sync else result.reason in PASSING | SPOILT
            if not is_true:
                found.append(f"{result.item.destination}: {result.outcome} {result.reason}")
    return found


ALL_TYPES = {
    "Accept": "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
}


@pytest.mark.parametrize("relays", ORDERS, ids="-".join)
def test_many_items_get_through_a_storm(tmp_path: Path, relays: tuple[str, str]) -> None:
    with Registry() as upstream, Registry() as mirror:
        site = Site(tmp_path, upstream, mirror, "soak")
        site.home.mkdir()
        site.temporary.mkdir()
        digests = [
            site.publish(build_image(files={"app": b"%d" % number}), f"app{number}:1")
            for number in range(IMAGES)
        ]
        with FaultProxy(upstream.url, seed=1) as near, FaultProxy(mirror.url, seed=2) as far:
            weather(site, near, far, digests, relays)
        assert all(
            lacking(mirror.url, f"{site.namespace}/copy{number}", "1") == []
            for number in range(0, ITEMS, max(1, ITEMS // 50))
        )


def weather(
    site: Site,
    near: FaultProxy,
    far: FaultProxy,
    digests: list[str],
    relays: tuple[str, str],
) -> None:
    """A run in the storm, another one, and one in fair weather that sets all right."""
    site.configure(ALIYUN_REGISTRY=far.host, RETRIES=TRIES, JOBS=8)
    sources = [site.source(f"app{number}:1", host=near.host) for number in range(IMAGES)]
    lines = [f"{sources[one % IMAGES]} --name=copy{one}:1" for one in range(ITEMS)]
    threads, files = threading.active_count() + 2, open_files()
    rules = [(proxy, rule) for proxy in (near, far) for rule in storm(proxy)]
    stormy = []
    for relay, count in zip(relays, (ITEMS // 2, ITEMS), strict=True):
        site.list_images(*lines[:count])
        stormy.append(carry_out(site, relay))
    struck = sum(proxy.struck(rule) for proxy, rule in rules)
    false = [one for report in stormy for one in false_verdicts(site, report, digests)[:5]]
    near.clear()
    far.clear()
    fair = carry_out(site, relays[0])
    false += false_verdicts(site, fair, digests)
    totals = [Counter(one.outcome.value for one in report.results) for report in stormy]
    retries = sum(max(0, one.attempts - 1) for report in stormy for one in report.results)
    leaks = {
        "programs": not has_ended(site),
        "threads": not settles(threads + len(near_threads()), threading.active_count),
        "files": not settles(files + 4 * len(near_threads()), open_files),
        "temporary": bool(list(site.temporary.iterdir()) or private_folders(site)),
    }
    print(
        f"\nhalf of {ITEMS} items with RELAY={relays[0]}, then all with {relays[1]}: "
        f"{[dict(one) for one in totals]}; {struck} faults injected, {retries} more tries, "
        f"false verdicts = {len(false)}, leaks = {sum(leaks.values())}"
    )
    assert not false
    assert {one.outcome for one in fair.results} <= {COPIED, SKIPPED}
    assert all(one[COPIED.value] > 0 for one in totals)
    assert struck > ITEMS / 10
    assert not any(leaks.values()), leaks


def near_threads() -> list[threading.Thread]:
    """The laboratory's own: the proxies serve each connection by a thread."""
    return [one for one in threading.enumerate() if "_serve" in one.name]
