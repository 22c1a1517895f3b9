"""The worked examples of docs/list.md and docs/targets.md, with real registries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, push
from demo.registry import Login, Registry, RegistryOptions
from tests.support.examples import block_of, play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Site

LOGIN = Login("me+robot", "the-password-of-mine")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def guarded() -> Iterator[Registry]:
    """A registry that wants a login."""
    with Registry(RegistryOptions(login=LOGIN)) as registry:
        yield registry


def test_each_example_of_the_pages_is_played() -> None:
    pages = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "docs").glob("*.md"))
    played = {"min-age", "gone", "sources", "visibility", "policy"}
    assert set(re.findall(r"<!-- example (.*?) -->", pages)) == played


def acme(site: Site) -> dict[str, str]:
    return {"quay.io/acme": f"{site.upstream.host}/{site.namespace}"}


def test_what_is_too_young_is_held_back(site: Site) -> None:
    for tag in ("1.26.2", "1.27.0"):
        site.publish(build_image(files={"tag": tag.encode()}), f"app:{tag}")
    play(site, block_of("list.md", "min-age"), names=acme(site))


def test_what_is_gone_is_kept(site: Site) -> None:
    image = build_image()
    digest = site.publish(image, "app:1.26.2")
    events = {
        "acme deletes the tag": lambda: site.upstream.delete(f"{site.namespace}/app", digest),
        "acme pushes it again": lambda: site.publish(image, "app:1.26.2"),
    }
    play(site, block_of("list.md", "gone"), names=acme(site), events=events)


def test_a_source_is_read_with_its_login(site: Site, guarded: Registry) -> None:
    push(guarded.url, f"{site.namespace}/private", "1", build_image(), auth=LOGIN)
    page = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    (table,) = re.findall(r'```toml\n(\[sources\."quay\.io"\].*?)```', page, re.DOTALL)
    names = {"quay.io/acme": f"{guarded.host}/{site.namespace}", "quay.io": guarded.host}
    play(
        site,
        f"$ cat targets.toml\n{table}{block_of('targets.md', 'sources')}",
        names=names,
        environ={"QUAY_PASSWORD": LOGIN.password},
    )


def test_what_is_private_is_said(site: Site, guarded: Registry) -> None:
    site.publish(build_image())
    site.configure(
        ALIYUN_REGISTRY=guarded.host,
        ALIYUN_USERNAME=LOGIN.user,
        ALIYUN_PASSWORD=LOGIN.password,
    )
    play(site, block_of("targets.md", "visibility"), names=acme(site))
