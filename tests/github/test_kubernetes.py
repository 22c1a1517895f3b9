"""deploy/kubernetes: as a current version's schema has it, and run as its files say."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import kubernetes_validate
import pytest
import yaml

from demo.images import build_image, push
from tests.support.github import ALIYUN
from tests.support.workflows import ROOT, Node, Table, sequence, table, text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.github import Network

FOLDER = ROOT / "deploy" / "kubernetes"
VERSION = "1.37"


def resource(name: str) -> Table:
    return table(yaml.safe_load((FOLDER / name).read_text(encoding="utf-8")))


KUSTOMIZATION = resource("kustomization.yaml")
RESOURCES = [text(name) for name in sequence(KUSTOMIZATION["resources"])]
JOB = table(resource("job.yaml")["spec"])
POD = table(table(JOB["template"])["spec"])
(CONTAINER,) = map(table, sequence(POD["containers"]))


def value_of(name: str) -> Node:
    return next(
        one["value"] for one in map(table, sequence(CONTAINER["env"])) if one["name"] == name
    )


@pytest.mark.parametrize("name", RESOURCES)
def test_a_resource_is_what_a_current_version_takes(name: str) -> None:
    kubernetes_validate.validate(resource(name), VERSION, strict=True)


def test_what_is_wrong_is_refused() -> None:
    wrong = {**resource("job.yaml"), "spec": {**JOB, "completionModes": "Indexed"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_all_that_is_named_is_there() -> None:
    (generated,) = map(table, sequence(KUSTOMIZATION["configMapGenerator"]))
    named = {*RESOURCES, *map(text, sequence(generated["files"])), "kustomization.yaml"}
    assert named == {path.name for path in FOLDER.iterdir()}


def test_the_cronjob_is_the_job() -> None:
    assert table(table(resource("cronjob.yaml")["spec"])["jobTemplate"])["spec"] == JOB


def test_there_is_one_pod_more_than_shards() -> None:
    assert JOB["completionMode"] == "Indexed"
    assert JOB["completions"] == JOB["parallelism"] == int(str(value_of("SHARDS"))) + 1


def test_a_pod_is_nobody_and_writes_nowhere_else() -> None:
    assert table(POD["securityContext"])["runAsNonRoot"] is True
    assert POD["automountServiceAccountToken"] is False
    own = table(CONTAINER["securityContext"])
    assert own["readOnlyRootFilesystem"] is True
    assert own["allowPrivilegeEscalation"] is False
    assert set(table(CONTAINER["resources"])) == {"requests", "limits"}


def machine(folder: Path, network: Network, namespace: str, images: int) -> dict[str, str]:
    """The settings, logins and volume that the files give a pod; the environment of one."""
    for name in ("etc", "secrets", "state", "bin", "tmp"):
        (folder / name).mkdir()
    for name in ("config.env", "images.txt", "shard.sh"):
        shutil.copy2(FOLDER / name, folder / "etc")
    settings = (folder / "etc" / "config.env").read_text(encoding="utf-8")
    settings = settings.replace("registry.cn-hangzhou.aliyuncs.com", network.aliyun.host)
    settings = settings.replace("my-namespace", namespace)
    settings = settings.replace("/run/secrets/syncer", str(folder / "secrets"))
    (folder / "etc" / "config.env").write_text(settings, encoding="utf-8")
    (folder / "secrets" / "ALIYUN_USERNAME").write_text(f"{ALIYUN.user}\n", encoding="utf-8")
    (folder / "secrets" / "ALIYUN_PASSWORD").write_text(f"{ALIYUN.password}\n", encoding="utf-8")
    source = f"{network.upstream.host}/{namespace}/app:1"
    push(network.upstream.url, f"{namespace}/app", "1", build_image())
    lines = "".join(f"{source} --name=image{n}:1\n" for n in range(images))
    (folder / "etc" / "images.txt").write_text(lines, encoding="utf-8")
    syncer = folder / "bin" / "syncer"
    syncer.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -m orchestrator "$@"\n', encoding="utf-8"
    )
    syncer.chmod(0o755)
    (folder / "etc").chmod(stat.S_IRUSR | stat.S_IXUSR)
    return {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder / "tmp"),
        "SHARDS": str(value_of("SHARDS")),
        "JOB_NAME": "syncer-first",
        "MERGE_AFTER": "0",
        "SETTINGS": str(folder / "etc"),
        "STATE": str(folder / "state"),
    }


def pod(folder: Path, environ: dict[str, str], index: int) -> subprocess.CompletedProcess[str]:
    """What the container runs, from the root of a file system that is not its own."""
    command = [text(word) for word in sequence(CONTAINER["command"])]
    script = str(folder / "etc" / "shard.sh")
    assert command == ["sh", "/etc/syncer/shard.sh"]
    return subprocess.run(
        ["sh", script],
        cwd="/",
        env={**environ, "JOB_COMPLETION_INDEX": str(index)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_pods_of_a_job_make_one_run(tmp_path: Path, network: Network) -> None:
    namespace = f"kubernetes{os.getpid()}"
    environ = machine(tmp_path, network, namespace, images=6)
    for index in range(4):
        done = pod(tmp_path, environ, index)
        assert done.returncode == 0, done.stderr
    done = pod(tmp_path, environ, 4)
    assert done.returncode == 0, done.stderr
    merged = json.loads((tmp_path / "state/reports/syncer-first/merged").read_text())
    assert merged["totals"]["copied"] == 6
    assert all(network.aliyun.digest(f"{namespace}/image{n}", "1") for n in range(6))
    (tmp_path / "state/reports/syncer-first/2.json").unlink()
    done = pod(tmp_path, environ, 4)
    assert done.returncode == 1
    assert "shard 2/4 left no report" in done.stdout
