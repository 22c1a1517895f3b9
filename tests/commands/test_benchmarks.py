"""The benchmarks at a size that takes seconds: our program runs, and is counted right."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import document, ours, scale, scenarios
from benchmarks.__main__ import main
from benchmarks.far import copies, trips
from benchmarks.far.line import Line
from benchmarks.far.site import opened
from benchmarks.judge import judge
from benchmarks.measure import Run, time_alone
from benchmarks.samples import ALL, PLATFORM
from benchmarks.scenarios import Bench
from benchmarks.tools import Tool
from benchmarks.traffic import ErrorKind, Traffic, kind_of
from demo.proxy import Exchange

DIGEST = f"sha256:{'a' * 64}"
UPLOADS = "/v2/mirror/app/blobs/uploads/"


def small(*wanted: Tool) -> Bench:
    return Bench(
        runs=1,
        delay=0.0,
        images=3,
        copies=3,
        size=300_000,
        entries=20,
        lines=2,
        tags=120,
        trip=0.0,
        far_size=300_000,
        wants=lambda tool: tool in wanted,
    )


def only(runs: Sequence[Run]) -> Run:
    (run,) = runs
    assert run.complaint == ""
    return run


def test_lines_that_choose_tags_cost_their_heads_alone() -> None:
    run = only(scenarios.choices(small(ours.WARM)))
    assert run.traffic.count(ErrorKind.MANIFEST_HEAD) == 2 * 20
    assert run.traffic.count(ErrorKind.TAGS) == 1
    assert run.traffic.count() == 2 * 20 + 1
    assert run.programs == 0


@pytest.mark.parametrize(
    ("tool", "platform", "heads"),
    [
        pytest.param(ours.WARM, PLATFORM, 6, id="one platform"),
        pytest.param(ours.WARM, ALL, 12, id="indexes and their children"),
        pytest.param(ours.TAGS, ALL, 6, id="indexes alone"),
    ],
)
def test_a_run_that_finds_all_in_sync_is_counted(tool: Tool, platform: str, heads: int) -> None:
    run = only(scenarios.noop(small(tool), platform))
    assert run.traffic.count() == run.traffic.count(ErrorKind.MANIFEST_HEAD) == heads
    assert run.programs == 0
    assert run.seconds > 0
    assert 10_000_000 < run.peak < 200_000_000


def test_a_run_without_state_reads_each_source_once() -> None:
    run = only(scenarios.noop(small(ours.COLD), PLATFORM))
    assert run.source.count(ErrorKind.MANIFEST_GET) == 3
    assert run.targets.count(ErrorKind.MANIFEST_GET) == 0


@pytest.mark.parametrize("targets", [1, 2])
def test_a_cold_copy_is_counted(targets: int) -> None:
    run = only(scenarios.copy(small(ours.COPYING), targets=targets))
    assert run.targets.count(ErrorKind.MANIFEST_PUT) == 3 * targets
    assert run.targets.up >= 300_000 * targets
    layers = [digest for digest, size in run.source.sizes.items() if size > 50_000]
    assert len(layers) == 7, "a base that all share, and two layers of each"
    assert {run.source.downloads[digest] for digest in layers} == {1}
    assert {run.targets.uploads[digest] for digest in layers} == {targets}


def test_the_bare_copies_copy_the_same() -> None:
    run = only(scenarios.copy(small(ours.BARE)))
    assert run.targets.count(ErrorKind.MANIFEST_PUT) == 3
    assert run.source.count(ErrorKind.MANIFEST_GET) == 3


def test_a_cold_copy_to_a_far_target_is_counted() -> None:
    run = only(copies.copy(small(ours.COPYING)))
    assert run.targets.count(ErrorKind.MANIFEST_PUT) == 3
    assert 600_000 < run.targets.up < 800_000, "a base that all share, and half of each"
    assert 600_000 < run.source.down < 800_000


def test_registries_with_tls_and_tokens_take_a_login(tmp_path: Path) -> None:
    bench = replace(small(trips.OURS_KNOWING), wants=lambda tool: tool is trips.OURS_KNOWING)
    with opened(tmp_path, has_tokens=True) as site:
        runs = trips.copies_on(bench, site, replace(trips.TOKENS, far=(trips.NEAR,)))
        assert only(tuple(runs)).targets.count(ErrorKind.MANIFEST_PUT) == 1


@contextmanager
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""

    class Echo(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while piece := self.request.recv(65536):
                self.wfile.write(piece)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def send_round(host: str, content: bytes) -> float:
    """The seconds until all of it is back, and the connection has ended."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2]))) as connection:
        sending = threading.Thread(target=connection.sendall, args=(content,))
        sending.start()
        came = b""
        while len(came) < len(content):
            came += connection.recv(65536)
        sending.join()
        took = time.monotonic() - began
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert came == content
    return took


def test_a_line_takes_its_time_and_passes_so_many_bytes_a_second() -> None:
    content = bytes(range(256)) * 400
    with echo() as port, Line(port, rate=2_000_000) as line:
        assert send_round(line.host, content) >= 2 * len(content) / 2_000_000
        carried = line.take(delay=0.15)
        assert (carried.up, carried.down) == (len(content), len(content))
        assert send_round(line.host, b"a") >= 2 * 0.15, "a connection, and a question"
        assert line.take(delay=0.0).up == 1


def test_a_long_list_is_timed() -> None:
    runs = scenarios.scale(small())
    assert [(run.tool, run.complaint) for run in runs] == [
        (scenarios.NAMING, ""),
        (scenarios.PLANNING, ""),
    ]


def test_the_command_line_shows_a_table_and_goals(capsys: pytest.CaptureFixture[str]) -> None:
    small_sizes = ["--images=3", "--delay=0", "--runs=1"]
    assert main(["--only=noop-single", "--tools=syncer", *small_sizes]) == 0
    words = capsys.readouterr().out.split()
    assert " ".join(words).count("3 in sync, one platform: manifest HEADs: 6 at most 6 met") == 1
    assert "skopeo" in words


def test_what_does_not_run_is_told(tmp_path: Path) -> None:
    run = time_alone("a tool", ("sh", "-c", "echo no such thing; exit 3"), tmp_path)
    assert run.complaint == "exit status 3: no such thing"
    assert document.rows([run])[0][:2] == ("a tool", "failed")


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/v2/", ErrorKind.PING),
        ("HEAD", "/v2/a/b/manifests/1", ErrorKind.MANIFEST_HEAD),
        ("GET", f"/v2/a/manifests/{DIGEST}", ErrorKind.MANIFEST_GET),
        ("PUT", "/v2/a/manifests/1", ErrorKind.MANIFEST_PUT),
        ("HEAD", f"/v2/a/blobs/{DIGEST}", ErrorKind.BLOB_HEAD),
        ("GET", f"/v2/a/blobs/{DIGEST}", ErrorKind.BLOB_GET),
        ("POST", f"/v2/a/blobs/uploads/?from=b&mount={DIGEST}", ErrorKind.UPLOAD),
        ("GET", "/v2/a/tags/list?n=1", ErrorKind.TAGS),
        ("GET", "/v2/_catalog", ErrorKind.OTHER),
    ],
)
def test_requests_are_told_apart(method: str, path: str, kind: ErrorKind) -> None:
    assert kind_of(method, path) is kind


def test_a_blob_has_travelled_when_it_is_there() -> None:
    quoted = DIGEST.replace(":", "%3A")
    traffic = Traffic.of(
        [
            Exchange("POST", f"{UPLOADS}?from=other&mount={DIGEST}", 201, 0, 0),
            Exchange("PATCH", f"{UPLOADS}1", 202, 700, 0),
            Exchange("PUT", f"{UPLOADS}1?digest={quoted}", 201, 0, 0),
            Exchange("PUT", f"{UPLOADS}2?digest={quoted}", 400, 0, 20),
            Exchange("GET", f"/v2/app/blobs/{DIGEST}", 200, 0, 500),
        ]
    )
    assert traffic.uploads == {DIGEST: 1}
    assert traffic.downloads == {DIGEST: 1}
    assert (traffic.up, traffic.down) == (700, 520)


def test_goals_are_judged_by_what_was_measured() -> None:
    head = Exchange("HEAD", "/v2/a/manifests/1", 200, 0, 0)
    busy = Traffic.of([head] * 401)
    runs = {scenarios.NOOP_ONE: [Run(ours.WARM.name, 1.0, source=busy, programs=0)]}
    verdicts = {verdict.goal: verdict.is_met for verdict in judge(runs, Bench())}
    assert not verdicts["200 in sync, one platform: manifest HEADs: 400 at most"]
    assert verdicts["200 in sync, one platform: skopeo processes: 0 at most"]
    assert not any("regsync" in goal for goal in verdicts), "it was not there"


def test_the_page_keeps_what_stands_around_the_figures() -> None:
    runs = {scenarios.NOOP_ONE: [Run(ours.WARM.name, 1.0)]}
    before = f"# Title\n\n{document.BEGIN}\nold\n{document.END}\n\nThe end.\n"
    page = document.page(before, runs, judge(runs, Bench()), {scenarios.NOOP_ONE: "In sync"})
    assert page.startswith(f"# Title\n\n{document.BEGIN}\n\n")
    assert page.endswith(f"{document.END}\n\nThe end.\n")
    assert "### In sync" in page
    assert "old" not in page


def test_what_an_item_costs_is_a_row_a_run() -> None:
    head, _, *rows = scale.measured((20,), (5,)).splitlines()
    assert head.startswith("| run | items | seconds |")
    assert [row.split(" | ")[:2] for row in rows] == [
        ["| new", "5"],
        ["| moved on", "5"],
        ["| in sync, first run", "20"],
        ["| in sync, second run", "20"],
    ]
    assert all(float(row.split(" | ")[5]) > 0 for row in rows), "no request was seen"


def test_the_measured_table_stands_in_its_page(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    page.write_text("a\n<!-- measured -->\nold\n<!-- /measured -->\nb\n", encoding="utf-8")
    scale.write(page, "| new |", "today")
    expected = "a\n<!-- measured -->\n| new |\n\ntoday\n<!-- /measured -->\nb\n"
    assert page.read_text(encoding="utf-8") == expected
