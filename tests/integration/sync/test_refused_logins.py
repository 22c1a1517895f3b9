"""A wrong password on many lines, at real registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.images import build_image
from demo.registry import Login, Registry, RegistryOptions

if TYPE_CHECKING:
    from tests.support.runs import Site

LINES = 20


def test_a_wrong_password_is_one_message_and_ends_the_questions(site: Site) -> None:
    site.publish(build_image())
    with Registry(RegistryOptions(login=Login("alice", "correct-horse"))) as mirror:
        site.configure(
            ALIYUN_REGISTRY=mirror.host, ALIYUN_USERNAME="alice", ALIYUN_PASSWORD="purple-monkey"
        )
        site.list_images(*(f"{site.source()} --name=app:{number}" for number in range(LINES)))
        outcome = site.run("batch")
        by_skopeo = [one for one in mirror.requests() if one.user_agent.startswith("skopeo")]
    assert outcome.status == 1
    assert (
        f"{LINES} lines (1, 2, 3, 4, 5, …), aliyun: {mirror.host} refuses the login: "
        "user name or password is wrong\n  -> check ALIYUN_USERNAME and ALIYUN_PASSWORD\n"
    ) in outcome.stdout
    assert {item["reason"] for item in outcome.report["items"]} == {"unauthorized"}
    assert len(by_skopeo) < LINES, "those that had begun, and no more"
