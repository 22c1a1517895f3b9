"""`NAMING=packed` from the list to the pull: a run, a second one, and all that gives addresses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from demo.images import build_image
from demo.registry import MANIFEST_TYPES
from tests.support.fronts import front

if TYPE_CHECKING:
    from tests.support.runs import Site

TAGS = "1.25.5 1.26.2 1.27.0 1.27.3 1.27.3-perl edge".split()


@pytest.fixture
def packed(site: Site) -> Site:
    """A site whose list chooses tags, under `packed`."""
    for tag in TAGS:
        site.publish(build_image(files={"tag": tag.encode()}), f"my_app:{tag}")
    site.configure(NAMING="packed")
    repository = site.source("my_app")
    site.list_images(
        f"{repository} --semver=>=1.26,<2 --latest=2",
        f"{repository} --tags=*-perl",
        f"--platform=linux/amd64 {repository}:edge",
    )
    return site


def place(site: Site, tag: str) -> str:
    """Where an image goes, by the rule in docs/list.md."""
    host = site.upstream.host.replace(":", ".-")
    return f"{site.mirror.host}/{site.namespace}/mirror:{host}_{site.namespace}_my._app..{tag}"


MIRRORED = ("1.27.3", "1.27.0", "1.27.3-perl", "edge..linux_amd64")


def test_all_is_in_one_repository_and_every_command_knows_its_address(packed: Site) -> None:
    first = packed.run("batch")
    assert first.status == 0, first.stderr
    assert [one["destination"] for one in first.report["items"]] == [
        place(packed, tag) for tag in MIRRORED
    ]
    there = packed.mirror.tags(f"{packed.namespace}/mirror")
    assert sorted(there) == sorted(place(packed, tag).rpartition(":")[2] for tag in MIRRORED)
    before = len(packed.writes())
    again = packed.run("batch")
    assert {one["reason"] for one in again.report["items"]} == {"same-digest"}
    assert len(packed.writes()) == before

    script = packed.run("export", "retag").stdout
    for tag in MIRRORED:
        own = tag.partition("..")[0]
        assert f"get {place(packed, tag)} {packed.source(f'my_app:{own}')}\n" in script
    for kind in ("registries-conf", "k3s"):
        exported = packed.run("export", kind).stdout
        assert exported.count("the tag differs there, which this can't say: see") == len(MIRRORED)

    compose = packed.folder / "compose.yaml"
    services = {
        "a": {"image": packed.source("my_app:1.27.0")},
        "b": {"image": packed.source("my_app:1.25.5")},
    }
    compose.write_text(json.dumps({"services": services}), encoding="utf-8")
    rewritten = packed.run("rewrite", "compose.yaml")
    assert place(packed, "1.27.0") in compose.read_text(encoding="utf-8")
    assert rewritten.status == 1
    assert "my_app:1.25.5' is kept: no run from here has mirrored it to aliyun; a line of the" in (
        rewritten.stderr
    )

    packed.run("catalog")
    page = (packed.folder / "catalog" / "images.md").read_text(encoding="utf-8")
    for tag in MIRRORED:
        assert page.count(place(packed, tag).replace("_", "\\_") + " ") == 1
    assert "4 in sync; updated" in page


def test_what_no_run_has_chosen_yet_is_said(packed: Site) -> None:
    script = packed.run("export", "retag").stdout
    assert (
        f"# left out: {packed.source('my_app')} --tags=*-perl: no run from here has mirrored a tag "
        "that it chooses\n"
    ) in script
    assert script.count("\nget ") == 1


def test_a_client_pulls_by_the_names_that_images_have_upstream(packed: Site) -> None:
    packed.run("batch")
    config = {
        "ALIYUN_REGISTRY": packed.mirror.host,
        "ALIYUN_NAMESPACE": packed.namespace,
        "NAMING": "packed",
    }
    listed = (packed.folder / "images.txt").read_text(encoding="utf-8").splitlines()
    with front(packed.folder / "front", config, *listed) as served:
        for tag in ("1.27.3", "1.27.3-perl", "edge"):
            asked = requests.get(
                f"{served.url}/v2/{packed.namespace}/my_app/manifests/{tag}",
                params={"ns": packed.upstream.host},
                headers={"Accept": ", ".join(MANIFEST_TYPES)},
                timeout=30,
            )
            wanted = packed.upstream.digest(f"{packed.namespace}/my_app", tag)
            assert asked.headers["Docker-Content-Digest"] == wanted
