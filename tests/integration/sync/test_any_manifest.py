"""Whatever a registry sends for one image, the whole run goes on: the good ones, report and status.

The run is the real one, from the list to the history; the registry is a server on loopback whose
answers hypothesis makes, and skopeo is a script that finds nothing, which is quicker. SOAK=1 takes
5,000 examples and the real skopeo.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from demo.images import build_image
from orchestrator.config.image_list import parse_list
from orchestrator.config.load import load_settings
from orchestrator.config.settings import Settings, Webhook
from orchestrator.errors import ExitStatus
from orchestrator.notify.formats import FORMATS
from orchestrator.notify.message import NotifyContext
from orchestrator.oci.manifest import OCI_INDEX, OCI_MANIFEST
from orchestrator.oci.reference import digest_of
from orchestrator.report.badge import badge_document, badge_of
from orchestrator.report.github import output_of_run
from orchestrator.report.json_report import document
from orchestrator.report.result import Outcome, Report
from orchestrator.report.summary import markdown_summary, text_summary
from orchestrator.state.store import State
from orchestrator.sync.run import RunOptions, run_sync
from tests.support.loopback import Loopback, Reply, Request, serving
from tests.support.schema import faults_of

IS_LONG = bool(os.environ.get("SOAK"))
EXAMPLES = 5000 if IS_LONG else 100
GOOD = 5
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
NOTHING = b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'
STUB = """#!/bin/sh
case "$*" in *--version*) echo "skopeo version 1.13.3" ; exit 0 ;; esac
echo 'level=fatal msg="reading manifest: manifest unknown"' >&2
exit 1
"""

Value: TypeAlias = "object"

TEXTS = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["\ud800", "linux", "amd64", "arm64", OCI_INDEX, OCI_MANIFEST, "x" * 300, "\x1b[31m", "\u2028"]
)
NUMBERS = st.integers() | st.sampled_from([10**400, 2**62, 2**63, -1, 0]) | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DIGESTS = st.sampled_from([digest_of(b"a"), digest_of(b"b"), "sha256:x", ""]) | VALUES
PLATFORMS = st.fixed_dictionaries(
    {"os": st.just("linux") | VALUES, "architecture": st.just("amd64") | VALUES},
    optional={"variant": VALUES, "os.version": VALUES, "x": VALUES},
)
DESCRIPTORS = st.fixed_dictionaries(
    {
        "mediaType": st.sampled_from([OCI_MANIFEST, LAYER_TYPE, CONFIG_TYPE]) | VALUES,
        "digest": DIGESTS,
        "size": st.integers(0, 1000) | VALUES,
    },
    optional={"platform": PLATFORMS | VALUES, "annotations": VALUES, "artifactType": VALUES},
)
CONFIGS = st.fixed_dictionaries(
    {"os": st.just("linux") | VALUES, "architecture": st.just("amd64") | VALUES},
    optional={
        "created": VALUES,
        "variant": VALUES,
        "rootfs": st.fixed_dictionaries({"diff_ids": st.lists(VALUES, max_size=3)}) | VALUES,
        "config": st.dictionaries(TEXTS | st.sampled_from(["Env", "Labels"]), VALUES) | VALUES,
    },
)
INDEXES = st.fixed_dictionaries(
    {"schemaVersion": st.just(2), "manifests": st.lists(DESCRIPTORS, max_size=4) | VALUES},
    optional={"mediaType": st.just(OCI_INDEX) | VALUES, "x": VALUES},
)


def packed(value: Value) -> bytes:
    return json.dumps(value).encode()


def image_of(config: bytes, layers: Value, extra: Mapping[str, Value]) -> bytes:
    described = {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)}
    return packed({"schemaVersion": 2, "config": described, "layers": layers, **extra})


CONFIG_BYTES = CONFIGS.map(packed) | VALUES.map(packed) | st.binary(max_size=30)
HOSTILE = st.tuples(
    st.builds(
        lambda config, layers, extra: (image_of(config, layers, extra), config),
        CONFIG_BYTES,
        st.lists(DESCRIPTORS, max_size=3) | VALUES,
        st.dictionaries(TEXTS | st.just("mediaType"), VALUES, max_size=2),
    )
    | st.tuples(INDEXES.map(packed) | VALUES.map(packed) | st.binary(max_size=40), CONFIG_BYTES),
    st.sampled_from([OCI_MANIFEST, OCI_INDEX]),
).map(lambda pair: (*pair[0], pair[1]))
"""A manifest or what stands for one, a config, and the type that the server says."""

MANY = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"a"), "size": 1}
HUGE = {"mediaType": LAYER_TYPE, "digest": digest_of(b"a"), "size": 2**62}


class Registry:
    """A server of five good images, in sync, and of bad ones that change from run to run."""

    def __init__(self) -> None:
        self.good = build_image("linux/amd64")
        self.bad: tuple[tuple[bytes, bytes, str], ...] = ()

    def answer(self, request: Request) -> Reply:
        name, _, rest = request.path.removeprefix("/v2/").rpartition("/")
        if not rest:
            return Reply()
        if name.startswith(("good", "mirror/")) and "_bad" not in name:
            if name.endswith("/blobs"):
                blobs = {one.digest: one.content for one in self.good.blobs}
                return Reply(200, blobs[rest])
            return self._manifest(self.good.manifest, OCI_MANIFEST)
        if name.startswith("bad"):
            raw, config, media_type = self.bad[int(name.removeprefix("bad").partition("/")[0])]
            if name.endswith("/blobs"):
                return Reply(200, config) if rest == digest_of(config) else Reply(404, NOTHING)
            return self._manifest(raw, media_type)
        return Reply(404, NOTHING, {"Content-Type": "application/json"})

    def _manifest(self, raw: bytes, media_type: str) -> Reply:
        return Reply(
            200, raw, {"Content-Type": media_type, "Docker-Content-Digest": digest_of(raw)}
        )


@contextmanager
def site(folder: Path, server: Loopback) -> Iterator[Settings]:
    """A list of five good images, and room for two more; everything is on one server."""
    tools = folder / "bin"
    tools.mkdir()
    if not IS_LONG:
        (tools / "skopeo").write_text(STUB, encoding="ascii")
        (tools / "skopeo").chmod(0o755)
    values = f"ALIYUN_REGISTRY={server.host}\nALIYUN_NAMESPACE=mirror\nRETRIES=1\nRELAY=off\n"
    (folder / "config.env").write_text(values, encoding="ascii")
    environ = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(folder)}
    yield load_settings(environ, base=folder)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, str, Settings]]:
    registry = Registry()
    with (
        serving(registry.answer) as server,
        site(tmp_path_factory.mktemp("site"), server) as settings_,
    ):
        yield registry, server.host, settings_


def renderings(report: Report) -> Iterator[str]:
    yield from (document(report), text_summary(report), markdown_summary(report))
    yield badge_document(badge_of(report))
    said = output_of_run(report, file="images.txt", written=None, badge="badge")
    yield from (one.command for one in said.annotations)
    for name, chat in FORMATS.items():
        webhook = Webhook("https://chat.example/x", "secret", format=name)
        now = datetime.now(timezone.utc)
        message = chat.payload(report, NotifyContext(webhook, now, document=document(report)))
        yield message.body.decode()


@example(bad=((packed({"mediaType": "\ud800"}), b"{}", OCI_MANIFEST),))
@example(
    bad=(
        (
            image_of(packed({"created": "\ud800"}), [], {}),
            packed({"created": "\ud800"}),
            OCI_MANIFEST,
        ),
    )
)
@example(bad=((packed({"manifests": [{**MANY, "size": 10**400}]}), b"{}", OCI_INDEX),))
@example(bad=((packed({"manifests": [MANY] * 15_000}), b"{}", OCI_INDEX),))
@example(bad=((image_of(b"{}", [MANY] * 9_000, {}), b"{}", OCI_MANIFEST),))
@example(bad=((image_of(b"{}", [HUGE, HUGE], {}), b"{}", OCI_MANIFEST),))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(bad=st.lists(HOSTILE, min_size=1, max_size=2).map(tuple))
def test_whatever_a_registry_sends_for_one_image_the_others_are_in_sync(
    lab: tuple[Registry, str, Settings], bad: tuple[tuple[bytes, bytes, str], ...]
) -> None:
    registry, host, settings_ = lab
    registry.bad = bad
    lines = [f"{host}/good{number}/app:1 --name=good{number}:1" for number in range(GOOD)]
    lines[3:3] = [
        f"{host}/bad{number}/app:1 --name=x_bad{number}:1" for number, _ in enumerate(bad)
    ]
    images = parse_list("\n".join(lines).encode(), file="images.txt")
    assert not images.problems
    options = RunOptions(targets=("aliyun",), retry_base=0.0)
    report = run_sync(images, settings_, options, stderr=io.StringIO())

    verdicts = [(one.outcome, one.reason) for one in report.results]
    good = [*verdicts[:3], *verdicts[3 + len(bad) :]]
    assert good == [(Outcome.SKIPPED, "same-digest")] * GOOD
    is_well = all(outcome is not Outcome.FAILED for outcome, _ in verdicts)
    assert report.exit_status == (ExitStatus.OK if is_well else ExitStatus.FAILED)
    assert not any("foresaw" in one.error.message for one in report.results if one.error)
    for text in renderings(report):
        text.encode()
    assert not faults_of(document(report))
    with closing(State(settings_.state_dir)) as state:
        assert state.runs(1)[0].run_id == report.run_id
