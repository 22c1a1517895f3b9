"""The doctor, on real registries: what it finds, what it advises, and that it leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import build_image
from demo.proxy import FaultProxy
from demo.registry import Client, Login, Registry, RegistryOptions
from orchestrator.commands.checks import CheckStatus, check_pull_limit, mirror_check
from orchestrator.commands.doctor import check_clock
from orchestrator.oci.reference import Reference
from orchestrator.registry.pull_limit import PullLimit
from orchestrator.registry.responses import NotFound
from tests.support.certificates import make_certificate
from tests.support.runs import path_without_skopeo
from tests.support.tokens import Account, TokenOptions, TokenServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.runs import Outcome, Site

ALICE = Login("alice", "correct-horse")
CAROL = Login("carol", "purple-monkey")
BOB = Login("bob", "battery-staple")
LOGIN = {"ALIYUN_USERNAME": ALICE.user, "ALIYUN_PASSWORD": ALICE.password}
NOBODY_THERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Registry]:
    """A registry that wants a login."""
    with Registry(RegistryOptions(login=ALICE)) as registry:
        yield registry


@pytest.fixture(scope="module")
def by_tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry where alice and carol may push, alice delete as well, and bob only pull."""
    accounts = (
        Account(ALICE, delete="*"),
        Account(BOB, push=""),
        Account(CAROL),
        Account(push=""),
    )
    folder = tmp_path_factory.mktemp("tokens")
    with (
        TokenServer(folder, TokenOptions(accounts)) as tokens,
        Registry(RegistryOptions(login=ALICE, token=tokens.auth)) as registry,
    ):
        yield registry


@pytest.fixture
def healthy(site: Site) -> Site:
    """A site with nothing amiss."""
    site.publish(build_image())
    site.list_images(site.source())
    return site


def lines(outcome: Outcome, subject: str) -> list[str]:
    """What was found about one thing, each with the remedy behind it."""
    found = outcome.stdout.replace("\n       -> ", " -> ").splitlines()
    return [line for line in found if line[7:].startswith(f"{subject}:")]


def line(outcome: Outcome, subject: str) -> str:
    (only,) = lines(outcome, subject)
    return only


def uploads(registry: Registry, namespace: str) -> list[tuple[str, int]]:
    return [
        (one.method, one.status)
        for one in registry.requests()
        if f"/{namespace}/" in one.path and "/blobs/uploads/" in one.path
    ]


@pytest.mark.parametrize(
    ("place", "found"),
    [
        pytest.param("{upstream}", "ok     mirror of {origin}: {place} answers, and has", id="has"),
        pytest.param(NOBODY_THERE, "WRONG  mirror of {origin}: ", id="nobody is there"),
    ],
)
def test_the_mirror_of_a_source_is_tried(healthy: Site, place: str, found: str) -> None:
    origin = healthy.upstream.host.replace("127.0.0.1", "localhost")
    place = place.format(upstream=healthy.upstream.host)
    table = f'[sources."{origin}"]\nmirror = "{place}"\n'
    (healthy.folder / "targets.toml").write_text(table, encoding="utf-8")
    healthy.list_images(healthy.source(host=origin))
    outcome = healthy.run("doctor")
    said = line(outcome, f"mirror of {origin}")
    assert said.startswith(found.format(origin=origin, place=place))
    assert line(outcome, f"source {origin}").startswith("ok")


def test_a_mirror_that_lacks_an_image_is_well() -> None:
    found = mirror_check(Reference.parse("nginx"), "near.example.com/hub", NotFound())
    assert found.status is CheckStatus.FINE
    assert found.finding == (
        "near.example.com/hub answers, and has no nginx:latest: the source itself is read for it"
    )


def test_where_all_is_well_each_line_is_green_and_nothing_is_left(healthy: Site) -> None:
    outcome = healthy.run("doctor")
    assert outcome.status == 0, outcome.stdout
    assert "WRONG" not in outcome.stdout
    assert outcome.stdout.endswith("\nall is fine\n")
    repository = healthy.mirrored_name()
    pushed = f"{healthy.mirror.host}/{repository} may be pushed to, by the relay"
    assert line(outcome, "target aliyun") == f"ok     target aliyun: {pushed}"
    assert line(outcome, f"source {healthy.upstream.host}").startswith("ok     ")
    assert line(outcome, "skopeo").startswith("ok     skopeo: version 1.")
    assert line(outcome, "list") == "ok     list: images.txt has 1 good lines"
    assert line(outcome, "state").startswith("ok     ")
    assert line(outcome, "clock").startswith("ok     clock: it is within ")
    assert line(outcome, "webhooks").startswith("note   ")
    assert uploads(healthy.mirror, healthy.namespace) == [("POST", 202), ("DELETE", 204)]
    assert healthy.mirror.tags(repository) == ()
    with Client(healthy.mirror.url) as client:
        assert repository not in client.ask("GET", "/v2/_catalog?n=1000").text
    assert not tuple(healthy.state.glob("private-*"))
    assert not tuple(healthy.temporary.iterdir())


def test_colour_is_for_terminals_and_for_those_who_want_it(healthy: Site) -> None:
    assert "\x1b" not in healthy.run("doctor").stdout
    assert "\x1b[32mok   \x1b[0m  " in healthy.run("doctor", "--color=always").stdout


@pytest.mark.parametrize("kind", ["basic", "tokens"])
def test_a_login_that_may_push_is_fine(
    healthy: Site, guarded: Registry, by_tokens: Registry, kind: str
) -> None:
    mirror = {"basic": guarded, "tokens": by_tokens}[kind]
    site = replace(healthy, mirror=mirror)
    site.configure()
    outcome = site.run("doctor", environ=LOGIN)
    assert outcome.status == 0, outcome.stdout
    assert uploads(mirror, site.namespace)[-2:] == [("POST", 202), ("DELETE", 204)]
    assert mirror.tags(site.mirrored_name()) == ()


@pytest.mark.parametrize("kind", ["basic", "tokens"])
@pytest.mark.parametrize("password", ["wrong", None], ids=["wrong password", "no login"])
def test_a_login_that_is_refused_is_told_with_its_settings(
    healthy: Site, guarded: Registry, by_tokens: Registry, kind: str, password: str | None
) -> None:
    site = replace(healthy, mirror={"basic": guarded, "tokens": by_tokens}[kind])
    site.configure()
    outcome = site.run("doctor", environ={**LOGIN, "ALIYUN_PASSWORD": password} if password else {})
    assert outcome.status == 1
    found = line(outcome, "target aliyun")
    assert found.startswith("WRONG")
    assert "ALIYUN_USERNAME and ALIYUN_PASSWORD" in found
    assert "1 of " in outcome.stdout.splitlines()[-1]


def test_an_account_that_may_only_pull_is_told_so(healthy: Site, by_tokens: Registry) -> None:
    healthy.configure(ALIYUN_REGISTRY=by_tokens.host)
    login = {"ALIYUN_USERNAME": BOB.user, "ALIYUN_PASSWORD": BOB.password}
    outcome = healthy.run("doctor", environ=login)
    assert outcome.status == 1
    found = line(outcome, "target aliyun")
    assert found.startswith("WRONG")
    assert "permission is denied (" in found
    assert "exists, and that ALIYUN_USERNAME and ALIYUN_PASSWORD may push there" in found


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            Response.error(403, "DENIED", "no such project\x1b[2J"),
            "denied: no such project\\x1b[2J) -> it was asked without a login: give it ALIYUN_",
            id="denied",
        ),
        pytest.param(
            Response.error(404, "NAME_UNKNOWN", "create it first"),
            "create it first) -> create the namespace (project, organization) of ",
            id="missing namespace",
        ),
        pytest.param(Response(405), "nothing can be pushed there (", id="read-only"),
    ],
)
def test_a_namespace_that_takes_nothing_is_told_so(
    healthy: Site, answer: Response, words: str
) -> None:
    with FaultProxy(healthy.mirror.url) as proxy:
        proxy.add(Rule(answer, method="POST"))
        healthy.configure(ALIYUN_REGISTRY=proxy.host)
        outcome = healthy.run("doctor")
    assert outcome.status == 1
    found = line(outcome, "target aliyun")
    assert words in found


def test_an_account_that_may_push_and_not_delete_is_fine(
    healthy: Site, by_tokens: Registry
) -> None:
    healthy.configure(ALIYUN_REGISTRY=by_tokens.host)
    login = {"ALIYUN_USERNAME": CAROL.user, "ALIYUN_PASSWORD": CAROL.password}
    outcome = healthy.run("doctor", environ=login)
    assert outcome.status == 0, outcome.stdout
    assert "is left for the registry to forget" in line(outcome, "target aliyun")
    assert by_tokens.tags(healthy.mirrored_name()) == ()


def test_a_registry_that_can_not_call_an_upload_off_is_fine(healthy: Site) -> None:
    with FaultProxy(healthy.mirror.url) as proxy:
        proxy.add(Rule(Response(405), method="DELETE"))
        healthy.configure(ALIYUN_REGISTRY=proxy.host)
        outcome = healthy.run("doctor")
    assert outcome.status == 0
    assert "is left for the registry to forget" in line(outcome, "target aliyun")


def test_an_upload_is_called_off_at_its_own_registry_alone(healthy: Site) -> None:
    with FaultProxy(healthy.mirror.url) as proxy, FaultProxy(healthy.upstream.url) as other:
        elsewhere = f"{other.url}/v2/{healthy.mirrored_name()}/manifests/1"
        proxy.add(Rule(Response(202, {"Location": elsewhere}), method="POST"))
        healthy.configure(ALIYUN_REGISTRY=proxy.host)
        outcome = healthy.run("doctor")
        assert outcome.status == 0
        assert not other.exchanges()
        assert "DELETE" not in {one.method for one in proxy.exchanges()}


def test_whoever_does_not_answer_is_named(healthy: Site) -> None:
    healthy.configure(ALIYUN_REGISTRY=NOBODY_THERE)
    healthy.list_images(healthy.source(), f"{NOBODY_THERE}/gone:1")
    outcome = healthy.run("doctor")
    assert outcome.status == 1
    for subject in ("target aliyun", f"source {NOBODY_THERE}"):
        found = line(outcome, subject)
        assert found.startswith("WRONG")
        assert "check its name, and this machine's way there" in found
    assert line(outcome, f"source {healthy.upstream.host}").startswith("ok")


def test_an_unknown_authority_is_told_with_the_way_out(healthy: Site, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "tls", addresses=("127.0.0.1", "0.0.0.0"))  # noqa: S104  (nothing listens there)
    with Registry(RegistryOptions(certificate=certificate)) as registry:
        host = registry.host.replace("127.0.0.1", "0.0.0.0")  # noqa: S104  (the same)
        healthy.configure(ALIYUN_REGISTRY=host)
        outcome = healthy.run("doctor")
    assert outcome.status == 1
    found = line(outcome, "target aliyun")
    assert "no trusted TLS connection" in found
    assert found.endswith(f"in targets.toml, or name {host} in INSECURE_REGISTRIES")


def test_a_missing_skopeo_is_told_beside_all_else(healthy: Site) -> None:
    environ = {"PATH": path_without_skopeo(healthy.folder / "bin")}
    outcome = healthy.run("doctor", environ=environ)
    assert outcome.status == 1
    assert line(outcome, "skopeo").startswith("WRONG  skopeo: skopeo is not installed")
    assert line(outcome, "target aliyun").startswith("ok")


def with_skopeo(site: Site, version: str, **environ: str) -> Outcome:
    """What doctor says where skopeo is of this version, and does nothing else."""
    folder = path_without_skopeo(site.folder / "bin")
    stand_in = Path(folder) / "skopeo"
    stand_in.write_text(f"#!/bin/sh\necho skopeo version {version}\n", encoding="utf-8")
    stand_in.chmod(0o755)
    return site.run("doctor", environ={"PATH": folder, **environ})


def test_an_old_skopeo_is_told(healthy: Site) -> None:
    outcome = with_skopeo(healthy, "1.3.1")
    assert outcome.status == 1
    assert "skopeo 1.3.1 is too old" in line(outcome, "skopeo")


@pytest.mark.parametrize(
    ("relay", "said"),
    [
        pytest.param("auto", "may be pushed to, by the relay", id="relayed"),
        pytest.param("off", "skopeo 1.4.1 is too old to push to", id="not relayed"),
    ],
)
def test_a_skopeo_that_keeps_no_digests_will_do_behind_the_relay(
    healthy: Site, relay: str, said: str
) -> None:
    outcome = with_skopeo(healthy, "1.4.1", RELAY=relay)
    assert outcome.status == (0 if relay == "auto" else 1)
    assert said in line(outcome, "target aliyun")


def test_without_the_relay_it_is_said_who_pushes(healthy: Site) -> None:
    outcome = healthy.run("doctor", environ={"RELAY": "off"})
    assert line(outcome, "target aliyun").endswith(
        "may be pushed to, by skopeo itself, since RELAY is off"
    )


def test_a_broken_policy_of_trust_is_told(healthy: Site) -> None:
    policy = healthy.home / ".config" / "containers" / "policy.json"
    policy.parent.mkdir(parents=True)
    policy.write_text("{", encoding="utf-8")
    outcome = healthy.run("doctor")
    assert outcome.status == 1
    fine, wrong = lines(outcome, "skopeo")
    assert fine.startswith("ok")
    assert "trust policy" in wrong
    assert "insecureAcceptAnything" in wrong


def test_bad_lines_and_clashes_are_told(healthy: Site) -> None:
    healthy.list_images(healthy.source(), "--platfrom=all redis", "a/b:1", "a_b:1", "a/b:1")
    outcome = healthy.run("doctor", "--to=aliyun")
    assert outcome.status == 1
    found = lines(outcome, "list")
    assert "images.txt:2:1: unknown option '--platfrom'; did you mean '--platform'?" in found[0]
    assert all(one.startswith("WRONG") for one in found)
    assert len(found) == 4


def test_many_bad_lines_are_cut_short(healthy: Site) -> None:
    healthy.list_images(*["--nonsense"] * 500)
    outcome = healthy.run("doctor")
    assert "and 480 more bad lines" in outcome.stdout
    assert len(outcome.stdout.splitlines()) < 60


@pytest.mark.parametrize(
    ("settings", "subject", "words"),
    [
        pytest.param(
            {"STATE_DIR": "config.env"}, "state", "the state directory", id="unwritable state"
        ),
        pytest.param(
            {"SYNC_MODE": "double"},
            "target ghcr",
            "GHCR_NAMESPACE, GHCR_USERNAME and GHCR_TOKEN are not set",
            id="half a target",
        ),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_the_rest_is_checked(
    healthy: Site, settings: Mapping[str, str], subject: str, words: str
) -> None:
    healthy.configure(**settings)
    outcome = healthy.run("doctor")
    assert outcome.status == 2, outcome.stdout
    assert words in line(outcome, subject)
    assert line(outcome, "target aliyun").startswith("ok")


def test_a_list_that_is_not_there_is_told(healthy: Site) -> None:
    (healthy.folder / "images.txt").unlink()
    outcome = healthy.run("doctor")
    assert outcome.status == 2
    assert "images.txt can't be read" in line(outcome, "list")
    assert line(outcome, "target aliyun").startswith("ok")


def test_settings_that_can_not_be_read_end_with_2(healthy: Site) -> None:
    healthy.configure(JOBS="many")
    outcome = healthy.run("doctor")
    assert outcome.status == 2
    assert "JOBS" in outcome.stderr


def test_a_damaged_database_is_told(healthy: Site) -> None:
    healthy.state.mkdir()
    (healthy.state / "state.db").write_bytes(b"no database" * 1000)
    outcome = healthy.run("doctor")
    assert "state.db is damaged" in line(outcome, "state")


def test_a_source_in_a_helpers_keeping_is_asked_by_skopeo(healthy: Site) -> None:
    config = healthy.home / ".docker" / "config.json"
    config.parent.mkdir()
    host = healthy.upstream.host
    config.write_text(f'{{"credHelpers": {{"{host}": "none-such"}}}}', encoding="utf-8")
    outcome = healthy.run("doctor")
    assert "docker-credential-none-such" in line(outcome, f"source {host}")


def test_an_image_that_is_gone_is_wrong_as_it_fails_in_a_run(healthy: Site) -> None:
    healthy.list_images(healthy.source("gone:1"))
    outcome = healthy.run("doctor")
    assert outcome.status == 1
    assert line(outcome, f"source {healthy.upstream.host}").startswith("WRONG")


def test_a_webhook_is_named_by_its_host_and_not_sent(healthy: Site) -> None:
    with FaultProxy(healthy.mirror.url) as hook:
        environ = {"WEBHOOK_URL": f"{hook.url}/hook/very-secret", "WEBHOOK_ON": "failure"}
        outcome = healthy.run("doctor", "-v", environ=environ)
        assert not hook.exchanges()
    assert f"{hook.host} (failure); nothing was sent" in line(outcome, "webhooks")
    assert "very-secret" not in outcome.stdout + outcome.stderr


def test_a_wrong_clock_is_told(healthy: Site) -> None:
    other = datetime.now(timezone.utc) - timedelta(minutes=10)
    late = {"Date": format_datetime(other, usegmt=True), "Location": "/"}
    with FaultProxy(healthy.mirror.url) as proxy:
        proxy.add(Rule(Response(202, late), method="POST"))
        proxy.add(Rule(Response(404, {**late, "Content-Type": "application/json"})))
        healthy.configure(ALIYUN_REGISTRY=proxy.host)
        healthy.list_images(f"{proxy.host}/app:1")
        outcome = healthy.run("doctor")
    assert outcome.status == 1
    assert "clock: it is 10 minutes ahead of the registries'" in line(outcome, "clock")


@pytest.mark.parametrize(
    ("skew", "mark"),
    [
        (None, CheckStatus.NOTE),
        (0.0, CheckStatus.FINE),
        (-299.0, CheckStatus.FINE),
        (301.0, CheckStatus.WRONG),
        (-301.0, CheckStatus.WRONG),
    ],
)
def test_a_few_minutes_are_forgiven(skew: float | None, mark: CheckStatus) -> None:
    assert check_clock(skew).status is mark


@pytest.mark.parametrize(
    ("limit", "mark"),
    [
        pytest.param(None, CheckStatus.FINE, id="none is named"),
        pytest.param(PullLimit(100, 7, 21600), CheckStatus.FINE, id="some are left"),
        pytest.param(PullLimit(100, 0, 21600), CheckStatus.WRONG, id="none are left"),
    ],
)
def test_the_pull_limit_is_told(limit: PullLimit | None, mark: CheckStatus) -> None:
    check = check_pull_limit(limit, has_login=False)
    assert check_pull_limit(None, has_login=False, was_asked=False).status is CheckStatus.NOTE
    assert check.status is mark
    assert ("DOCKERHUB_TOKEN" in check.remedy) == (mark is CheckStatus.WRONG)


def test_settings_that_say_none_are_a_note(healthy: Site) -> None:
    healthy.configure(SYNC_MODE="none")
    outcome = healthy.run("doctor")
    assert outcome.status == 0
    assert line(outcome, "settings").startswith("note   settings: SYNC_MODE is none")
