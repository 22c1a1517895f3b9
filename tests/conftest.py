"""Two registries for each worker, and for each test a folder and a namespace of its own."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from demo.registry import Registry
from tests.support.runs import Site, make_site
from tests.support.second import second_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_numbers = count(1)


def pytest_report_header() -> list[str]:
    """Which registries the tests can use."""
    program, version = second_registry()
    second = f"distribution {version} ({program})" if program else "none (make peers)"
    return [f"registries: docker-registry; a second one: {second}"]


@pytest.fixture(scope="session")
def upstream() -> Iterator[Registry]:
    """Where images come from; shared, so look only below your own namespace."""
    with Registry() as registry:
        yield registry


@pytest.fixture(scope="session")
def mirror() -> Iterator[Registry]:
    """Where images go; shared, too."""
    with Registry() as registry:
        yield registry


@pytest.fixture
def site(tmp_path: Path, upstream: Registry, mirror: Registry) -> Site:
    """A user's folder, configured for the mirror as `aliyun`."""
    return make_site(tmp_path, upstream, mirror, f"test{next(_numbers)}")
