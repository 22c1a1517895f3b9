"""Where the mirror may have an image that is asked for under its original name."""

from __future__ import annotations

import pytest

from orchestrator.config.image_list import parse_list
from orchestrator.config.targets import Target
from orchestrator.front.places import Places
from orchestrator.front.request import parse_wanted
from orchestrator.oci.platform import PlatformChoice
from orchestrator.plan.items import name_items

AMD64 = PlatformChoice.parse("linux/amd64")
DIGEST = "sha256:" + "ab" * 32


def found(lines: str, target: str, *, naming: str = "flat", platform: str = "") -> list[str]:
    """The places of a request, `?` behind those that no line names."""
    targets = {"one": Target("one", "mirror.example", "ns", naming=naming)}
    images = parse_list(lines.encode(), file="images.txt")
    named = name_items(
        images.with_placeholders(), targets=targets, others={}, default_platform=AMD64
    )
    given = PlatformChoice.parse(platform) if platform else None
    places = Places(images, named, targets, platform=given or AMD64, prefix=given)
    wanted = parse_wanted(target)
    assert wanted
    short = (
        f"{str(one.reference).removeprefix('mirror.example/ns/')}{'' if one.is_listed else '?'}"
        for one in places.of(wanted)
    )
    return list(short)


@pytest.mark.parametrize(
    ("lines", "target", "expected"),
    [
        pytest.param("nginx:1", "/v2/nginx/manifests/1", ["nginx:1"], id="listed"),
        pytest.param("", "/v2/nginx/manifests/1", ["nginx:1?"], id="mirrored by hand"),
        pytest.param(
            "nginx:1 --name=web:stable",
            "/v2/nginx/manifests/1",
            ["web:stable", "nginx:1?"],
            id="a name of its own",
        ),
        pytest.param(
            "nginx:1 --name=web:stable", "/v2/nginx/manifests/2", ["nginx:2?"], id="another tag"
        ),
        pytest.param(
            "nginx:1 --name=web:stable",
            f"/v2/nginx/blobs/{DIGEST}",
            [f"web@{DIGEST}", f"nginx@{DIGEST}?"],
            id="by digest",
        ),
        pytest.param(
            "quay.io/coreos/etcd:v3",
            "/v2/coreos/etcd/manifests/v3?ns=quay.io",
            ["quay-io_coreos_etcd:v3"],
            id="another registry",
        ),
        pytest.param(
            "httpd:2 --name=nginx:1", "/v2/nginx/manifests/1", [], id="that name is another's"
        ),
        pytest.param(
            "--platform=linux/arm64 nginx:1",
            "/v2/nginx/manifests/1",
            ["nginx:1?"],
            id="another platform's is not served",
        ),
        pytest.param(
            "nginx:1\n--platform=linux/amd64,linux/arm64 nginx:1 --name=multi:1",
            "/v2/nginx/manifests/1",
            ["multi:1", "nginx:1"],
            id="an index first",
        ),
        pytest.param(
            "nginx --tags='1.*'", "/v2/nginx/manifests/1.2", ["nginx:1.2"], id="tags chosen"
        ),
        pytest.param(
            "", "/v2/ns/app/manifests/1?ns=mirror.example", ["app:1"], id="the mirror's own name"
        ),
        pytest.param(
            "nginx:1 --name=web:stable",
            f"/v2/nginx/manifests/{DIGEST.replace(':', '-')}.sig",
            [f"web:{DIGEST.replace(':', '-')}.sig", f"nginx:{DIGEST.replace(':', '-')}.sig?"],
            id="a signature",
        ),
    ],
)
def test_an_image_is_looked_for(lines: str, target: str, expected: list[str]) -> None:
    assert found(lines, target) == expected


def test_the_rule_of_naming_holds() -> None:
    places = found("", "/v2/coreos/etcd/manifests/v3?ns=quay.io", naming="nested")
    assert places == ["quay.io/coreos/etcd:v3?"]


def test_another_platform_is_served_where_that_is_asked_for() -> None:
    lines = "nginx:1\n--platform=linux/arm64 nginx:1"
    places = found(lines, "/v2/nginx/manifests/1", platform="linux/arm64")
    assert places == ["linux_arm64_nginx:1"]
