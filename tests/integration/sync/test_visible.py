"""Whether others can pull what was pushed: asked once a repository, as a stranger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.images import build_image
from demo.registry import Login, Registry, RegistryOptions

if TYPE_CHECKING:
    from tests.support.runs import Site

LOGIN = Login("me", "the-password-of-mine")


def test_a_registry_that_wants_a_login_keeps_it_private_and_one_image_of_each_says_so(
    site: Site,
) -> None:
    images = [site.source(f"app:{tag}") for tag in "12"]
    site.publish(build_image("linux/amd64"), "app:1")
    site.publish(build_image("linux/arm64"), "app:2")
    with Registry(RegistryOptions(login=LOGIN)) as registry:
        site.configure(
            ALIYUN_REGISTRY=registry.host,
            ALIYUN_USERNAME=LOGIN.user,
            ALIYUN_PASSWORD=LOGIN.password,
            DEFAULT_PLATFORM="all",
        )
        first = site.sync(*images)
        told = [(one["visibility"], one["note"]) for one in first.report["items"]]
        assert told == [("private", "its repository is private"), ("private", None)]
        again = site.sync(*images)
        told = [(one["visibility"], one["note"]) for one in again.report["items"]]
        assert told == [("private", None)] * 2
        examined = site.run("doctor")
        shown = "pull from aliyun: some repositories need a login (0 public, 1 private, when last"
        assert f"note   {shown} pushed to)" in examined.stdout


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
