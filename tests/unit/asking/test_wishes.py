"""What people write into an issue, and the images that they mean."""

from __future__ import annotations

import json
import time

import pytest

from orchestrator.asking.answer import Answer, comment
from orchestrator.asking.event import IssueRequest, read_event
from orchestrator.asking.wishes import read_wishes
from orchestrator.errors import UsageError


@pytest.mark.parametrize(
    ("text", "images"),
    [
        pytest.param("nginx", ["nginx"], id="a name"),
        pytest.param("nginx:1.27, redis:7; mysql", ["nginx:1.27", "redis:7", "mysql"],
                     id="several"),
        pytest.param("nginx：1.27、redis：7。", ["nginx:1.27", "redis:7"], id="full-width"),
        pytest.param("$ docker pull bitnami/redis:7", ["bitnami/redis:7"], id="docker pull"),
        pytest.param("docker pull --platform linux/arm64 mysql:8", ["linux/arm64 mysql:8"],
                     id="docker pull with a platform"),
        pytest.param("https://hub.docker.com/_/redis", ["redis"], id="a page"),
        pytest.param("[here](https://hub.docker.com/r/bitnami/redis/tags)", ["bitnami/redis"],
                     id="a link to a page"),
        pytest.param("https://quay.io/coreos/etcd:v3.5.0", ["quay.io/coreos/etcd:v3.5.0"],
                     id="a scheme"),
        pytest.param("```yaml\nservices:\n  a:\n    image: redis:${T:-7}\n```\nnginx",
                     ["redis:7", "nginx"], id="a snippet of compose"),
        pytest.param("  image: redis:7\n  restart: always\n", ["redis:7"], id="less of it"),
        pytest.param("```\nFROM alpine:3 AS a\nFROM a\n```", ["alpine:3"], id="a Dockerfile"),
        pytest.param("- `nginx:1`\n* redis:7\n1. mysql:8\n> etcd:3\n- [x] pg:1",
                     ["nginx:1", "redis:7", "mysql:8", "etcd:3", "pg:1"], id="lists"),
        pytest.param("please mirror nginx:alpine, thanks", ["nginx:alpine"], id="a sentence"),
        pytest.param("请同步 quay.io/foo/bar:1 谢谢", ["quay.io/foo/bar:1"], id="Chinese"),
        pytest.param("<!-- one a line -->\nnginx\nnginx:latest\ndocker.io/library/nginx", ["nginx"],
                     id="once"),
        pytest.param("", [], id="nothing"),
    ],
)  # fmt: skip
def test_what_is_meant_is_found(text: str, images: list[str]) -> None:
    wishes = read_wishes(text)
    found = [f"{one.usage.platform} {one.usage.image}".strip() for one in wishes]
    assert (found, [one.problem for one in wishes]) == (images, [""] * len(images))


def test_no_more_rows_than_somebody_reads_and_the_rest_is_counted() -> None:
    wishes = read_wishes("\n".join(f"app{number}" for number in range(2_000)))
    shown = comment([Answer(wish, problem="left out") for wish in wishes], run_url="https://x.y/1")
    assert shown.count("left out") == 100
    assert "- 1900 more are not shown." in shown
    assert "(https://x.y/1)" in shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 60_000, id="brackets"),
        pytest.param("[](a" * 15_000, id="links without an end"),
        pytest.param("### a" + " " * 60_000 + "b", id="a heading of spaces"),
        pytest.param(
            "ARG A1=aaaa\n"
            + "".join(f"ARG A{n}=$A{n - 1}$A{n - 1}\n" for n in range(2, 60))
            + "FROM $A59",
            id="variables that double",
        ),
    ],
)
def test_what_is_made_to_take_long_takes_no_time(text: str) -> None:
    issue = {"number": 1, "user": {"login": "ann"}, "body": text}
    before = time.process_time()
    request = read_event(json.dumps({"issue": issue}).encode())
    shown = comment([Answer(wish) for wish in read_wishes(request.images)])
    assert time.process_time() - before < 1
    assert shown.encode()


HOSTILE = (
    "$(id)", "`id`", "';id;'", "--force", "-v", "::error::x", "::set-output name=a::b",
    "<script>alert(1)</script>", "@octocat", "a\rb", "\x00", "../../etc/passwd", "${HOME}",
    "x" * 60_000, "image: [", "|" * 50, "file:///etc/passwd",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20].encode().hex())
def test_what_means_harm_is_no_image_and_no_markup(text: str) -> None:
    wishes = read_wishes(text)
    shown = comment([Answer(wish) for wish in wishes])
    assert len(shown) < 65_536
    assert "<script" not in shown
    assert "@octocat" not in shown
    assert all(one.problem or one.usage.image.replace("-", "").isalnum() for one in wishes)


def event(**changes: object) -> bytes:
    issue = {
        "number": 7,
        "user": {"login": "Ann"},
        "author_association": "NONE",
        "state": "open",
        "labels": [],
        "body": "### Images · 镜像\r\n\r\nnginx\r\n\r\n### Platform · 平台\r\n\r\n_No response_\r\n"
        "\r\n### Keep it current · 持续同步\r\n\r\n- [X] Add it to images.txt",
    }
    top = {"action": "opened", "issue": {**issue, **changes}}
    return json.dumps(
        {**top, **{key: changes[key] for key in ("action", "label") if key in changes}}
    ).encode()


def test_a_filled_in_form_is_read() -> None:
    assert read_event(event()) == IssueRequest(
        7, "Ann", "NONE", "\n\nnginx\n\n", "", True, False, True
    )


@pytest.mark.parametrize(
    ("association", "askers", "is_allowed"),
    [
        pytest.param("OWNER", [], True, id="owner"),
        pytest.param("MEMBER", [], True, id="member"),
        pytest.param("COLLABORATOR", [], True, id="collaborator"),
        pytest.param("CONTRIBUTOR", [], False, id="contributor"),
        pytest.param("NONE", [], False, id="stranger"),
        pytest.param("NONE", ["bob", "@ann"], True, id="named"),
        pytest.param("NONE", ["anna", ""], False, id="another one's name"),
    ],
)
def test_who_may_ask(association: str, askers: list[str], *, is_allowed: bool) -> None:
    request = read_event(event(author_association=association))
    assert request.is_allowed(askers) is is_allowed


@pytest.mark.parametrize(
    ("changes", "is_for_us"),
    [
        pytest.param({}, True, id="the form"),
        pytest.param({"body": "nginx"}, False, id="some other issue"),
        pytest.param({"body": None}, False, id="an empty one"),
        pytest.param({"body": "nginx", "labels": [{"name": "mirror"}]}, True, id="labelled"),
        pytest.param({"action": "labeled", "label": {"name": "mirror"}}, True, id="the label"),
        pytest.param({"action": "labeled", "label": {"name": "bug"}}, False, id="another label"),
        pytest.param({"action": "closed"}, False, id="closed"),
        pytest.param({"pull_request": {}}, False, id="a pull request"),
    ],
)
def test_which_issues_ask(changes: dict[str, object], *, is_for_us: bool) -> None:
    assert read_event(event(**changes)).is_for_us is is_for_us


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"issue": 1}', b'{"issue": {"number": 1}}'])
def test_what_is_no_event_is_said(raw: bytes) -> None:
    with pytest.raises(UsageError, match="no event of an issue"):
        read_event(raw)
