"""Which format a webhook is written in: the one it names, or its host's own."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from orchestrator.config.settings import Webhook
from orchestrator.notify.message import Format
from orchestrator.notify.services import (
    bark,
    dingtalk,
    discord,
    feishu,
    heartbeat,
    ntfy,
    serverchan,
    slack,
    telegram,
    wecom,
)
from orchestrator.notify.services import json_webhook as generic

FORMATS: Mapping[str, Format] = {
    "feishu": feishu,
    "lark": feishu,
    "dingtalk": dingtalk,
    "wecom": wecom,
    "slack": slack,
    "discord": discord,
    "telegram": telegram,
    "ntfy": ntfy,
    "bark": bark,
    "serverchan": serverchan,
    "heartbeat": heartbeat,
    "json": generic,
}
"""By the name that `format` has in targets.toml."""

_HOSTS: Mapping[str, Format] = {
    "open.feishu.cn": feishu,
    "open.larksuite.com": feishu,
    "oapi.dingtalk.com": dingtalk,
    "qyapi.weixin.qq.com": wecom,
    "hooks.slack.com": slack,
    "hooks.slack-gov.com": slack,
    "discord.com": discord,
    "discordapp.com": discord,
    "canary.discord.com": discord,
    "ptb.discord.com": discord,
    "api.telegram.org": telegram,
    "ntfy.sh": ntfy,
    "api.day.app": bark,
    "sctapi.ftqq.com": serverchan,
    "hc-ping.com": heartbeat,
}

_SERVERCHAN_3 = ".push.ft07.com"
"""Each user of ServerChan's third version has a host of their own."""


def format_of(webhook: Webhook) -> Format:
    """The format a webhook is to be written in; one nobody knows is the host's own."""
    named = FORMATS.get(webhook.format.lower())
    host = (urlsplit(webhook.url).hostname or "").rstrip(".")
    own = serverchan if host.endswith(_SERVERCHAN_3) else generic
    return named or _HOSTS.get(host, own)
