"""Settings: where each value comes from, what it may be, and that no secret is ever told."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.files import read_config
from orchestrator.config.keys import FILE_SUFFIX, FOREIGN_SECRETS, KEYS
from orchestrator.config.load import load_settings
from orchestrator.config.settings import (
    Attestations,
    CreatedCheck,
    FanOut,
    Gone,
    Login,
    NotifyOn,
    Settings,
    Verify,
    Webhook,
)
from orchestrator.config.targets import (
    ALIYUN_ENTERPRISE,
    ALIYUN_PERSONAL,
    GENERIC,
    GHCR,
    SWR,
    Limits,
    MirrorPlace,
    Profile,
)
from orchestrator.errors import ConfigurationError, ExitStatus
from orchestrator.hosts import is_loopback

SECRET = "s3cr3t-hunter22"
HOOK = f"https://chat.example/hook/{SECRET}"
PERSONAL = "registry.cn-hangzhou.aliyuncs.com"
ENTERPRISE = "corp-registry.cn-hangzhou.cr.aliyuncs.com"
ALIYUN = {"ALIYUN_REGISTRY": PERSONAL, "ALIYUN_NAMESPACE": "mirrors"}
LOGIN = {"ALIYUN_USERNAME": "me", "ALIYUN_PASSWORD": SECRET}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The folder of the list."""
    return tmp_path


def load(
    base: Path,
    config: str | bytes = "",
    *,
    environ: Mapping[str, str] | None = None,
    toml: str = "",
    flags: Mapping[str, str] | None = None,
) -> Settings:
    content = config if isinstance(config, bytes) else config.encode()
    (base / "config.env").write_bytes(content)
    if toml:
        (base / "targets.toml").write_text(toml, encoding="utf-8")
    return load_settings(environ or {}, base=base, flags=flags)


def refused(base: Path, config: str = "", **sources: Mapping[str, str]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(base, config, environ=sources.get("environ"), flags=sources.get("flags"))
    assert caught.value.exit_status is ExitStatus.USAGE
    return caught.value


def refused_toml(
    base: Path, toml: str, environ: Mapping[str, str] | None = None
) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(base, toml=toml, environ=environ)
    return caught.value


# Sources


def test_nothing_at_all_gives_the_defaults(tmp_path: Path) -> None:
    settings = load_settings({}, base=tmp_path)
    assert settings == Settings(
        base=tmp_path,
        mode=("aliyun",),
        targets=settings.targets,
        state_dir=tmp_path / ".syncer",
        default_platform=settings.default_platform,
        user_authfiles=(Path(RUNTIME),),
        tool_environ={"XDG_DATA_HOME": str(tmp_path / ".syncer" / "data")},
    )
    assert str(settings.default_platform) == "linux/amd64"
    assert settings.targets["ghcr"].registry == "ghcr.io"
    assert list(settings.targets) == ["aliyun", "ghcr"]
    assert settings.usable_targets == {}


@pytest.mark.parametrize(
    ("flags", "environ", "config", "jobs"),
    [
        pytest.param({}, {}, "", None, id="default"),
        pytest.param({}, {}, "JOBS=5", 5, id="file"),
        pytest.param({}, {"JOBS": "6"}, "JOBS=5", 6, id="environment"),
        pytest.param({"JOBS": "7"}, {"JOBS": "6"}, "JOBS=5", 7, id="flag"),
        pytest.param({"JOBS": ""}, {"JOBS": ""}, "JOBS=5", 5, id="empty is unset"),
        pytest.param({}, {}, "JOBS=", None, id="empty in the file"),
        pytest.param({}, {}, "JOBS=5\nJOBS=6", 6, id="the last line counts"),
        pytest.param({}, {}, "JOBS=5\nJOBS=", None, id="unset by a later line"),
    ],
)
def test_the_strongest_source_counts(
    base: Path, flags: Mapping[str, str], environ: Mapping[str, str], config: str, jobs: int | None
) -> None:
    assert load(base, config, environ=environ, flags=flags).jobs == jobs


def test_another_config_may_be_named(tmp_path: Path) -> None:
    other = tmp_path / "other" / "my.env"
    other.parent.mkdir()
    other.write_text("JOBS=9\n", encoding="utf-8")
    (tmp_path / "config.env").write_text("JOBS=5\n", encoding="utf-8")
    (other.parent / "targets.toml").write_text("[targets.x]\nregistry='x.example'\n", "utf-8")
    settings = load_settings({}, base=tmp_path, config=other)
    assert settings.jobs == 9
    assert "x" in settings.targets


def test_a_config_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.env can't be read: No such file"):
        load_settings({}, base=tmp_path, config=tmp_path / "none.env")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"JOBS=\xff\n", "is not UTF-8 text", id="Latin 1"),
        pytest.param("JOBS=5".encode("utf-16"), "is not UTF-8 text", id="UTF-16"),
        pytest.param(b"#" * (1024 * 1024 + 1), "is larger than", id="a gigantic one"),
    ],
)
def test_a_file_that_is_no_text_is_named(base: Path, content: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(base, content)
    assert str(base / "config.env") in caught.value.message
    assert words in caught.value.message


# Lines of config.env


@pytest.mark.parametrize(
    ("line", "value"),
    [
        pytest.param("ALIYUN_PASSWORD=plain", "plain", id="plain"),
        pytest.param("export ALIYUN_PASSWORD=plain", "plain", id="export"),
        pytest.param("  ALIYUN_PASSWORD = plain  ", "plain", id="white space"),
        pytest.param("ALIYUN_PASSWORD=plain # why", "plain", id="comment"),
        pytest.param("ALIYUN_PASSWORD=p@${x}#a", "p@${x}#a", id="nothing is expanded"),
        pytest.param("ALIYUN_PASSWORD=$HOME`id`$(id)", "$HOME`id`$(id)", id="nothing is run"),
        pytest.param("ALIYUN_PASSWORD='p@${x} #a'", "p@${x} #a", id="single quotes"),
        pytest.param('ALIYUN_PASSWORD="p@${x} #a" # why', "p@${x} #a", id="double quotes"),
        pytest.param(r'ALIYUN_PASSWORD="a\"b"', 'a"b', id="an escaped quote"),
        pytest.param(r"ALIYUN_PASSWORD='a\nb'", r"a\nb", id="no escape in single quotes"),
        pytest.param("ALIYUN_PASSWORD='one\ntwo'", "one\ntwo", id="several lines"),
        pytest.param("ALIYUN_PASSWORD=a=b==", "a=b==", id="equals signs"),
        pytest.param("ALIYUN_PASSWORD=密码", "密码", id="other scripts"),
        pytest.param("# ALIYUN_PASSWORD=x\n\nALIYUN_PASSWORD=y", "y", id="comments"),
    ],
)
@pytest.mark.parametrize("ending", [pytest.param("\n", id="LF"), pytest.param("\r\n", id="CRLF")])
@pytest.mark.parametrize("mark", [pytest.param("", id="plain"), pytest.param("\ufeff", id="BOM")])
def test_config_env_is_read_as_a_shell_reads_it(
    base: Path, line: str, value: str, ending: str, mark: str
) -> None:
    text = f"{mark}JOBS=2\n{line}\nRETRIES=7".replace("\n", ending)
    settings = load(base, text.encode())
    assert settings.targets["aliyun"].password == value
    assert (settings.jobs, settings.retries) == (2, 7)


@pytest.mark.parametrize(
    ("config", "line"),
    [
        pytest.param("JOBS=x", 1, id="first line"),
        pytest.param("\n\n# why\n\nJOBS=x\n", 5, id="after comments"),
        pytest.param("NAMING='flat'\nALIYUN_PASSWORD='a\nb\nc'\nJOBS=x", 5, id="several lines"),
    ],
)
def test_a_bad_value_is_shown_where_it_stands(base: Path, config: str, line: int) -> None:
    error = refused(base, config)
    where = f"{base / 'config.env'}:{line}: JOBS: "
    assert error.message == f"{where}'x' is not a number from 1 to 10,000"


def test_all_lines_that_are_no_settings_are_told_at_once(base: Path) -> None:
    error = refused(base, f"ALIYUN_PASSWORD\nJOBS=5\n{SECRET} is it\nRETRIES='5\n")
    assert [line.split(": ")[0].rpartition(":")[2] for line in error.message.splitlines()] == [
        "1",
        "3",
        "4",
    ]
    assert SECRET not in error.message


@pytest.mark.parametrize(
    ("key", "told"),
    [
        pytest.param("ALIYUN_PASWORD", "did you mean 'ALIYUN_PASSWORD'?", id="typing error"),
        pytest.param("sync_mode", "did you mean 'SYNC_MODE'?", id="lower case"),
        pytest.param("JOB_FILE", "did you mean 'JOBS_FILE'?", id="a file"),
        pytest.param("ALIYUN-REGISTRY", "did you mean 'ALIYUN_REGISTRY'?", id="a dash"),
        pytest.param("TZ", "docs/settings.md has the keys", id="nothing near"),
    ],
)
def test_an_unknown_key_is_an_error_with_a_hint(base: Path, key: str, told: str) -> None:
    error = refused(base, f"\n{key}={SECRET}\nJOB=5\n")
    first, second = error.message.splitlines()
    assert first == f"{base / 'config.env'}:2: unknown key '{key}'; {told}"
    assert second == f"{base / 'config.env'}:3: unknown key 'JOB'; did you mean 'JOBS'?"
    assert SECRET not in error.message


@given(st.binary(max_size=60))
def test_no_file_whatever_it_holds_ends_in_anything_but_our_own_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.env"
    path.write_bytes(content)
    with suppress(ConfigurationError):
        assert read_config(path).values.keys() <= KEYS.keys()


@pytest.mark.parametrize(
    ("line", "value", "is_told"),
    [
        pytest.param("ALIYUN_PASSWORD=a #b", "a", True, id="a secret that is cut"),
        pytest.param("ALIYUN_PASSWORD='a #b'", "a #b", False, id="the hint, followed"),
        pytest.param("ALIYUN_PASSWORD='a' #b", "a", False, id="a comment behind a quote"),
        pytest.param("ALIYUN_PASSWORD=   # comment", "", False, id="a comment and no value"),
        pytest.param("ALIYUN_PASSWORD=a#b", "a#b", False, id="no blank before it"),
        pytest.param("ALIYUN_PASSWORD=a\nJOBS=5 # many", "a", False, id="no secret"),
    ],
)
def test_a_secret_that_a_comment_cuts_short_is_told(
    base: Path, line: str, value: str, is_told: bool
) -> None:
    settings = load(base, line)
    assert settings.targets["aliyun"].password == value
    assert [one.partition("; ")[0] for one in settings.warnings] == [
        f"{base / 'config.env'}:1: ALIYUN_PASSWORD ends before ' #', and the rest is taken for a "
        "comment"
    ] * is_told


@pytest.mark.parametrize(
    ("config", "toml", "hint"),
    [
        pytest.param(
            "ALIYUN_NAMESPACE=a/b",
            "",
            "write 'a', or ALIYUN_EDITION=enterprise for an Enterprise instance",
            id="two levels",
        ),
        pytest.param(
            f"ALIYUN_NAMESPACE={PERSONAL}/ns",
            "",
            "write 'ns', or ALIYUN_EDITION=enterprise for an Enterprise instance",
            id="the host before it",
        ),
        pytest.param(
            "", "[targets.x]\nprofile='aliyun'\nnamespace='a/b/c'", "write 'a'", id="a table"
        ),
    ],
)
def test_aliyuns_personal_edition_takes_a_namespace_of_one_level(
    base: Path, config: str, toml: str, hint: str
) -> None:
    error = refused_toml(base, toml) if toml else refused(base, config)
    assert "levels, and the namespace is one name in Aliyun's Personal Edition" in error.message
    assert error.hint == hint
    namespace = hint.split("'")[1]
    mended = toml.replace("a/b/c", namespace)
    targets = load(base, f"ALIYUN_NAMESPACE={namespace}", toml=mended).targets
    assert {target.namespace for name, target in targets.items() if name != "ghcr"} == {namespace}


def test_an_enterprise_instance_takes_a_namespace_of_two_levels(base: Path) -> None:
    settings = load(base, "ALIYUN_NAMESPACE=a/b\nALIYUN_EDITION=enterprise")
    assert settings.targets["aliyun"].namespace == "a/b"


# _FILE


@pytest.mark.parametrize(
    ("environ", "config"),
    [
        pytest.param({}, "ALIYUN_PASSWORD_FILE=secret.txt", id="config.env"),
        pytest.param({"ALIYUN_PASSWORD_FILE": "secret.txt"}, "", id="environment"),
        pytest.param(
            {"ALIYUN_PASSWORD_FILE": "secret.txt"}, "ALIYUN_PASSWORD=other", id="stronger source"
        ),
    ],
)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_value_may_stand_in_a_file(
    base: Path, environ: Mapping[str, str], config: str, ending: str
) -> None:
    (base / "secret.txt").write_bytes(f" {SECRET} {ending}".encode())
    settings = load(base, config, environ=environ)
    assert settings.targets["aliyun"].password == f" {SECRET} "
    assert f" {SECRET} " in settings.secrets


@pytest.mark.parametrize("name", KEYS)
def test_every_key_may_stand_in_a_file(base: Path, name: str) -> None:
    (base / "config.env").write_text(f"{name}{FILE_SUFFIX}=value\n", encoding="utf-8")
    found = read_config(base / "config.env")
    assert found.values[f"{name}{FILE_SUFFIX}"].text == "value"
    assert not found.doubtful


def test_a_secrets_file_that_is_not_there_is_told_with_the_key_that_names_it(base: Path) -> None:
    error = refused(base, "JOBS=5\nALIYUN_PASSWORD_FILE=/none/here")
    where = f"{base / 'config.env'}:2: /none/here can't be read: No such file or directory"
    assert error.message == where


def test_a_bad_value_in_a_file_is_shown_where_it_stands(base: Path) -> None:
    (base / "jobs").write_text("many\n", encoding="utf-8")
    assert refused(base, "JOBS_FILE=jobs").message.startswith(f"{base / 'jobs'}: JOBS: 'many'")


# Values


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        pytest.param("20MB/s", 20_000_000, id="megabytes"),
        pytest.param("512 KiB/s", 512 * 1024, id="kibibytes, apart"),
        pytest.param("1.5gb/s", 1_500_000_000, id="a fraction, small letters"),
        pytest.param("100Mbit/s", 12_500_000, id="megabits"),
        pytest.param("100Mbps", 12_500_000, id="as it is sold"),
        pytest.param("64000B/s", 64_000, id="the least"),
        pytest.param("unlimited", None, id="no limit"),
        pytest.param("", None, id="unset"),
    ],
)
def test_a_bandwidth_is_bytes_a_second(base: Path, text: str, rate: int | None) -> None:
    settings = load(base, f"BANDWIDTH={text}", environ=ALIYUN)
    assert [one.bandwidth for one in settings.targets.values()] == [rate, rate]
    assert settings.bandwidth_of(PERSONAL) == rate


@pytest.mark.parametrize("text", ["20", "fast", "20MB", "-1MB/s", "63KB/s", "400kbps", "0MB/s"])
def test_what_is_no_bandwidth_is_told(base: Path, text: str) -> None:
    error = refused(base, flags={"BANDWIDTH": text})
    assert text in error.message
    assert "B/s" in error.hint


@pytest.mark.parametrize(
    ("table", "limits"),
    [
        pytest.param("", Limits(3, 300), id="the profile's"),
        pytest.param("limits = { repositories = 1000 }", Limits(3, 1000), id="its own"),
        pytest.param('limits = { repositories = "unlimited" }', Limits(3), id="unlimited"),
        pytest.param("[targets.aliyun.limits]\nnamespaces = 2", Limits(2, 300), id="a table below"),
        pytest.param("limits = { layers = 20 }", Limits(3, 300, 20), id="layers"),
        pytest.param(
            'limits = { layer_size = "10GB" }', Limits(3, 300, None, 10 * 10**9), id="a size"
        ),
        pytest.param(
            'limits = { layer_size = "1.5 GiB" }',
            Limits(3, 300, None, 3 * 2**29),
            id="in powers of 1024",
        ),
        pytest.param("limits = { layer_size = 5 }", Limits(3, 300, None, 5), id="bytes"),
    ],
)
def test_limits_are_the_profiles_unless_the_target_has_its_own(
    base: Path, table: str, limits: Limits
) -> None:
    settings = load(base, toml=f"[targets.aliyun]\n{table}\n")
    assert settings.targets["aliyun"].limits == limits


@pytest.mark.parametrize(
    ("table", "words"),
    [
        pytest.param("{ repos = 1 }", "unknown limit 'repos'", id="unknown"),
        pytest.param("{ repositories = 0 }", "repositories is neither a number", id="none"),
        pytest.param("{ repositories = true }", "repositories is neither", id="no number"),
        pytest.param("{ repositories = [] }", "repositories is neither", id="a list"),
        pytest.param('{ layer_size = "10" }', "layer_size is neither a size", id="no unit"),
        pytest.param("{ layer_size = 0 }", "layer_size is neither a size", id="no size"),
        pytest.param('{ layers = "10GB" }', "layers is neither a number", id="no size of that"),
        pytest.param("300", "'300' is no table", id="no table"),
        pytest.param("[1]", "'limits' is neither", id="a list of them"),
    ],
)
def test_what_is_no_limit_is_told(base: Path, table: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load(base, toml=f"[targets.x]\nlimits = {table}\n")


def test_a_target_has_its_own_bandwidth_and_one_registry_the_least(base: Path) -> None:
    tables = {"a": "5MB/s", "b": "3MB/s", "aliyun": "unlimited"}
    toml = "".join(
        f"[targets.{name}]\nregistry='{'x.example' if len(name) == 1 else PERSONAL}'\n"
        f"bandwidth='{rate}'\n"
        for name, rate in tables.items()
    )
    settings = load(base, "BANDWIDTH=1MB/s", toml=toml)
    registries = ("x.example", PERSONAL, "ghcr.io", "elsewhere.example")
    assert [*map(settings.bandwidth_of, registries)] == [3_000_000, None, 1_000_000, None]


@pytest.mark.parametrize(("relay", "is_warned"), [("off", True), ("auto", False)])
def test_a_bandwidth_that_nothing_holds_is_a_warning(
    base: Path, relay: str, is_warned: bool
) -> None:
    settings = load(base, f"BANDWIDTH=1MB/s\nRELAY={relay}")
    assert any("RELAY=off" in one for one in settings.warnings) == is_warned


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        pytest.param("JOBS", "1", lambda s: s.jobs == 1, id="JOBS"),
        pytest.param("JOBS", "10000", lambda s: s.jobs == 10_000, id="JOBS, the most"),
        pytest.param("JOBS", "Auto", lambda s: s.jobs is None, id="JOBS, found"),
        pytest.param("RETRIES", "1", lambda s: s.retries == 1, id="RETRIES"),
        pytest.param("STALL_TIMEOUT", "30", lambda s: s.stall_timeout == 30.0, id="STALL_TIMEOUT"),
        pytest.param("FAN_OUT", "source", lambda s: s.fan_out is FanOut.SOURCE, id="FAN_OUT"),
        pytest.param("FAN_OUT", "Chain", lambda s: s.fan_out is FanOut.CHAIN, id="any case"),
        pytest.param(
            "ATTESTATIONS", "drop", lambda s: s.attestations is Attestations.DROP, id="ATTESTATIONS"
        ),
        pytest.param(
            "CREATED_CHECK",
            "off",
            lambda s: s.created_check is CreatedCheck.OFF,
            id="CREATED_CHECK",
        ),
        pytest.param("POLICY", "a/p.json", lambda s: s.policy == s.base / "a/p.json", id="POLICY"),
        pytest.param("GONE", "fail", lambda s: s.gone is Gone.FAIL, id="GONE"),
        pytest.param("VERIFY", "Blobs", lambda s: s.verify is Verify.BLOBS, id="VERIFY"),
        pytest.param("SIGNATURES", "true", lambda s: s.takes_signatures, id="SIGNATURES"),
        pytest.param("CLEAN_DISK_SPACE", "Yes", lambda s: s.cleans_disk, id="CLEAN_DISK_SPACE"),
        pytest.param("CLEAN_DISK_SPACE", "0", lambda s: not s.cleans_disk, id="no cleaning"),
        pytest.param(
            "DEFAULT_PLATFORM", "all", lambda s: s.default_platform.is_all, id="DEFAULT_PLATFORM"
        ),
        pytest.param(
            "NAMING", "nested", lambda s: s.targets["ghcr"].naming == "nested", id="NAMING"
        ),
        pytest.param(
            "STATE_DIR", "/var/x", lambda s: s.state_dir == Path("/var/x"), id="STATE_DIR"
        ),
        pytest.param("STATE_DIR", "x", lambda s: s.state_dir == s.base / "x", id="STATE_DIR, near"),
        pytest.param(
            "ALIYUN_REGISTRY",
            f" {PERSONAL.upper()}/ ",
            lambda s: s.targets["aliyun"].registry == PERSONAL,
            id="ALIYUN_REGISTRY",
        ),
        pytest.param(
            "ALIYUN_NAMESPACE",
            "/a-b/",
            lambda s: s.targets["aliyun"].namespace == "a-b",
            id="ALIYUN_NAMESPACE",
        ),
        pytest.param(
            "GHCR_NAMESPACE",
            "OctoCat",
            lambda s: s.targets["ghcr"].namespace == "octocat",
            id="GHCR_NAMESPACE",
        ),
        pytest.param(
            "GHCR_REGISTRY",
            "localhost",
            lambda s: s.targets["ghcr"].registry == "localhost",
            id="GHCR_REGISTRY",
        ),
        pytest.param(
            "INSECURE_REGISTRIES",
            "Lab.example:5000, 10.0.0.1:5000",
            lambda s: s.insecure_registries == {"lab.example:5000", "10.0.0.1:5000"},
            id="INSECURE_REGISTRIES",
        ),
        pytest.param(
            "WEBHOOK_URL", HOOK, lambda s: s.webhooks == (Webhook(HOOK),), id="WEBHOOK_URL"
        ),
    ],
)
def test_a_good_value_is_taken(base: Path, key: str, value: str, found: object) -> None:
    assert callable(found)
    assert found(load(base, environ={key: value}))
    assert found(load(base, f"{key}='{value}'"))


@pytest.mark.parametrize(
    ("key", "value", "message", "hint"),
    [
        *(
            pytest.param(key, value, "is not a number from 1 to 10,000", "", id=f"{key}={value}")
            for key in ("JOBS", "RETRIES", "STALL_TIMEOUT")
            for value in ("0", "-1", "1.5", "10001", "four", "٣", "1" * 5000)
        ),
        pytest.param("FAN_OUT", "chian", "'chian' is not", "did you mean 'chain'?", id="FAN_OUT"),
        pytest.param("ATTESTATIONS", "x", "'x' is not", "auto, keep, drop", id="ATTESTATIONS"),
        pytest.param("CREATED_CHECK", "on", "'on' is not", "verify, trust", id="CREATED_CHECK"),
        pytest.param("GONE", "fial", "'fial' is not", "did you mean 'fail'?", id="GONE"),
        pytest.param("VERIFY", "child", "'child' is not", "children", id="VERIFY"),
        pytest.param("WEBHOOK_ON", "never", "'never' is not", "failure", id="WEBHOOK_ON"),
        pytest.param("SIGNATURES", "maybe", "neither true nor false", "", id="SIGNATURES"),
        pytest.param("CLEAN_DISK_SPACE", "maybe", "neither true nor false", "", id="CLEAN_DISK"),
        pytest.param("DEFAULT_PLATFORM", "amd65", "not a platform", "amd64", id="DEFAULT_PLATFORM"),
        pytest.param("NAMING", "falt", "not a way of naming", "'flat'", id="NAMING"),
        pytest.param("NAMING", "{regsitry}", "not a field", "'{registry}'", id="NAMING, a field"),
        pytest.param("ALIYUN_EDITION", "pro", "no edition", "enterprise", id="ALIYUN_EDITION"),
        pytest.param(
            "ALIYUN_REGISTRY", "https://x.example", "not a host", "'x.example'", id="a URL"
        ),
        pytest.param("ALIYUN_REGISTRY", "x.example/ns", "not a host", "namespace", id="a path"),
        pytest.param("ALIYUN_REGISTRY", "registry", "neither a dot nor a port", "", id="one word"),
        pytest.param("GHCR_REGISTRY", "a b.c", "not a host", "", id="a space"),
        pytest.param("ALIYUN_NAMESPACE", "MyNs", "not a namespace", "'myns'", id="capitals"),
        pytest.param("ALIYUN_NAMESPACE", "a//b", "not a namespace", "lower-case", id="two slashes"),
        pytest.param("ALIYUN_NAMESPACE", "a..b", "not a namespace", "", id="two dots"),
        pytest.param("INSECURE_REGISTRIES", "a.b,http://c.d", "not a host", "'c.d'", id="INSECURE"),
        pytest.param(
            "SYNC_MODE", "aliyum", "no target 'aliyum'", "did you mean 'aliyun'?", id="SYNC_MODE"
        ),
        pytest.param("SYNC_MODE", "aliyun,x", "no target 'x'", "aliyun, ghcr, double", id="one"),
        pytest.param("SYNC_MODE", ",", "names no target", "", id="a comma alone"),
        pytest.param("SYNC_MODE", "none,ghcr", "goes with no other", "none alone", id="none and"),
    ],
)
def test_a_bad_value_says_what_to_write_instead(
    base: Path, key: str, value: str, message: str, hint: str
) -> None:
    in_file = refused(base, f"{key}={value}")
    assert in_file.message.startswith(f"{base / 'config.env'}:1: {key}: ")
    in_environ = refused(base, environ={key: value})
    assert in_environ.message.startswith(f"the environment's {key}: {key}: ")
    for error in (in_file, in_environ):
        assert message in error.message
        assert hint in error.hint
        assert len(error.message) < 1000


def test_a_bad_flag_is_told_as_one(base: Path) -> None:
    assert refused(base, flags={"JOBS": "x"}).message.startswith("the command line: JOBS: ")


# Secrets


@pytest.mark.parametrize(
    ("config", "toml"),
    [
        pytest.param(f"WEBHOOK_URL=ftp://x.example/{SECRET}", "", id="scheme"),
        pytest.param(f"WEBHOOK_URL=https://[{SECRET}", "", id="no address"),
        pytest.param(f"WEBHOOK_URL=https://x.example:99999/{SECRET}", "", id="no port"),
        pytest.param(f"WEBHOOK_URL='https://x.example/{SECRET} x'", "", id="a space"),
        pytest.param(f"WEBHOOK_URL=//x.example/{SECRET}", "", id="no scheme"),
        pytest.param(f"WEBHOOK_URL=https:///{SECRET}", "", id="no host"),
        pytest.param(f"ALIYUN_REGISTRY=https://me:{SECRET}@x.example", "", id="login in a host"),
        pytest.param("", f"[[notify]]\nurl='{SECRET}'", id="another webhook"),
        pytest.param("", f"[[notify]]\nurl='{HOOK}'\non='{SECRET[:2]}'", id="its other keys"),
        pytest.param(f"ALIYUN_PASSWORD='{SECRET}\nJOBS=x", "", id="quote left open"),
        pytest.param("", f"[targets.x]\npassword='{SECRET}", id="TOML's quote left open"),
        pytest.param("", f"[targets.x]\npassword=['{SECRET}']", id="a list"),
    ],
)
def test_no_secret_is_part_of_a_message(base: Path, config: str, toml: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(base, config, toml=toml)
    error = caught.value
    assert SECRET not in f"{error!r} {error.message} {error.hint} {error.__cause__!r}"
    assert error.message.count(": ") >= 1
    assert len(error.message.rpartition(": ")[2]) > 5


def test_no_secret_is_part_of_what_settings_look_like(base: Path) -> None:
    toml = (
        f"[targets.x]\nregistry='x.example'\nusername='me'\npassword='{SECRET}-toml'\n"
        f"[[notify]]\nurl='{HOOK}/two'\nsecret='{SECRET}-hook'\n"
    )
    environ = {
        **LOGIN,
        "GHCR_TOKEN": f"{SECRET}-ghcr",
        "DOCKERHUB_USERNAME": "me",
        "DOCKERHUB_TOKEN": f"{SECRET}-hub",
        "WEBHOOK_URL": HOOK,
        "WEBHOOK_SECRET": f"{SECRET}-sign",
    }
    settings = load(base, environ=environ, toml=toml)
    shown = repr(settings) + str(settings) + repr(settings.targets) + repr(settings.webhooks)
    assert SECRET not in shown + repr(settings.logins)
    logins = (SECRET, f"{SECRET}-toml", f"{SECRET}-hub")
    assert set(settings.secrets) == {
        *(b64encode(f"me:{password}".encode()).decode() for password in logins),
        SECRET,
        f"{SECRET}-toml",
        HOOK,
        f"{HOOK}/two",
        f"{SECRET}-hook",
        f"{SECRET}-ghcr",
        f"{SECRET}-hub",
        f"{SECRET}-sign",
    }


def test_the_programs_we_start_see_no_secret(base: Path) -> None:
    secret_names = {name for name, key in KEYS.items() if key.is_secret} | FOREIGN_SECRETS
    environ = {name: f"{SECRET}-{name}" for name in secret_names}
    environ["WEBHOOK_URL"] = environ["HEARTBEAT_URL"] = HOOK
    environ |= {"DOCKERHUB_USERNAME": "me", "PATH": "/usr/bin", "HOME": "/root"}
    environ |= {"SWR_TOKEN": f"{SECRET}-swr", "A_COPY": f"{SECRET}-GHCR_TOKEN", "EMPTY": ""}
    toml = "[targets.swr]\nregistry='swr.example'\nusername='me'\npassword='${SWR_TOKEN}'\n"
    (base / "secret.txt").write_text(f"{SECRET}-file\n", encoding="utf-8")
    environ |= {"ALIYUN_PASSWORD_FILE": "secret.txt", "THE_SAME": f"{SECRET}-file"}
    del environ["ALIYUN_PASSWORD"]
    settings = load(base, environ=environ, toml=toml)
    assert settings.targets["swr"].password == f"{SECRET}-swr"
    assert settings.tool_environ == {
        "DOCKERHUB_USERNAME": "me",
        "PATH": "/usr/bin",
        "HOME": "/root",
        "EMPTY": "",
        "ALIYUN_PASSWORD_FILE": "secret.txt",
        "XDG_DATA_HOME": str(base / ".syncer" / "data"),
    }


# Modes


@pytest.mark.parametrize(
    ("value", "on_actions", "mode"),
    [
        pytest.param("aliyun", False, ("aliyun",), id="aliyun"),
        pytest.param("ghcr", False, ("ghcr",), id="ghcr"),
        pytest.param("none", False, (), id="none"),
        pytest.param("double", False, ("aliyun", "ghcr"), id="double"),
        pytest.param("double", True, ("ghcr", "aliyun"), id="double on Actions"),
        pytest.param("aliyun,ghcr", True, ("aliyun", "ghcr"), id="an order of one's own"),
        pytest.param("ghcr, aliyun ,ghcr", False, ("ghcr", "aliyun"), id="each once"),
        pytest.param("x,double", False, ("x", "aliyun", "ghcr"), id="with a table's"),
        pytest.param("double,aliyun", True, ("ghcr", "aliyun"), id="double and one of both"),
        pytest.param("", False, ("aliyun",), id="the default"),
    ],
)
def test_the_mode_names_targets_in_their_order(
    base: Path, value: str, on_actions: bool, mode: tuple[str, ...]
) -> None:
    environ = {"GITHUB_ACTIONS": "true"} if on_actions else {}
    toml = "[targets.x]\nregistry='x.example'\n"
    settings = load(base, f"SYNC_MODE='{value}'", environ=environ, toml=toml)
    assert settings.mode == mode
    assert settings.is_on_actions is on_actions


# Targets


@pytest.mark.parametrize(
    ("environ", "toml", "profile"),
    [
        pytest.param({"ALIYUN_REGISTRY": PERSONAL}, "", ALIYUN_PERSONAL, id="personal"),
        pytest.param({"ALIYUN_REGISTRY": ENTERPRISE}, "", ALIYUN_ENTERPRISE, id="enterprise"),
        pytest.param(
            {"ALIYUN_REGISTRY": PERSONAL, "ALIYUN_EDITION": "Enterprise"},
            "",
            ALIYUN_ENTERPRISE,
            id="as the user says",
        ),
        pytest.param(
            {}, f"[targets.aliyun]\nregistry='{ENTERPRISE}'", ALIYUN_ENTERPRISE, id="in a table"
        ),
        pytest.param(
            {"ALIYUN_EDITION": "personal"},
            f"[targets.aliyun]\nregistry='{ENTERPRISE}'",
            ALIYUN_PERSONAL,
            id="the user knows better",
        ),
        pytest.param({}, "[targets.aliyun]\nprofile='swr'", SWR, id="a table's profile"),
    ],
)
def test_aliyuns_edition_goes_by_its_host(
    base: Path, environ: Mapping[str, str], toml: str, profile: Profile
) -> None:
    assert load(base, environ=environ, toml=toml).targets["aliyun"].profile == profile


def test_github_knows_its_own_target(base: Path) -> None:
    environ = {
        "GITHUB_REPOSITORY_OWNER": "OctoCat",
        "GITHUB_ACTOR": "mona",
        "GITHUB_TOKEN": SECRET,
    }
    target = load(base, environ=environ).target("ghcr")
    assert (target.registry, target.namespace, target.profile) == ("ghcr.io", "octocat", GHCR)
    assert (target.username, target.password) == ("mona", SECRET)


TABLE = """
[targets.lab]
registry = "Lab.example:5000"
namespace = "/a/b/"
username = "me"
password = "${LAB_TOKEN}"
naming = "nested"
profile = "swr"
jobs = 2
insecure = true
ca = "certs/lab.pem"
bandwidth = "20MB/s"
"""


def test_a_table_makes_a_target(base: Path) -> None:
    target = load(base, toml=TABLE, environ={"LAB_TOKEN": SECRET}).target("lab")
    assert (target.name, target.base) == ("lab", "lab.example:5000/a/b")
    assert (target.username, target.password) == ("me", SECRET)
    assert (target.naming, target.profile, target.jobs) == ("nested", SWR, 2)
    assert target.is_insecure
    assert target.ca == base / "certs" / "lab.pem"
    assert target.bandwidth == 20_000_000


def test_a_table_needs_a_registry_only(base: Path) -> None:
    target = load(base, "NAMING=nested", toml="[targets.x]\nregistry='x.example'").target("x")
    assert (target.base, target.naming, target.profile) == ("x.example", "nested", GENERIC)
    assert (target.jobs, target.ca, target.is_insecure) == (None, None, False)


def test_a_table_refines_a_target_that_is_there_already(base: Path) -> None:
    toml = "[targets.aliyun]\njobs=2\nnaming='nested'\n[targets.ghcr]\nnamespace='Team'\n"
    settings = load(base, environ={**ALIYUN, **LOGIN}, toml=toml)
    aliyun = settings.target("aliyun")
    assert (aliyun.registry, aliyun.namespace, aliyun.password) == (PERSONAL, "mirrors", SECRET)
    assert (aliyun.jobs, aliyun.naming) == (2, "nested")
    assert settings.targets["ghcr"].namespace == "team"


@pytest.mark.parametrize(
    ("toml", "message", "hint"),
    [
        pytest.param("[targets", "Expected ']' at the end", "[targets.NAME]", id="no TOML"),
        pytest.param("[target.x]", "unknown key 'target'", "'targets'", id="unknown table"),
        pytest.param("targets=1", "written as [targets.NAME]", "", id="no table"),
        pytest.param("notify={}", "webhooks as [[notify]]", "", id="no list"),
        pytest.param("[targets]\nx=1", "[targets.x]: this is not a table", "", id="no target"),
        pytest.param(
            "[targets.x]\nregistri='x'",
            "[targets.x]: unknown key 'registri'",
            "did you mean 'registry'?",
            id="unknown key",
        ),
        pytest.param(
            "[targets.x]\nzzz=1",
            "[targets.x]: unknown key 'zzz'",
            "the keys are registry, namespace",
            id="nothing near",
        ),
        pytest.param("[targets.x]\njobs=0", "[targets.x] jobs: jobs: '0'", "", id="jobs"),
        pytest.param("[targets.x]\njobs=1.5", "neither a text nor a number", "", id="a fraction"),
        pytest.param("[targets.x]\nregistry='x'", "'x' is not a host", "", id="registry"),
        pytest.param("[targets.x]\nregistry='%0a:1'", "is not a host", "port", id="odd letters"),
        pytest.param("[targets.x]\nregistry='a.b:x'", "is not a host", "port", id="odd port"),
        pytest.param("[targets.x]\nregistry='::1:5000'", "is not a host", "port", id="bare IPv6"),
        pytest.param("[targets.x]\nnamespace='X'", "not a namespace", "'x'", id="namespace"),
        pytest.param("[targets.x]\nprofile='swt'", "no profile 'swt'", "'swr'", id="profile"),
        pytest.param("[targets.x]\nnaming='x'", "not a way of naming", "flat", id="naming"),
        pytest.param("[targets.x]\ninsecure='x'", "neither true nor false", "", id="insecure"),
        pytest.param("[targets.none]", "can't be named 'none'", "SYNC_MODE", id="reserved"),
        pytest.param("[targets.double]", "can't be named 'double'", "SYNC_MODE", id="reserved too"),
        pytest.param("[targets.'a,b']", "'a,b' is no name", "letters", id="comma in a name"),
        pytest.param("[targets.'../x']", "'../x' is no name", "letters", id="path as a name"),
        pytest.param("[[notify]]\nurk='x'", "unknown key 'urk'", "'url'", id="notify's key"),
        pytest.param(
            "[[notify]]\nurl='https://x.y'\non='x'", "[[notify]] 1 on: on: 'x'", "always", id="on"
        ),
    ],
)
def test_a_bad_targets_file_says_what_to_write_instead(
    base: Path, toml: str, message: str, hint: str
) -> None:
    error = refused_toml(base, toml)
    assert "targets.toml" in error.message
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param('"${LAB_TOKEN}"', SECRET, id="a variable"),
        pytest.param('"$LAB_TOKEN"', "$LAB_TOKEN", id="no braces"),
        pytest.param('"x-${LAB_TOKEN}"', "x-${LAB_TOKEN}", id="part of a text"),
        pytest.param("12345", "12345", id="a number"),
        pytest.param("'''a\nb'''", "a\nb", id="several lines"),
    ],
)
def test_a_password_is_a_text_or_a_whole_variable(base: Path, written: str, value: str) -> None:
    toml = f"[targets.x]\nregistry='x.example'\nusername='me'\npassword={written}\n"
    assert load(base, toml=toml, environ={"LAB_TOKEN": SECRET}).targets["x"].password == value


def test_webhooks_come_from_both_files(base: Path) -> None:
    first = "[[notify]]\nurl='${HOOK}'\nsecret='x'\non='change'\nformat='lark'\n"
    toml = f"{first}[[notify]]\nurl='{HOOK}'\n"
    config = f"WEBHOOK_URL={HOOK}\nWEBHOOK_ON=failure\n"
    assert load(base, config, toml=toml, environ={"HOOK": f"{HOOK}/2"}).webhooks == (
        Webhook(HOOK, "", NotifyOn.FAILURE),
        Webhook(f"{HOOK}/2", "x", NotifyOn.CHANGE, "lark"),
        Webhook(HOOK),
    )


# Logins


def test_docker_hubs_login_is_a_sources(base: Path) -> None:
    environ = {"DOCKERHUB_USERNAME": "me", "DOCKERHUB_TOKEN": SECRET}
    assert load(base, environ=environ).logins == (Login("docker.io", "me", SECRET),)


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        pytest.param({"DOCKERHUB_USERNAME": "me"}, "DOCKERHUB_TOKEN", id="no token"),
        pytest.param({"DOCKERHUB_TOKEN": SECRET}, "DOCKERHUB_USERNAME", id="no name"),
    ],
)
def test_half_a_login_to_docker_hub_is_told(
    base: Path, environ: Mapping[str, str], missing: str
) -> None:
    error = refused(base, environ=environ)
    assert error.message == f"{missing} is not set, and a login to Docker Hub needs both"


@pytest.mark.parametrize(
    ("name", "environ", "message", "hint"),
    [
        pytest.param(
            "aliyun",
            {},
            "target 'aliyun': ALIYUN_REGISTRY and ALIYUN_NAMESPACE are not set",
            "set them in config.env or the environment",
            id="aliyun",
        ),
        pytest.param(
            "aliyun",
            {**ALIYUN, "ALIYUN_USERNAME": "me"},
            "target 'aliyun': ALIYUN_PASSWORD is not set",
            "config.env",
            id="no password",
        ),
        pytest.param(
            "aliyun",
            {**ALIYUN, "ALIYUN_PASSWORD": SECRET},
            "target 'aliyun': ALIYUN_USERNAME is not set",
            "config.env",
            id="no name",
        ),
        pytest.param(
            "ghcr",
            {"GITHUB_REPOSITORY_OWNER": "octocat", "GITHUB_ACTOR": "mona"},
            "target 'ghcr': GHCR_TOKEN is not set",
            "config.env",
            id="no token",
        ),
        pytest.param(
            "x", {}, "target 'x': registry and password are not set", "[targets.x]", id="a table's"
        ),
        pytest.param(
            "alyun", {}, "there is no target 'alyun'", "did you mean 'aliyun'?", id="typing error"
        ),
        pytest.param("zzz", {}, "there is no target 'zzz'", "targets.toml", id="nothing near"),
    ],
)
def test_a_target_that_lacks_something_says_what(
    base: Path, name: str, environ: Mapping[str, str], message: str, hint: str
) -> None:
    settings = load(base, environ=environ, toml="[targets.x]\nusername='me'\n")
    with pytest.raises(ConfigurationError) as caught:
        settings.target(name)
    assert caught.value.message == message
    assert hint in caught.value.hint
    assert name not in settings.usable_targets


def test_a_target_may_do_without_a_login(base: Path) -> None:
    assert load(base, environ=ALIYUN).target("aliyun").username == ""


@pytest.mark.parametrize(
    ("registry", "words"),
    [
        pytest.param(PERSONAL, "ALIYUN_USERNAME and ALIYUN_PASSWORD", id="aliyun"),
        pytest.param("ghcr.io", "GHCR_USERNAME and GHCR_TOKEN", id="ghcr"),
        pytest.param(
            "x.example", "username and password of [targets.x] in targets.toml", id="a table's"
        ),
        pytest.param("docker.io", "DOCKERHUB_USERNAME and DOCKERHUB_TOKEN", id="Docker Hub"),
        pytest.param(
            "quay.io", "your login to quay.io (skopeo login quay.io)", id="the user's own"
        ),
    ],
)
def test_a_login_is_called_what_the_user_calls_it(base: Path, registry: str, words: str) -> None:
    environ = {**ALIYUN, **LOGIN, "GHCR_NAMESPACE": "x", "GHCR_USERNAME": "me", "GHCR_TOKEN": "x"}
    settings = load(base, environ=environ, toml="[targets.x]\nregistry='x.example'\n")
    assert settings.login_of(registry) == words


RUNTIME = f"/run/containers/{os.getuid()}/auth.json"


@pytest.mark.parametrize(
    ("environ", "files"),
    [
        pytest.param({}, (RUNTIME,), id="nothing is known"),
        pytest.param(
            {"HOME": "/h"},
            (RUNTIME, "/h/.config/containers/auth.json", "/h/.docker/config.json"),
            id="home",
        ),
        pytest.param(
            {"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"},
            ("/r/containers/auth.json", "/c/containers/auth.json", "/d/config.json"),
            id="all of them",
        ),
        pytest.param(
            {"HOME": "/h", "REGISTRY_AUTH_FILE": "/a.json"}, ("/a.json",), id="the named one alone"
        ),
    ],
)
def test_the_users_own_logins_are_looked_for_where_skopeo_does(
    base: Path, environ: Mapping[str, str], files: tuple[str, ...]
) -> None:
    assert load(base, environ=environ).user_authfiles == tuple(map(Path, files))


# Insecure registries

INSECURE = """
[targets.plain]
registry = "plain.example"
insecure = true
[targets.own]
registry = "127.0.0.1:5001"
ca = "ca.pem"
[targets.both]
registry = "127.0.0.1:5002"
ca = "ca.pem"
insecure = true
"""


@pytest.mark.parametrize(
    ("registry", "is_insecure"),
    [
        pytest.param("named.example:5000", True, id="named"),
        pytest.param("named.example", False, id="another port"),
        pytest.param("plain.example", True, id="a target's word"),
        pytest.param("ghcr.io", False, id="any other"),
        pytest.param("127.0.0.1:5000", True, id="loopback"),
        pytest.param("127.0.0.1:5001", False, id="loopback with a CA of its own"),
        pytest.param("127.0.0.1:5002", True, id="a CA, and the target's word"),
    ],
)
def test_plain_http_is_for_those_who_are_named(
    base: Path, registry: str, is_insecure: bool
) -> None:
    settings = load(base, "INSECURE_REGISTRIES=named.example:5000", toml=INSECURE)
    assert settings.is_insecure(registry) is is_insecure


@pytest.mark.parametrize(
    ("registry", "is_here"),
    [
        pytest.param("localhost", True, id="localhost"),
        pytest.param("localhost:5000", True, id="with a port"),
        pytest.param("LOCALHOST:5000", True, id="in capitals"),
        pytest.param("127.0.0.1", True, id="IPv4"),
        pytest.param("127.9.9.9:5000", True, id="all of 127"),
        pytest.param("[::1]:5000", True, id="IPv6"),
        pytest.param("[::2]:5000", False, id="other IPv6"),
        pytest.param("[::1", False, id="half an address"),
        pytest.param("128.0.0.1", False, id="other IPv4"),
        pytest.param("10.0.0.1:5000", False, id="a private network"),
        pytest.param("localhost.example", False, id="a host that begins so"),
        pytest.param("127.0.0.1.example", False, id="a host that looks so"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_loopback_is_this_machine_alone(registry: str, is_here: bool) -> None:
    assert is_loopback(registry) is is_here


def test_a_variable_that_is_not_set_matters_only_to_the_target_it_is_for(base: Path) -> None:
    toml = "[targets.x]\nregistry='x.example'\nusername='me'\npassword='${LAB_TOKEN}'\n"
    settings = load(base, toml=toml)
    with pytest.raises(ConfigurationError, match="target 'x': password is not set"):
        settings.target("x")
    assert load(base, toml=toml, environ={"LAB_TOKEN": SECRET}).target("x").password == SECRET


@pytest.mark.parametrize(
    ("url", "smtp", "more", "message"),
    [
        pytest.param("a@b.c", "mail.b.c:99999", "", "is no server", id="no port"),
        pytest.param("a@b.c", "mail.b.c:٢٥", "", "is no server", id="a port in other digits"),
        pytest.param("a@b.c", "mail..b.c", "", "is no server", id="an empty label"),
        pytest.param("a@b.c", "mail b.c", "", "is no server", id="a space"),
        pytest.param("a@b.c", "", "", "mail needs a server", id="no server"),
        pytest.param("我@b.c", "mail.b.c", "", "it is no mail address", id="an address"),
        pytest.param("a@b.c", "mail.b.c", "from='我@b.c'", "mail needs a sender", id="a sender"),
        pytest.param(
            "a@b.c", "mail.b.c", "password='密码'", "characters other than ASCII", id="a password"
        ),
    ],
)
def test_mail_that_could_not_be_sent_is_said_before_the_run(
    base: Path, url: str, smtp: str, more: str, message: str
) -> None:
    sender = "" if more.startswith("from") else "from='x@b.c'\n"
    toml = f"[[notify]]\nurl='mailto:{url}'\nsmtp='{smtp}'\nusername='me'\n{sender}{more}"
    error = refused_toml(base, toml)
    assert message in f"{error.message} {error.hint}"
    assert "密码" not in f"{error.message} {error.hint}"


@pytest.mark.parametrize("smtp", ["smtp_relay:25", "localhost", "127.0.0.1:1025", "mail.b.c."])
def test_a_mail_server_may_be_named_as_docker_names_it(base: Path, smtp: str) -> None:
    toml = f"[[notify]]\nurl='mailto:a@b.c'\nsmtp='{smtp}'\nfrom='x@b.c'"
    (webhook,) = load(base, toml=toml).webhooks
    assert webhook.mail
    assert webhook.mail.host == smtp.partition(":")[0]


@pytest.mark.parametrize("toml", ["[[notify]]\nsecret='x'", "[[notify]]\nurl='${LAB_HOOK}'"])
def test_a_webhook_without_a_url_is_a_warning(base: Path, toml: str) -> None:
    settings = load(base, toml=toml)
    assert settings.webhooks == ()
    assert settings.warnings == ("targets.toml: a [[notify]] without a url tells nobody",)


@pytest.mark.parametrize(
    ("line", "chains"),
    [
        pytest.param("", True, id="as it comes"),
        pytest.param("FAN_OUT=source", False, id="each from the source"),
        pytest.param("POLICY=p.json", False, id="a policy judges sources alone"),
    ],
)
def test_whether_a_target_may_be_fed_from_another(base: Path, line: str, chains: bool) -> None:
    assert load(base, line).chains is chains


# Sources


def test_a_source_has_a_login_and_a_rate(base: Path) -> None:
    toml = (
        '[sources."quay.io"]\nusername="me"\npassword="${Q}"\nrequests_per_second=2.5\n'
        '[sources."docker.io"]\nrequests_per_second=10\n'
        "[targets.x]\nregistry='quay.io'\nrequests_per_second=2\n"
    )
    settings = load(base, environ={"Q": SECRET}, toml=toml)
    assert settings.logins == (Login("quay.io", "me", SECRET),)
    assert SECRET in settings.secrets
    assert SECRET not in repr(settings)
    assert settings.request_rates == {"quay.io": 2, "docker.io": 10}
    assert replace(settings, shares=4).request_rates == {"quay.io": 0.5, "docker.io": 2.5}


@pytest.mark.parametrize(
    ("written", "registry"),
    [
        pytest.param("Quay.io", "quay.io", id="capitals"),
        pytest.param("index.docker.io", "docker.io", id="another name of Docker Hub"),
    ],
)
def test_a_source_is_known_by_the_name_that_its_images_have(
    base: Path, written: str, registry: str
) -> None:
    toml = f'[sources."{written}"]\nusername="me"\npassword="x"\njobs=2\n'
    settings = load(base, toml=toml)
    assert settings.logins == (Login(registry, "me", "x"),)
    assert settings.sources[registry].jobs == 2


@pytest.mark.parametrize(
    ("written", "mirror"),
    [
        pytest.param("near.example.com", MirrorPlace("near.example.com"), id="a host"),
        pytest.param("Near.example.com:443/", MirrorPlace("near.example.com:443"), id="a port"),
        pytest.param("a.example.com/hub/x/", MirrorPlace("a.example.com", "hub/x"), id="a path"),
    ],
)
def test_a_source_may_have_a_mirror(base: Path, written: str, mirror: MirrorPlace) -> None:
    settings = load(base, toml=f'[sources."index.docker.io"]\nmirror="{written}"\n')
    assert settings.sources["docker.io"].mirror == mirror
    assert settings.logins == ()


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[sources."quay.io"]\nusername="me"', "its password is missing"),
        ('[sources."quay.io"]\npassword="x"', "its username is missing"),
        ('[sources."quay.io"]\nuser="x"', "unknown key 'user'"),
        ('[sources."quay.io"]\nrequests_per_second=0', "'0' is no number of requests"),
        ('[sources."quay.io"]\nrequests_per_second="fast"', "'fast' is no number of requests"),
        ('[sources."quay.io"]\njobs=0', "'0' is not a number from 1"),
        ('[sources."https://quay.io"]\nrequests_per_second=1', "https://quay.io"),
        ("sources=3", "sources as"),
        ('[sources]\n"quay.io"=3', "quay.io"),
        ('[sources."quay.io"]\nmirror="https://a.example.com/q/"', "write 'a.example.com/q'"),
        ('[sources."quay.io"]\nmirror="https://me:word@a.example.com"', "a host holds no login"),
        ('[sources."quay.io"]\nmirror="mirror"', "it has neither a dot nor a port"),
        ('[sources."quay.io"]\nmirror="a.example.com/Q"', "write 'q'"),
        ('[sources."quay.io"]\nmirror="/q"', "is no other registry than quay.io"),
        ('[sources."quay.io"]\nmirror="Quay.io/q"', "is no other registry than quay.io"),
        (
            '[sources."docker.io"]\nmirror="registry-1.docker.io"',
            "no other registry than docker.io",
        ),
    ],
)
def test_a_bad_source_says_what_to_write(base: Path, toml: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(base, toml=toml)
    assert message in f"{caught.value} {caught.value.hint}"
