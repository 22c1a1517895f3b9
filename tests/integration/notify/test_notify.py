from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

from demo.images import build_image
from orchestrator.config.settings import NotifyOn, Webhook
from orchestrator.notify.delivery import Sender
from orchestrator.notify.send import is_told, send_all
from orchestrator.report.result import Report
from orchestrator.system.http import HttpClient
from tests.support import chats
from tests.support.loopback import Handle, Reply, Request, answering, dead_url, serving
from tests.support.reports import a_report, bad_line, copied, deferred, failed, kept, skipped
from tests.support.runs import Site

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
STAMP = NOW.timestamp()
SECRET = "SEC-of-the-bot"
RUN = "https://github.com/me/mirror/actions/runs/1"
REPORT = a_report(copied(), failed())
FULL = a_report(
    *(failed(f"broken{number}", "没有这个标签" * 9, '看看 "tags"') for number in range(400))
)


class World:
    """A chat's world: real HTTP, a clock that stands, and a sleep that is only noted."""

    def __init__(self, http: HttpClient) -> None:
        self.http = http
        self.now = NOW
        self.slept: list[float] = []

    def tell(
        self, url: str, chat: str, *, report: Report = REPORT, secret: str = ""
    ) -> tuple[str, ...]:
        return self.tell_all(Webhook(url, secret, format=chat), report=report)

    def tell_all(self, *webhooks: Webhook, report: Report = REPORT) -> tuple[str, ...]:
        by = Sender(self.http, lambda: self.now, self.slept.append)
        return send_all(report, webhooks, by, run_url=RUN, document='{"schema":1}')


@pytest.fixture
def world() -> Iterator[World]:
    with closing(HttpClient(2, read_timeout=5)) as http:
        yield World(http)


SERVICES = (
    pytest.param(
        "feishu",
        chats.FEISHU_PATH,
        chats.feishu(now=STAMP, secret=SECRET, keyword="Docker Image Syncer"),
        id="feishu",
    ),
    pytest.param("lark", chats.FEISHU_PATH, chats.feishu(now=STAMP, secret=SECRET), id="lark"),
    pytest.param(
        "dingtalk",
        chats.DINGTALK_PATH,
        chats.dingtalk(now=STAMP, secret=SECRET, keyword="Docker Image Syncer"),
        id="dingtalk",
    ),
    pytest.param("wecom", chats.WECOM_PATH, chats.wecom, id="wecom"),
    pytest.param("slack", chats.SLACK_PATH, chats.slack, id="slack"),
    pytest.param("discord", chats.DISCORD_PATH, chats.discord, id="discord"),
    pytest.param("telegram", chats.TELEGRAM_PATH, chats.telegram, id="telegram"),
    pytest.param("ntfy", chats.NTFY_PATH, chats.ntfy(SECRET), id="ntfy"),
    pytest.param("bark", chats.BARK_PATH, chats.bark, id="bark"),
    pytest.param("serverchan", chats.SERVERCHAN_PATH, chats.serverchan, id="serverchan"),
    pytest.param("heartbeat", chats.HEARTBEAT_PATH, chats.healthchecks, id="heartbeat"),
    pytest.param("json", "/hook", chats.receiver(SECRET), id="json"),
)


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(REPORT, id="a usual run"),
        pytest.param(a_report(), id="an empty one"),
        pytest.param(FULL, id="one that has to be cut"),
        pytest.param(a_report(failed(message="<b>@all</b> [x](y) \ud800 " * 9)), id="hostile"),
    ],
)
@pytest.mark.parametrize(("chat", "path", "handle"), SERVICES)
def test_each_service_takes_its_message(
    world: World, chat: str, path: str, handle: Handle, report: Report
) -> None:
    with serving(handle) as server:
        warnings = world.tell(server.url + path, chat, report=report, secret=SECRET)

    assert warnings == ()
    assert len(server.requests) == 1
    assert world.slept == []


@pytest.mark.parametrize(
    ("chat", "path", "handle", "secret", "words"),
    [
        pytest.param(
            "feishu",
            chats.FEISHU_PATH,
            chats.feishu(now=STAMP, secret="another"),
            SECRET,
            "sign match fail or timestamp is not within one hour from current time (code 19021); "
            "WEBHOOK_SECRET is not the bot's, or this machine's clock is off by an hour",
            id="feishu: wrong secret",
        ),
        pytest.param(
            "feishu",
            chats.FEISHU_PATH,
            chats.feishu(now=STAMP + 3601, secret=SECRET),
            SECRET,
            "(code 19021)",
            id="feishu: the clock is off",
        ),
        pytest.param(
            "feishu",
            chats.FEISHU_PATH,
            chats.feishu(now=STAMP, secret=SECRET),
            "",
            "(code 19021)",
            id="feishu: unsigned",
        ),
        pytest.param(
            "feishu",
            chats.FEISHU_PATH,
            chats.feishu(now=STAMP, keyword="Deploy"),
            "",
            "Key Words Not Found (code 19024); make 'Docker Image Syncer' one of the bot's "
            "keywords",
            id="feishu: keyword",
        ),
        pytest.param(
            "feishu",
            f"/open-apis/bot/v2/hook/{chats.TOKEN}x",
            chats.feishu(now=STAMP),
            "",
            "(code 19001); the token in WEBHOOK_URL is wrong",
            id="feishu: token",
        ),
        pytest.param(
            "dingtalk",
            chats.DINGTALK_PATH,
            chats.dingtalk(now=STAMP, secret="another"),
            SECRET,
            "sign not match, more: [https://ding-doc.dingtalk.com/] (code 310000)",
            id="dingtalk: wrong secret",
        ),
        pytest.param(
            "dingtalk",
            chats.DINGTALK_PATH,
            chats.dingtalk(now=STAMP + 3601, secret=SECRET),
            SECRET,
            "invalid timestamp",
            id="dingtalk: the clock is off",
        ),
        pytest.param(
            "dingtalk",
            chats.DINGTALK_PATH,
            chats.dingtalk(now=STAMP, keyword="Deploy"),
            "",
            "keywords not in content",
            id="dingtalk: keyword",
        ),
        pytest.param(
            "dingtalk",
            f"{chats.DINGTALK_PATH}x",
            chats.dingtalk(now=STAMP),
            "",
            "token is not exist (code 300001)",
            id="dingtalk: token",
        ),
        pytest.param(
            "wecom", f"{chats.WECOM_PATH}x", chats.wecom, "", "(code 93000)", id="wecom: key"
        ),
        pytest.param(
            "slack",
            f"{chats.SLACK_PATH}x",
            chats.slack,
            "",
            "no_service (HTTP status 404); the webhook was switched off or removed",
            id="slack: token",
        ),
        pytest.param(
            "slack",
            "/",
            answering(Reply(400, b"invalid_payload")),
            "",
            "invalid_payload (HTTP status 400)",
            id="slack: payload",
        ),
        pytest.param(
            "discord",
            f"{chats.DISCORD_PATH}x",
            chats.discord,
            "",
            "Unknown Webhook (HTTP status 404)",
            id="discord: token",
        ),
        pytest.param(
            "telegram",
            f"/bot{chats.TOKEN}/sendMessage",
            chats.telegram,
            "",
            "Bad Request: chat_id is empty (HTTP status 400); WEBHOOK_URL is "
            "https://api.telegram.org/bot<token>/sendMessage?chat_id=<chat>",
            id="telegram: no chat",
        ),
        pytest.param(
            "ntfy",
            chats.NTFY_PATH,
            chats.ntfy("another"),
            SECRET,
            "forbidden (HTTP status 403)",
            id="ntfy: token",
        ),
        pytest.param(
            "bark",
            f"{chats.BARK_PATH}x",
            chats.bark,
            "",
            "device token from database (code 400); the device key in WEBHOOK_URL is the one",
            id="bark: key",
        ),
        pytest.param(
            "serverchan",
            f"{chats.SERVERCHAN_PATH}x",
            chats.serverchan,
            "",
            "[AUTH]错误的Key (code 40001); the SendKey in WEBHOOK_URL is wrong",
            id="serverchan: key",
        ),
        pytest.param(
            "heartbeat",
            f"{chats.HEARTBEAT_PATH}x",
            chats.healthchecks,
            "",
            "there is no such check; HEARTBEAT_URL is the check's ping address",
            id="heartbeat: check",
        ),
        pytest.param(
            "json", "/", chats.receiver("another"), SECRET, "HTTP status 401", id="json: secret"
        ),
    ],
)
def test_a_refusal_is_a_warning_with_the_services_words_at_once(
    world: World, chat: str, path: str, handle: Handle, secret: str, words: str
) -> None:
    with serving(handle) as server:
        (warning,) = world.tell(server.url + path, chat, secret=secret)

    assert warning.startswith(f"the webhook at {server.host} did not take the message: ")
    assert words in warning
    assert chats.TOKEN not in warning
    assert len(server.requests) == 1
    assert world.slept == []


BUSY = (
    pytest.param("feishu", chats.feishu_busy(), chats.feishu_of_old(), 2.0, id="feishu"),
    pytest.param("dingtalk", chats.dingtalk_busy(), Reply(200, b'{"errcode":0}'), 2.0, id="ding"),
    pytest.param("wecom", chats.wecom_busy(), Reply(200, b'{"errcode":0}'), 2.0, id="wecom"),
    pytest.param("discord", chats.discord_busy(), Reply(204), 1.5, id="discord"),
    pytest.param("telegram", chats.telegram_busy(), Reply(200, b'{"ok":true}'), 7.0, id="telegram"),
    pytest.param("ntfy", chats.ntfy_busy(), Reply(200, b'{"event":"message"}'), 2.0, id="ntfy"),
    pytest.param("slack", Reply(502, b"bad gateway"), Reply(200, b"ok"), 2.0, id="a gateway"),
    pytest.param("json", Reply(429, b"", {"Retry-After": "9999"}), Reply(), 60.0, id="long wait"),
)


@pytest.mark.parametrize(("chat", "busy", "success", "wait"), BUSY)
def test_a_fault_that_passes_is_tried_again(
    world: World, chat: str, busy: Reply, success: Reply, wait: float
) -> None:
    with serving(answering(busy, success)) as server:
        assert world.tell(server.url, chat) == ()

    assert len(server.requests) == 2
    assert world.slept == [wait]


def test_after_three_tries_it_is_a_warning(world: World) -> None:
    with serving(answering(Reply(503))) as server:
        (warning,) = world.tell(server.url, "json")

    assert len(server.requests) == 3
    assert world.slept == [2.0, 10.0]
    assert warning.endswith("HTTP status 503")


def test_each_try_is_signed_anew(world: World) -> None:
    def refuse_once(_: object) -> Reply:
        world.now += timedelta(hours=2)
        return Reply(503)

    with serving(refuse_once) as server:
        world.tell(server.url, "dingtalk", secret=SECRET)

    queries = [request.query for request in server.requests]
    assert [query.partition("&")[0] for query in queries] == [
        f"timestamp={int(STAMP + 7200 * tries) * 1000}" for tries in range(3)
    ]


def test_a_dead_server_is_a_warning(world: World) -> None:
    with dead_url() as url:
        (warning,) = world.tell(f"{url}/{chats.TOKEN}", "json")

    host = url.removeprefix("http://")
    assert warning == (
        f"the webhook at {host} did not take the message: it can't be reached: Connection refused"
    )
    assert world.slept == [2.0, 10.0]


def test_a_server_that_says_nothing_is_a_warning() -> None:
    with (
        serving(answering(Reply(is_silent=True))) as server,
        closing(HttpClient(1, read_timeout=0.05)) as http,
    ):
        (warning,) = World(http).tell(server.url, "slack")

    assert "it did not answer in time" in warning


def test_a_redirect_to_another_host_is_not_followed(world: World) -> None:
    with serving(answering(Reply(200, b"ok"))) as other:
        moved = Reply(307, b"", {"Location": f"{other.url}/{chats.TOKEN}"})
        with serving(answering(moved)) as server:
            (warning,) = world.tell(f"{server.url}/{chats.TOKEN}", "slack")

    assert other.requests == []
    assert "HTTP status 307" in warning
    assert "redirects to other hosts are not followed" in warning


def test_a_redirect_on_the_same_host_is_followed(world: World) -> None:
    moved = Reply(308, b"", {"Location": "/new"})
    with serving(answering(moved, Reply(200, b"ok"))) as server:
        assert world.tell(f"{server.url}/old", "slack") == ()

    old, new = server.requests
    assert (old.path, new.path) == ("/old", "/new")
    assert new.body == old.body


def test_a_redirect_in_a_circle_ends(world: World) -> None:
    with serving(answering(Reply(308, b"", {"Location": "/"}))) as server:
        (warning,) = world.tell(server.url, "json")

    assert len(server.requests) == 4
    assert "HTTP status 308" in warning


def test_the_signature_is_encoded_once_and_the_query_kept(world: World) -> None:
    with serving(chats.dingtalk(now=STAMP, secret=SECRET)) as server:
        assert world.tell(server.url + chats.DINGTALK_PATH, "dingtalk", secret=SECRET) == ()

    query = server.requests[0].query
    assert query.startswith(f"access_token={chats.TOKEN}&timestamp={int(STAMP) * 1000}&sign=")
    assert "%25" not in query
    assert "%3D" in query


def test_what_a_server_says_of_us_is_not_repeated(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"no bot {chats.TOKEN} for {SECRET}\r\n::error::/hook/{chats.TOKEN} a-secret-path"
    reply = Reply(503, echo.encode())
    with serving(answering(reply)) as server:
        url = f"{server.url}/a%2Dsecret-path/{chats.TOKEN}?key={chats.TOKEN}"
        (warning,) = world.tell(url, "slack", secret=SECRET)

    for text in (warning, caplog.text):
        assert chats.TOKEN not in text
        assert SECRET not in text
    assert "no bot *** for *** ::error::/hook/*** ***" in warning
    assert server.host in caplog.text
    assert warning.isprintable()


def test_each_webhook_is_told_whatever_became_of_the_others(world: World) -> None:
    with serving(answering(Reply(400))) as bad, serving(answering(Reply())) as good:
        warnings = world.tell_all(Webhook(bad.url), Webhook(good.url))

    assert len(warnings) == 1
    assert bad.host in warnings[0]
    assert good.requests[0].body == b'{"schema":1}'


def test_a_format_nobody_knows_is_a_warning_and_the_host_decides(world: World) -> None:
    with serving(answering(Reply())) as server:
        warnings = world.tell(server.url, "slak")

    assert warnings == (
        f"webhook at {server.host}: there is no format 'slak'; did you mean 'slack'?",
    )
    assert server.requests[0].body == b'{"schema":1}'


def test_a_dry_run_is_told_to_nobody(world: World) -> None:
    with serving(answering(Reply())) as server:
        assert world.tell(server.url, "json", report=a_report(copied(), is_dry_run=True)) == ()

    assert server.requests == []


@pytest.mark.parametrize(
    ("report", "told"),
    [
        pytest.param(a_report(skipped()), {"always"}, id="nothing new"),
        pytest.param(a_report(deferred()), {"always"}, id="deferred"),
        pytest.param(a_report(copied()), {"always", "change"}, id="copied"),
        pytest.param(a_report(kept()), {"always", "change"}, id="gone upstream"),
        pytest.param(a_report(kept(is_told=True)), {"always"}, id="gone as before"),
        pytest.param(a_report(failed()), {"always", "change", "failure"}, id="failed"),
        pytest.param(
            a_report(problems=(bad_line(),)), {"always", "change", "failure"}, id="bad line"
        ),
        pytest.param(
            a_report(is_interrupted=True), {"always", "change", "failure"}, id="interrupted"
        ),
        pytest.param(
            a_report(deferred(), is_strict=True), {"always", "change", "failure"}, id="strict"
        ),
    ],
)
def test_who_is_told_of_which_runs(report: Report, told: set[str]) -> None:
    assert {on.value for on in NotifyOn if is_told(report, on)} == told


def test_a_webhook_is_told_only_of_the_runs_it_wants(world: World) -> None:
    with serving(answering(Reply())) as server:
        world.tell_all(Webhook(server.url, on=NotifyOn.FAILURE), report=a_report(copied()))

    assert server.requests == []


def test_a_monitor_hears_that_a_run_begins_and_how_it_ends(site: Site) -> None:
    site.publish(build_image("linux/amd64"))
    site.list_images(site.source())
    with serving(chats.healthchecks) as server:
        site.configure(
            HEARTBEAT_URL=f"{server.url}{chats.HEARTBEAT_PATH}", METRICS_FILE="syncer.prom"
        )
        for line, path in ((site.source(), ""), (site.source("gone:1"), "/fail")):
            site.list_images(line)
            site.run("plan")
            site.run("batch", "--no-notify")
            assert not server.requests
            site.run("batch")
            start, end = (request.path for request in server.requests)
            assert (start, end) == (f"/{chats.TOKEN}/start", f"/{chats.TOKEN}{path}")
            server.requests.clear()
    metrics = (site.folder / "syncer.prom").read_text(encoding="utf-8")
    assert 'syncer_last_run_items{outcome="failed",target="aliyun"} 1.0' in metrics


def test_a_monitor_that_is_gone_costs_a_warning_and_no_time(site: Site) -> None:
    site.publish(build_image("linux/amd64"))
    site.list_images(site.source())
    with serving(answering(Reply(404))) as server:
        site.configure(HEARTBEAT_URL=f"{server.url}/{chats.TOKEN}")
        outcome = site.run("batch")
    assert outcome.status == 0
    assert outcome.stderr.count("did not take the message: HTTP status 404") == 2
    assert chats.TOKEN not in outcome.stderr


def test_a_monitor_that_is_silent_when_a_run_begins_keeps_it_not_waiting(site: Site) -> None:
    site.publish(build_image("linux/amd64"))
    site.list_images(site.source())

    def handle(request: Request) -> Reply:
        return Reply(is_silent=request.path.endswith("/start"))

    with serving(handle) as server:
        site.configure(HEARTBEAT_URL=f"{server.url}/{chats.TOKEN}")
        began = time.monotonic()
        outcome = site.run("batch")
        assert time.monotonic() - began < 15
    assert outcome.status == 0
    assert "the webhook at" not in outcome.stderr
