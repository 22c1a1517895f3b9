"""Images that share a base, to two targets at once: each layer goes once down, and up once to each.

SOAK=1 takes 50 runs; without it there is one.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image, noise_layer
from demo.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from demo.registry import Request
    from tests.support.runs import Site

RUNS = 50 if os.environ.get("SOAK") else 1
IMAGES = 8
BASES = 2
SIZE = 200_000

_READ = re.compile(r"/blobs/(sha256:[0-9a-f]{64})$")
_SENT = re.compile(r"[?&]digest=(sha256(?::|%3A)[0-9a-f]{64})", re.IGNORECASE)


@pytest.fixture(scope="module")
def second() -> Iterator[Registry]:
    with Registry() as registry:
        yield registry


def reads(requests: Iterable[Request]) -> Counter[str]:
    """How often each blob was read."""
    return Counter(
        found[1] for one in requests if one.method == "GET" and (found := _READ.search(one.path))
    )


def uploads(requests: Iterable[Request]) -> Counter[str]:
    """How often each blob was sent whole."""
    return Counter(
        found[1].replace("%3A", ":")
        for one in requests
        if one.method == "PUT" and one.status == 201 and (found := _SENT.search(one.path))
    )


@pytest.mark.parametrize("number", range(RUNS))
def test_each_layer_goes_once(site: Site, second: Registry, number: int) -> None:
    bases = [noise_layer(SIZE, seed=1000 * number + n) for n in range(BASES)]
    layers = [noise_layer(1000, seed=1000 * number + 10 + n) for n in range(IMAGES)]
    images = [build_image(layers=[*bases, layer]) for layer in layers]
    for n, image in enumerate(images):
        site.publish(image, f"app{n}:1")
    site.configure(
        SYNC_MODE="double",
        GHCR_REGISTRY=second.host,
        GHCR_NAMESPACE=site.namespace,
        JOBS=IMAGES,
        RELAY="auto",
    )
    begun = [len(one.requests()) for one in (site.upstream, site.mirror, second)]
    outcome = site.sync(*(site.source(f"app{n}:1") for n in range(IMAGES)))
    asked = [
        one.requests()[before:]
        for one, before in zip((site.upstream, site.mirror, second), begun, strict=True)
    ]
    shutil.rmtree(site.state)

    assert outcome.report["totals"]["copied"] == 2 * IMAGES
    expected = dict.fromkeys((layer.blob.digest for layer in (*bases, *layers)), 1)
    read, *sent = reads(asked[0]), *map(uploads, asked[1:])
    assert {digest: read[digest] for digest in expected} == expected
    assert [{digest: one[digest] for digest in expected} for one in sent] == [expected] * 2
    assert not reads(asked[1]), "both are fed by one copy"
