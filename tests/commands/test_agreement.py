"""Doctor and a run agree: for every way a registry may want its login, and refuse one."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from demo.faults import Response, Rule
from demo.images import build_image
from demo.proxy import FaultProxy
from demo.registry import Login, Registry, RegistryOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Outcome, Site

ALICE = Login("alice", "correct-horse")
WRONG = Login("alice", "wrong-horse")
TOKEN = {"WWW-Authenticate": 'Bearer realm="http://HOST/token",service="x"'}


@dataclass(frozen=True)
class Way:
    """How a registry wants its login, and what it is given.

    Attributes:
        login: What the settings have.
        rules: What stands before the registry; HOST is its address there.
        helper: What a credential helper has.
        is_guarded: Whether the registry behind wants a login.
        works: Whether a run works.
        relay: Whether skopeo pushes through the relay, where that can be.
    """

    works: bool
    login: Login | None = None
    rules: tuple[Rule, ...] = ()
    helper: Login | None = None
    is_guarded: bool = True
    relay: str = "auto"


def ping(answer: Response) -> Rule:
    return Rule(answer, method="GET", path="^/v2/$")


def token(answer: Response) -> Rule:
    return Rule(answer, path="^/token")


def denied(status: int) -> Response:
    return Response.error(status, "DENIED", "denied")


WAYS = {
    "none wanted": Way(works=True, is_guarded=False),
    "Basic, right": Way(works=True, login=ALICE),
    "Basic, wrong": Way(works=False, login=WRONG),
    "Basic, none": Way(works=False),
    "only when it is pushed to": Way(works=True, login=ALICE, rules=(ping(Response(200)),)),
    "only when it is pushed to, by skopeo": Way(
        works=False, login=ALICE, rules=(ping(Response(200)),), relay="off"
    ),
    "a token, right": Way(
        works=True,
        login=ALICE,
        rules=(ping(Response(401, TOKEN)), token(Response(200, {}, b'{"token":"x"}'))),
        is_guarded=False,
    ),
    "a token server that says 401": Way(
        works=False,
        login=WRONG,
        rules=(ping(Response(401, TOKEN)), token(denied(401))),
        is_guarded=False,
    ),
    "a token server that says 403": Way(
        works=False,
        login=WRONG,
        rules=(ping(Response(401, TOKEN)), token(denied(403))),
        is_guarded=False,
    ),
    "may write, and not look": Way(
        works=True,
        login=ALICE,
        rules=(Rule(denied(403), method="HEAD", path="/blobs/"),),
        is_guarded=False,
    ),
    "may write, and not look, by skopeo": Way(
        works=False,
        login=ALICE,
        rules=(Rule(denied(403), method="HEAD", path="/blobs/"),),
        is_guarded=False,
        relay="off",
    ),
    "may look, and not write": Way(
        works=False,
        login=ALICE,
        rules=(Rule(denied(403), method="POST", path="/uploads/"),),
        is_guarded=False,
    ),
    "no place for an upload": Way(
        works=False,
        login=ALICE,
        rules=(Rule(Response(202), method="POST", path="/uploads/"),),
        is_guarded=False,
    ),
    "by a helper, right": Way(works=True, helper=ALICE),
    "by a helper, wrong": Way(works=False, helper=WRONG),
}


@pytest.fixture(scope="module")
def guarded() -> Iterator[Registry]:
    """A registry that wants a login."""
    with Registry(RegistryOptions(login=ALICE)) as registry:
        yield registry


def keep_in_helper(site: Site, host: str, login: Login) -> str:
    """A credential helper on PATH, as Docker Desktop has one; returns that PATH."""
    folder = site.folder / "bin"
    folder.mkdir()
    answer = {"ServerURL": host, "Username": login.user, "Secret": login.password}
    helper = folder / "docker-credential-kept"
    helper.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n", encoding="utf-8")
    helper.chmod(0o755)
    docker = site.home / ".docker"
    docker.mkdir()
    (docker / "config.json").write_text(json.dumps({"credHelpers": {host: "kept"}}))
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("way", [pytest.param(way, id=name) for name, way in WAYS.items()])
def test_what_doctor_calls_right_works_and_what_fails_is_wrong(
    site: Site, guarded: Registry, way: Way
) -> None:
    site.publish(build_image(layers=[site.noise()]))
    site.list_images(site.source())
    with ExitStack() as stack:
        registry = guarded if way.is_guarded else site.mirror
        proxy = stack.enter_context(FaultProxy(registry.url))
        for rule in way.rules:
            proxy.add(_named(rule, proxy.host))
        site.configure(ALIYUN_REGISTRY=proxy.host, RELAY=way.relay)
        environ = (
            {"ALIYUN_USERNAME": way.login.user, "ALIYUN_PASSWORD": way.login.password}
            if way.login
            else {}
        )
        if way.helper:
            environ["PATH"] = keep_in_helper(site, proxy.host, way.helper)
        doctor = site.run("doctor", environ=environ)
        run = site.run("batch", environ={**environ, "RETRIES": "1"})
    assert (doctor.status, run.status) == ((0, 0) if way.works else (1, 1)), doctor.stdout
    if not way.works:
        assert run.error["hint"] in found_wrong(doctor)


def _named(rule: Rule, host: str) -> Rule:
    """The rule, the registry's address in it."""
    if not isinstance(rule.fault, Response):
        return rule
    headers = {name: text.replace("HOST", host) for name, text in rule.fault.headers.items()}
    answer = Response(rule.fault.status, headers, rule.fault.body)
    return Rule(answer, method=rule.method, path=rule.path)


def found_wrong(outcome: Outcome) -> str:
    lines = outcome.stdout.replace("\n       -> ", " -> ").splitlines()
    (wrong,) = [line for line in lines if line.startswith("WRONG")]
    return wrong
