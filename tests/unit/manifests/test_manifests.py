"""Files of the shapes that projects have: every image once in the list, and then the mirror's.

Each row is a file, the lines that a list lacks for it, and the lines at which something is said.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from orchestrator.catalog.image import MirroredImage
from orchestrator.commands.lists.importing import missing_lines
from orchestrator.commands.lists.sources import chosen_tags
from orchestrator.config.image_list import parse_list
from orchestrator.config.load import load_settings
from orchestrator.errors import FormatError
from orchestrator.manifests.mirrored import Mirror
from orchestrator.manifests.read import read_images_of
from orchestrator.manifests.rewrite import compose_override, kustomize_images, with_addresses
from orchestrator.manifests.usage import Reading
from orchestrator.manifests.yaml_tree import read_documents
from orchestrator.plan.items import name_items
from tests.support.reports import STARTED

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

SETTINGS = load_settings(
    {"ALIYUN_REGISTRY": "r.example.com", "ALIYUN_NAMESPACE": "ns"}, base=Path("/nonexistent")
)
TARGET = SETTINGS.targets["aliyun"]
PIN = "sha256:" + "ab" * 32


def file(name: str, text: str, *lines: str, notes: tuple[int, ...] = ()) -> ParameterSet:
    return pytest.param(dedent(text).removeprefix("\n"), lines, notes, id=name)


COMPOSE = (
    file("plain", """
        services:
          web:
            image: nginx:1.27
        """, "nginx:1.27"),
    file("quoted, with comments", """
        version: "3.8"
        services:
          web: # the front
            image: "nginx:1.27"   # keep
          db:
            image: 'postgres:16'
        """, "nginx:1.27", "postgres:16"),
    file("no tag", "services: {web: {image: nginx}, db: {image: redis}}\n",
         "nginx:latest", "redis:latest"),
    file("default of a variable", """
        services:
          web:
            image: nginx:${TAG:-1.27}
          app:
            image: ${REGISTRY-quay.io}/${ORG:-coreos}/etcd:${V:-${W:-v3.5.0}}
        """, "nginx:1.27", "quay.io/coreos/etcd:v3.5.0"),
    file("variable of .env", """
        services:
          db:
            image: postgres:$PG
          other:
            image: "postgres:${PG:?set it}-alpine"
        """, "postgres:16", "postgres:16-alpine"),
    file("variable that nothing sets", """
        services:
          web:
            image: nginx:${NOWHERE}
          db:
            image: redis:7
        """, "redis:7", notes=(3,)),
    file("alternative, and a dollar", """
        services:
          web:
            image: nginx:1${PG:+.27}${NOWHERE:+$$}
        """, "nginx:1.27"),
    file("anchor of a whole service", """
        x-base: &base
          image: redis:7
          restart: always
        services:
          one:
            <<: *base
          two:
            <<: [*base]
            command: redis-server
        """, "redis:7"),
    file("anchor of an image", """
        x-image: &app "ghcr.io/foo/bar:1"
        services:
          one: {image: *app}
          two:
            image: *app
        """, "ghcr.io/foo/bar:1"),
    file("merged, and another image over it", """
        x-base: &base {image: redis:7, restart: always}
        services:
          one:
            <<: *base
            image: valkey/valkey:8
        """, "valkey/valkey:8"),
    file("built", """
        services:
          app:
            build: .
            image: my/app:1
          db:
            image: mysql:8.4
        """, "mysql:8.4", notes=(3,)),
    file("platform", """
        services:
          arm:
            image: mysql:8.0
            platform: linux/arm64
          amd:
            image: mysql:8.4
            platform: linux/amd64
        """, "--platform=linux/arm64 mysql:8.0", "mysql:8.4"),
    file("profiles and env_file", """
        services:
          web: {image: "nginx:1.27", env_file: [.env]}
          debug:
            image: nicolaka/netshoot:v0.13
            profiles: [debug]
        """, "nginx:1.27", "nicolaka/netshoot:v0.13"),
    file("one image thrice", """
        services:
          a: {image: redis:7}
          b: {image: docker.io/library/redis:7}
          c: {image: index.docker.io/redis:7}
        """, "redis:7"),
    file("block scalars", """
        services:
          a:
            image: >-
              redis:7
            restart: always
          b:
            image: |
              nginx:1.27
        """, "redis:7", "nginx:1.27"),
    file("pinned", f"""
        services:
          a:
            image: busybox:1.36@{PIN}
        """, f"busybox:1.36@{PIN}"),
    file("the mirror's own", """
        services:
          a: {image: r.example.com/ns/redis:7}
          b: {image: "redis:8"}
        """, "redis:8"),
    file("extends and include", """
        include: [other.yaml]
        services:
          a:
            extends: {file: base.yaml, service: a}
          b:
            image: redis:7
        """, "redis:7", notes=(1, 4)),
    file("Chinese, CRLF and tags of its own",
         "# 数据库\r\nservices:\r\n  缓存:\r\n    image: redis:7 # 缓存\r\n"
         "    ports: !reset []\r\n  b:\r\n    image: !!str nginx:1.27\r\n",
         "redis:7", "nginx:1.27"),
    file("a bad name", """
        services:
          a: {image: "Nginx:1"}
          b: {image: redis:7}
        """, "redis:7", notes=(2,)),
)  # fmt: skip

POD = "spec:\n  containers:\n  - name: a\n    image: {}\n"
KUBERNETES = (
    file("pod", "apiVersion: v1\nkind: Pod\n" + POD.format("nginx:1.27"), "nginx:1.27"),
    file("deployment with init containers", """
        apiVersion: apps/v1
        kind: Deployment
        spec:
          template:
            spec:
              initContainers:
                - {name: wait, image: busybox:1.36}
              containers:
                - name: web
                  image: "quay.io/foo/web:2"
                  imagePullPolicy: Always
                - name: side
                  image: envoyproxy/envoy:v1.31.0
        """, "busybox:1.36", "quay.io/foo/web:2", "envoyproxy/envoy:v1.31.0"),
    file("cron job", """
        apiVersion: batch/v1
        kind: CronJob
        spec:
          jobTemplate:
            spec:
              template:
                spec:
                  containers:
                  - image: postgres:16
                    name: dump
        """, "postgres:16"),
    file("several documents, one empty", """
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        spec: {template: {spec: {containers: [{name: a, image: "fluent/fluent-bit:3.1"}]}}}
        ---
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        spec: {template: {spec: {containers: [{name: a, image: redis:7}]}}}
        """, "fluent/fluent-bit:3.1", "redis:7"),
    file("list of objects", """
        apiVersion: v1
        kind: List
        items:
        - apiVersion: v1
          kind: Pod
          spec: {containers: [{name: a, image: nginx:1.27}]}
        - apiVersion: v1
          kind: ConfigMap
          data: {image: not-an-image}
        """, "nginx:1.27"),
    file("a kind of somebody's own", """
        apiVersion: monitoring.coreos.com/v1
        kind: Prometheus
        spec:
          image: quay.io/prometheus/prometheus:v2.54.0
          thanos: {image: "quay.io/thanos/thanos:v0.36.0"}
        """, "quay.io/prometheus/prometheus:v2.54.0", "quay.io/thanos/thanos:v0.36.0"),
    file("a database operator's", """
        apiVersion: postgresql.cnpg.io/v1
        kind: Cluster
        spec:
          imageName: ghcr.io/cloudnative-pg/postgresql:16.4
        """, "ghcr.io/cloudnative-pg/postgresql:16.4"),
    file("definition of a kind, and an image volume", """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        spec: {versions: [{schema: {image: "an image of some kind"}}]}
        ---
        apiVersion: v1
        kind: Pod
        spec:
          volumes:
          - name: model
            image: {reference: "quay.io/foo/model:1", pullPolicy: IfNotPresent}
          ephemeralContainers: [{name: d, image: busybox:1.36}]
        """, "quay.io/foo/model:1", "busybox:1.36"),
    file("as helm template prints it", """
        ---
        # Source: chart/templates/web.yaml
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          annotations:
            checksum/config: 0123
        spec:
          template:
            spec:
              containers:
                - name: web
                  image: "registry.k8s.io/ingress-nginx/controller:v1.11.2@SHA"
                  args:
                    - |
                      image: not/this:1
        """.replace("SHA", PIN), f"registry.k8s.io/ingress-nginx/controller:v1.11.2@{PIN}"),
    file("not rendered yet", """
        apiVersion: v1
        kind: Pod
        spec:
          containers:
          - image: "{{ .Values.image }}"
          - image: redis:7
        """, "redis:7", notes=(5,)),
)  # fmt: skip

DOCKERFILES = (
    file("plain", "FROM nginx:1.27\nCOPY . /x\n", "nginx:1.27"),
    file("stages", """
        FROM golang:1.22 AS Build
        RUN go build
        FROM build as test
        FROM alpine:3.20
        COPY --from=build /a /a
        COPY --from=0 /b /b
        """, "golang:1.22", "alpine:3.20"),
    file("ARG before FROM", """
        ARG REGISTRY=docker.io
        ARG VERSION="3.20" NAME=alpine
        FROM ${REGISTRY}/library/$NAME:${VERSION}
        """, "alpine:3.20"),
    file("ARG of an ARG, and an alternative", """
        ARG V=22
        ARG TAG=${V}-slim
        FROM node:${TAG:-20}${NOTHING:+x}
        ARG V=1
        """, "node:22-slim"),
    file("ARG without a value", "ARG BASE\nFROM $BASE\nFROM redis:7\n", "redis:7", notes=(2,)),
    file("platforms", """
        FROM --platform=$BUILDPLATFORM golang:1.22 AS b
        FROM --platform=linux/arm64 alpine:3.20
        FROM scratch
        COPY --from=b --chown=1:1 /a /a
        """, "golang:1.22", "--platform=linux/arm64 alpine:3.20"),
    file("syntax and mounts", """
        # syntax=docker/dockerfile:1.9
        # check=error=true

        FROM debian:12
        RUN --mount=type=cache,target=/c --mount=type=bind,from=ghcr.io/foo/uv:0.4,target=/u \\
            true
        COPY --link --from=busybox:1.36 /bin/sh /sh
        """, "docker/dockerfile:1.9", "debian:12", "ghcr.io/foo/uv:0.4", "busybox:1.36"),
    file("heredocs and comments", """
        # FROM old:1
        from debian:12
        RUN <<-'END' cat
        FROM not:this
        \tEND
        RUN echo \\
            # a comment inside
            FROM also-not:this
        """, "debian:12"),
    file("continued, CRLF", "FROM \\\r\n  debian:12 \\\r\n  AS a\r\nFROM a\r\n", "debian:12"),
    file("another escape", "# escape=`\nFROM `\n  mcr.microsoft.com/windows/nanoserver:ltsc2022\n",
         "mcr.microsoft.com/windows/nanoserver:ltsc2022"),
)  # fmt: skip

ALL = pytest.mark.parametrize(("text", "lines", "notes"), [*COMPOSE, *KUBERNETES, *DOCKERFILES])
VALUES = {"PG": "16"}


def mirror_of(lines: tuple[str, ...]) -> Mirror:
    named = name_items(
        parse_list("\n".join(lines).encode(), file="images.txt"),
        targets={"aliyun": TARGET},
        others={},
        default_platform=SETTINGS.default_platform,
    )
    assert named.problems == ()
    return Mirror.of(named.items, SETTINGS.default_platform)


def around(text: str, reading: Reading) -> list[str]:
    """What stands between the names, each of which may have been a block of lines."""
    places = sorted({(usage.start, usage.end) for usage in reading.usages})
    ends = [0, *(end for _, end in places)]
    return [text[a:b] for a, b in zip(ends, [*(a for a, _ in places), len(text)], strict=True)]


@ALL
def test_every_image_is_once_in_the_list(
    text: str, lines: tuple[str, ...], notes: tuple[int, ...]
) -> None:
    found, said = missing_lines(read_images_of(text, VALUES), (), SETTINGS)
    assert (tuple(found), tuple(note.line for note in said)) == (lines, notes)
    listed = parse_list("\n".join(lines).encode(), file="images.txt")
    assert listed.problems == ()
    again, _ = missing_lines(read_images_of(text, VALUES), listed.entries, SETTINGS)
    assert again == {}


@ALL
def test_a_rewritten_file_names_the_mirror_and_is_the_same_elsewhere(
    text: str, lines: tuple[str, ...], notes: tuple[int, ...]
) -> None:
    assert lines or notes
    mirror, reading = mirror_of(lines), read_images_of(text, VALUES)
    found = []
    for usage in reading.usages:
        try:
            item = mirror.item_for(usage)
        except FormatError:
            continue
        if item:
            found.append((usage, item.destination))
    assert {str(address) for _, address in found} == {str(one.destination) for one in mirror.items}
    written = with_addresses(text, found)
    after = read_images_of(written, VALUES)
    addresses = {usage.start: address for usage, address in found}
    expected = [str(addresses.get(usage.start, usage.image)) for usage in reading.usages]
    assert [usage.image for usage in after.usages] == expected
    assert around(written, after) == around(text, reading)


def test_what_a_block_leaves_behind_is_one_line() -> None:
    text = "services:\n  a:\n    image: >-\n      redis:7\n    restart: always\n"
    reading = read_images_of(text)
    (item,) = mirror_of(("redis:7",)).items
    written = with_addresses(text, [(reading.usages[0], item.destination)])
    assert written == (
        "services:\n  a:\n    image: r.example.com/ns/redis:7\n    restart: always\n"
    )


def test_an_override_and_a_kustomization_name_the_mirror() -> None:
    reading = read_images_of("services:\n  a: {image: redis:7}\n  b: {image: 'nginx'}\n")
    mirror = mirror_of(("redis:7", "nginx"))
    found = [
        (usage, item.destination) for usage in reading.usages if (item := mirror.item_for(usage))
    ]
    assert compose_override(found) == (
        'services:\n  "a":\n    image: r.example.com/ns/redis:7\n'
        '  "b":\n    image: r.example.com/ns/nginx:latest\n'
    )
    assert kustomize_images(found) == (
        'images:\n- name: "redis"\n  newName: r.example.com/ns/redis\n  newTag: "7"\n'
        '- name: "nginx"\n  newName: r.example.com/ns/nginx\n  newTag: "latest"\n'
    )


def test_kustomize_can_t_tell_two_tags_of_one_name_apart() -> None:
    reading = read_images_of("services:\n  a: {image: redis:7}\n  b: {image: 'redis:6'}\n")
    mirror = mirror_of(("redis:7", "redis:6"))
    found = [
        (usage, item.destination) for usage in reading.usages if (item := mirror.item_for(usage))
    ]
    with pytest.raises(FormatError, match="'redis:7' and 'redis:6' have one name"):
        kustomize_images(found)


BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40)
)
MERGE_BOMB = "m0: &m0 {x: 1}\n" + "".join(
    f"m{n}: &m{n}\n  <<: [{', '.join([f'*m{n - 1}'] * 10)}]\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOMB + "image: redis:7\n", id="lists of aliases"),
        pytest.param(
            MERGE_BOMB + "services: {a: {<<: *m39, image: redis:7}, b: *m39}\n", id="merges"
        ),
        pytest.param("a: &a [*a]\nimage: redis:7\n", id="an alias within itself"),
        pytest.param("!!python/object/apply:os.system ['id']\n---\nimage: redis:7\n", id="a tag"),
    ],
)
def test_aliases_and_tags_cost_nothing_and_run_nothing(text: str) -> None:
    assert [usage.image for usage in read_images_of(text).usages] == ["redis:7"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[" * 500, "nest", id="lists"),
        pytest.param("- " * 500 + "a", "nest", id="blocks"),
        pytest.param("a: 'b\n", "line", id="a quote that is not closed"),
        pytest.param("a: \x00\n", "character", id="a character that YAML has not"),
        pytest.param("a: [\n{{ if }}\n", "YAML", id="a template"),
        pytest.param("image: a:${" + "A:-${" * 20 + "}" * 21, "", id="deep variables"),
    ],
)
def test_what_is_no_yaml_is_said(text: str, message: str) -> None:
    try:
        reading = read_images_of(text)
    except FormatError as error:
        assert message in error.message  # noqa: PT017
    else:
        assert [note.is_problem for note in reading.notes] == [True]


def test_variables_that_double_are_said_and_fill_no_memory() -> None:
    doubling = "".join(f"ARG A{number}=$A{number - 1}$A{number - 1}\n" for number in range(2, 60))
    reading = read_images_of(f"ARG A1=aaaa\n{doubling}FROM $A59\n")
    assert [(note.line, note.is_problem) for note in reading.notes] == [(60, True)]
    assert not reading.usages


def test_an_empty_document_is_none() -> None:
    assert read_documents("") == ()
    assert [note.text for note in read_images_of("a: 1\n").notes] == ["no image is named in it"]


SEEN = MirroredImage(
    destination="registry.example/mine/nginx:1",
    source="docker.io/library/nginx:1",
    platform="linux/amd64",
    target="aliyun",
    outcome="copied",
    reason="missing",
    tried=STARTED,
    digest="sha256:1",
)


@pytest.mark.parametrize(
    ("line", "chosen"),
    [
        pytest.param("nginx --latest=2", ("1.27.1", "1.27.0"), id="the newest"),
        pytest.param("nginx --tags=*-perl,edge", ("1.27.1-perl", "edge"), id="a pattern"),
        pytest.param("redis --latest=2", (), id="another repository"),
    ],
)
def test_a_line_that_chooses_tags_chooses_of_those_that_were_mirrored(
    line: str, chosen: tuple[str, ...]
) -> None:
    tags = ("1.26.0", "1.27.0", "1.27.1", "1.27.1-perl", "edge")
    seen = [replace(SEEN, source=f"docker.io/library/nginx:{tag}") for tag in tags]
    listed = parse_list(f"{line}\nnginx:1\n".encode(), file="images.txt")
    assert list(chosen_tags(listed.entries, seen).values()) == [chosen]
