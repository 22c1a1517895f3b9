"""A source's mirror, with real registries: the bytes come from it, and the last word never does.

The mirror is a repository of another registry, behind a proxy that writes down what it is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.faults import Corrupt, Refuse, Response, Rule
from demo.images import build_image, build_index, push
from demo.proxy import FaultProxy
from demo.registry import Login, Registry, RegistryOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.faults import Fault
    from demo.images import Image, Index
    from tests.support.runs import Outcome, Site

ROOT = Path(__file__).resolve().parents[3]
PATH = "cache/of-lab"
OLD = build_image(files={"release": b"old"})


@dataclass(frozen=True)
class Near:
    """A user's folder whose source has a mirror nearby.

    Attributes:
        origin: The way to the source.
        proxy: The way to its mirror.
    """

    site: Site
    origin: FaultProxy
    proxy: FaultProxy

    def as_here(self, text: str) -> str:
        """An example, with the registries that there are here."""
        there = f"{self.proxy.host}/{PATH}"
        image = text.replace("library/nginx", f"{self.site.namespace}/app")
        own = image.replace("mirror.example.com/docker.io", "MIRROR")
        return own.replace("docker.io", self.origin.host).replace("MIRROR", there)

    @property
    def source(self) -> str:
        return self.site.source(host=self.origin.host)

    @property
    def copied(self) -> str | None:
        return self.site.mirrored(host=self.origin.host)

    def hold(self, content: Image | Index, image: str = "app:1") -> None:
        """Push something to the mirror."""
        repository, _, tag = image.partition(":")
        push(self.site.mirror.url, f"{PATH}/{self.site.namespace}/{repository}", tag, content)

    def sync(self, *lines: str) -> Outcome:
        return self.site.sync(*(lines or (self.source,)))

    def image(self) -> Image:
        made = build_image(layers=[self.site.noise()])
        self.site.publish(made)
        return made


@pytest.fixture
def near(site: Site) -> Iterator[Near]:
    with FaultProxy(site.upstream.url) as origin, FaultProxy(site.mirror.url) as proxy:
        near = Near(site, origin, proxy)
        table = near.as_here(shown("mirror"))
        (site.folder / "targets.toml").write_text(table, encoding="utf-8")
        yield near


def shown(block: str) -> str:
    """An example of the page on targets."""
    page = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    (text,) = re.findall(rf"<!-- {block} -->\n```\w+\n(.*?)```", page, re.DOTALL)
    return str(text)


def asked(proxy: FaultProxy) -> list[str]:
    """What went by, but for "who are you?"."""
    return [one.method for one in proxy.exchanges() if one.path != "/v2/"]


def warnings(outcome: Outcome) -> list[str]:
    """What was said, each once on the screen and once in the report."""
    told = outcome.report["warnings"]
    assert [outcome.stderr.count(one) for one in told] == [1] * len(told)
    return told


def test_the_bytes_come_from_the_mirror_and_the_tag_from_the_origin(near: Near) -> None:
    image = near.image()
    near.hold(OLD)
    near.hold(image, "app:another")
    outcome = near.sync()
    assert outcome.verdict == ("copied", "missing")
    assert near.copied == image.digest
    assert set(asked(near.origin)) == {"HEAD"}
    assert set(asked(near.proxy)) == {"GET"}
    assert outcome.item["source"] == near.source
    assert near.proxy.host not in str(outcome.report)
    assert warnings(outcome) == []


def test_what_the_mirror_lacks_comes_from_the_origin_and_that_is_said_once(near: Near) -> None:
    digests = [near.site.publish(build_image(env=[f"N={n}"]), f"app:{n}") for n in range(2)]
    near.hold(OLD)
    lines = [near.source.replace(":1", f":{n}") for n in range(2)]
    outcome = near.sync(*lines)
    found = [near.site.mirrored(f"app:{n}", host=near.origin.host) for n in range(2)]
    assert found == digests
    (said,) = warnings(outcome)
    assert (
        re.sub("sha256:[0-9a-f]+", "sha256:…", said) == near.as_here(shown("mirror-lacks")).strip()
    )
    assert len(asked(near.proxy)) == len(lines)
    assert near.site.run("batch").report["totals"]["skipped"] == 2


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        pytest.param(Refuse(), "", id="down"),
        pytest.param(Response(404, body=b"<html>"), "/manifests/", id="no mirror at all"),
        pytest.param(Corrupt(20), "/manifests/", id="another manifest than asked for"),
        pytest.param(Corrupt(20), "/blobs/", id="another blob than asked for"),
    ],
)
def test_where_the_mirror_fails_the_origin_is_read(near: Near, fault: Fault, path: str) -> None:
    image = near.image()
    near.hold(image)
    near.proxy.add(Rule(fault, path=path))
    outcome = near.sync()
    assert outcome.verdict == ("copied", "missing")
    assert near.copied == image.digest
    (said,) = warnings(outcome)
    assert said.startswith(f"the mirror of {near.origin.host} failed")
    assert near.proxy.host in said


@pytest.mark.parametrize(
    "fault", [pytest.param(Refuse(), id="dark"), pytest.param(Response(503), id="503")]
)
def test_where_the_origin_does_not_say_the_mirrors_tag_is_taken_and_that_is_said(
    near: Near, fault: Fault
) -> None:
    near.image()
    near.hold(OLD)
    near.origin.add(Rule(fault))
    near.site.configure(RETRIES=1)
    outcome = near.sync()
    assert near.copied == OLD.digest
    assert outcome.item["note"] == near.as_here(shown("mirror-word")).strip()
    (said,) = warnings(outcome)
    assert said.startswith(f"what tags of {near.origin.host} name is the word of its mirror")
    again = near.site.run("batch")
    assert (again.verdict, again.item["note"]) == (
        ("skipped", "same-digest"),
        outcome.item["note"],
    )


def test_that_an_image_is_gone_is_not_the_mirrors_to_say(near: Near) -> None:
    near.hold(OLD, "other:1")
    near.origin.add(Rule(Refuse()))
    near.site.list_images(near.source)
    outcome = near.site.run("batch", environ={"RETRIES": "1"})
    assert outcome.verdict == ("failed", "unreachable")
    near.origin.clear()
    near.hold(OLD)
    assert near.site.run("batch").verdict == ("failed", "not-found")


def test_an_index_comes_from_the_mirror_child_by_child(near: Near) -> None:
    index = build_index([build_image(one) for one in ("linux/amd64", "linux/arm64", "linux/386")])
    near.site.publish(index)
    near.hold(index)
    outcome = near.sync(f"{near.source} --platform=linux/amd64,linux/arm64")
    assert outcome.verdict == ("copied", "missing")
    assert set(asked(near.origin)) == {"HEAD"}


def test_tags_are_the_mirrors_only_where_the_origin_is_dark(near: Near) -> None:
    image = near.image()
    near.hold(image, "app:1.9.0")
    near.site.publish(image, "app:1.10.0")
    near.site.list_images(f"{near.source.removesuffix(':1')} --semver=^1.2")
    planned = near.site.run("plan")
    assert [one["source"][-6:] for one in planned.report["items"]] == ["1.10.0"]
    near.origin.add(Rule(Refuse()))
    planned = near.site.run("plan")
    assert [one["source"][-6:] for one in planned.report["items"]] == [":1.9.0"]
    assert len(warnings(planned)) == 1


def test_a_mirror_gets_its_own_login_and_never_the_origins(site: Site) -> None:
    login = Login("me", "a-word-for-one")
    options = RegistryOptions(login=login)
    image = build_image(layers=[site.noise()])
    site.publish(image)
    with Registry(options) as private, FaultProxy(site.upstream.url) as origin:
        push(private.url, f"{site.namespace}/app", "1", image, auth=login)
        line = site.source(host=origin.host)
        words = f'username = "{login.user}"\npassword = "{login.password}"\n'
        tables = f'[sources."{origin.host}"]\nmirror = "{private.host}"\n'
        (site.folder / "targets.toml").write_text(f"{tables}{words}", encoding="utf-8")
        (said,) = warnings(site.sync(line))
        assert "failed" in said
        origins = len(asked(origin))
        site.mirror.delete(site.mirrored_name(host=origin.host), image.digest)
        own = f'{tables}[sources."{private.host}"]\n{words}'
        (site.folder / "targets.toml").write_text(own, encoding="utf-8")
        outcome = site.run("batch")
        assert (outcome.verdict, warnings(outcome)) == (("copied", "missing"), [])
        assert set(asked(origin)[origins:]) == {"HEAD"}
