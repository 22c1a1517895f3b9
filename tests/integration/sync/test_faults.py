"""The table of faults: each one's verdict, and whether it is tried again, at either end.

One row of `docs/reliability.md` is one fault here; the rows and the page name each other.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.faults import (
    Corrupt,
    Drip,
    Hang,
    Refuse,
    Reset,
    Response,
    Rule,
    Stall,
    Truncate,
    WrongDigest,
)
from demo.images import build_image, noise_layer
from demo.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from demo.faults import Fault
    from demo.images import Image
    from tests.support.runs import ItemDocument, Site

HEADINGS = [
    "| fault | verdict | tried again | test |",
    "| promise | test |",
    "| what happens | promise | test |",
    "| test | tally |",
]
ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reliability.md"
TRIES = 2
PATIENCE = 2
LAYER = 10_000

PLACES: Mapping[str, tuple[str, str]] = {
    "source manifest": ("GET", r"/manifests/1$"),
    "source blob": ("GET", "/blobs/LAYER$"),
    "destination manifest": ("PUT", "/manifests/"),
    "destination question": ("GET", "/manifests/"),
    "destination blob's HEAD": ("HEAD", "/blobs/"),
    "destination blob": ("PATCH", "/blobs/"),
}
"""Requests that skopeo makes. A source's manifest is asked for by HTTP before."""

RELAYED: Mapping[str, tuple[str, str]] = {
    "destination manifest": ("PUT", "/manifests/"),
    "destination question": ("GET", "/manifests/"),
    "destination blob's HEAD": ("POST", "/blobs/uploads/"),
    "destination blob": ("PATCH|PUT", "/blobs/uploads/"),
}
"""Requests that the relay makes in the place of skopeo's: PUT alone where answers take long."""

BY_HTTP = {"source manifest": 1}
"""How often another one is asked, and spared the user the fault, before skopeo is."""

EVERYWHERE = tuple(PLACES)
SOURCE = ("source manifest", "source blob")
WRITES = ("destination manifest", "destination blob")
SOME = ("source manifest", "source blob", "destination blob's HEAD", "destination manifest")


@dataclass(frozen=True)
class Row:
    """A fault, its verdict where it stays, and whether it is tried again.

    Attributes:
        places: Where it strikes; the kind at each place.
        passes: Whether one such fault heals by another try, ours or skopeo's own.
        resumed: Where some skopeos (1.13) pick up a blob where it broke off, so that it arrives.
    """

    fault: Fault
    places: Mapping[str, str]
    passes: bool = True
    resumed: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)


def everywhere(kind: str, places: tuple[str, ...] = EVERYWHERE) -> dict[str, str]:
    return dict.fromkeys(places, kind)


def too_many(**headers: str) -> Response:
    spelt = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response.error(429, "TOOMANYREQUESTS", "slow down", spelt)


PAUSE = Response.error(403, "DENIED", "You have exceeded a secondary rate limit. Please wait")
EXPIRED = Response.error(401, "UNAUTHORIZED", "the token has expired")
PAGE_OF_HTML = Response(200, {"Content-Type": "text/html"}, b"<html>log in to the hotel</html>")
QUIET = {"STALL_TIMEOUT": PATIENCE}

ROWS: Mapping[str, Row] = {
    "end of file": Row(Refuse(), everywhere("unreachable", SOME)),
    "reset": Row(Reset(), everywhere("unreachable", SOME)),
    "reset in an answer": Row(Reset(100), everywhere("unreachable", SOURCE), resumed="source blob"),
    "reset in an upload": Row(Reset(100, side="request"), everywhere("unreachable", WRITES)),
    "truncated body": Row(Truncate(100), everywhere("unreachable", SOURCE), resumed="source blob"),
    "corrupt body": Row(
        Corrupt(99),
        {
            "source manifest": "bad-manifest",
            "source blob": "digest-mismatch",
        },
        passes=False,
    ),
    "corrupt upload": Row(
        Corrupt(99, side="request"), {"destination blob": "digest-mismatch"}, passes=False
    ),
    "silent hang": Row(
        Hang(), everywhere("timeout", ("source manifest", "destination blob")), settings=QUIET
    ),
    "stall in a body": Row(Stall(100), {"source blob": "timeout"}, settings=QUIET),
    "429 with Retry-After": Row(too_many(Retry_After="0"), everywhere("rate-limited", SOME)),
    # skopeo repeats a request without a body by itself, which takes half a minute: not these two.
    "429 without Retry-After": Row(too_many(), everywhere("rate-limited", WRITES)),
    "500": Row(Response(500), everywhere("unreachable")),
    "502": Row(Response(502), everywhere("unreachable", SOME)),
    "503": Row(Response(503), everywhere("unreachable", SOME)),
    "504": Row(Response(504), everywhere("unreachable", SOME)),
    "a page for a manifest": Row(PAGE_OF_HTML, {"source manifest": "bad-manifest"}, passes=False),
    "a page for a blob": Row(PAGE_OF_HTML, {"source blob": "digest-mismatch"}, passes=False),
    "a page for an upload": Row(PAGE_OF_HTML, {"destination blob": "unreachable"}),
    "401 midway": Row(EXPIRED, everywhere("unauthorized", ("source blob", *WRITES))),
    "401 at once": Row(EXPIRED, {"source manifest": "unauthorized"}, passes=False),
    "403 to a blob": Row(Response(403), {"source blob": "denied"}),
    "403 secondary rate limit": Row(
        PAUSE, everywhere("rate-limited", ("source manifest", "destination manifest"))
    ),
}


FAR = 0.03
"""Seconds to a target that is far, which gets each blob in one request."""

FAR_ROWS: Mapping[str, Row] = {
    "404 to an upload": Row(Response(404), {"destination blob": "unreachable"}),
    "400 to a body": Row(Response(400), {"destination blob": "denied"}),
    "405 to a body": Row(Response(405), {"destination blob": "read-only"}),
    "413 to a body": Row(Response(413), {"destination blob": "too-large"}),
    "slow": Row(Drip(30_000, side="request"), {"destination blob": ""}, settings=QUIET),
}
"""What the relay makes good by another way, so that one such answer is no verdict."""

BEHIND_THE_RELAY = tuple(name for name, row in ROWS.items() if RELAYED.keys() & row.places.keys())


@dataclass(frozen=True)
class Case:
    """One item of a batch, and the fault in its way."""

    place: str
    is_once: bool
    image: Image
    proxy: FaultProxy
    rule: Rule


class Batch:
    """Items that each have a network of their own at the source, and share one to the mirror."""

    def __init__(
        self, site: Site, stack: ExitStack, places: Mapping[str, tuple[str, str]] = PLACES
    ) -> None:
        self._site = site
        self._places = places
        self._stack = stack
        self._far = stack.enter_context(FaultProxy(site.mirror.url))
        self._cases: list[Case] = []
        self._lines: list[str] = []

    def add(self, place: str, fault: Fault, *, is_once: bool) -> None:
        site, name = self._site, f"app{len(self._cases)}"
        image = build_image(layers=[noise_layer(LAYER, seed=hash((site.namespace, name)))])
        site.publish(image, f"{name}:1")
        is_near = place.startswith("source")
        proxy = self._stack.enter_context(FaultProxy(site.upstream.url)) if is_near else self._far
        method, path = self._places[place]
        if place == "source blob" and isinstance(fault, (Reset, Truncate)) and fault.after:
            # A skopeo that resumes waits a second before it: once, then, not a hundred times.
            fault = replace(fault, after=LAYER // 2)
        below = name if is_near else site.mirrored_name(name).rpartition("/")[2]
        path = f"/{below}{path.replace('LAYER', image.layers[0].digest)}"
        times = 1 + BY_HTTP.get(place, 0) if is_once else None
        rule = Rule(fault, method=method, path=path, times=times)
        proxy.add(rule)
        self._cases.append(Case(place, is_once, image, proxy, rule))
        self._lines.append(site.source(f"{name}:1", host=proxy.host if is_near else ""))

    def run(self, settings: Mapping[str, object]) -> list[tuple[Case, ItemDocument, str | None]]:
        """Each case, what the report says of it, and the digest that the mirror then has."""
        site = self._site
        site.configure(ALIYUN_REGISTRY=self._far.host, RETRIES=TRIES, JOBS=16, **settings)
        site.list_images(*self._lines)
        items = site.run("batch").report["items"]
        found = []
        for case, item in zip(self._cases, items, strict=True):
            repository, _, tag = item["destination"].partition("/")[2].rpartition(":")
            found.append((case, item, site.mirror.digest(repository, tag)))
        return found


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_has_its_verdict(site: Site, name: str) -> None:
    check(site, ROWS[name], "off", PLACES)


@pytest.mark.parametrize("name", BEHIND_THE_RELAY)
def test_a_fault_behind_the_relay_has_the_same_verdict(site: Site, name: str) -> None:
    check(site, ROWS[name], "auto", RELAYED)


def check(site: Site, row: Row, relay: str, places: Mapping[str, tuple[str, str]]) -> None:
    """Let a fault strike at each of its places, once and for ever."""
    with ExitStack() as stack:
        batch = Batch(site, stack, places)
        for place in row.places.keys() & places.keys():
            batch.add(place, row.fault, is_once=True)
            batch.add(place, row.fault, is_once=False)
        for case, item, found in batch.run({**row.settings, "RELAY": relay}):
            struck, where = case.proxy.struck(case.rule), f"{case.place}: {item}"
            if case.is_once and row.passes:
                assert (item["action"], found) == ("copied", case.image.digest), where
                assert struck == case.rule.times, where
            elif case.place == row.resumed and item["action"] == "copied":
                assert found == case.image.digest, where
                assert struck > 0, where
            else:
                assert (item["action"], item["reason"]) == ("failed", row.places[case.place]), where
                assert struck > 1 if row.passes else item["attempts"] <= 1, (
                    f"{struck} times, {where}"
                )
                assert item["error"] is not None
                assert item["error"]["hint"]
                assert found in (None, case.image.digest), where


@pytest.mark.parametrize("settings", [{}, QUIET], ids=["answers", "silence"])
def test_a_fault_of_a_far_target_strikes_a_blob_in_its_one_request(
    site: Site, settings: Mapping[str, object]
) -> None:
    """All in one run: each has a target and an image of its own, so that none spoils another's."""
    with ExitStack() as stack:
        targets = [
            FarTarget(stack.enter_context(FaultProxy(site.mirror.url)), name, times)
            for name, row in {**ROWS, **FAR_ROWS}.items()
            if row.settings == settings and "destination blob" in row.places
            for times in ((1, None) if name in FAR_ROWS else (1,) if row.passes else ())
        ]
        (site.folder / "targets.toml").write_text(
            "".join(
                f"[targets.far{place}]\nregistry = '{one.proxy.host}'\n"
                f"namespace = '{site.namespace}/far{place}'\n"
                for place, one in enumerate(targets)
            ),
            encoding="utf-8",
        )
        site.configure(RETRIES=TRIES, JOBS=16, RELAY="auto", **settings)
        for place, one in enumerate(targets):
            site.publish(one.image, f"app{place}:1")
        lines = [f"--to=far{place} --name=app:1" for place in range(len(targets))]
        sources = [site.source(f"app{place}:1") for place in range(len(targets))]
        site.list_images(*map("{} {}".format, lines, sources))
        items = site.run("batch").report["items"]
        for place, item in enumerate(items):
            found = site.mirror.digest(f"{site.namespace}/far{place}/app", "1")
            targets[place].check(item, found)


class FarTarget:
    """A target for one image, and what becomes of that."""

    def __init__(self, proxy: FaultProxy, name: str, times: int | None) -> None:
        self.proxy = proxy
        self._name = name
        layers = [noise_layer(size, seed=hash((name, times))) for size in (LAYER, 3 * LAYER)]
        self.image = build_image(layers=layers)
        self._row = {**ROWS, **FAR_ROWS}[name]
        self._rule = Rule(self._row.fault, method="PUT", path="/blobs/uploads/", times=times)
        proxy.delay = FAR
        proxy.add(self._rule)

    def check(self, item: ItemDocument, found: str | None) -> None:
        """Once heals, and what has arrived is not sent again; for ever is told."""
        about, kind = f"{self._name}: {item}", self._row.places["destination blob"]
        assert self.proxy.struck(self._rule) > 0, about
        if self._rule.times is None and kind:
            assert (item["action"], item["reason"], found) == ("failed", kind, None), about
            return
        assert (item["action"], found) == ("copied", self.image.digest), about
        sent = [one for one in self.proxy.exchanges() if "/blobs/uploads/" in one.path]
        arrived = [
            one.path.partition("digest=")[2]
            for one in sent
            if (one.method, one.status) == ("PUT", 201)
        ]
        assert len(arrived) == len(set(arrived)) == len(self.image.layers) + 1, about
        with_body = {one.method for one in sent if one.sent_bytes}
        assert with_body == {"PUT"} or self._name.endswith("to a body"), about


def test_a_slow_drip_is_no_stall(site: Site) -> None:
    site.configure(STALL_TIMEOUT=1, RETRIES=1)
    image = build_image(layers=[site.noise(6000)])
    site.publish(image)
    with FaultProxy(site.upstream.url) as near:
        near.add(Rule(Drip(2000), path=f"/blobs/{image.layers[0].digest}"))
        item = site.sync(site.source(host=near.host)).item
    assert (item["action"], item["attempts"]) == ("copied", 1)
    assert item["seconds"] > 2


def test_a_wrong_digest_header_is_not_believed(site: Site) -> None:
    image = build_image()
    site.publish(image)
    lie = Rule(WrongDigest())
    with FaultProxy(site.upstream.url) as near, FaultProxy(site.mirror.url) as far:
        near.add(lie)
        far.add(lie)
        site.configure(ALIYUN_REGISTRY=far.host)
        source = site.source(host=near.host)
        verdicts = [site.sync(source).verdict for _ in range(2)]
        assert site.mirrored(host=near.host) == image.digest
        assert near.struck(lie) > 0
    assert verdicts == [("copied", "missing"), ("skipped", "same-digest")]


def test_a_refused_connection_is_unreachable_at_either_end(site: Site) -> None:
    site.publish(build_image())
    with FaultProxy(site.upstream.url) as near, FaultProxy(site.mirror.url) as far:
        nobody, nowhere = near.host, far.host
    targets = f"[targets.nowhere]\nregistry = '{nowhere}'\nnamespace = '{site.namespace}'\n"
    (site.folder / "targets.toml").write_text(targets, encoding="utf-8")
    site.configure(RETRIES=TRIES)
    site.list_images(site.source(host=nobody), f"--to=nowhere {site.source()}")
    outcome = site.run("batch")
    assert outcome.verdicts() == (("failed", "unreachable"), ("failed", "unreachable"))
    for host, tried in ((nobody, "nowhere to be read"), (nowhere, "nowhere to be written")):
        assert f"{host} can't be reached from here" in outcome.stderr, tried
    assert outcome.stderr.count("trying again") == 2
    assert "connection refused" not in outcome.stderr, "words on sockets are for -v"


def test_a_name_that_is_not_found_is_unreachable(site: Site) -> None:
    """A label of 64 letters is no name for DNS: no resolver is asked."""
    site.configure(RETRIES=TRIES)
    site.list_images(f"{'a' * 64}.test:5000/library/app:1")
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "unreachable")
    assert outcome.error["message"] == f"{'a' * 64}.test:5000 can't be reached from here"
    assert outcome.stderr.count("trying again") == 1


def test_each_row_of_the_page_names_a_test_and_each_fault_has_a_row() -> None:
    text = PAGE.read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)(?:\[([^]]+)\])?`", text)
    assert named
    for file, test, row in named:
        assert f"def {test}(" in (ROOT / file).read_text("utf-8"), test
        assert not row or row in ROWS, row
    assert {row for _, _, row in named if row} == set(ROWS)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line for line in rows if "`tests/" not in line] == HEADINGS
