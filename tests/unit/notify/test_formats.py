from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timezone

import pytest

from orchestrator.config.settings import Webhook
from orchestrator.notify.formats import FORMATS, format_of
from orchestrator.notify.message import Format, NotifyContext
from orchestrator.notify.services import (
    bark,
    dingtalk,
    discord,
    feishu,
    ntfy,
    serverchan,
    slack,
    telegram,
    wecom,
)
from orchestrator.notify.services import json_webhook as generic
from orchestrator.report.result import Report
from tests.support.chats import hmac_by_hand
from tests.support.reports import a_report, copied, failed

NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)
RUN = "https://github.com/me/mirror/actions/runs/1"
SECRET = "SECabc"


def in_context(url: str = "https://example.com/hook", secret: str = "") -> NotifyContext:
    return NotifyContext(Webhook(url, secret), NOW, RUN, document='{"schema":1}')


def written(chat: Format, report: Report, context: NotifyContext | None = None) -> str:
    """The whole body, as the service reads it."""
    return chat.payload(report, context or in_context()).body.decode()


def at(body: str, *path: str | int) -> object:
    value: object = json.loads(body)
    for step in path:
        if isinstance(step, int):
            assert isinstance(value, list)
            value = value[step]
        else:
            assert isinstance(value, dict)
            value = value[step]
    return value


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://open.feishu.cn/open-apis/bot/v2/hook/x", "feishu"),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/x", "lark"),
        ("https://OAPI.dingtalk.com/robot/send?access_token=x", "dingtalk"),
        ("https://qyapi.weixin.qq.com:443/cgi-bin/webhook/send?key=x", "wecom"),
        ("https://hooks.slack.com/services/T/B/X", "slack"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://discordapp.com/api/webhooks/1/x", "discord"),
        ("https://api.telegram.org/bot1:x/sendMessage?chat_id=1", "telegram"),
        ("https://ntfy.sh/my-topic", "ntfy"),
        ("https://api.day.app/key/", "bark"),
        ("https://sctapi.ftqq.com/SCTx.send", "serverchan"),
        ("https://123.push.ft07.com/send/sctpx.send", "serverchan"),
        ("https://example.com/open.feishu.cn", "json"),
        ("https://open.feishu.cn.example.com/", "json"),
        ("https://open.feishu.cn@example.com/", "json"),
        ("http://127.0.0.1:8080/", "json"),
    ],
)
def test_a_service_is_known_by_its_host(url: str, name: str) -> None:
    assert format_of(Webhook(url)) is FORMATS[name]


def test_a_format_that_is_named_beats_the_host() -> None:
    webhook = Webhook("https://chat.example.com/hook", format="Slack")

    assert format_of(webhook) is slack


# printf '' | openssl dgst -sha256 -hmac "$(printf '1704067200\nSECabc')" -binary | base64
FEISHU_SIGN = "hoUrgGdn7veYJ9nYe9cb9rzjbxJFPsNQeovKEGa7/BM="
# printf '1704067200000\nSECabc' | openssl dgst -sha256 -hmac SECabc -binary | base64
DINGTALK_SIGN = "bYN25/qNJ5b7zWvq160alRwxP5FaREfTqfCr/U4XV+k="
# printf '{"schema":1}' | openssl dgst -sha256 -hmac SECabc -hex
GENERIC_SIGN = "40285c617b78a4ef47878fd3e486454978426f6ea605edb5652322c778fa2d13"


def test_feishu_signs_nothing_with_timestamp_and_secret_as_the_key() -> None:
    body = written(feishu, a_report(), in_context(secret=SECRET))

    assert at(body, "timestamp") == "1704067200"
    assert at(body, "sign") == FEISHU_SIGN


def test_dingtalk_signs_timestamp_and_secret_with_the_secret() -> None:
    message = dingtalk.payload(a_report(), in_context(secret=SECRET))

    assert message.query == {"timestamp": "1704067200000", "sign": DINGTALK_SIGN}


def test_json_is_signed_over_its_bytes() -> None:
    message = generic.payload(a_report(), in_context(secret=SECRET))

    assert message.body == b'{"schema":1}'
    assert message.headers["X-Syncer-Signature-256"] == f"sha256={GENERIC_SIGN}"
    assert message.headers["X-Syncer-Timestamp"] == "1704067200"
    assert message.headers["Content-Type"] == "application/json; charset=utf-8"


def test_the_stand_ins_hmac_is_that_of_openssl() -> None:
    assert hmac_by_hand(SECRET.encode(), b'{"schema":1}').hex() == GENERIC_SIGN


@pytest.mark.parametrize("chat", [feishu, dingtalk, generic], ids=["feishu", "dingtalk", "json"])
def test_without_a_secret_nothing_is_signed(chat: Format) -> None:
    message = chat.payload(a_report(), in_context())

    assert b"sign" not in message.body
    assert not message.query
    assert "X-Syncer-Signature-256" not in message.headers


CHATS: Mapping[str, Format] = {name: chat for name, chat in FORMATS.items() if chat is not generic}


@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
def test_every_message_holds_the_keyword_the_totals_the_failure_and_the_link(chat: Format) -> None:
    message = chat.payload(a_report(copied("alpine:3"), failed("nginx:nope")), in_context())
    body = "\n".join((message.body.decode(), *message.query.values()))

    assert "Docker Image Syncer: 1 failed, 1 copied" in body
    assert "2 items: 1 copied, 0 in sync, 1 failed · 11.8 MiB · 3 min 12 s" in body
    assert body.index("nginx:nope") < body.index("there is no such tag") < body.index("alpine:3")
    assert body.index("there is no such tag") < body.index("see the tags")
    assert RUN in body


@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
def test_without_a_run_there_is_no_link(chat: Format) -> None:
    body = written(chat, a_report(), NotifyContext(Webhook("https://example.com"), NOW))

    assert "Open the run" not in body


def feishu_text(body: str) -> object:
    return at(body, "card", "elements", 0, "text", "content")


TEXTS: tuple[tuple[str, Format, Callable[[str], object], int], ...] = (
    ("feishu", feishu, feishu_text, 20_000),
    ("dingtalk", dingtalk, lambda body: at(body, "markdown", "text"), 20_000),
    ("wecom", wecom, lambda body: at(body, "markdown", "content"), 4096),
    ("slack", slack, lambda body: at(body, "text"), 4000),
    ("discord", discord, lambda body: at(body, "content"), 2000),
    ("telegram", telegram, lambda body: at(body, "text"), 4096),
    ("ntfy", ntfy, lambda body: body, 4096),
    ("bark", bark, lambda body: at(body, "body"), 3500),
    ("serverchan", serverchan, lambda body: at(body, "desp"), 32 * 1024),
)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("no such tag", id="plain"),
        pytest.param("没有这个标签，请检查镜像名称", id="Chinese"),
        pytest.param("🚢" * 60, id="emoji"),
        pytest.param('"\\<&>' * 40, id="characters that grow when escaped"),
    ],
)
@pytest.mark.parametrize(("name", "chat", "text", "limit"), TEXTS, ids=[row[0] for row in TEXTS])
def test_long_messages_are_cut_to_the_services_limit(
    name: str, chat: Format, text: Callable[[str], object], limit: int, words: str
) -> None:
    report = a_report(
        *(copied(f"image{number}") for number in range(300)),
        *(failed(f"broken{number}", words, words) for number in range(300)),
    )

    body = written(chat, report, in_context(secret=SECRET))

    content = str(text(body))
    assert len(content.encode()) <= limit
    assert len(content.encode()) > limit * 0.4
    assert name not in {"feishu", "dingtalk"} or len(body.encode()) <= 20_000
    assert "broken0" in content
    assert "broken299" not in content
    assert " more" in content


HOSTILE = "@all @everyone <!channel> <at id=all></at> <@U1> [click](http://evil) <b>x</b> `a` *b*"


@pytest.mark.parametrize(
    ("chat", "text", "expected"),
    [
        pytest.param(feishu, feishu_text, HOSTILE, id="feishu's plain_text takes it as it is"),
        pytest.param(
            dingtalk,
            TEXTS[1][2],
            "@\u2060all @\u2060everyone ＜!channel＞ ＜at id=all＞＜/at＞ ＜@\u2060U1＞ "
            "［click］(http://evil) ＜b＞x＜/b＞ 'a' ＊b＊",
            id="dingtalk",
        ),
        pytest.param(
            wecom,
            TEXTS[2][2],
            "@\u2060all @\u2060everyone ＜!channel＞ ＜at id=all＞＜/at＞ ＜@\u2060U1＞ "
            "［click］(http://evil) ＜b＞x＜/b＞ 'a' ＊b＊",
            id="wecom",
        ),
        pytest.param(
            slack,
            TEXTS[3][2],
            "@all @everyone &lt;!channel&gt; &lt;at id=all&gt;&lt;/at&gt; &lt;@U1&gt; "
            "[click](http://evil) &lt;b&gt;x&lt;/b&gt; `a` *b*",
            id="slack",
        ),
        pytest.param(
            discord,
            TEXTS[4][2],
            r"\@all \@everyone \<!channel\> \<at id=all\>\</at\> \<\@U1\> "
            r"\[click\]\(http://evil\) \<b\>x\</b\> \`a\` \*b\*",
            id="discord",
        ),
        pytest.param(
            telegram,
            TEXTS[5][2],
            "@\u2060all @\u2060everyone &lt;!channel&gt; &lt;at id=all&gt;&lt;/at&gt; "
            "&lt;@\u2060U1&gt; [click](http://evil) &lt;b&gt;x&lt;/b&gt; `a` *b*",
            id="telegram",
        ),
    ],
)
def test_upstreams_words_mention_nobody_and_link_nowhere(
    chat: Format, text: Callable[[str], object], expected: str
) -> None:
    body = written(chat, a_report(failed(message=HOSTILE, hint="")))

    assert f"aliyun: {expected}" in str(text(body)).replace("</code>", "")


def test_upstreams_words_start_no_line_of_their_own() -> None:
    body = written(discord, a_report(failed(message="a\n# b\n- c", hint="\n> d")))

    assert "a \\# b - c" in str(at(body, "content"))
    assert "↳ \\> d" in str(at(body, "content"))


def test_nobody_is_mentioned_by_the_message_itself() -> None:
    report = a_report(failed())

    assert at(written(discord, report), "allowed_mentions") == {"parse": []}
    assert at(written(dingtalk, report), "at") == {"isAtAll": False}


def test_a_digest_is_no_mention_in_telegram() -> None:
    digest = "0" * 64

    body = written(telegram, a_report(failed(f"busybox@sha256:{digest}")))

    assert f"<code>busybox@sha256:{digest}</code>" in str(at(body, "text"))


def test_telegrams_chat_is_the_one_of_the_url() -> None:
    context = in_context("https://api.telegram.org/bot1:x/sendMessage?chat_id=-100&x=1")

    assert at(written(telegram, a_report(), context), "chat_id") == "-100"


@pytest.mark.parametrize(
    ("report", "colour"),
    [
        pytest.param(a_report(failed()), "red", id="failed"),
        pytest.param(a_report(is_interrupted=True), "orange", id="interrupted"),
        pytest.param(a_report(copied()), "green", id="copied"),
        pytest.param(a_report(), "grey", id="nothing"),
    ],
)
def test_feishus_card_has_the_outcomes_colour(report: Report, colour: str) -> None:
    assert at(written(feishu, report), "card", "header", "template") == colour


def test_wecoms_title_has_one_of_its_three_colours() -> None:
    assert '<font color="warning">❌' in str(
        at(written(wecom, a_report(failed())), "markdown", "content")
    )
