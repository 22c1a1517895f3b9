"""Logins and certificates reach the registries they are for, and nobody else."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from demo.faults import Call, Rule
from demo.images import build_image, push
from demo.proxy import FaultProxy
from demo.registry import Login, Registry, RegistryOptions
from tests.support.certificates import make_certificate
from tests.support.runs import Gate
from tests.support.tokens import Account, TokenOptions, TokenServer
from tests.support.watch import WatchdogIntervals, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.registry import Certificate
    from tests.support.runs import Site

ALICE = Login("alice", "p@ss w0rd#1$x")
WRONG = "wr0ng/pass:word"
ELSEWHERE = "0.0.0.0"  # noqa: S104  (nothing listens there)
"""This machine, too, but by a name that is not a loopback's: nothing is forgiven there."""

IMAGE = build_image(env=["ACCESS=1"])


@pytest.fixture(scope="module")
def guarded() -> Iterator[Registry]:
    """A registry that wants a login."""
    with Registry(RegistryOptions(login=ALICE)) as registry:
        yield registry


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder = tmp_path_factory.mktemp("certificates")
    return make_certificate(folder, addresses=("127.0.0.1", ELSEWHERE))


@pytest.fixture(scope="module")
def encrypted(certificate: Certificate) -> Iterator[Registry]:
    """A registry that speaks TLS with a certificate of an unknown authority."""
    with Registry(RegistryOptions(certificate=certificate)) as registry:
        yield registry


@pytest.fixture
def at_guarded(site: Site, guarded: Registry) -> Site:
    """The site, mirroring into the registry that wants a login."""
    site = replace(site, mirror=guarded)
    site.configure()
    site.publish(IMAGE)
    site.list_images(site.source())
    return site


@pytest.fixture
def at_encrypted(site: Site, encrypted: Registry) -> Site:
    """The site, mirroring into the registry that speaks TLS, by its unforgiving name."""
    site = replace(site, mirror=encrypted)
    site.configure(ALIYUN_REGISTRY=elsewhere(encrypted))
    site.publish(IMAGE)
    site.list_images(site.source())
    return site


def elsewhere(registry: Registry) -> str:
    return registry.host.replace("127.0.0.1", ELSEWHERE)


@pytest.mark.parametrize(
    "quoted", [f"'{ALICE.password}'", f'"{ALICE.password}"'], ids=["single", "double"]
)
def test_the_aliyun_login_of_config_env_is_used(at_guarded: Site, quoted: str) -> None:
    at_guarded.configure(ALIYUN_USERNAME=ALICE.user, ALIYUN_PASSWORD=quoted)
    outcome = at_guarded.run("batch")
    assert outcome.status == 0, outcome.stdout
    assert at_guarded.mirrored() == IMAGE.digest


def test_the_ghcr_login_is_used(at_guarded: Site) -> None:
    at_guarded.configure(
        SYNC_MODE="ghcr",
        GHCR_REGISTRY=at_guarded.mirror.host,
        GHCR_NAMESPACE=at_guarded.namespace.upper(),
        GHCR_USERNAME=ALICE.user,
    )
    outcome = at_guarded.run("batch", environ={"GHCR_TOKEN": ALICE.password})
    assert outcome.status == 0, outcome.stdout
    assert at_guarded.mirrored() == IMAGE.digest


def test_on_actions_the_ghcr_login_is_the_jobs_own(at_guarded: Site) -> None:
    at_guarded.configure(SYNC_MODE="ghcr", GHCR_REGISTRY=at_guarded.mirror.host)
    job = {
        "GITHUB_ACTOR": ALICE.user,
        "GITHUB_TOKEN": ALICE.password,
        "GITHUB_REPOSITORY_OWNER": at_guarded.namespace.title(),
    }
    outcome = at_guarded.run("batch", environ=job)
    assert outcome.status == 0, outcome.stdout
    assert at_guarded.mirrored() == IMAGE.digest


@pytest.mark.parametrize("place", ["the environment", "config.env"])
def test_a_password_may_stand_in_a_file(at_guarded: Site, place: str) -> None:
    secret = at_guarded.folder / "secret"
    secret.write_text(f"{ALICE.password}\n", encoding="utf-8")
    name = {"ALIYUN_PASSWORD_FILE": "secret"}
    is_in_environ = place == "the environment"
    at_guarded.configure(ALIYUN_USERNAME=ALICE.user, **({} if is_in_environ else name))
    outcome = at_guarded.run("batch", environ=name if is_in_environ else {})
    assert outcome.status == 0, outcome.stdout


def test_a_file_of_a_password_that_is_missing_is_named(at_guarded: Site) -> None:
    at_guarded.configure(ALIYUN_USERNAME=ALICE.user, ALIYUN_PASSWORD_FILE="/nowhere/secret")
    outcome = at_guarded.run("batch")
    assert outcome.status == 2
    assert "/nowhere/secret" in outcome.stderr
    assert "config.env" in outcome.stderr


@pytest.mark.parametrize("place", [".docker/config.json", ".config/containers/auth.json"])
def test_a_users_own_login_is_used_for_a_source(site: Site, guarded: Registry, place: str) -> None:
    push(guarded.url, f"{site.namespace}/app", "1", IMAGE, auth=ALICE)
    write_login(site.home / place, guarded.host, ALICE.password)
    site.sync(f"{guarded.host}/{site.namespace}/app:1")
    assert site.mirrored(host=guarded.host) == IMAGE.digest


def test_a_login_of_the_settings_is_stronger_than_the_users_own(at_guarded: Site) -> None:
    write_login(at_guarded.home / ".docker/config.json", at_guarded.mirror.host, WRONG)
    at_guarded.configure(ALIYUN_USERNAME=ALICE.user, ALIYUN_PASSWORD=f"'{ALICE.password}'")
    assert at_guarded.run("batch").status == 0


def write_login(path: Path, registry: str, password: str) -> None:
    path.parent.mkdir(parents=True)
    coded = base64.b64encode(f"{ALICE.user}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {registry: {"auth": coded}}}), encoding="utf-8")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"), id="Docker Hub's"),
        pytest.param(("ALIYUN_USERNAME", "ALIYUN_PASSWORD"), id="the target's"),
    ],
)
def test_a_login_is_not_sent_to_others(
    site: Site, guarded: Registry, settings: tuple[str, str]
) -> None:
    push(guarded.url, f"{site.namespace}/app", "1", IMAGE, auth=ALICE)
    site.list_images(f"{guarded.host}/{site.namespace}/app:1")
    login = dict(zip(settings, (ALICE.user, ALICE.password), strict=True))
    outcome = site.run("batch", environ=login)
    assert outcome.verdict == ("failed", "unauthorized")
    assert f"skopeo login {guarded.host}" in outcome.error["hint"]


def test_one_half_of_a_login_is_named(site: Site) -> None:
    site.list_images(site.source())
    outcome = site.run("batch", environ={"ALIYUN_USERNAME": ALICE.user})
    assert outcome.status == 2
    assert "ALIYUN_PASSWORD" in outcome.stderr


@pytest.mark.parametrize("is_missing", [True, False], ids=["no login", "a wrong password"])
def test_a_refused_login_says_what_to_check(at_guarded: Site, is_missing: bool) -> None:
    login = {"ALIYUN_USERNAME": ALICE.user, "ALIYUN_PASSWORD": WRONG}
    outcome = at_guarded.run("batch", environ={} if is_missing else login)
    assert outcome.status == 1
    assert outcome.verdict == ("failed", "unauthorized")
    needed = "it needs" if is_missing else "check"
    assert outcome.error["hint"] == f"{needed} ALIYUN_USERNAME and ALIYUN_PASSWORD"
    assert outcome.error["hint"] in outcome.stdout
    manifests = [one for one in at_guarded.asked(at_guarded.mirror) if "/manifests/" in one.path]
    gets = [one for one in manifests if one.method == "GET"]
    assert len(gets) <= 1, "a refused login is not tried again"


def test_a_user_who_may_only_pull_is_told_so(site: Site, tmp_path: Path) -> None:
    accounts = (Account(ALICE, push=""), Account(push=""))
    with (
        TokenServer(tmp_path, TokenOptions(accounts)) as tokens,
        Registry(RegistryOptions(login=ALICE, token=tokens.auth)) as registry,
    ):
        site.configure(ALIYUN_REGISTRY=registry.host, ALIYUN_USERNAME=ALICE.user)
        site.publish(IMAGE)
        site.list_images(site.source())
        outcome = site.run("batch", environ={"ALIYUN_PASSWORD": ALICE.password})
    assert outcome.verdict == ("failed", "denied")
    assert "ALIYUN_USERNAME and ALIYUN_PASSWORD may push there" in outcome.error["hint"]


def test_a_registry_of_tokens_is_written_to(site: Site, tmp_path: Path) -> None:
    with (
        TokenServer(tmp_path, TokenOptions((Account(ALICE), Account(push="")))) as tokens,
        Registry(RegistryOptions(login=ALICE, token=tokens.auth)) as registry,
    ):
        site = replace(site, mirror=registry)
        site.configure(ALIYUN_USERNAME=ALICE.user)
        site.publish(IMAGE)
        site.list_images(site.source())
        outcome = site.run("batch", environ={"ALIYUN_PASSWORD": ALICE.password})
        assert outcome.status == 0, outcome.stdout
        assert site.mirrored() == IMAGE.digest


@pytest.mark.parametrize("password", [ALICE.password, WRONG], ids=["right", "wrong"])
@pytest.mark.parametrize("option", ["-v", "--output=json"])
def test_a_password_appears_nowhere(at_guarded: Site, password: str, option: str) -> None:
    with FaultProxy(at_guarded.mirror.url) as proxy:
        at_guarded.configure(ALIYUN_REGISTRY=proxy.host, ALIYUN_USERNAME=ALICE.user)
        gate = Gate()
        proxy.add(Rule(Call(gate), path="/v2/", times=1))
        environ = {"ALIYUN_PASSWORD": password}
        with (
            at_guarded.running("batch", option, environ=environ) as run,
            WatchdogIntervals(run.process_id) as watch,
        ):
            gate.wait()
            (folder,) = at_guarded.state.glob("private-*")
            assert {one.stat().st_mode & 0o777 for one in folder.glob("auth*.json")} == {0o600}
            assert folder.stat().st_mode & 0o777 == 0o700
            gate.open()
            outcome = run.finish()
    assert outcome.status == (0 if password == ALICE.password else 1)
    name = "auth-relayed-0.json" if password == ALICE.password else "auth.json"
    assert f"--authfile={folder / name}" in watch.seen
    assert f"HOME={at_guarded.home}" in watch.seen
    assert ("--preserve-digests" in watch.seen) == (password == ALICE.password)
    traces = {
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "the report": json.dumps(outcome.report, ensure_ascii=False),
        "the skopeo processes": watch.seen,
        **{str(path): text_of(path) for path in at_guarded.folder.rglob("*") if path.is_file()},
    }
    for place, text in traces.items():
        for form in forms_of(password):
            assert form not in text, place
    assert not tuple(at_guarded.state.glob("private-*"))


def forms_of(password: str) -> tuple[str, ...]:
    pair = f"{ALICE.user}:{password}".encode()
    coded = (base64.b64encode(one).decode() for one in (password.encode(), pair))
    return (password, quote(password, safe=""), json.dumps(password)[1:-1], *coded)


def test_an_unknown_authority_is_not_trusted(at_encrypted: Site) -> None:
    outcome = at_encrypted.run("batch")
    assert outcome.status == 1
    assert outcome.verdict == ("failed", "tls")
    assert "targets.toml" in outcome.error["hint"]
    assert "INSECURE_REGISTRIES" in outcome.error["hint"]
    assert at_encrypted.mirrored() is None


def test_an_authority_of_targets_toml_is_trusted(
    at_encrypted: Site, certificate: Certificate
) -> None:
    name_authority(at_encrypted, certificate.authority)
    outcome = at_encrypted.run("batch")
    assert outcome.status == 0, outcome.stdout
    assert at_encrypted.mirrored() == IMAGE.digest


def test_an_insecure_registry_is_taken_as_it_is(at_encrypted: Site) -> None:
    host = elsewhere(at_encrypted.mirror)
    at_encrypted.configure(ALIYUN_REGISTRY=host, INSECURE_REGISTRIES=host)
    assert at_encrypted.run("batch").status == 0
    assert at_encrypted.mirrored() == IMAGE.digest


def test_an_insecure_registry_may_speak_plain_http(site: Site) -> None:
    host = elsewhere(site.mirror)
    site.publish(IMAGE)
    site.list_images(site.source())
    site.configure(ALIYUN_REGISTRY=host)
    outcome = site.run("batch")
    assert outcome.verdict == ("failed", "tls")
    assert outcome.error["hint"] == (
        f"it speaks plain HTTP: if that is meant, name {host} in INSECURE_REGISTRIES"
    )
    site.configure(ALIYUN_REGISTRY=host, INSECURE_REGISTRIES=f"example.com,{host}")
    assert site.run("batch").status == 0
    assert site.mirrored() == IMAGE.digest


def test_the_systems_authorities_are_trusted(at_encrypted: Site, certificate: Certificate) -> None:
    outcome = at_encrypted.run("batch", environ={"SSL_CERT_FILE": str(certificate.authority)})
    assert outcome.status == 0, outcome.stdout
    assert at_encrypted.mirrored() == IMAGE.digest


def test_a_loopback_registry_needs_no_settings(at_encrypted: Site) -> None:
    at_encrypted.configure()
    assert at_encrypted.run("batch").status == 0
    assert at_encrypted.mirrored() == IMAGE.digest


def test_who_names_an_authority_trusts_no_other(at_encrypted: Site, tmp_path: Path) -> None:
    other = make_certificate(tmp_path / "other")
    at_encrypted.configure()
    name_authority(at_encrypted, other.authority)
    outcome = at_encrypted.run("batch")
    assert outcome.verdict == ("failed", "tls")
    assert at_encrypted.mirrored() is None


def test_an_authority_that_is_missing_is_named(at_encrypted: Site, tmp_path: Path) -> None:
    name_authority(at_encrypted, tmp_path / "nowhere.pem")
    outcome = at_encrypted.run("batch")
    assert outcome.status == 2
    assert "nowhere.pem" in outcome.stderr


def name_authority(site: Site, authority: Path) -> None:
    text = f'[targets.aliyun]\nca = "{authority}"\n'
    (site.folder / "targets.toml").write_text(text, encoding="utf-8")


def test_a_target_of_targets_toml_has_its_login_and_authority(
    site: Site, certificate: Certificate
) -> None:
    with Registry(RegistryOptions(login=ALICE, certificate=certificate)) as registry:
        (site.folder / "targets.toml").write_text(
            f"""\
[targets.harbor]
registry = "{elsewhere(registry)}"
namespace = "team/mirror"
username = "{ALICE.user}"
password = "${{HARBOR_PASSWORD}}"
naming = "nested"
ca = "{certificate.authority}"
""",
            encoding="utf-8",
        )
        site.publish(IMAGE)
        site.list_images(site.source())
        environ = {"HARBOR_PASSWORD": ALICE.password}
        outcome = site.run("batch", "--to=harbor", environ=environ)
        assert outcome.status == 0, outcome.stdout
        component = site.upstream.host.replace(":", "-")
        repository = f"team/mirror/{component}/{site.namespace}/app"
        assert registry.digest(repository, "1") == IMAGE.digest
        refused = site.run("batch", "--to=harbor", environ={"HARBOR_PASSWORD": WRONG})
        assert refused.verdict == ("failed", "unauthorized")
        assert "[targets.harbor]" in refused.error["hint"]
