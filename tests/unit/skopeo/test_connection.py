"""Which logins skopeo gets for a copy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.config.authfile import run_logins
from orchestrator.config.load import load_settings
from orchestrator.oci.reference import Reference
from orchestrator.skopeo.arguments import connection_of
from tests.support.logins import document, entry

TARGETS = """
[targets.one]
registry = "one.test"
namespace = "mine"
[targets.two]
registry = "two.test"
namespace = "mine"
"""
CONF = """
[[registry]]
location = "led.test"
[[registry.mirror]]
location = "one.test/cache"
"""


@pytest.mark.parametrize(
    ("source", "hosts"),
    [
        pytest.param("quay.test/a:1", {"quay.test"}, id="from elsewhere"),
        pytest.param("two.test/a:1", {"quay.test", "two.test"}, id="from the other target"),
        pytest.param("one.test/a:1", {"quay.test", "one.test"}, id="from the target itself"),
        pytest.param(
            "led.test/a:1", {"quay.test", "one.test", "two.test"}, id="from a mirror of its own"
        ),
    ],
)
def test_a_relayed_copy_gets_no_login_that_its_source_does_not_need(
    tmp_path: Path, source: str, hosts: set[str]
) -> None:
    (tmp_path / "targets.toml").write_text(TARGETS, encoding="utf-8")
    (tmp_path / "registries.conf").write_text(CONF, encoding="utf-8")
    auths = {host: entry("me") for host in ("quay.test", "one.test", "two.test")}
    (tmp_path / "auth.json").write_bytes(document(auths))
    environ = {
        "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
        "CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf"),
    }
    settings = load_settings(environ, base=tmp_path)
    targets = tuple(settings.targets[name] for name in ("one", "two"))
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    connection = connection_of(settings, targets, run_folder, run_logins(settings, targets))
    assert connection.relayed_authfile
    path = connection.relayed_authfile(Reference.parse(source))
    assert set(json.loads(path.read_bytes())["auths"]) == hosts
    assert path.stat().st_mode & 0o077 == 0
