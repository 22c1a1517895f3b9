"""The keys of config.env: the one table that code, messages and documents go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """One setting of config.env.

    Attributes:
        default: What holds where it is not set; `$NAME` is taken from the environment.
        is_secret: Its value never appears anywhere, and no program we start sees it.
    """

    name: str
    default: str = ""
    is_secret: bool = False


_ALL = (
    Key("SYNC_MODE", "aliyun"),
    Key("ALIYUN_REGISTRY"),
    Key("ALIYUN_NAMESPACE"),
    Key("ALIYUN_USERNAME"),
    Key("ALIYUN_PASSWORD", is_secret=True),
    Key("ALIYUN_EDITION"),
    Key("GHCR_REGISTRY", "ghcr.io"),
    Key("GHCR_NAMESPACE", "$GITHUB_REPOSITORY_OWNER"),
    Key("GHCR_USERNAME", "$GITHUB_ACTOR"),
    Key("GHCR_TOKEN", "$GITHUB_TOKEN", is_secret=True),
    Key("DOCKERHUB_USERNAME"),
    Key("DOCKERHUB_TOKEN", is_secret=True),
    Key("WEBHOOK_URL", is_secret=True),
    Key("WEBHOOK_SECRET", is_secret=True),
    Key("WEBHOOK_ON", "always"),
    Key("HEARTBEAT_URL", is_secret=True),
    Key("METRICS_FILE"),
    Key("CLEAN_DISK_SPACE", "false"),
    Key("DEFAULT_PLATFORM", "linux/amd64"),
    Key("JOBS", "auto"),
    Key("BANDWIDTH"),
    Key("FAN_OUT", "chain"),
    Key("RELAY", "auto"),
    Key("RETRIES", "3"),
    Key("STALL_TIMEOUT", "120"),
    Key("ATTESTATIONS", "auto"),
    Key("SIGNATURES", "false"),
    Key("POLICY"),
    Key("CREATED_CHECK", "verify"),
    Key("VERIFY", "children"),
    Key("NAMING", "flat"),
    Key("GONE", "keep"),
    Key("MAX_TAGS", "50"),
    Key("INSECURE_REGISTRIES"),
    Key("STATE_DIR", ".syncer"),
    Key("LANGUAGE", "auto"),
    Key("SHARD_ABOVE", "500"),
    Key("ASKERS"),
)

KEYS: Mapping[str, Key] = {key.name: key for key in _ALL}

FILE_SUFFIX = "_FILE"
"""`ALIYUN_PASSWORD_FILE=/run/secrets/x` gives ALIYUN_PASSWORD what that file holds."""

FOREIGN_SECRETS = frozenset(
    {
        "GITHUB_TOKEN",
        "GH_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    }
)
"""Secrets of the surroundings that no program we start has any business with."""
