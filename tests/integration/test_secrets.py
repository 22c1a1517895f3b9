"""No secret is left or shown by a run: one is planted in every setting, and looked for everywhere.

Whoever can make a secret come back does so here: a registry that quotes what it was sent, a
skopeo that prints the run's own authfile as it crashes.
"""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from demo.images import build_image
from demo.registry import Login, Registry, RegistryOptions
from orchestrator.config.keys import FOREIGN_SECRETS, KEYS
from tests.support.loopback import Loopback, Reply, Request, serving
from tests.support.runs import path_without_skopeo
from tests.support.watch import WatchdogIntervals, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.runs import Outcome, Site

USER = "alice"
LOGIN = "the user's login"
PLANTED = {
    "ALIYUN_PASSWORD": "plant&aliyun/pass=1",
    "GHCR_TOKEN": 'plant ghcr "token" $2',
    "DOCKERHUB_TOKEN": "plant+hub#token",
    "WEBHOOK_URL": "plant-hook-path",
    "WEBHOOK_SECRET": "plant-hook-secret",
    "HEARTBEAT_URL": "plant-heart-path",
    "targets.toml password": "plant-täble-pass",
    "targets.toml url": "plant-table-path",
    "targets.toml secret": "plant-table-secret",
    LOGIN: "plant:users:pass",
    "the user's identity token": "plant-identity-token",
    **{name: f"plant-{name.lower()}" for name in FOREIGN_SECRETS},
}
CRASHING = """\
#!/bin/sh
case $1 in --version) echo skopeo version 1.9.3; exit 0;; esac
for word in "$@"; do case $word in --authfile=*) file=${word#*=};; esac; done
printf 'time="2026-01-01T00:00:00Z" level=fatal msg="%s"\\n' "$(tr -d '\\n"' <"$file"; env)" >&2
env >"$STOLEN"
exit 134
"""


def test_every_secret_setting_is_planted() -> None:
    secret = {name for name, key in KEYS.items() if key.is_secret}
    assert {name for name in PLANTED if name in KEYS} == secret


def quoting(request: Request) -> Reply:
    """A registry that wants a login, and says in its errors what it was sent."""
    sent = request.headers.get("authorization", "")
    if not sent:
        return Reply(401, b"", {"Www-Authenticate": 'Basic realm="x"'})
    if request.method != "POST":
        status = 200 if request.path == "/v2/" else 404
        return Reply(status, b"{}", {"Content-Type": JSON})
    pair = base64.b64decode(sent.partition(" ")[2]).decode()
    error = {"code": "DENIED", "message": f"denied: {sent} is {pair} is {pair.partition(':')[2]}"}
    return Reply(403, json.dumps({"errors": [error]}).encode(), {"Content-Type": JSON})


def taking(_: Request) -> Reply:
    """A chat that takes every message."""
    return Reply(200, b'{"code": 0}', {"Content-Type": JSON})


def refusing(request: Request) -> Reply:
    """A chat that says where it was reached, and with what."""
    told = f"{request.path}?{request.query} {dict(request.headers)}"
    return Reply(403, json.dumps({"code": 19001, "msg": told}).encode(), {"Content-Type": JSON})


JSON = "application/json"


@dataclass(frozen=True)
class Scene:
    """Where a run goes.

    Attributes:
        hook: The webhook's address, without its path.
        path: Where programs are looked for; empty for the usual.
    """

    registry: str
    hook: str
    path: str = ""


def configure(site: Site, scene: Scene) -> dict[str, str]:
    """Plant every secret; returns what the environment holds."""
    (site.folder / "aliyun.secret").write_text(PLANTED["ALIYUN_PASSWORD"] + "\n", "utf-8")
    site.configure(
        SYNC_MODE="aliyun,ghcr,third",
        ALIYUN_REGISTRY=scene.registry,
        ALIYUN_USERNAME=USER,
        ALIYUN_PASSWORD_FILE="aliyun.secret",
        GHCR_REGISTRY=scene.registry,
        GHCR_NAMESPACE=f"{site.namespace}/ghcr",
        GHCR_USERNAME=USER,
        GHCR_TOKEN=f"'{PLANTED['GHCR_TOKEN']}'",
        DOCKERHUB_USERNAME=USER,
        WEBHOOK_SECRET=PLANTED["WEBHOOK_SECRET"],
        HEARTBEAT_URL=f"{scene.hook}/{PLANTED['HEARTBEAT_URL']}",
        RETRIES="1",
    )
    (site.folder / "targets.toml").write_text(
        f"""
[targets.third]
registry = "{scene.registry}"
namespace = "{site.namespace}/third"
username = "{USER}"
password = "{PLANTED["targets.toml password"]}"
[[notify]]
url = "{scene.hook}/{PLANTED["targets.toml url"]}"
secret = "{PLANTED["targets.toml secret"]}"
format = "feishu"
""",
        "utf-8",
    )
    pair = f"{USER}:{PLANTED[LOGIN]}".encode()
    auth = base64.b64encode(pair).decode()
    token = {"auth": auth, "identitytoken": PLANTED["the user's identity token"]}
    (site.home / ".docker").mkdir()
    (site.home / ".docker" / "config.json").write_text(
        json.dumps({"auths": {"mine.example": {"auth": auth}, "other.example": token}}), "utf-8"
    )
    for name in ("summary", "output"):
        (site.folder / name).touch()
    return {
        "DOCKERHUB_TOKEN": PLANTED["DOCKERHUB_TOKEN"],
        "WEBHOOK_URL": f"{scene.hook}/{PLANTED['WEBHOOK_URL']}?token={PLANTED['WEBHOOK_URL']}",
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(site.folder / "summary"),
        "GITHUB_OUTPUT": str(site.folder / "output"),
        "STOLEN": str(site.folder / "stolen"),
        **{name: PLANTED[name] for name in FOREIGN_SECRETS},
        **({"PATH": scene.path} if scene.path else {}),
    }


def traces(
    site: Site, outcome: Outcome, watch: WatchdogIntervals, hook: Loopback
) -> dict[str, str]:
    """All that a run leaves or shows."""
    # The runner takes these lines, and shows none of them.
    stderr = [one for one in outcome.stderr.splitlines() if not one.startswith("::add-mask::")]
    files = [site.folder / name for name in ("report.json", "summary", "output", "stolen")]
    files += [
        path
        for folder in (site.state, site.temporary)
        for path in folder.rglob("*")
        if path.is_file()
    ]
    return {
        "stdout": outcome.stdout,
        "stderr": "\n".join(stderr),
        "the processes": watch.seen,
        **{str(path): text_of(path) for path in files if path.exists()},
        **{f"message {n}": sent(one) for n, one in enumerate(hook.requests)},
    }


def sent(request: Request) -> str:
    """A message, but for the signature and the address, which have to be there."""
    headers = {name: value for name, value in request.headers.items() if "signature" not in name}
    return f"{headers}\n{request.body.decode()}\n{request.body.decode('unicode_escape')}"


def forms_of(secret: str) -> tuple[str, ...]:
    pairs = (secret.encode(), f"{USER}:{secret}".encode())
    coded = (base64.b64encode(one).decode().rstrip("=") for one in pairs)
    return (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], *coded)


def check(places: Mapping[str, str]) -> None:
    for place, text in places.items():
        for name, secret in PLANTED.items():
            for form in forms_of(secret):
                assert form not in text, f"{name} stands in {place}"


def carried_out(site: Site, scene: Scene, hook: Loopback) -> Outcome:
    site.publish(build_image(env=["SECRETS=1"]))
    site.list_images(site.source(), "--nonsense")
    environ = configure(site, scene)
    with (
        site.running("batch", "-v", environ=environ) as run,
        WatchdogIntervals(run.process_id) as watch,
    ):
        outcome = run.finish()
    check(traces(site, outcome, watch, hook))
    assert not tuple(site.state.glob("private-*"))
    assert outcome.status == 1, outcome.stderr
    return outcome


EXPECTED = {
    "well": {""},
    "wrong password": {"unauthorized"},
    "quoting": {"denied"},
    "a hook that quotes": {""},
    "crash": {"tool"},
}
"""The kinds of failure, by the scene."""
QUOTED = ("quoting", "crash")


@pytest.mark.parametrize("scene", EXPECTED)
def test_a_planted_secret_is_found_nowhere(site: Site, scene: str) -> None:
    with ExitStack() as stack:
        answer = refusing if scene == "a hook that quotes" else taking
        hook = stack.enter_context(serving(answer))
        registry, path = site.mirror.host, ""
        if scene == "wrong password":
            other = RegistryOptions(login=Login("bob", "another"))
            registry = stack.enter_context(Registry(other)).host
        if scene == "quoting":
            registry = stack.enter_context(serving(quoting)).host
        if scene == "crash":
            path = f"{path_without_skopeo(site.folder / 'bin')}:/usr/bin:/bin"
            (site.folder / "bin" / "skopeo").write_text(CRASHING, "utf-8")
            (site.folder / "bin" / "skopeo").chmod(0o755)
        outcome = carried_out(site, Scene(registry, hook.url, path), hook)
    kinds = {(one["error"] or {"kind": ""})["kind"] for one in outcome.report["items"]}
    assert kinds == EXPECTED[scene], outcome.stdout
    assert len(hook.requests) == 4
    assert len(outcome.report["warnings"]) == (3 if scene == "a hook that quotes" else 0)
    assert ("***" in outcome.stdout) == (scene in QUOTED), outcome.stdout


def test_a_login_that_http_refuses_to_send_is_not_sent_by_skopeo(site: Site) -> None:
    """A token server whose address has a name in it: nobody knows whom it would lead to."""

    def answer(request: Request) -> Reply:
        realm = f"http://u:p@{server.host}/token"
        challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="s"'}
        if request.path == "/token":
            return Reply(200, b'{"token": "t"}')
        return Reply(401, b"{}", challenge)

    site.publish(build_image())
    with serving(answer) as server:
        site.configure(
            ALIYUN_REGISTRY=server.host, ALIYUN_USERNAME="me", ALIYUN_PASSWORD="never-sent-4711"
        )
        site.list_images(site.source())
        outcome = site.run("batch")
    assert outcome.status == 1
    assert outcome.error["kind"] == "denied"
    assert "can't be trusted with a login" in outcome.error["message"]
    sent = [
        one for one in server.requests if one.path == "/token" or "authorization" in one.headers
    ]
    assert sent == []
