"""The run's logins, as the real skopeo takes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from demo.images import build_image, push
from demo.registry import Login as User
from demo.registry import Registry, RegistryOptions
from orchestrator.config.authfile import merged, parse_authfile
from orchestrator.config.settings import Login
from tests.support.logins import LOGIN_CASES, LoginCase, document, entry

ALICE = User("alice", "wonder:land")


def username_by_skopeo(authfile: Path, name: str) -> str:
    command = ["skopeo", "login", "--get-login", f"--authfile={authfile}", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "not logged into" in done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("case", LOGIN_CASES, ids=lambda case: case.about)
def test_the_table_of_logins_is_what_skopeo_does(case: LoginCase, tmp_path: Path) -> None:
    authfile = tmp_path / "auth.json"
    authfile.write_bytes(case.document)

    assert username_by_skopeo(authfile, case.name) == case.username


def test_skopeo_pushes_and_pulls_with_the_runs_document(tmp_path: Path) -> None:
    """The user's own logins to the same registry are wrong, but where a source needs them."""
    authfile = tmp_path / "auth.json"
    with Registry(RegistryOptions(login=ALICE)) as registry:
        push(registry.url, "upstream/image", "1", build_image(), auth=ALICE)
        theirs = {
            f"https://{registry.host}/v1/": entry("nobody"),
            f"{registry.host}/upstream": entry(ALICE.user, ALICE.password),
            f"{registry.host}/mine/copy": entry("nobody"),
        }
        helpers = {registry.host: "that-does-not-exist"}
        ours = Login(f"{registry.host}/mine", ALICE.user, ALICE.password)
        user = parse_authfile(document(theirs, credHelpers=helpers), origin="the user's")
        authfile.write_bytes(merged([user], [ours]))
        done = subprocess.run(
            [
                "skopeo",
                "copy",
                f"--authfile={authfile}",
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
                f"docker://{registry.host}/upstream/image:1",
                f"docker://{registry.host}/mine/copy:1",
            ],
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr
        assert registry.digest("mine/copy", "1") == registry.digest("upstream/image", "1")
