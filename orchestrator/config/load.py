"""Reading the settings: flags, then the environment, then config.env, then defaults.

A bad value is an error that names where it stands; the values of secrets are
never part of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from orchestrator.config.authfile import basic_forms, usual_authfiles
from orchestrator.config.files import (
    ConfigFile,
    TargetsFile,
    Value,
    parse_config,
    read_config,
    read_secret,
    read_targets,
)
from orchestrator.config.keys import FILE_SUFFIX, FOREIGN_SECRETS, KEYS
from orchestrator.config.settings import (
    Attestations,
    CreatedCheck,
    FanOut,
    Gone,
    Login,
    NotifyOn,
    RelayUse,
    Settings,
    Verify,
    Webhook,
    github_step,
)
from orchestrator.config.targets import GHCR, Target, aliyun_profile, check_levels
from orchestrator.config.values import (
    aliyun_edition,
    bandwidth,
    boolean,
    count,
    host,
    hosts,
    jobs,
    limits,
    mail_server,
    mail_url,
    namespace,
    naming_rule,
    one_of,
    profile_named,
    requests_per_second,
    source_rules,
    target_names,
    web_url,
    words,
)
from orchestrator.errors import ConfigurationError, FormatError, Problem
from orchestrator.language import Language, language_of
from orchestrator.oci.platform import PlatformChoice
from orchestrator.oci.reference import DOCKER_HUB, registry_of

T = TypeVar("T")


def load_settings(
    environ: Mapping[str, str],
    *,
    base: Path,
    config: Path | None = None,
    flags: Mapping[str, str] | None = None,
) -> Settings:
    """Read every source of settings, the strongest first, and check them all.

    Args:
        environ: The process's environment.
        base: The folder of the list; config.env and targets.toml stand there.
        config: Another config.env than the one in `base`.
        flags: Values from the command line, by the name of their key.

    Raises:
        ConfigurationError: A file can't be read, or a value is bad; it says where.
    """
    values, tables, doubtful = _read(environ, base, config, flags)
    return _settings(values, tables, environ, base=base, doubtful=doubtful)


def load_values(
    environ: Mapping[str, str], *, base: Path, config: Path | None, flags: Mapping[str, str]
) -> tuple[Mapping[str, Value], TargetsFile]:
    """The same as it was found: each key's value and its place, and what targets.toml says."""
    values, tables, _ = _read(environ, base, config, flags)
    return {name: values.find(name) for name in KEYS}, tables


def _read(
    environ: Mapping[str, str], base: Path, config: Path | None, flags: Mapping[str, str] | None
) -> tuple[_Values, TargetsFile, tuple[Problem, ...]]:
    path = config or base / "config.env"
    has_config = config is not None or path.is_file()
    file = read_config(path) if has_config else ConfigFile({})
    targets_path = path.parent / "targets.toml"
    tables = read_targets(targets_path, environ) if targets_path.is_file() else TargetsFile({})
    return _Values(flags or {}, environ, file.values, base), tables, file.doubtful


def load_webhooks(
    environ: Mapping[str, str], *, base: Path, config: Path | None = None
) -> tuple[Webhook, ...]:
    """Whom to tell that the settings can't be used: as much as can be read of them.

    The arguments are those of `load_settings`.
    """
    path = config or base / "config.env"
    try:
        file = parse_config(path) if path.is_file() else ConfigFile({})
        # Every failure is one that is told, whatever WEBHOOK_ON says.
        values = _Values({"WEBHOOK_ON": NotifyOn.ALWAYS.value}, environ, file.values, base)
        found = tuple(_webhook(values))
    except ConfigurationError:
        found = ()
    try:
        tables = read_targets(path.parent / "targets.toml", environ)
        return (*found, *(_notify(table) for table in tables.notify if "url" in table))
    except ConfigurationError:
        return found


class _Values:
    """Looks a key up in its sources, the strongest first; an empty value is none."""

    def __init__(
        self,
        flags: Mapping[str, str],
        environ: Mapping[str, str],
        file: Mapping[str, Value],
        base: Path,
    ) -> None:
        self._environ = environ
        self._base = base
        in_environ = {
            name: Value(text, f"the environment's {name}")
            for name, text in environ.items()
            if text and not _is_locale(name, text)
        }
        in_flags = {name: Value(text, "the command line") for name, text in flags.items() if text}
        self._sources = (in_flags, in_environ, file)

    def find(self, name: str) -> Value:
        for source in self._sources:
            if name in source:
                return source[name]
            if f"{name}{FILE_SUFFIX}" in source:
                return read_secret(source[f"{name}{FILE_SUFFIX}"], base=self._base)
        default = KEYS[name].default
        if not default.startswith("$"):
            return Value(default, "the default")
        text = self._environ.get(default[1:], "")
        return Value(text, f"the environment's {default[1:]}" if text else "the default")

    def text(self, name: str) -> str:
        return self.find(name).text

    def parsed(self, name: str, parse: Callable[[str], T]) -> T:
        return _parsed(self.find(name), name, parse)


def _is_locale(name: str, text: str) -> bool:
    """Whether it is gettext's own LANGUAGE, a list as `zh_CN:en`, and not our setting."""
    return name == "LANGUAGE" and text not in {one.value for one in Language}


def _parsed(value: Value, name: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(value.text)
    except FormatError as error:
        is_secret = name in KEYS and KEYS[name].is_secret
        why = "its value can't be used" if is_secret else error.message
        place = Problem(value.file, value.line, 0, name, f"{name}: {why}", error.hint)
        raise ConfigurationError(
            f"{value.origin}: {name}: {why}",
            hint=error.hint,
            problems=(place,) if value.line else (),
        ) from None


def _settings(
    values: _Values,
    tables: TargetsFile,
    environ: Mapping[str, str],
    *,
    base: Path,
    doubtful: tuple[Problem, ...],
) -> Settings:
    warnings = tuple(map(str, doubtful))
    naming, rate = values.parsed("NAMING", naming_rule), values.parsed("BANDWIDTH", bandwidth)
    targets = {
        "aliyun": _aliyun(values, naming, tables.targets.get("aliyun", {})),
        "ghcr": _ghcr(values, naming),
    }
    targets = {name: replace(target, bandwidth=rate) for name, target in targets.items()}
    for name, table in tables.targets.items():
        new = Target(name, "", naming=naming, bandwidth=rate)
        targets[name] = _with_table(targets.get(name, new), table, base)
    for name, target in targets.items():
        _check_levels(target, tables.targets.get(name, {}), values)
    hooks = [table for table in tables.notify if "url" in table]
    if len(hooks) < len(tables.notify):
        warnings = (*warnings, "targets.toml: a [[notify]] without a url tells nobody")
    relay = values.parsed("RELAY", one_of(RelayUse))
    if relay is RelayUse.OFF and any(target.bandwidth for target in targets.values()):
        warnings = (*warnings, "with RELAY=off no bandwidth is limited: the relay is what does it")
    webhooks = (*_webhook(values), *map(_notify, hooks))
    sources = {
        registry_of(name.lower()): _parsed(
            Value(name, f"targets.toml: [sources.{name!r}]"), name, partial(source_rules, table)
        )
        for name, table in tables.sources.items()
    }
    own = (Login(name, one.username, one.password) for name, one in sources.items())
    logins = (*_dockerhub(values), *(login for login in own if login.username))
    github = github_step(environ)
    names = tuple(targets)
    secrets = _secrets(targets, logins, webhooks)
    state_dir = base / values.text("STATE_DIR")
    return Settings(
        base=base,
        mode=values.parsed(
            "SYNC_MODE",
            lambda text: target_names(text, names, is_on_actions=github is not None),
        ),
        targets=targets,
        state_dir=state_dir,
        default_platform=values.parsed("DEFAULT_PLATFORM", PlatformChoice.parse),
        jobs=values.parsed("JOBS", jobs),
        retries=values.parsed("RETRIES", count),
        stall_timeout=float(values.parsed("STALL_TIMEOUT", count)),
        askers=words(values.text("ASKERS")),
        max_tags=values.parsed("MAX_TAGS", count),
        fan_out=values.parsed("FAN_OUT", one_of(FanOut)),
        relay=relay,
        attestations=values.parsed("ATTESTATIONS", one_of(Attestations)),
        takes_signatures=values.parsed("SIGNATURES", boolean),
        policy=base / values.text("POLICY") if values.text("POLICY") else None,
        created_check=values.parsed("CREATED_CHECK", one_of(CreatedCheck)),
        verify=values.parsed("VERIFY", one_of(Verify)),
        gone=values.parsed("GONE", one_of(Gone)),
        insecure_registries=values.parsed("INSECURE_REGISTRIES", hosts),
        logins=logins,
        sources=sources,
        webhooks=webhooks,
        metrics_file=base / values.text("METRICS_FILE") if values.text("METRICS_FILE") else None,
        cleans_disk=values.parsed("CLEAN_DISK_SPACE", boolean),
        user_authfiles=tuple(usual_authfiles(environ)),
        tool_environ=_tool_environ(environ, secrets, state_dir),
        secrets=(*secrets, *basic_forms(targets.values(), logins)),
        unmasked=tuple(secret for secret in secrets if secret not in environ.values()),
        language=_language(values, environ),
        warnings=warnings,
        doubtful=doubtful,
        github=github,
        shard_above=values.parsed("SHARD_ABOVE", count),
    )


def _language(values: _Values, environ: Mapping[str, str]) -> Language:
    """The language that is set, or else that of the environment's locale."""
    chosen = values.parsed("LANGUAGE", one_of(Language))
    return language_of(environ) if chosen is Language.AUTO else chosen


def _aliyun(values: _Values, naming: str, table: Mapping[str, Value]) -> Target:
    """The Aliyun target; its edition goes by the host that a table of its name may give."""
    registry = values.parsed("ALIYUN_REGISTRY", host)
    if "registry" in table:
        registry = _parsed(table["registry"], "registry", host)
    edition = values.parsed("ALIYUN_EDITION", aliyun_edition)
    return Target(
        name="aliyun",
        registry=registry,
        namespace=values.parsed("ALIYUN_NAMESPACE", namespace),
        username=values.text("ALIYUN_USERNAME"),
        password=values.text("ALIYUN_PASSWORD"),
        naming=naming,
        profile=edition or aliyun_profile(registry),
    )


def _ghcr(values: _Values, naming: str) -> Target:
    return Target(
        name="ghcr",
        registry=values.parsed("GHCR_REGISTRY", host),
        namespace=values.text("GHCR_NAMESPACE").strip("/").lower(),
        username=values.text("GHCR_USERNAME"),
        password=values.text("GHCR_TOKEN"),
        naming=naming,
        profile=GHCR,
    )


def _with_table(target: Target, table: Mapping[str, Value], base: Path) -> Target:
    def given(key: str, parse: Callable[[str], T], otherwise: T) -> T:
        return _parsed(table[key], key, parse) if key in table else otherwise

    ca = given("ca", str, "")
    profile = given("profile", profile_named, target.profile)
    lowers = profile.lowers_names
    return replace(
        target,
        registry=given("registry", host, target.registry),
        namespace=given(
            "namespace", lambda text: namespace(text.lower() if lowers else text), target.namespace
        ),
        username=given("username", str, target.username),
        password=given("password", str, target.password),
        naming=given("naming", naming_rule, target.naming),
        profile=profile,
        is_insecure=given("insecure", boolean, target.is_insecure),
        ca=base / ca if ca else target.ca,
        jobs=_parsed(table["jobs"], "jobs", count) if "jobs" in table else target.jobs,
        bandwidth=given("bandwidth", bandwidth, target.bandwidth),
        requests_per_second=given(
            "requests_per_second", requests_per_second, target.requests_per_second
        ),
        own_limits=given("limits", lambda text: limits(text, profile.limits), target.own_limits),
    )


def _check_levels(target: Target, table: Mapping[str, Value], values: _Values) -> None:
    key = "namespace" if "namespace" in table else "ALIYUN_NAMESPACE"
    value = table[key] if key in table else values.find("ALIYUN_NAMESPACE")
    _parsed(value, key, lambda _: check_levels(target))


def _webhook(values: _Values) -> Iterator[Webhook]:
    on = values.parsed("WEBHOOK_ON", one_of(NotifyOn))
    if values.text("WEBHOOK_URL"):
        url = values.parsed("WEBHOOK_URL", web_url)
        yield Webhook(url, values.text("WEBHOOK_SECRET"), on)
    if values.text("HEARTBEAT_URL"):
        yield Webhook(values.parsed("HEARTBEAT_URL", web_url), format="heartbeat")


def _notify(table: Mapping[str, Value]) -> Webhook:
    nothing = Value("", "")
    on = _parsed(table.get("on", Value("always", "")), "on", one_of(NotifyOn))
    if table["url"].text.startswith("mailto:"):
        url = _parsed(table["url"], "url", mail_url)
        texts = {key: value.text for key, value in table.items()}
        return Webhook(url, on=on, mail=_parsed(table["url"], "url", lambda _: mail_server(texts)))
    return Webhook(
        _parsed(table["url"], "WEBHOOK_URL", web_url),
        table.get("secret", nothing).text,
        on,
        table.get("format", nothing).text,
    )


def _dockerhub(values: _Values) -> Iterator[Login]:
    username, token = values.text("DOCKERHUB_USERNAME"), values.text("DOCKERHUB_TOKEN")
    if username and token:
        yield Login(DOCKER_HUB, username, token)
    elif username or token:
        missing = "DOCKERHUB_TOKEN" if username else "DOCKERHUB_USERNAME"
        raise ConfigurationError(f"{missing} is not set, and a login to Docker Hub needs both")


def _tool_environ(
    environ: Mapping[str, str], secrets: tuple[str, ...], state_dir: Path
) -> dict[str, str]:
    """The environment without our secrets, whatever name they stand under.

    skopeo remembers where it has seen blobs below XDG_DATA_HOME, else below HOME, and under
    cron there may be none that can be written. (Root's memory is in /var/lib/containers.)
    """
    ours = {name for name, key in KEYS.items() if key.is_secret}
    values = {environ[name] for name in ours | FOREIGN_SECRETS if environ.get(name)}
    values.update(secrets)
    seen = {
        name: text
        for name, text in environ.items()
        if name not in ours and name not in FOREIGN_SECRETS and text not in values
    }
    return {"XDG_DATA_HOME": str(state_dir / "data"), **seen}


def _secrets(
    targets: Mapping[str, Target], logins: tuple[Login, ...], webhooks: tuple[Webhook, ...]
) -> tuple[str, ...]:
    found = [target.password for target in targets.values()]
    found += [login.password for login in logins]
    found += [text for hook in webhooks for text in (hook.secret, hook.url)]
    found += [hook.mail.password for hook in webhooks if hook.mail]
    return tuple(dict.fromkeys(text for text in found if text))
