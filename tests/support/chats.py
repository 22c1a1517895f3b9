"""Stand-ins for the chat services: they check what the real ones check, and answer as they do.

Each is a `Handle` for `Loopback`. What they refuse, and in which words, is taken from the
services' documentation and from answers people report. Signatures are computed here by hand
from RFC 2104, so that the product's own code is not its own judge.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from urllib.parse import parse_qs, unquote_to_bytes

from tests.support.loopback import Handle, Reply, Request

TOKEN = "f2c1a9de-4b77-49f0-8a55-tokentoken"
HOUR = 3600

FEISHU_PATH = f"/open-apis/bot/v2/hook/{TOKEN}"
DINGTALK_PATH = f"/robot/send?access_token={TOKEN}"
WECOM_PATH = f"/cgi-bin/webhook/send?key={TOKEN}"
SLACK_PATH = f"/services/T0/B0/{TOKEN}"
DISCORD_PATH = f"/api/webhooks/123456/{TOKEN}"
TELEGRAM_PATH = f"/bot{TOKEN}/sendMessage?chat_id=-100200300"
NTFY_PATH = f"/{TOKEN}"
BARK_PATH = f"/{TOKEN}/"
HEARTBEAT_PATH = f"/{TOKEN}"
SERVERCHAN_PATH = f"/{TOKEN}.send"

_TEMPLATES = frozenset(
    "blue wathet turquoise green yellow orange red carmine violet purple indigo grey".split()
)


def feishu(*, now: float, secret: str = "", keyword: str = "") -> Handle:
    """Feishu's custom bot; Lark's is the same."""

    def handle(request: Request) -> Reply:
        body = _object(request.body)
        if request.path != FEISHU_PATH:
            return _feishu_says(19001, "param invalid: incoming webhook access token invalid")
        if len(request.body) > 20_000 or not _is_card(body):
            return _feishu_says(9499, "Bad Request")
        if secret and not _is_feishu_signed(body, secret, now):
            words = "sign match fail or timestamp is not within one hour from current time"
            return _feishu_says(19021, words)
        if keyword not in json.dumps(body["card"], ensure_ascii=False):
            return _feishu_says(19024, "Key Words Not Found")
        success = {"StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}}
        return _json({**success, "msg": "success"})

    return handle


def feishu_busy() -> Reply:
    return _feishu_says(11232, "frequency limited")


def feishu_of_old() -> Reply:
    """Bots made years ago answer without `code`."""
    return _json({"Extra": None, "StatusCode": 0, "StatusMessage": "success"})


def dingtalk(*, now: float, secret: str = "", keyword: str = "") -> Handle:
    """DingTalk's custom robot."""

    def handle(request: Request) -> Reply:
        body = _object(request.body)
        query = _raw_query(request.query)
        text = _at(body, "markdown", "text")
        if query.get("access_token") != TOKEN.encode():
            return _error(300001, "token is not exist")
        if len(request.body) > 20_000:
            return _error(460101, "message too long")
        title = _at(body, "markdown", "title")
        if body.get("msgtype") != "markdown" or not _is_text(title) or not _is_text(text):
            return _error(400, "param error")
        unsafe = _unsafe(query, secret, now) if secret else ""
        if keyword not in str(text):
            unsafe = unsafe or "keywords not in content"
        if unsafe:
            return _error(310000, f"{unsafe}, more: [https://ding-doc.dingtalk.com/]")
        return _error(0, "ok")

    return handle


def dingtalk_busy() -> Reply:
    return _error(410100, "send too fast, exceed 20 times per minute")


def wecom(request: Request) -> Reply:
    """WeCom's group robot."""
    body = _object(request.body)
    content = _at(body, "markdown", "content")
    if request.query != f"key={TOKEN}":
        return _error(93000, "invalid webhook url, hint: [1700000000_1_abc], from ip: 127.0.0.1")
    if body.get("msgtype") != "markdown":
        return _error(40008, "invalid message type")
    if not _is_text(content):
        return _error(44004, "empty content")
    if len(str(content).encode()) > 4096:
        return _error(40058, "markdown.content exceed max length 4096")
    return _error(0, "ok")


def wecom_busy() -> Reply:
    return _error(45009, "api freq out of limit, hint: [1700000000_2_def], from ip: 127.0.0.1")


def slack(request: Request) -> Reply:
    """Slack's incoming webhook: errors are real statuses, and one word."""
    if request.path != SLACK_PATH:
        return Reply(404, b"no_service", {"Content-Type": "text/html"})
    body = _object(request.body)
    if not body:
        return Reply(400, b"invalid_payload", {"Content-Type": "text/html"})
    if not _is_text(body.get("text")):
        return Reply(400, b"no_text", {"Content-Type": "text/html"})
    return Reply(200, b"ok", {"Content-Type": "text/html"})


def discord(request: Request) -> Reply:
    """Discord's webhook."""
    if request.path != DISCORD_PATH:
        return _json({"message": "Unknown Webhook", "code": 10015}, status=404)
    body = _object(request.body)
    content = body.get("content")
    if not _is_text(content):
        return _json({"message": "Cannot send an empty message", "code": 50006}, status=400)
    parse = _at(body, "allowed_mentions", "parse")
    if len(str(content)) > 2000 or not isinstance(parse, list):
        return _json({"message": "Invalid Form Body", "code": 50035}, status=400)
    return Reply(204)


def discord_busy() -> Reply:
    limited = {"message": "You are being rate limited.", "retry_after": 1.5, "global": False}
    return _json(limited, status=429, headers={"Retry-After": "2"})


def telegram(request: Request) -> Reply:
    """Telegram's sendMessage; parameters may stand in the query, in the body or in both."""
    if request.path != f"/bot{TOKEN}/sendMessage":
        return _telegram_says(404, "Not Found")
    body = _object(request.body)
    in_query = parse_qs(request.query).get("chat_id", [""])[0]
    if not (body.get("chat_id") or in_query):
        return _telegram_says(400, "Bad Request: chat_id is empty")
    text = body.get("text")
    if not _is_text(text):
        return _telegram_says(400, "Bad Request: message text is empty")
    reader = _TelegramText()
    reader.feed(str(text))
    if body.get("parse_mode") == "HTML" and (reader.refused or reader.open):
        tag = (reader.refused or reader.open)[0]
        return _telegram_says(400, f"Bad Request: can't parse entities: tag {tag}")
    if len("".join(reader.seen).encode("utf-16-le")) // 2 > 4096:
        return _telegram_says(400, "Bad Request: message is too long")
    return _json({"ok": True, "result": {"message_id": 1}})


def telegram_busy() -> Reply:
    words = "Too Many Requests: retry after 7"
    busy = {"ok": False, "error_code": 429, "description": words, "parameters": {"retry_after": 7}}
    return _json(busy, status=429)


def ntfy(token: str) -> Handle:
    """A topic of ntfy's that wants a token to be written to."""

    def handle(request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {token}":
            refusal = {"code": 40301, "http": 403, "error": "forbidden"}
            return _json({**refusal, "link": "https://ntfy.sh/docs/publish/"}, status=403)
        fields = parse_qs(request.query)
        is_text = b"\0" not in request.body and len(request.body) <= 4096
        if request.path != NTFY_PATH or fields.get("priority", [""])[0] not in set("12345"):
            return _json({"code": 40007, "http": 400, "error": "invalid priority"}, status=400)
        if not is_text or not fields.get("title") or not request.body.strip():
            return _json(
                {"code": 40014, "http": 400, "error": "attachment not allowed"}, status=400
            )
        return _json({"id": "hwQ2YpKdmg", "time": 1, "event": "message", "topic": "t"})

    return handle


def ntfy_busy() -> Reply:
    words = "limit reached: too many requests"
    return _json({"code": 42901, "http": 429, "error": words}, status=429)


def bark(request: Request) -> Reply:
    """Bark's server, with Apple's limit behind it."""
    body = _object(request.body)
    if request.path != BARK_PATH:
        words = "failed to get device token: failed to get [x] device token from database"
        return _json({"code": 400, "message": words, "timestamp": 1}, status=400)
    levels = {"active", "timeSensitive", "passive", "critical"}
    is_bad = not _is_text(body.get("body")) or body.get("level") not in levels
    if is_bad or len(request.body) > 4096 - 200:
        return _json({"code": 500, "message": "push failed: PayloadTooLarge"}, status=500)
    return _json({"code": 200, "message": "success", "timestamp": 1})


def serverchan(request: Request) -> Reply:
    """ServerChan Turbo."""
    body = _object(request.body)
    if request.path != SERVERCHAN_PATH:
        words = "[AUTH]错误的Key"
        return _json({"code": 40001, "message": words, "info": words}, status=400)
    title, text = body.get("title"), body.get("desp")
    if not _is_text(title) or len(str(title)) > 32 or len(str(text).encode()) > 32 * 1024:
        return _json({"code": 20001, "message": "[INPUT]title不能为空"}, status=400)
    return _json({"code": 0, "message": "", "data": {"pushid": "1", "errno": 0}})


def healthchecks(request: Request) -> Reply:
    """Healthchecks' ping API, which answers 200 with a word even where it knows no check."""
    check, _, signal = request.path.removeprefix("/").partition("/")
    if check != TOKEN or signal not in {"", "start", "fail"}:
        return Reply(200, b"OK (not found)", {"Content-Type": "text/plain"})
    return Reply(200, b"OK", {"Content-Type": "text/plain"})


def receiver(secret: str) -> Handle:
    """Somebody's own program, which takes nothing unsigned."""

    def handle(request: Request) -> Reply:
        expected = f"sha256={hmac_by_hand(secret.encode(), request.body).hex()}"
        if secret and request.headers.get("x-syncer-signature-256") != expected:
            return Reply(401, b"who are you?")
        # Its own words mean nothing to us.
        return _json({"errcode": 1, "code": 19021, "ok": False})

    return handle


def hmac_by_hand(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 as RFC 2104 defines it."""
    block = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in block) + inner).digest()


class _TelegramText(HTMLParser):
    """Telegram's HTML: a few tags, all of them closed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.refused: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        is_known = tag in {"b", "code"} or (tag == "a" and [name for name, _ in attrs] == ["href"])
        (self.open if is_known else self.refused).append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.refused.append(tag)

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def _is_card(body: Mapping[str, object]) -> bool:
    title = _at(body, "card", "header", "title")
    elements = _at(body, "card", "elements")
    return (
        body.get("msg_type") == "interactive"
        and _is_plain(title)
        and _at(body, "card", "header", "template") in _TEMPLATES
        and isinstance(elements, list)
        and bool(elements)
        and all(_is_element(element) for element in elements)
    )


def _is_element(element: object) -> bool:
    if _at(element, "tag") == "div":
        return _is_plain(_at(element, "text"))
    actions = _at(element, "actions")
    return (
        _at(element, "tag") == "action"
        and isinstance(actions, list)
        and all(_at(one, "tag") == "button" and _is_plain(_at(one, "text")) for one in actions)
        and all(str(_at(one, "url")).startswith("https://") for one in actions)
    )


def _is_plain(text: object) -> bool:
    return _at(text, "tag") == "plain_text" and _is_text(_at(text, "content"))


def _is_feishu_signed(body: Mapping[str, object], secret: str, now: float) -> bool:
    stamp = body.get("timestamp")
    if not isinstance(stamp, str) or not _is_within(stamp.encode(), now, HOUR):
        return False
    expected = base64.b64encode(hmac_by_hand(f"{stamp}\n{secret}".encode(), b""))
    return body.get("sign") == expected.decode()


def _unsafe(query: Mapping[str, bytes], secret: str, now: float) -> str:
    """What DingTalk has against a signature."""
    stamp = query.get("timestamp", b"")
    if not _is_within(stamp, now * 1000, HOUR * 1000):
        return "invalid timestamp"
    message = stamp + b"\n" + secret.encode()
    is_right = query.get("sign") == base64.b64encode(hmac_by_hand(secret.encode(), message))
    return "" if is_right else "sign not match"


def _is_within(stamp: bytes, now: float, window: float) -> bool:
    return stamp.isdigit() and abs(int(stamp) - now) <= window


def _raw_query(query: str) -> Mapping[str, bytes]:
    """Decoded once, as a server does: a value that was encoded twice stays wrong."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {name: unquote_to_bytes(value.replace("+", " ")) for name, _, value in pairs}


def _object(body: bytes) -> Mapping[str, object]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _at(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _feishu_says(code: int, words: str) -> Reply:
    return _json({"code": code, "data": {}, "msg": words})


def _telegram_says(code: int, words: str) -> Reply:
    return _json({"ok": False, "error_code": code, "description": words}, status=code)


def _error(code: int, words: str) -> Reply:
    return _json({"errcode": code, "errmsg": words})


def _json(
    document: Mapping[str, object], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Reply:
    body = json.dumps(document, ensure_ascii=False).encode()
    return Reply(status, body, {"Content-Type": "application/json", **(headers or {})})
