"""Choosing tags: out of lists that real repositories have, and out of those of other programs."""

from __future__ import annotations

import random
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.image_list import parse_list
from orchestrator.errors import FormatError
from orchestrator.oci.selection import Selection
from orchestrator.plan.tags import choose


def chosen(tags: str, options: str) -> str:
    """What a line of the list chooses of these tags."""
    listed = parse_list(f"nginx {options}".encode(), file="images.txt")
    assert listed.problems == ()
    (entry,) = listed.entries
    assert entry.selection
    return " ".join(choose(tags.split(), entry.selection))


ROOT = Path(__file__).resolve().parents[3]
HUB, QUAY, K8S = "hub.docker.com", "quay.io", "registry.k8s.io"

REAL = {
    f"{HUB}/_/nginx": (
        "latest stable mainline 1 1.27 1.27.3 1.27.2 1.27.1 1.27.0 1.26 1.26.2 1.26.1 1.25.5 "
        "1.9.15 1.10.3 stable-alpine mainline-alpine 1.27.3-alpine 1.27.3-alpine3.20 "
        "1.27.2-alpine3.20 1.27.3-alpine-slim 1.27.3-alpine-perl 1.27.3-perl 1.27.3-bookworm "
        "1-alpine"
    ),
    f"{HUB}/_/postgres": (
        "latest 17 17.2 17.1 17.0 17rc1 17beta3 16 16.6 16.5 15.10 9.6.24 9.6 17.2-alpine "
        "17.2-alpine3.20 17.2-bookworm bookworm alpine3.20 17rc1-alpine"
    ),
    f"{HUB}/_/redis": (
        "latest 7 7.4 7.4.1 7.4.0 7.2.6 6.2.16 7.4-rc2 7.4-rc1 8.0-M02 7.4.1-alpine "
        "7.4.1-bookworm bookworm alpine 32bit"
    ),
    f"{HUB}/_/python": (
        "latest 3 3.13 3.13.0 3.13.0rc3 3.14.0a2 3.14-rc 3.12.7 3.12 3.9.20 3.10.15 2.7.18 "
        "3.13.0-slim 3.13.0-slim-bookworm 3.12.7-slim 3.13-alpine3.20 "
        "3.13.0-windowsservercore"
    ),
    f"{HUB}/_/node": (
        "latest lts current 23 23.2 23.2.0 22 22.11.0 22.11 20.18.0 18.20.5 iron jod lts- "
        "alpine 23.2.0-alpine3.20 22.11.0-alpine 22.11.0-bookworm-slim"
    ),
    f"{HUB}/_/golang": (
        "latest 1 1.23 1.23.3 1.23.2 1.22.9 1.24rc1 1.9.7 1.23.3-alpine3.20 1.23.3-bookworm "
        "1.23.3-nanoserver-ltsc2022 tip tip-20241116"
    ),
    f"{HUB}/_/ubuntu": ("latest noble 24.04 24.10 22.04 20.04 jammy noble-20241015 devel rolling"),
    f"{HUB}/_/alpine": ("latest edge 3 3.20 3.20.3 3.20.2 3.19.4 3.9.6 20240923 20240807"),
    f"{HUB}/_/mysql": ("latest lts innovation 9 9.1 9.1.0 8.4.3 8.4 8.0.40 8.0.40-debian 8-oracle"),
    f"{HUB}/_/elasticsearch": ("8.15.3 8.15.2 8.9.2 8.10.4 7.17.25 8.0.0-rc2 8.0.0-beta1"),
    f"{HUB}/_/eclipse-temurin": (
        "latest 21 21-jre 21.0.5_11-jdk 21.0.5_11-jre 21.0.5_11-jre-alpine 17.0.13_11-jre "
        "8u432-b06-jdk 23-jdk-noble"
    ),
    f"{HUB}/r/bitnami/redis": (
        "latest 7.4 7.4.1 7.4.1-debian-12-r3 7.4.1-debian-12-r2 7.4.1-debian-12-r12 "
        "7.4.0-debian-12-r5 7.2.6-debian-12-r1"
    ),
    f"{HUB}/r/grafana/grafana": (
        "latest main 11.3.1 11.3.0 11.2.2 10.4.12 11.3.0-ubuntu 11.4.0-79146 9.5.21 nightly "
        "11.3.0-security-01"
    ),
    f"{HUB}/_/traefik": (
        "latest v3 v3.2 v3.2.1 v3.2.0 v3.2.0-rc2 v2.11.14 v2.11 v1.7.34 "
        "v3.2.1-windowsservercore-ltsc2022"
    ),
    f"{HUB}/r/rancher/k3s": ("v1.31.2-k3s1 v1.31.1-k3s1 v1.30.6-k3s1 v1.31.2-rc1-k3s1 latest"),
    f"{HUB}/r/minio/minio": (
        "latest RELEASE.2024-11-07T00-52-20Z RELEASE.2024-10-29T16-01-48Z edge"
    ),
    f"{HUB}/r/jenkins/jenkins": (
        "latest lts jdk17 2.485 2.479.1 2.479.1-jdk17 2.479.1-lts-jdk21 2.462.3-jdk17 lts- jdk17"
    ),
    f"{QUAY}/coreos/etcd": (
        "latest v3.5.17 v3.5.16 v3.5.9 v3.4.34 v3.6.0-rc.3 v3.6.0-alpha.0 v3.5.17-amd64"
    ),
    f"{QUAY}/prometheus/prometheus": (
        "latest main v3.0.0 v3.0.0-rc.1 v3.0.0-beta.1 v2.55.1 v2.53.3 v2.9.2"
    ),
    f"{QUAY}/keycloak/keycloak": (
        "latest nightly 26.0.5 26.0 26.0.4 25.0.6 999.0.0-SNAPSHOT 24.0.5-0"
    ),
    f"{K8S}/kube-apiserver": (
        "v1.31.3 v1.31.2 v1.30.7 v1.32.0-rc.0 v1.32.0-beta.0 v1.9.11 v1.10.13"
    ),
    f"{K8S}/pause": ("3.10 3.9 3.8 3.1 latest go 0.8.0 3.10-windows-ltsc2022-amd64"),
}
"""Repositories by their pages, and tags that they had in autumn 2024: some of each kind."""


def test_there_are_enough_real_names() -> None:
    assert len(REAL) >= 15
    assert sum(len(tags.split()) for tags in REAL.values()) >= 200


CHOSEN = [
    (f"{HUB}/_/nginx", "--latest=3", "1.27.3 1.27.2 1.27.1"),
    (f"{HUB}/_/nginx", "--semver=>=1.9,<1.26 --latest=9", "1.25.5 1.10.3 1.9.15"),
    (f"{HUB}/_/nginx", "--latest=2 --per=minor", "1.27.3 1.26.2"),
    (
        f"{HUB}/_/nginx",
        "--tags=*-alpine* --latest=1",
        "1.27.3-alpine3.20 1.27.3-alpine-slim 1.27.3-alpine-perl",
    ),
    (f"{HUB}/_/nginx", "--tags=*-alpine3.* --latest=2", "1.27.3-alpine3.20 1.27.2-alpine3.20"),
    (f"{HUB}/_/nginx", "--tags=*-alpine,*-alpine3* --semver=^1.27 --latest=1", "1.27.3-alpine3.20"),
    (f"{HUB}/_/nginx", "--tags=stable*,mainline --exclude=*-alpine", "stable mainline"),
    (f"{HUB}/_/postgres", "--latest=2 --per=major", "17.2 16.6"),
    (f"{HUB}/_/postgres", "--semver=17", "17.2 17.1 17 17.0"),
    (f"{HUB}/_/postgres", "--semver=>=17-rc1,<17.1 --latest=2", "17.0 17rc1"),
    (f"{HUB}/_/redis", "--latest=2", "7.4.1 7.4.0"),
    (
        f"{HUB}/_/redis",
        "--semver=8.0-M1 || >=8.0-M2,<8.1 --latest=1".replace(" || ", "||"),
        "8.0-M02",
    ),
    (f"{HUB}/_/python", "--semver=^3 --latest=3 --per=minor", "3.13.0 3.12.7 3.10.15"),
    (f"{HUB}/_/python", "--semver=>=3.14.0a1 --exclude=*-rc --latest=1", "3.14.0a2"),
    (f"{HUB}/_/python", "--tags=*-slim --latest=2", "3.13.0-slim 3.12.7-slim"),
    (f"{HUB}/_/node", "--latest=2 --per=major", "23.2.0 22.11.0"),
    (f"{HUB}/_/golang", "--latest=2 --per=minor", "1.23.3 1.22.9"),
    (f"{HUB}/_/ubuntu", "--latest=3", "24.10 24.04 22.04"),
    (f"{HUB}/_/ubuntu", "--tags=[a-z]* --exclude=*-*,latest,devel,rolling", "noble jammy"),
    (f"{HUB}/_/alpine", "--latest=3", "3.20.3 3.20.2 3.19.4"),
    (f"{HUB}/_/mysql", "--semver=^8.0 --latest=2 --per=minor", "8.4.3 8.0.40"),
    (f"{HUB}/_/elasticsearch", "--semver=^8 --latest=3", "8.15.3 8.15.2 8.10.4"),
    (f"{HUB}/_/eclipse-temurin", "--tags=*-jre --latest=2", "21.0.5_11-jre 17.0.13_11-jre"),
    (
        f"{HUB}/r/bitnami/redis",
        "--tags=*-debian-12-* --latest=2",
        "7.4.1-debian-12-r12 7.4.0-debian-12-r5",
    ),
    (f"{HUB}/r/grafana/grafana", "--latest=3", "11.3.1 11.3.0 11.2.2"),
    (f"{HUB}/_/traefik", "--latest=2 --per=major", "v3.2.1 v2.11.14"),
    (f"{HUB}/r/rancher/k3s", "--tags=*-k3s1 --latest=2", "v1.31.2-k3s1 v1.31.1-k3s1"),
    (f"{HUB}/r/rancher/k3s", "--latest=2", ""),
    (f"{HUB}/r/minio/minio", "--latest=2", ""),
    (f"{HUB}/r/minio/minio", "--tags=RELEASE.2024-11-*", "RELEASE.2024-11-07T00-52-20Z"),
    (f"{HUB}/r/jenkins/jenkins", "--tags-regex=2[.].*-jdk17 --latest=1", "2.479.1-jdk17"),
    (f"{QUAY}/coreos/etcd", "--semver=~3.5 --latest=3", "v3.5.17 v3.5.16 v3.5.9"),
    (f"{QUAY}/coreos/etcd", "--semver=>=3.6.0-alpha.0 --latest=1", "v3.6.0-rc.3"),
    (f"{QUAY}/prometheus/prometheus", "--latest=2 --per=major", "v3.0.0 v2.55.1"),
    (f"{QUAY}/keycloak/keycloak", "--latest=2", "26.0.5 26.0.4"),
    (f"{K8S}/kube-apiserver", "--latest=2 --per=minor", "v1.31.3 v1.30.7"),
    (f"{K8S}/kube-apiserver", "--semver=<1.11", "v1.10.13 v1.9.11"),
    (f"{K8S}/pause", "--latest=2", "3.10 3.9"),
]
"""What people mean by it."""


@pytest.mark.parametrize(
    ("page", "options", "expected"), CHOSEN, ids=[" ".join(row[:2]) for row in CHOSEN]
)
def test_real_tags_are_chosen_as_people_mean_it(page: str, options: str, expected: str) -> None:
    assert chosen(REAL[page], options) == expected


THEIRS = [
    # regsync: cmd/regsync/regsync_test.go, docs/examples/regsync.yml, docs/regsync-quickstart.md
    pytest.param(
        "1.0.0 1.5.0-rc1 2.0.0 4.0.0 4.1.0-rc2 5.0.0",
        "--semver='>=1.0.0 <2.0.0||>=4.0.0' --exclude=*-rc*",
        "5.0.0 4.0.0 1.0.0",
        id="regsync: several ranges and deny",
    ),
    pytest.param(
        "latest dev 1.0.0 1.5.0 main", "--semver=>=1.0.0", "1.5.0 1.0.0", id="regsync: semver only"
    ),
    pytest.param(
        "1.0.0 1.5.0-rc1 2.0.0 2.1.0-rc2 3.0.0",
        "--semver='>=1.0.0 <3.0.0' --exclude=*-rc*",
        "2.0.0 1.0.0",
        id="regsync: semver and deny",
    ),
    pytest.param(
        "v1.0.0 v1.5.0 latest dev",
        r"--tags-regex=v[0-9]+\.[0-9]+\.[0-9]+",
        "v1.0.0 v1.5.0",
        id="regsync: allow",
    ),
    pytest.param("1.0.0 2.0.0 3.0.0", "--semver=>=5.0.0", "", id="regsync: nothing"),
    pytest.param(
        "1.0.0 1.19.0 1.20.0 1.21.0 1.22.0 1.23.0",
        "--semver=>=1.0.0,<1.20.0||>=1.22.0",
        "1.23.0 1.22.0 1.19.0 1.0.0",
        id="regsync: the middle is left out",
    ),
    pytest.param(
        "1.0.0 v1.5.0 v2.0.0 3.0.0",
        "--semver=>=1.0.0 --tags=v*",
        "v2.0.0 v1.5.0",
        id="regsync: semver and allow",
    ),
    pytest.param("1.0.0 2.0.0", "--tags=*", "1.0.0 2.0.0", id="regsync: no range"),
    pytest.param(
        "v1 v2 v3 v4 v5 v6", "--semver='>=2 <5'", "v4 v3 v2", id="regsync: major versions"
    ),
    pytest.param(
        "v1.4 v1.5 v1.6 v1.9 v2.0 v2.1",
        "--semver='>=1.5 <2.0'",
        "v1.9 v1.6 v1.5",
        id="regsync: minor versions",
    ),
    pytest.param(
        "v1 v1.5 v1.5.0 v2 v2.0 v2.0.0 v3 v3.0.0",
        "--semver='>=1.0.0 <3.0.0'",
        "v2 v2.0 v2.0.0 v1.5 v1.5.0 v1",
        id="regsync: short and long versions",
    ),
    pytest.param(
        "v1.0.0 v1.2.3-alpine3.21 v2.0.0-scratch v2.5.0-alpine3.20",
        "--tags=* --semver=>=1.0.0 --exclude=*-alpine*",
        "v2.0.0-scratch v1.0.0",
        id="regsync: deny a suffix",
    ),
    pytest.param(
        "latest 3 3.9 3.20 edge 20240923",
        "--tags=latest,3,3.[0-9]*",
        "latest 3 3.9 3.20",
        id="regsync: the alpine of its quick start",
    ),
    pytest.param(
        "v0.7 v0.8 v0.8.0 latest edge",
        r"--tags-regex='latest|edge|v[0-9.]+'",
        "v0.7 v0.8 v0.8.0 latest edge",
        id="regsync: its own example",
    ),
    # dregsy: README.md "Tag Filtering", test/fixtures/e2e/tagsets
    pytest.param(
        "1.29.4 1.30.1 1.31.0 1.31.1 1.31.9 1.31.1-glibc latest",
        "--semver='>=1.31.0 <1.31.9' --tags=*",
        "1.31.1 1.31.1-glibc 1.31.0",
        id="dregsy: semver with suffixes",
    ),
    pytest.param(
        "1.26.1-glibc 1.26.1-uclibc 1.26.1-musl 1.26.1 1.26.2-glibc",
        r"--tags-regex='1\.26\.1-(glibc|uclibc|musl)'",
        "1.26.1-glibc 1.26.1-uclibc 1.26.1-musl",
        id="dregsy: regex",
    ),
    pytest.param(
        "1.26.1-glibc 1.26.1-uclibc 1.26.1-musl 1.26.1",
        "--tags=* --exclude=*?glibc,*?musl",
        "1.26.1-uclibc 1.26.1",
        id="dregsy: regex, inverted",
    ),
    pytest.param(
        "1.30.9-glibc 1.31.0-glibc 1.31.1-musl 1.31.1 1.31.9-glibc",
        r"--semver='>=1.31.0 <1.31.9' --tags-regex='.+(glibc|musl)'",
        "1.31.1-musl 1.31.0-glibc",
        id="dregsy: keep",
    ),
    pytest.param(
        "1.32.0 1.33.0 1.33.1 1.34.0 1.34.1 1.35.0 1.36.0 1.36.1",
        "--semver='>=1.33.0 <=1.36.0' --latest=5",
        "1.36.0 1.35.0 1.34.1 1.34.0 1.33.1",
        id="dregsy: keep latest",
    ),
    pytest.param(
        "2.1.4-buster 2.1.4-alpine 2.1.4 1.9.0-alpine latest",
        r"--semver=>=2.0.0 --tags-regex='.+-(alpine|buster)'",
        "2.1.4-buster 2.1.4-alpine",
        id="dregsy: keep by a suffix",
    ),
]
"""Filters that regsync 0.11.7 and dregsy 0.5.2 publish, said our way: the same tags."""


@pytest.mark.parametrize(("tags", "options", "expected"), THEIRS)
def test_what_others_choose_is_chosen_too(tags: str, options: str, expected: str) -> None:
    assert chosen(tags, options) == expected


def test_there_are_enough_examples_of_others() -> None:
    assert len(THEIRS) >= 15


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        pytest.param("--tags=a,,b", "write it as '1.27*'", id="an empty glob"),
        pytest.param("--tags=a{b}", "write it as '1.27*'", id="braces"),
        pytest.param("--tags-regex=(", "RE2's syntax", id="a bracket"),
        pytest.param("--tags-regex=(?=a)", "RE2's syntax", id="looking ahead"),
        pytest.param("--latest=0", "", id="none"),
        pytest.param("--latest=x", "", id="no number"),
        pytest.param("--per=mayor", "did you mean 'major'?", id="no part"),
        pytest.param("--semver=1..2", "write '>=1.25,<2'", id="no range"),
        pytest.param("--min-age=3", "write '3d'", id="no unit"),
        pytest.param(f"--tags-regex={'a' * 300}", "", id="too long a regex"),
        pytest.param(f"--tags={'a' * 300}", "", id="too long a glob"),
    ],
)
def test_what_chooses_nothing_is_refused(options: str, hint: str) -> None:
    (problem,) = parse_list(f"nginx {options}".encode(), file="images.txt").problems
    assert problem.column >= len("nginx --")
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        pytest.param("nginx:1.27 --latest=3", "nginx --latest=3", id="a tag and a choice"),
        pytest.param("q.io:5000/a/b:1 --tags=1*", "q.io:5000/a/b --tags=1*", id="a port and a tag"),
        pytest.param(f"a@sha256:{'0' * 64} --latest=1", "a --latest=1", id="a digest"),
        pytest.param(
            "nginx --latest=3 --name=web:1", "nginx --latest=3 --name=web:{tag}", id="one name"
        ),
    ],
)
def test_a_line_that_chooses_names_no_tag(line: str, mended: str) -> None:
    (problem,) = parse_list(line.encode(), file="images.txt").problems
    proposed = problem.hint.removeprefix("write ").strip("'")
    assert proposed in mended
    assert parse_list(mended.encode(), file="images.txt").problems == ()


def test_the_examples_of_the_page_choose_what_it_says() -> None:
    page = (ROOT / "docs" / "list.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"<!-- tags -->\n(.*?)<!-- /tags -->", page, re.DOTALL)
    head, _, *rows = table.strip().splitlines()
    tags = head.split("`")[-2]
    assert len(rows) >= 7
    for row in rows:
        _, line, _, expected, _ = row.replace("\\|", "|").split("`")
        assert chosen(tags, line.removeprefix("nginx ")) == expected, line


HOSTILE = [
    "--tags-regex=(a+)+$",
    "--tags-regex=(a|a)*b",
    "--tags-regex=(.*)*x",
    "--tags-regex=((a{0,30}){0,30})*b",
    "--tags-regex=" + "a?" * 60 + "a" * 60,
    "--tags=" + "*a" * 60 + "b",
    "--tags=" + "*?" * 100,
    "--tags=" + ",".join(["*a*b"] * 40),
    "--semver=" + "||".join([">1"] * 50),
    "--latest=9999 --per=minor",
]


@pytest.mark.parametrize("options", HOSTILE, ids=[one[:24] for one in HOSTILE])
def test_nothing_hostile_takes_long(options: str) -> None:
    tags = " ".join([*("a" * (100 + n % 28) for n in range(300)), "1." * 60 + "1"])
    started = time.monotonic()
    with suppress(AssertionError):  # it may be refused
        chosen(tags, options)
    assert time.monotonic() - started < 1


@given(st.text(alphabet="ab1.*?[]()|+{},\\^$-", min_size=1, max_size=40))
def test_any_pattern_is_taken_or_refused(pattern: str) -> None:
    for option in ("--tags", "--tags-regex"):
        try:
            selection = Selection().with_option(option, pattern)
        except FormatError:
            continue
        choose(["a" * 100, "1.2.3"], selection)


def test_the_order_of_a_listing_does_not_matter() -> None:
    tags = REAL[f"{HUB}/_/nginx"].split()
    shuffled = random.Random(7).sample(tags, len(tags))  # noqa: S311 - no secret
    options = "--latest=5"
    assert chosen(" ".join(shuffled), options) == chosen(" ".join(tags), options)


def test_what_a_registry_lists_that_is_no_tag_is_not_chosen() -> None:
    selection = Selection().with_option("--tags", "*")
    assert choose(["a", "-x", "--all", "a b", "a\x1b", "t" * 129, "", "a"], selection) == ("a",)


def test_a_selection_is_written_as_it_was_read() -> None:
    options = "--tags=1.*,v* --tags-regex=.* --exclude=*-rc --semver=^1.2 --latest=3 --per=minor"
    (entry,) = parse_list(f"nginx {options}".encode(), file="x").entries
    assert str(entry.selection) == options
