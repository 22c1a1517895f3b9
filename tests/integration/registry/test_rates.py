"""How many requests a second arrive at a real registry that has a limit.

Arrivals are timed by a proxy before it, which may be late on a busy machine, so that single ones
may come closer.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from demo.faults import Call, Rule
from demo.images import build_image
from demo.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Site

RATE = 25.0
FEWEST = 8
"""Requests of each test at least; without a limit, most come in a few milliseconds."""


@contextmanager
def timed(url: str) -> Iterator[tuple[FaultProxy, list[float]]]:
    """A way to a registry, and when each request came."""
    arrived: list[float] = []
    with FaultProxy(url) as proxy:
        proxy.add(Rule(Call(lambda: arrived.append(time.monotonic()))))
        yield proxy, arrived


def check(arrived: list[float]) -> None:
    """That they came one by one, and that few of them met where one was late."""
    assert len(arrived) >= FEWEST
    gaps = [later - earlier for earlier, later in pairwise(sorted(arrived))]
    short = [gap for gap in gaps if gap < 0.5 / RATE]
    assert len(short) <= len(gaps) / 4, gaps
    assert sum(gaps) >= 0.75 * len(gaps) / RATE


def limit(site: Site, table: str) -> None:
    text = f"[{table}]\nrequests_per_second = {RATE}\n"
    (site.folder / "targets.toml").write_text(text, encoding="utf-8")


def test_a_source_is_sent_so_many_requests_a_second(site: Site) -> None:
    for number in range(4):
        site.publish(build_image(env=[f"N={number}"]), f"app{number}:1")
    with timed(site.upstream.url) as (proxy, arrived):
        limit(site, f'sources."{proxy.host}"')
        site.list_images(*(site.source(f"app{one}:1", host=proxy.host) for one in range(4)))
        assert site.run("plan").status == 0
    check(arrived)


def test_a_target_is_sent_so_many_requests_a_second_whoever_asks(site: Site) -> None:
    """Checks, what the relay pushes, and who may pull in the end: all are one limit's."""
    site.publish(build_image(layers=[site.noise()]))
    with timed(site.mirror.url) as (proxy, arrived):
        limit(site, "targets.aliyun")
        site.configure(ALIYUN_REGISTRY=proxy.host)
        site.sync(site.source())
        asked = [one.method for one in proxy.exchanges()]
    assert {"HEAD", "POST", "PUT"} <= set(asked)
    check(arrived)
