"""What the program writes to may be closed, full or a pipe: the run is the run all the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from demo.images import build_image
from tests.support.loopback import dripping
from tests.support.runs import Site

ROOT = Path(__file__).parents[2]
PYTHON = f"{sys.executable} -m orchestrator"


def shell(site: Site, command: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    whole = {"PATH": os.environ["PATH"], "HOME": str(site.home), **environ}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=site.folder,
        env=whole,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def ready(site: Site) -> Site:
    """A site with one image that is in sync, so that a run takes an instant."""
    site.publish(build_image())
    site.sync(site.source())
    return site


@pytest.mark.parametrize(
    "streams",
    [
        ">&-",
        "2>&-",
        "<&-",
        ">&- 2>&-",
        "<&- >&- 2>&-",
        ">/dev/full",
        "2>/dev/full",
        ">/dev/full 2>/dev/full",
        "2>/dev/full >&-",
        "| true",
    ],
)
def test_closed_or_full_streams_do_not_change_a_run(ready: Site, streams: str) -> None:
    command = f"{{ {PYTHON} -v batch --report=whole.json; echo $? >status; }} {streams}"
    if not streams.startswith("|"):
        command = f"{PYTHON} -v batch --report=whole.json {streams}; echo $? >status"
    done = shell(ready, command)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert (ready.folder / "status").read_text(encoding="ascii") == "0\n"
    report = json.loads((ready.folder / "whole.json").read_text(encoding="utf-8"))
    assert report["totals"]["skipped"] == 1
    if streams == ">/dev/full":
        assert b"the output can't be written: No space left on device" in done.stderr


@pytest.mark.parametrize("command", ["name", "doctor", "history"])
def test_another_command_whose_results_are_lost_says_so(ready: Site, command: str) -> None:
    done = shell(ready, f"{PYTHON} {command} >/dev/full")
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_may_be_cut_off(site: Site, option: str) -> None:
    done = shell(site, f"{PYTHON} {option} | true; {PYTHON} {option} >/dev/full; true")
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_a_report_goes_into_a_pipe_that_is_read(ready: Site) -> None:
    pipe = ready.folder / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    done = shell(ready, f"{PYTHON} batch --report=pipe")
    reader.join(timeout=20)
    assert done.returncode == 0, done.stderr
    assert json.loads(read[0])["totals"]["items"] == 1


def test_a_pipe_that_nobody_reads_is_named_and_costs_nothing_else(ready: Site) -> None:
    os.mkfifo(ready.folder / "pipe")
    done = shell(ready, f"{PYTHON} batch --report=pipe --badge=badge.json")
    assert done.returncode == 0
    assert b"pipe can't be written: nobody reads it" in done.stderr
    assert b"1 in sync" in done.stdout
    assert (ready.folder / "badge.json").exists()


@pytest.mark.parametrize(
    ("start", "path"),
    [
        (f"{ROOT}/bin/syncer", ""),
        (f"{ROOT}/bin/syncer", "."),
        (f"{ROOT}/bin/syncer", ":"),
        (f"{ROOT}/bin/syncer", "planted"),
        (PYTHON, ""),
    ],
)
def test_modules_that_lie_about_are_not_imported(site: Site, start: str, path: str) -> None:
    """Each of them would get to see every secret."""
    for folder in (site.folder, site.folder / "planted"):
        folder.mkdir(exist_ok=True)
        for name in ("tomli", "sh", "requests", "dotenv", "urllib3", "docker_image", "tqdm"):
            planted = "open('was_imported', 'w').close()\n"
            (folder / f"{name}.py").write_text(planted, encoding="utf-8")
    (site.folder / "targets.toml").write_text("", encoding="utf-8")
    site.list_images("nginx")
    done = shell(site, f"{start} name", SYNCER_PYTHON=sys.executable, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert not (site.folder / "was_imported").exists()


def test_a_webhook_that_drips_keeps_neither_table_nor_report_back(ready: Site) -> None:
    with dripping(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000, pause=0.5) as host:
        ready.configure(WEBHOOK_URL=f"http://{host}/hook")
        report = ready.folder / "report.json"
        with ready.running("batch") as run:
            while not report.exists():
                time.sleep(0.05)
            run.send(signal.SIGTERM)  # ends what the chat is waited for
            outcome = run.finish(within=30)
    assert outcome.status == 0, "the run was over"
    assert "1 in sync" in outcome.stdout
    assert outcome.report["totals"]["skipped"] == 1
    assert any(host in one for one in outcome.report["warnings"])


def test_further_signals_do_not_lose_the_report(ready: Site) -> None:
    with dripping(b"", pause=60) as host:
        ready.list_images(f"{host}/silent/app:1", ready.source())
        with ready.running("batch") as run:
            while not list(ready.state.glob("private-*")):
                time.sleep(0.05)
            time.sleep(0.5)
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                run.send(number)
            outcome = run.finish(within=30)
    assert outcome.status == 130
    assert "interrupted: " in outcome.stdout
    assert outcome.report["totals"]["items"] == 2


def test_nohup_has_a_hangup_ignored(ready: Site) -> None:
    pipe = ready.folder / "list"
    os.mkfifo(pipe)
    command = f"trap '' HUP; {PYTHON} batch --file=list --report=whole.json & wait_for=$!; "
    command += "sleep 1; kill -HUP $wait_for; cat images.txt >list; wait $wait_for"
    done = shell(ready, command)
    assert done.returncode == 0, done.stderr
    assert b"1 in sync" in done.stdout
