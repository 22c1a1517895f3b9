from __future__ import annotations

import json

import pytest

from orchestrator.notify.formats import FORMATS
from orchestrator.notify.message import Format
from orchestrator.notify.services import dingtalk, discord, feishu, slack, telegram, wecom
from orchestrator.notify.services import json_webhook as generic
from orchestrator.system.http import Response


def answer(document: object, status: int = 200, **headers: str) -> Response:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, body)


@pytest.mark.parametrize(
    ("chat", "given"),
    [
        pytest.param(feishu, answer({"code": 0, "msg": "success", "data": {}}), id="feishu"),
        pytest.param(
            feishu, answer({"StatusCode": 0, "StatusMessage": "success"}), id="feishu of old"
        ),
        pytest.param(dingtalk, answer({"errcode": 0, "errmsg": "ok"}), id="dingtalk"),
        pytest.param(wecom, answer({"errcode": 0, "errmsg": "ok"}), id="wecom"),
        pytest.param(slack, answer(b"ok"), id="slack"),
        pytest.param(slack, answer({"ok": True}), id="slack's workflows"),
        pytest.param(discord, answer(b"", 204), id="discord"),
        pytest.param(discord, answer({"id": "1"}), id="discord with wait=true"),
        pytest.param(telegram, answer({"ok": True, "result": {}}), id="telegram"),
        pytest.param(generic, answer({"errcode": 1, "code": 1}), id="a program's own words"),
        pytest.param(generic, answer(b"", 202), id="accepted"),
    ],
)
def test_success_is_said_in_each_services_way(chat: Format, given: Response) -> None:
    assert chat.verdict(given) is None


SIGN = "sign match fail or timestamp is not within one hour from current time"


@pytest.mark.parametrize(
    ("chat", "given", "words", "hint"),
    [
        pytest.param(
            feishu,
            answer({"code": 19021, "msg": SIGN}),
            f"{SIGN} (code 19021)",
            "WEBHOOK_SECRET",
            id="feishu's signature",
        ),
        pytest.param(
            feishu,
            answer({"code": 19024, "msg": "Key Words Not Found"}),
            "Key Words Not Found (code 19024)",
            "keywords",
            id="feishu's keyword",
        ),
        pytest.param(
            feishu,
            answer({"StatusCode": 19001, "StatusMessage": "token"}),
            "token (code 19001)",
            "WEBHOOK_URL",
            id="feishu of old",
        ),
        pytest.param(
            feishu,
            answer({"code": 9499, "msg": "Bad Request", "StatusCode": 0}, 400),
            "Bad Request (code 9499)",
            "",
            id="feishu's new code beats the old one",
        ),
        pytest.param(
            feishu,
            answer({"code": 0}, 500),
            " (code 0)",
            "",
            id="a code of success in an HTTP failure",
        ),
        pytest.param(
            dingtalk,
            answer({"errcode": 310000, "errmsg": "sign not match"}),
            "sign not match (code 310000)",
            "keyword",
            id="dingtalk",
        ),
        pytest.param(
            wecom,
            answer({"errcode": 93000, "errmsg": "invalid webhook url"}),
            "invalid webhook url (code 93000)",
            "WEBHOOK_URL",
            id="wecom",
        ),
        pytest.param(
            slack,
            answer(b"invalid_payload", 400),
            "invalid_payload (HTTP status 400)",
            "",
            id="slack",
        ),
        pytest.param(
            slack,
            answer(b"channel_is_archived", 410),
            "channel_is_archived (HTTP status 410)",
            "archived",
            id="slack's hint",
        ),
        pytest.param(
            discord,
            answer({"message": "Unknown Webhook", "code": 10015}, 404),
            "Unknown Webhook (HTTP status 404)",
            "",
            id="discord",
        ),
        pytest.param(
            telegram,
            answer({"ok": False, "description": "Bad Request: chat not found"}, 400),
            "Bad Request: chat not found (HTTP status 400)",
            "chat_id",
            id="telegram",
        ),
        pytest.param(generic, answer(b"", 404), "HTTP status 404", "", id="any program"),
        pytest.param(
            generic,
            answer(b"", 302, location="https://elsewhere"),
            "HTTP status 302",
            "redirects",
            id="a redirect elsewhere",
        ),
    ],
)
def test_a_refusal_says_what_the_service_said(
    chat: Format, given: Response, words: str, hint: str
) -> None:
    refusal = chat.verdict(given)

    assert refusal is not None
    assert refusal.words == words
    assert hint in refusal.hint
    assert refusal.is_transient is (given.status == 500)


@pytest.mark.parametrize(
    ("chat", "given", "wait"),
    [
        pytest.param(feishu, answer({"code": 11232, "msg": "frequency limited"}), 0, id="feishu"),
        pytest.param(dingtalk, answer({"errcode": 410100, "errmsg": "fast"}), 0, id="dingtalk"),
        pytest.param(wecom, answer({"errcode": 45009, "errmsg": "freq"}), 0, id="wecom"),
        pytest.param(slack, answer(b"", 429, retry_after="30"), 30, id="slack"),
        pytest.param(
            discord, answer({"retry_after": 1.5}, 429, retry_after="2"), 1.5, id="discord"
        ),
        pytest.param(
            telegram,
            answer({"ok": False, "parameters": {"retry_after": 7}}, 429),
            7,
            id="telegram",
        ),
        pytest.param(generic, answer(b"", 503), 0, id="503"),
        pytest.param(feishu, answer(b"<html>", 502), 0, id="a gateway in front"),
        pytest.param(generic, answer(b"", 429, retry_after="nan"), 0, id="no number"),
        pytest.param(generic, answer(b"", 429, retry_after="-5"), 0, id="in the past"),
        pytest.param(generic, answer(b"", 429, retry_after="Mon, 1 Jan"), 0, id="a date"),
    ],
)
def test_faults_that_pass_are_known(chat: Format, given: Response, wait: float) -> None:
    refusal = chat.verdict(given)

    assert refusal is not None
    assert refusal.is_transient
    assert refusal.retry_after == wait


CODED = ("feishu", "dingtalk", "wecom", "slack", "telegram")


@pytest.mark.parametrize("name", CODED)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>log in to the network</html>", id="a captive portal"),
        pytest.param(b"[0]", id="no object"),
        pytest.param(b'{"code": false, "errcode": "0", "ok": 1}', id="wrong types"),
        pytest.param(b'{"code": 1e999, "errcode": 0.0}', id="odd numbers"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_an_answer_of_somebody_else_is_no_success(name: str, body: bytes) -> None:
    assert FORMATS[name].verdict(Response(200, {}, body)) is not None
