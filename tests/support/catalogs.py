"""A catalog as a mirror of some size has it: for tests, and for the pictures in the docs.

python -m tests.support.catalogs FOLDER    writes the page of twenty images, and its pictures
"""

from __future__ import annotations

import random
import shutil
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.catalog.chart import chart_of
from orchestrator.catalog.entries import ListedImage, catalog_entries
from orchestrator.catalog.image import MirroredImage
from orchestrator.catalog.page import Catalog, html_page
from orchestrator.language import Language
from orchestrator.oci.reference import Reference, digest_of
from orchestrator.report.history import PastRun
from orchestrator.report.result import Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

PLACES = {"aliyun": "registry.cn-hangzhou.aliyuncs.com/my-mirror", "ghcr": "ghcr.io/octocat"}
REPOSITORY = "https://github.com/octocat/mirror"
_NAMES = """\
nginx:alpine redis:7-alpine mysql:8.0 postgres:16.4 quay.io/coreos/etcd:v3.5.0 traefik:v3.1
quay.io/prometheus/prometheus:v2.54.1 registry.k8s.io/pause:3.9 bitnami/kubectl:latest node:22
registry.k8s.io/ingress-nginx/controller:v1.11.2 ghcr.io/home-assistant/home-assistant:2024.9
grafana/grafana:11.2.0 busybox:stable python:3.12-slim golang:1.23 minio/minio:latest
gcr.io/distroless/static-debian12:nonroot jenkins/jenkins:lts rabbitmq:3.13-management
""".split()
_FAILED, _GONE, _WAITING, _NEW, _KEPT = 5, 11, 8, 3, 13
"""Places of images that are not in sync."""

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_OPTIONS = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def a_catalog(count: int = 20, *, now: datetime | None = None) -> Catalog:
    """So many listed images, one more that the list no longer has, and 24 runs."""
    at = now or datetime(2026, 3, 1, 6, 30, tzinfo=timezone.utc)
    chance = random.Random(7)  # noqa: S311 - the same each time
    listed = [_listed(place) for place in range(count)]
    seen = [_seen(one, place, at, chance) for place, one in enumerate(listed)]
    old = ListedImage(
        Reference.parse("alpine:3.18"), "linux/amd64", "ghcr", f"{PLACES['ghcr']}/alpine:3.18"
    )
    images = [image for place, image in enumerate(seen) if place != _NEW]
    return Catalog(
        entries=catalog_entries(listed, [*images, _seen(old, count, at, chance)]),
        chart=chart_of([_run(day, at, count, chance) for day in range(24)]),
        places=PLACES,
        made=at,
        repository_url=REPOSITORY,
    )


def _listed(place: int) -> ListedImage:
    again, at = divmod(place, len(_NAMES))
    source = Reference.parse(_NAMES[at] + (f"-{again}" if again else ""))
    target = ("aliyun", "ghcr")[place % 2]
    host = "" if source.is_docker_hub else f"{source.registry.replace('.', '-')}_"
    name = host + source.repository.removeprefix("library/").replace("/", "_")
    platform = ("linux/amd64", "linux/amd64,linux/arm64", "linux/arm64")[place % 3]
    return ListedImage(source, platform, target, f"{PLACES[target]}/{name}:{source.tag}")


def _seen(one: ListedImage, place: int, at: datetime, chance: random.Random) -> MirroredImage:
    outcome, reason = {
        _FAILED: ("failed", "rate-limited"),
        _GONE: ("failed", "not-found"),
        _WAITING: ("deferred", "pull-budget"),
        _KEPT: ("kept", "gone-upstream"),
    }.get(place, ("skipped", "same-digest"))
    is_there = place != _GONE
    return MirroredImage(
        destination=one.destination,
        source=str(one.source),
        platform=one.platform,
        target=one.target,
        outcome=outcome,
        reason=reason,
        tried=at,
        digest=digest_of(one.destination.encode()) if is_there else "",
        source_digest=digest_of(str(one.source).encode()) if is_there else "",
        platforms=tuple(one.platform.split(",")) if is_there else (),
        size=chance.randrange(3_000_000, 900_000_000) if is_there and place % 9 != 4 else 0,
        created="2026-02-01T10:00:00Z" if is_there else "",
        changed=at - timedelta(hours=chance.randrange(2, 2000)) if is_there else None,
        checked=at - timedelta(hours=3 if outcome == "skipped" else 30) if is_there else None,
    )


def _run(day: int, at: datetime, count: int, chance: random.Random) -> PastRun:
    copied, failed = max(0, int(chance.gauss(2, 3))), int(chance.random() < 0.15)
    moved = copied * chance.randrange(20_000_000, 400_000_000)
    skipped = count - copied - failed
    totals = Totals(items=count, copied=copied, skipped=skipped, failed=failed, bytes=moved)
    begun = at - timedelta(days=day, hours=4)
    ended = begun + timedelta(minutes=3)
    targets = ",".join(PLACES)
    return PastRun(f"run{day}", begun, ended, "0.1.0", "1.18.0", targets, "", False, 0, totals)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; there has to be one."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not everybody has it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        yield browser
        browser.close()


def main(folder: Path) -> None:
    """Write the page of twenty images, and the pictures of it."""
    page_file = folder / "index.html"
    catalog = a_catalog(now=datetime.now(timezone.utc))
    page_file.write_text(html_page(catalog, Language.ENGLISH), encoding="utf-8")
    with chromium() as browser:
        for name, size, colours, language, opened in (
            ("catalog-light", (1120, 700), "light", "en", False),
            ("catalog-dark", (1120, 700), "dark", "en", True),
            ("catalog-phone", (360, 740), "light", "zh-CN", False),
        ):
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if colours == "dark" else "light",
                locale=language,
            )
            page = context.new_page()
            page.goto(page_file.as_uri())
            if opened:
                page.click("#images tbody tr:nth-child(3) .name")
                page.mouse.move(0, 0)
            page.screenshot(path=folder / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
