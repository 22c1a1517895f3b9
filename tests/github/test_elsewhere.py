"""GitLab, GNU parallel, systemd, the container: what their files say, run as they would run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from demo.images import build_image
from tests.support.workflows import ROOT, Table, sequence, table, text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import Site

GITLAB = table(yaml.safe_load((ROOT / "deploy" / "gitlab-ci.yml").read_text(encoding="utf-8")))
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
SERVICE = ROOT / "deploy" / "syncer.service"


@pytest.fixture
def folder(site: Site, tmp_path: Path) -> dict[str, str]:
    """A list of six lines, and the environment of a job that finds `syncer`."""
    site.publish(build_image(layers=[site.noise()]))
    site.list_images(*(f"{site.source()} --name=image{number}:1" for number in range(6)))
    program = tmp_path / "bin"
    program.mkdir()
    (program / "syncer").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator "$@"\n')
    (program / "syncer").chmod(0o755)
    path = f"{program}:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(site.home)}


def job(site: Site, one: Table, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A job's script, as GitLab's runner gives it to a shell: all lines at once."""
    script = "set -eo pipefail\n" + "\n".join(text(line) for line in sequence(one["script"]))
    given = {name: str(value) for name, value in table(one.get("variables")).items()}
    return subprocess.run(
        ["bash", "-c", script],
        cwd=site.folder,
        env={**environ, **given},
        capture_output=True,
        text=True,
        check=False,
    )


def test_gitlabs_jobs_make_one_run(site: Site, folder: dict[str, str]) -> None:
    mirror = table(GITLAB["mirror"])
    for index in range(1, int(str(mirror["parallel"])) + 1):
        own = {"CI_NODE_INDEX": str(index), "CI_NODE_TOTAL": str(mirror["parallel"])}
        done = job(site, mirror, {**folder, **own, "STATE_DIR": f".syncer-{index}"})
        assert done.returncode == 0, done.stderr
    done = job(site, table(GITLAB["report"]), folder)
    assert done.returncode == 0, done.stderr
    assert "6 copied" in done.stdout
    (site.folder / "shard-2.json").unlink()
    assert "shard 2/4 left no report" in job(site, table(GITLAB["report"]), folder).stdout


def test_gitlabs_report_waits_for_as_many_as_there_are() -> None:
    report, mirror = table(GITLAB["report"]), table(GITLAB["mirror"])
    assert table(report["variables"])["SHARDS"] == str(mirror["parallel"])
    assert report["when"] == "always"


def test_the_line_for_gnu_parallel_shares_out_a_list(site: Site, folder: dict[str, str]) -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    share, merge = re.findall(r"^\$ (parallel .*|bin/syncer merge .*)$", page, re.MULTILINE)
    command, _, numbers = share.removeprefix("parallel ").partition(" ::: ")
    for number in numbers.split():
        line = command.replace("{}", number).replace("bin/syncer", "syncer")
        subprocess.run(line, shell=True, cwd=site.folder, env=folder, check=True)  # noqa: S602  (the page's own line, as a person types it)
    merged = f"{merge.replace('bin/syncer', 'syncer').replace(' --', ' --report=all.json --', 1)}"
    subprocess.run(merged, shell=True, cwd=site.folder, env=folder, check=True)  # noqa: S602  (the page's own line, as a person types it)
    assert json.loads((site.folder / "all.json").read_text())["totals"]["copied"] == 6


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_rates_the_service_well() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(SERVICE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-400:]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_understands_its_units(tmp_path: Path) -> None:
    for name in ("syncer.service", "syncer.timer"):
        unit = (ROOT / "deploy" / name).read_text(encoding="utf-8")
        there = unit.replace("/opt/docker-image-syncer/bin/syncer", "/bin/true")
        (tmp_path / name).write_text(there, encoding="utf-8")
    units = [str(tmp_path / name) for name in ("syncer.service", "syncer.timer")]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_container_is_nobody_and_starts_the_program() -> None:
    assert "\nUSER 65532:65532\n" in CONTAINERFILE
    assert CONTAINERFILE.index("USER ") < CONTAINERFILE.index('ENTRYPOINT ["syncer"]')
    assert "--require-hashes" in CONTAINERFILE
    for source in re.findall(r"^COPY ([^-\s]\S*) ", CONTAINERFILE, re.MULTILINE):
        assert (ROOT / source).exists(), source
