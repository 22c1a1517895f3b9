"""What somebody runs becomes lines of the list, is mirrored, and is found again by its files."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image
from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.runs import Site


def digest_of(image: str, *options: str) -> str:
    """The digest that skopeo finds under a name."""
    command = [
        "skopeo",
        *options,
        "inspect",
        "--no-tags",
        "--tls-verify=false",
        "--format={{.Digest}}",
    ]
    done = subprocess.run(
        [*command, f"docker://{image}"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


COMPOSE = """\
services:
  web: {{image: "{0}"}}   # the front
  again:
    image: '{0}'
  own:
    build: .
"""
LIST = b"\xef\xbb\xbf# mine \r\n\r\n  quay.io/foo/bar:1   # kept"


def test_a_file_is_imported_mirrored_and_rewritten_with_the_same_digests(site: Site) -> None:
    site.publish(build_image(layers=[site.noise()]), "app:1")
    image = site.source("app:1")
    site.list_images()
    compose = site.folder / "compose.yaml"
    compose.write_text(COMPOSE.format(image), encoding="utf-8")

    printed = site.run("import", "compose.yaml")
    assert (printed.status, printed.stdout) == (0, f"{image}\n")
    assert printed.stderr == (
        "compose.yaml:6: service 'own' is built, so its image is left out; its Dockerfile can be "
        "read\n"
    )
    assert site.run("import", "--add", "compose.yaml").status == 0
    assert site.run("batch").status == 0
    compose.chmod(0o600)
    assert site.run("rewrite", "compose.yaml").status == 0
    place = f"{site.mirror.host}/{site.mirrored_name('app')}:1"
    assert compose.read_text(encoding="utf-8") == COMPOSE.format(place)
    assert compose.stat().st_mode & 0o777 == 0o600
    assert digest_of(place) == digest_of(image)


def test_the_list_keeps_its_bytes_and_a_second_import_adds_nothing(site: Site) -> None:
    listed = site.folder / "images.txt"
    listed.write_bytes(LIST)
    (site.folder / "Dockerfile").write_text(
        "FROM redis:7\nFROM quay.io/foo/bar:1\nFROM redis:7@sha256:" + "ab" * 32, encoding="utf-8"
    )
    first = site.run("import", "--add", "Dockerfile")
    assert first.status == 1
    assert listed.read_bytes() == LIST
    assert first.stderr.count("is left out: it would be") == 2

    (site.folder / "Dockerfile").write_text("FROM redis:7\nFROM quay.io/foo/bar:1\n")
    assert site.run("import", "--add", "Dockerfile").status == 0
    assert listed.read_bytes() == LIST + b"\r\nredis:7\r\n"
    again = site.run("import", "--add", "Dockerfile")
    assert (again.status, again.stdout) == (0, "")
    assert again.stderr == "nothing is missing in the list\n"
    assert listed.read_bytes() == LIST + b"\r\nredis:7\r\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("none.yaml", None, "none.yaml can't be read: No such file", id="no file"),
        pytest.param("a.yaml", b"\xff\xfe", "a.yaml: it is not UTF-8 text", id="no text"),
        pytest.param("a.yaml", b"a: [", "a.yaml: it can't be read as YAML: line", id="no YAML"),
    ],
)
def test_a_file_that_can_t_be_read_is_named(
    site: Site, name: str, content: bytes | None, said: str
) -> None:
    site.list_images()
    if content is not None:
        (site.folder / name).write_bytes(content)
    outcome = site.run("import", name)
    assert outcome.status == 2
    assert said in outcome.stderr


def test_an_image_that_is_not_mirrored_is_kept_and_said(site: Site) -> None:
    site.list_images("redis:7")
    (site.folder / "a.yaml").write_text("a: {image: redis:7}\nb: {image: nginx:1}\n")
    outcome = site.run("rewrite", "a.yaml")
    assert outcome.status == 1
    assert "a.yaml:2: 'nginx:1' is kept: no line of the list mirrors it to" in outcome.stderr
    place = f"{site.mirror.host}/{site.mirrored_name('redis')}"
    assert "image: nginx:1}" in (site.folder / "a.yaml").read_text(encoding="utf-8")
    assert site.mirror.host in place


def test_podman_s_programs_find_the_mirror_by_the_export(site: Site, tmp_path: Path) -> None:
    """The source is gone; skopeo, which reads the same file, still finds the image."""
    digest = site.publish(build_image(layers=[site.noise()]), "app:1")
    site.sync(site.source("app:1"))
    printed = site.run("export", "registries-conf")
    assert printed.status == 0
    conf = tmp_path / "registries.conf"
    gone = site.source("app:1").replace(site.upstream.host, "gone.invalid")
    text = printed.stdout.replace(site.upstream.host, "gone.invalid")
    mirror = f'location = "{site.mirror.host}'
    conf.write_text(text.replace(mirror, f"insecure = true\n{mirror}"), encoding="utf-8")
    assert digest_of(gone, f"--registries-conf={conf}") == digest


def test_a_script_pulls_all_and_says_which_it_could_not(site: Site, tmp_path: Path) -> None:
    site.list_images("redis:7", "nginx:1", "--platform=linux/arm64 mysql:8")
    script = tmp_path / "retag.sh"
    script.write_text(site.run("export", "retag").stdout, encoding="utf-8")
    tool = tmp_path / "podman"
    tool.write_text('#!/bin/sh\necho "$@" >>"$LOG"\ncase "$*" in *redis:7) [ "$1" = tag ];; esac\n')
    tool.chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(tmp_path / "log")}
    done = subprocess.run(
        ["sh", str(script), "podman"], env=environ, capture_output=True, text=True, check=False
    )
    base = f"{site.mirror.host}/{site.namespace}/"
    assert done.returncode == 1
    assert done.stderr == f"{base}redis:7: not pulled\n"
    assert (tmp_path / "log").read_text().splitlines() == [
        f"pull {base}redis:7",
        f"pull {base}nginx:1",
        f"tag {base}nginx:1 docker.io/library/nginx:1",
    ]


def test_standard_input_is_a_file_like_any_other(site: Site) -> None:
    """As `helm template … | syncer rewrite - | kubectl apply -f -` needs it."""
    site.list_images("redis:7")
    base = [sys.executable, "-m", "orchestrator"]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "ALIYUN_REGISTRY": "r.example.com"}
    done = [
        subprocess.run(
            [*base, command, "-"],
            cwd=site.folder,
            env={**environ, "ALIYUN_NAMESPACE": "ns", "SYNC_MODE": "aliyun"},
            input="a: {image: redis:7} # 缓存\n---\nb: [{image: 'foo/bar:2'}]\n".encode(),
            capture_output=True,
            check=False,
        )
        for command in ("import", "rewrite")
    ]
    assert [one.returncode for one in done] == [0, 1]
    assert done[0].stdout == b"foo/bar:2\n"
    assert done[1].stdout.decode() == (
        "a: {image: r.example.com/ns/redis:7} # 缓存\n---\nb: [{image: 'foo/bar:2'}]\n"
    )
