"""A host that drips, or says nothing, beside good ones: it costs its own lines and little time.

SOAK=1 takes the real 20 seconds of a question, 50 good lines and 70 of the bad host; without it
everything is smaller.
"""

from __future__ import annotations

import io
import logging
import os
import time
from contextlib import AbstractContextManager

import pytest

from demo.images import build_image
from orchestrator.config.image_list import parse_list
from orchestrator.config.load import load_settings
from orchestrator.report.result import Outcome, Report
from orchestrator.sync.run import RunOptions, run_sync
from tests.support.loopback import dripping
from tests.support.runs import Site

IS_LONG = bool(os.environ.get("SOAK"))
GOOD, BAD = (50, 70) if IS_LONG else (12, 20)
QUESTION = 20.0 if IS_LONG else 1.5
LONGEST = 90.0 if IS_LONG else 45.0
IMAGES = 6

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def dripping_headers() -> AbstractContextManager[str]:
    return dripping(HEADERS + b"X: x\r\n" * 1000, pause=1.0 if IS_LONG else 0.1)


def silence() -> AbstractContextManager[str]:
    return dripping(b"", pause=3600)


def run(site: Site) -> tuple[Report, float]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(site.home), "TMPDIR": str(site.temporary)}
    settings = load_settings(environ, base=site.folder)
    images = parse_list((site.folder / "images.txt").read_bytes(), file="images.txt")
    options = RunOptions(targets=("aliyun",), retry_base=0.05, longest_question=QUESTION)
    began = time.monotonic()
    report = run_sync(images, settings, options, stderr=io.StringIO())
    return report, time.monotonic() - began


@pytest.mark.parametrize("bad_host", [dripping_headers, silence])
def test_a_host_that_does_not_answer_costs_its_own_lines_and_little_time(
    site: Site, bad_host: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(bad_host)
    for number in range(IMAGES):
        site.publish(build_image(files={"app": b"%d" % number}), f"app{number}:1")
    site.configure(JOBS=4)
    logging.getLogger("orchestrator").propagate = True
    with bad_host() as host:
        # The bad host's lines stand first, where they would be in the way of all others.
        bad = [f"{host}/some/image{number}:1" for number in range(BAD)]
        good = [
            f"{site.source(f'app{number % IMAGES}:1')} --name=good{number}:1"
            for number in range(GOOD)
        ]
        site.list_images(*bad, *good)
        with caplog.at_level(logging.INFO, logger="orchestrator"):
            report, seconds = run(site)
    outcomes = [one.outcome for one in report.results]
    assert outcomes[BAD:] == [Outcome.COPIED] * GOOD
    assert outcomes[:BAD] == [Outcome.FAILED] * BAD
    assert {one.reason for one in report.results[:BAD]} <= {"timeout", "unreachable", "tls"}
    print(f"\n{GOOD} good lines beside {BAD} of a bad host: {seconds:.1f} s")
    assert seconds < LONGEST
    assert f"{host} does not answer; it is left alone in this run" in caplog.messages
    if IS_LONG:
        assert any(f"waiting for {host}" in one for one in caplog.messages)
