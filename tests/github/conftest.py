"""The registries of the world, and a repository made from the template for each test."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.support.github import Network, make_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.github import Repository

_numbers = count(1)


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    network = Network()
    with network.upstream, network.aliyun, network.ghcr:
        yield network


@pytest.fixture
def repository(tmp_path: Path, network: Network) -> Repository:
    return make_repository(tmp_path, network, f"team{next(_numbers)}")
