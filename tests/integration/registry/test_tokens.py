"""Registries whose tokens live a few seconds, and accounts that may do less than all."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from demo.faults import Call, Drip, Rule
from demo.images import build_image, build_index, push
from demo.proxy import FaultProxy
from demo.registry import Login, Registry, RegistryOptions
from orchestrator.config.authfile import merged
from orchestrator.config.registries_conf import read_registries_conf
from orchestrator.config.settings import Login as OurLogin
from orchestrator.hosts import host_of, is_loopback
from orchestrator.oci.reference import Reference
from orchestrator.registry.client import RegistryClient
from orchestrator.registry.health import HostHealth
from orchestrator.registry.transport import rates_of
from orchestrator.state.seals import Seals
from orchestrator.state.store import State
from orchestrator.system.http import HttpClient
from tests.support.certificates import make_certificate
from tests.support.tokens import Account, TokenOptions, TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.registry import Certificate
    from tests.support.runs import Site

ALICE, PULLER = Login("alice", "wonderland"), Login("puller", "only")
ACCOUNTS = (Account(ALICE), Account(PULLER, push=""), Account(pull="public/*", push=""))
SHORT = 2
INDEX = build_index([build_image(), build_image("linux/arm64")])


@contextmanager
def guarded(
    folder: Path, lifetime: int = SHORT, certificate: Certificate | None = None
) -> Iterator[tuple[Registry, TokenServer]]:
    """A registry whose tokens are good for so many seconds."""
    options = TokenOptions(ACCOUNTS, lifetime=lifetime)
    with ExitStack() as stack:
        tokens = stack.enter_context(TokenServer(folder, options))
        registry = Registry(RegistryOptions(ALICE, certificate, tokens.auth))
        yield stack.enter_context(registry), tokens


@contextmanager
def client_of(
    registry: Registry, login: Login, folder: Path | None = None
) -> Iterator[RegistryClient]:
    """What a run asks registries by; in a folder it finds what earlier ones remember."""
    ours = OurLogin(registry.host, login.user, login.password)
    with ExitStack() as stack:
        client = RegistryClient(
            stack.enter_context(closing(HttpClient(8))),
            merged((), [ours]),
            is_insecure=is_loopback,
            ca_of=lambda _: None,
            conf=read_registries_conf(()),
        )
        if folder:
            state = stack.enter_context(closing(State(folder, seals=Seals([ours]))))
            client.share(HostHealth(), state)
        yield client


def configure(site: Site, registry: Registry, login: Login, **settings: object) -> Site:
    site = replace(site, mirror=registry, environ={"ALIYUN_PASSWORD": login.password})
    site.configure(ALIYUN_REGISTRY=registry.host, ALIYUN_USERNAME=login.user, **settings)
    return site


def test_the_fast_path_renews_a_token_that_has_run_out(tmp_path: Path) -> None:
    with guarded(tmp_path) as (registry, tokens), client_of(registry, PULLER) as client:
        push(registry.url, "private/app", "1", INDEX, auth=ALICE)
        before = len(tokens.grants())
        reference = Reference.parse(f"{registry.host}/private/app:1")
        for pause in (0.0, 0.0, SHORT + 0.5):
            time.sleep(pause)
            assert client.head(reference) == INDEX.digest
        users = [grant.user for grant in tokens.grants()[before:]]
    assert len(users) >= 2
    assert set(users) == {PULLER.user}


def test_a_token_server_is_a_host_of_its_own_to_be_limited(tmp_path: Path) -> None:
    """So many requests a second of a registry are no bound for the host that gives its tokens."""
    rate, number = 20.0, 9
    with guarded(tmp_path) as (registry, tokens), client_of(registry, PULLER) as client:
        server = host_of(tokens.auth.realm)
        client.limit(rates_of({server: rate}, time.sleep))
        before, began = len(tokens.grants()), time.monotonic()
        for one in range(number):
            client.head(Reference.parse(f"{registry.host}/private/{one}:1"))
        took, asked = time.monotonic() - began, len(tokens.grants()) - before
    assert asked == number
    assert took >= (number - 1) / rate


def test_a_later_run_asks_nothing_but_for_the_token_and_the_image(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    with guarded(tmp_path, certificate=made) as (registry, tokens):
        push(registry.url, "private/app", "1", INDEX, auth=ALICE, authority=made.authority)
        reference = Reference.parse(f"{registry.host}/private/app:1")
        asked = []
        for _ in range(2):
            before, granted = len(registry.requests()), len(tokens.grants())
            with client_of(registry, PULLER, tmp_path) as client:
                assert client.head(reference) == INDEX.digest
            new = registry.requests()[before:]
            asked.append([(one.method, one.path.count("/"), one.status) for one in new])
            assert len(tokens.grants()) == granted + 1
    assert asked == [[("GET", 2, 401), ("HEAD", 5, 200)], [("HEAD", 5, 200)]]
    kept = (tmp_path / "state.db").read_bytes()
    assert tokens.auth.realm.encode() in kept
    assert b"eyJ" not in kept, "no token is"


def test_a_run_outlives_its_tokens(site: Site, tmp_path: Path) -> None:
    """Each program begins with a token of its own; the wait is between two of them."""
    with guarded(tmp_path) as (registry, tokens), FaultProxy(site.upstream.url) as near:
        site = configure(site, registry, ALICE)
        images = {f"app{number}:1": build_image(layers=[site.noise()]) for number in range(3)}
        for name, image in images.items():
            site.publish(image, name)
        near.add(Rule(Call(lambda: time.sleep(SHORT + 1)), method="GET", path="/app1/manifests/1$"))
        outcome = site.sync(*(site.source(name, host=near.host) for name in images))
        assert [action for action, _ in outcome.verdicts()] == ["copied"] * 3
        for name, image in images.items():
            assert site.mirrored(name, host=near.host) == image.digest
        assert len(tokens.grants()) > len(images)


@pytest.mark.parametrize(("relay", "tries"), [("off", 2), ("auto", 1)])
def test_a_token_that_runs_out_in_the_middle_of_a_copy_is_replaced(
    site: Site, tmp_path: Path, relay: str, tries: int
) -> None:
    """The first try outlives its token while a layer drips in; the second finds the layer there.

    The relay has a token of its own for each request, so that one try will do.
    """
    with guarded(tmp_path) as (registry, _), FaultProxy(site.upstream.url) as near:
        site = configure(site, registry, ALICE, RETRIES=3, RELAY=relay)
        image = build_image(layers=[site.noise(6000)])
        site.publish(image)
        near.add(Rule(Drip(1500), path=f"/blobs/{image.layers[0].digest}", times=1))
        item = site.sync(site.source(host=near.host)).item
        assert (item["action"], item["attempts"]) == ("copied", tries)
        assert site.mirrored(host=near.host) == image.digest


def test_a_blob_is_mounted_under_a_token_for_both_repositories(site: Site, tmp_path: Path) -> None:
    """From another image of the run, and from one of an earlier run."""
    base = site.noise(50_000)
    with guarded(tmp_path, lifetime=300) as (registry, _):
        site = configure(site, registry, ALICE, RELAY="auto", JOBS=1)
        names = [f"app{number}:1" for number in range(3)]
        for name in names:
            site.publish(build_image(files={"app": name.encode()}, layers=[base]), name)
        site.sync(*map(site.source, names[:2]))
        site.sync(site.source(names[2]))
        mounts = [one for one in site.writes() if one.method == "POST" and one.status == 201]
        assert len(mounts) == 2
        for one in mounts:
            place, _, origin = one.path.partition("from=")
            assert origin.replace("%2F", "/") not in place


def test_who_may_only_pull_reads_a_private_source(site: Site, tmp_path: Path) -> None:
    with guarded(tmp_path) as (registry, tokens):
        push(registry.url, "private/app", "1", INDEX, auth=ALICE)
        targets = (
            f"[targets.source]\nregistry = '{registry.host}'\nnamespace = 'private'\n"
            f"username = '{PULLER.user}'\npassword = '${{PULLING}}'\n"
        )
        (site.folder / "targets.toml").write_text(targets, encoding="utf-8")
        site.list_images(
            f"--platform=all {registry.host}/private/app:1 --to=aliyun --name=app:1",
            f"{registry.host}/private/app:1 --to=source --name=other:1",
        )
        environ = {"PULLING": PULLER.password}
        outcome = site.run("batch", environ=environ)
        assert outcome.verdicts() == (("copied", "missing"), ("failed", "denied"))
        assert site.mirror.digest(f"{site.namespace}/app", "1") == INDEX.digest
        granted = {scope for grant in tokens.grants() for scope in grant.granted if grant.user}
        assert "repository:private/app:pull" in granted


def test_one_token_for_several_repositories_runs_out_for_all(tmp_path: Path) -> None:
    with guarded(tmp_path) as (registry, tokens), client_of(registry, PULLER) as client:
        names = [f"private/app{number}" for number in range(4)]
        for name in names:
            push(registry.url, name, "1", INDEX.images[0], auth=ALICE)
        before = len(tokens.grants())
        wanted = [Reference.parse(f"{registry.host}/{name}:1") for name in names]
        client.expect(wanted)
        for pause in (0.0, SHORT + 0.5):
            time.sleep(pause)
            assert {client.head(one) for one in wanted} == {INDEX.images[0].digest}
        asked = [len(grant.asked) for grant in tokens.grants()[before:]]
    assert max(asked) == len(names)
    assert len(asked) >= 2
