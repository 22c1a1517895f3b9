"""A machine that lacks something: files, threads, disk, the right to read. Never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.images import build_image
from tests.support.runs import Site

PYTHON = f"{sys.executable} -m orchestrator"
ROOT = Path(__file__).parents[2]

FEW_THREADS = """
import os, resource, sys
from orchestrator.system.parallel import FifoQueue, map_bounded
if os.geteuid() == 0:
    os.setuid(54_321 + os.getpid())
resource.setrlimit(resource.RLIMIT_NPROC, (int(sys.argv[1]),) * 2)
done = dict(map_bounded(lambda one: one * 2, FifoQueue(range(200)), jobs=8))
assert done == {one: one * 2 for one in range(200)}, done
print("done")
"""
NO_PROGRAM = """
import os, resource
import sh
from orchestrator.errors import ImageError
from orchestrator.system.program import ProgramRunner
runner = ProgramRunner({"PATH": "/usr/bin:/bin"})
if os.geteuid() == 0:
    os.setuid(54_321 + os.getpid())
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
try:
    runner.run(["/bin/true"], stall_timeout=5)
except ImageError as error:
    print(error.kind.value, error.is_transient, error.hint)
"""


def script(text: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("processes", ["1", "2", "5"])
def test_with_few_threads_fewer_things_are_done_at_once(processes: str) -> None:
    assert script(FEW_THREADS, processes) == "done"


def test_a_program_that_can_not_be_started_is_tried_again() -> None:
    hint = "allow more processes and threads (ulimit -u), or lower JOBS"
    assert script(NO_PROGRAM) == f"tool True {hint}"


def shell(site: Site, command: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    whole = {"PATH": os.environ["PATH"], "HOME": str(site.home), **environ}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=site.folder,
        env=whole,
        capture_output=True,
        check=False,
        timeout=110,
    )


@pytest.mark.parametrize("files", [64, 24])
def test_with_few_open_files_the_report_is_whole(site: Site, files: int) -> None:
    for number in range(8):
        site.publish(build_image(files={"app": b"%d" % number}), f"app{number}:1")
    site.list_images(*(site.source(f"app{number}:1") for number in range(8)))
    done = shell(site, f"ulimit -n {files}; {PYTHON} batch --report=whole.json")
    assert b"Traceback" not in done.stderr, done.stderr
    report = json.loads((site.folder / "whole.json").read_text(encoding="utf-8"))
    assert report["totals"]["items"] == 8
    assert done.returncode == (1 if report["totals"]["failed"] else 0)
    assert b"copied" in done.stdout


@pytest.mark.parametrize("command", ["batch", "plan", "doctor"])
def test_a_state_directory_on_a_full_disk_is_a_clear_line(site: Site, command: str) -> None:
    site.publish(build_image())
    site.list_images(site.source())
    site.configure(STATE_DIR="/dev/full/state")
    done = shell(site, f"{PYTHON} {command}")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"can't be used" in done.stderr + done.stdout


@pytest.mark.parametrize("command", ["batch", "doctor"])
def test_a_password_that_is_no_utf_8_is_sent_as_it_is(site: Site, command: str) -> None:
    site.publish(build_image())
    site.list_images(site.source())
    line = f"ALIYUN_USERNAME=me ALIYUN_PASSWORD=$(printf 'p\\377w') {PYTHON} {command}"
    done = shell(site, line)
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
@pytest.mark.parametrize("command", ["batch", "doctor"])
def test_a_login_file_behind_a_closed_folder_is_none(site: Site, command: str) -> None:
    site.publish(build_image())
    site.list_images(site.source())
    (site.folder / "closed").mkdir(mode=0)
    done = shell(site, f"{PYTHON} {command}", REGISTRY_AUTH_FILE="closed/below/auth.json")
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
