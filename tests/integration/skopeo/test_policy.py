"""POLICY: only what a key has signed is mirrored, with a real signature and a wrong key."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.images import build_image
from tests.support.examples import block_of, play

if TYPE_CHECKING:
    from tests.support.runs import Site


@dataclass(frozen=True)
class Keys:
    """A publisher's keyring, and the public halves of two of its keys."""

    folder: Path

    def file(self, name: str) -> Path:
        """The public half of a key."""
        return self.folder / f"{name}.gpg"

    def run(self, *command: str) -> bytes:
        """Run a program that finds the keyring."""
        environ = {**os.environ, "GNUPGHOME": str(self.folder)}
        return subprocess.run(
            command, env=environ, check=True, capture_output=True, timeout=60
        ).stdout

    def sign(self, site: Site, digest: str) -> None:
        """Publish the good key's signature of an image, in a folder that the site's user reads.

        By gpg alone: some builds of skopeo check such signatures, and make none
        (containers-signature(5)).
        """
        name = f"{site.upstream.host}/{site.namespace}/app:1"
        critical = {
            "identity": {"docker-reference": name},
            "image": {"docker-manifest-digest": digest},
            "type": "atomic container signature",
        }
        said = self.folder / "signed.json"
        said.write_text(json.dumps({"critical": critical, "optional": {}}), encoding="utf-8")
        place = self.folder / f"{site.namespace}/app@{digest.replace(':', '=')}"
        place.mkdir(parents=True)
        to = ("--output", str(place / "signature-1"), "--sign", str(said))
        self.run("gpg", "--batch", "--local-user", "good@example.test", *to)
        found = site.home / ".config" / "containers" / "registries.d"
        found.mkdir(parents=True)
        where = f"docker:\n  {site.upstream.host}:\n    sigstore: file://{self.folder}\n"
        (found / "upstream.yaml").write_text(where, encoding="utf-8")


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    if not shutil.which("gpg"):
        pytest.skip("gpg is not installed")
    with tempfile.TemporaryDirectory(prefix="k") as folder:  # gpg's sockets want a short path
        found = Keys(Path(folder))
        for name in ("good", "other"):
            address = f"{name}@example.test"
            made = ("--quick-gen-key", address, "rsa2048", "sign", "never")
            found.run("gpg", "--batch", "--passphrase", "", *made)
            found.file(name).write_bytes(found.run("gpg", "--export", address))
        yield found
        found.run("gpgconf", "--kill", "all")


def demand(site: Site, key: Path, *, by: str = "signedBy") -> None:
    """Have POLICY let in what a key has signed, and nothing else."""
    kind = {"keyType": "GPGKeys"} if by == "signedBy" else {}
    rule = {"type": by, **kind, "keyPath": str(key)}
    scopes = {f"{site.upstream.host}/{site.namespace}": [rule]}
    policy = {"default": [{"type": "reject"}], "transports": {"docker": scopes}}
    (site.folder / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    site.configure(POLICY="policy.json")


def test_what_the_right_key_has_signed_is_mirrored(site: Site, keys: Keys) -> None:
    image = build_image()
    keys.sign(site, site.publish(image))
    demand(site, keys.file("good"))
    assert site.sync(site.source()).verdict == ("copied", "missing")
    assert site.mirrored() == image.digest


def test_what_another_key_has_signed_is_refused_by_the_keys_name(site: Site, keys: Keys) -> None:
    image = build_image()
    keys.sign(site, site.publish(image))
    demand(site, keys.file("other"))
    site.list_images(site.source())
    outcome = site.run("batch")
    assert (outcome.status, outcome.verdict) == (1, ("failed", "unsigned"))
    assert "Source image rejected: " in outcome.error["message"]
    assert outcome.error["message"].endswith(f"; policy.json asks for {keys.file('other')}")
    assert site.mirrored() is None
    assert not [one for one in site.writes() if one.method in ("PUT", "PATCH")]


def test_what_nobody_has_signed_is_refused(site: Site, keys: Keys) -> None:
    site.publish(build_image())
    demand(site, keys.file("good"))
    site.list_images(site.source())
    assert site.run("batch").error["kind"] == "unsigned"


def test_the_example_of_the_page_is_refused_until_it_is_signed(site: Site, keys: Keys) -> None:
    digest = site.publish(build_image())
    site.configure(POLICY="policy.json")
    names = {
        "quay.io/acme": f"{site.upstream.host}/{site.namespace}",
        "/etc/keys/acme.gpg": str(keys.file("good")),
    }
    events = {"acme signs it": lambda: keys.sign(site, digest)}
    play(site, block_of("targets.md", "policy"), names=names, events=events)


def skopeo(*arguments: str, home: Path) -> None:
    """Run skopeo as the publisher does."""
    environ = {**os.environ, "HOME": str(home)}
    command = ["skopeo", *arguments]
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=60)


def has_sigstore() -> bool:
    """Whether this skopeo signs as cosign does; 1.9 does not."""
    command = ["skopeo", "generate-sigstore-key", "--help"]
    told = subprocess.run(command, check=False, capture_output=True, timeout=60).stdout
    return b"--passphrase-file" in told


def test_what_cosigns_kind_of_key_has_signed_is_mirrored_with_its_signature(site: Site) -> None:
    if not has_sigstore():
        pytest.skip("this skopeo makes no sigstore signatures")
    word = site.folder / "word"
    word.write_text("x", encoding="utf-8")
    for name in ("good", "other"):
        prefix = ("--output-prefix", str(site.folder / name))
        skopeo("generate-sigstore-key", *prefix, f"--passphrase-file={word}", home=site.home)
    found = site.home / ".config" / "containers" / "registries.d"
    found.mkdir(parents=True)
    where = f"docker:\n  {site.upstream.host}:\n    use-sigstore-attachments: true\n"
    (found / "upstream.yaml").write_text(where, encoding="utf-8")
    site.publish(build_image(), "plain:1")
    key = f"--sign-by-sigstore-private-key={site.folder / 'good.private'}"
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    names = (f"docker://{site.source('plain:1')}", f"docker://{site.source()}")
    skopeo("copy", *plain, key, f"--sign-passphrase-file={word}", *names, home=site.home)
    site.list_images(site.source())
    demand(site, site.folder / "other.pub", by="sigstoreSigned")
    assert site.run("batch").error["message"].endswith(f"asks for {site.folder / 'other.pub'}")
    demand(site, site.folder / "good.pub", by="sigstoreSigned")
    outcome = site.run("batch", "--with-signatures")
    assert outcome.verdict == ("copied", "missing")
    assert outcome.item["note"] == "with 1 signature or the like"


def test_a_policy_that_can_not_be_read_ends_the_run_with_its_name(site: Site) -> None:
    site.publish(build_image())
    site.configure(POLICY="nowhere.json")
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.status == 2
    assert "POLICY: " in outcome.stderr
    assert "nowhere.json can't be read" in outcome.stderr
