"""Whether others can pull what was pushed: asked once a repository, as a stranger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.images import build_image
from demo.registry import Login, Registry, RegistryOptions

if TYPE_CHECKING:
    from tests.support.runs import Site

LOGIN = Login("me", "the-password-of-mine")


def test_a_registry_that_wants_a_login_keeps_it_private(site: Site) -> None:
    site.publish(build_image("linux/amd64"))
    with Registry(RegistryOptions(login=LOGIN)) as registry:
        site.configure(
            ALIYUN_REGISTRY=registry.host,
            ALIYUN_USERNAME=LOGIN.user,
            ALIYUN_PASSWORD=LOGIN.password,
        )
        first = site.sync(site.source())
        assert first.item["visibility"] == "private"
        assert first.item["note"] == "its repository is private"
        again = site.sync(site.source())
        examined = site.run("doctor")
        told = "pull from aliyun: some repositories need a login (0 public, 1 private, when last"
        assert f"note   {told} pushed to)" in examined.stdout
    assert (again.item["visibility"], again.item["note"]) == ("private", None)


def test_an_open_one_is_public_and_asked_once_a_repository(site: Site) -> None:
    for number in (1, 2):
        site.publish(build_image("linux/amd64", {"n": str(number).encode()}), f"app:{number}")
    one = site.sync(site.source("app:1"))
    assert (one.item["visibility"], one.item["note"]) == ("public", None)
    before = len(site.asked(site.mirror))
    both = site.sync(site.source("app:1"), site.source("app:2"))
    assert [item["visibility"] for item in both.report["items"]] == ["public", "public"]
    heads = [
        request
        for request in site.asked(site.mirror)[before:]
        if request.method == "HEAD" and request.path.endswith("/manifests/1")
    ]
    assert len(heads) == 1, "the check of the first one, and no question of a stranger's"
