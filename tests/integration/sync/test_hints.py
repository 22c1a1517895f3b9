"""A hint that proposes something to write is followed here, to the letter, and then works."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import build_image, build_index
from demo.proxy import FaultProxy
from demo.registry import Login, Registry, RegistryOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Site

ALICE = Login("alice", "correct-horse")


@pytest.fixture
def far(site: Site) -> Iterator[FaultProxy]:
    """What makes another registry of the mirror."""
    with FaultProxy(site.mirror.url) as proxy:
        site.configure(SYNC_MODE="ghcr", GHCR_REGISTRY=proxy.host, GHCR_NAMESPACE=site.namespace)
        yield proxy


def test_a_login_that_is_wanted_is_set_as_the_hint_says(site: Site) -> None:
    site.publish(build_image())
    site.list_images(site.source())
    with Registry(RegistryOptions(login=ALICE)) as guarded:
        site.configure(ALIYUN_REGISTRY=guarded.host)
        hint = site.run("batch").error["hint"]
        found = re.fullmatch(r"it needs (\w+) and (\w+)", hint)
        assert found, hint
        environ = {found[1]: ALICE.user, found[2]: ALICE.password}
        assert site.run("batch", environ=environ).status == 0


def test_a_tag_that_may_not_be_overwritten_goes_to_another(site: Site, far: FaultProxy) -> None:
    answer = Response.error(412, "PRECONDITION", "'app:1' configured as immutable.")
    far.add(Rule(answer, method="PUT", path="/manifests/1$"))
    site.publish(build_image())
    site.list_images(site.source())
    error = site.run("batch").error
    assert error["kind"] == "immutable"
    assert error["hint"].endswith("or mirror it to another tag with --name")
    site.sync(f"{site.source()} --name=app:other")
    assert site.mirror.digest(f"{site.namespace}/app", "other") is not None


def test_where_no_index_is_taken_one_platform_is(site: Site, far: FaultProxy) -> None:
    answer = Response.error(400, "MANIFEST_INVALID", "manifest invalid")
    far.add(Rule(answer, method="PUT", path="/manifests/", content="(index|list)"))
    images = [build_image(one) for one in ("linux/amd64", "linux/arm64")]
    site.publish(build_index(images))
    site.list_images(f"--platform=all {site.source()}")
    error = site.run("batch").error
    assert error["hint"].startswith("name one platform with --platform")
    site.sync(f"--platform=linux/amd64 {site.source()} --name=one:1")
    assert site.mirror.digest(f"{site.namespace}/one", "1") == images[0].digest


def test_a_name_that_is_not_taken_is_chosen_anew(site: Site, far: FaultProxy) -> None:
    component = site.upstream.host.replace(".", "-").replace(":", "-")
    answer = Response.error(400, "NAME_INVALID", "invalid repository name")
    far.add(Rule(answer, method="POST", path=f"/{component}_"))
    site.publish(build_image())
    site.list_images(site.source())
    error = site.run("batch", environ={"GHCR_USERNAME": "me", "GHCR_TOKEN": "x"}).error
    assert error["hint"] == "choose another with --name, or another way of naming with NAMING"
    site.sync(f"{site.source()} --name=short:1")
