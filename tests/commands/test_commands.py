"""The command line, as users and scripts meet it: commands, options, exit statuses, streams."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.faults import Call, Response, Rule
from demo.images import build_image, build_index
from demo.proxy import FaultProxy
from orchestrator.config.authfile import ready_targets
from orchestrator.config.load import load_settings
from orchestrator.errors import ConfigurationError
from tests.support.runs import Gate, path_without_skopeo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.runs import Outcome, Running, Site

AMD64 = build_image("linux/amd64")
ARM64 = build_image("linux/arm64")
INDEX = build_index([AMD64, ARM64])
NOWHERE = "127.0.0.1:1/redis:7"
NO_CHANGES: dict[str, str] = {}
ON_ACTIONS = {"GITHUB_ACTIONS": "true", "ALIYUN_USERNAME": "me", "ALIYUN_PASSWORD": "pass"}


@pytest.fixture
def double(site: Site) -> Site:
    """The site with both built-in targets, and one image upstream."""
    site.configure(
        SYNC_MODE="double",
        GHCR_REGISTRY=site.mirror.host,
        GHCR_NAMESPACE=f"{site.namespace}/ghcr",
    )
    site.publish(INDEX)
    return site


def targets_of(outcome: Outcome) -> list[str]:
    assert outcome.status == 0, f"{outcome.stdout}{outcome.stderr}"
    return [item["target"] for item in outcome.report["items"]]


@pytest.mark.parametrize(
    ("arguments", "environ", "targets"),
    [
        pytest.param(("aliyun",), NO_CHANGES, ["aliyun"], id="aliyun"),
        pytest.param(("ghcr",), NO_CHANGES, ["ghcr"], id="ghcr"),
        pytest.param(("double",), NO_CHANGES, ["aliyun", "ghcr"], id="double"),
        pytest.param(("double",), ON_ACTIONS, ["ghcr", "aliyun"], id="double on Actions"),
        pytest.param(("copy", "--to=ghcr"), NO_CHANGES, ["ghcr"], id="copy"),
        pytest.param(("copy", "--to=ghcr,aliyun"), NO_CHANGES, ["ghcr", "aliyun"], id="copy twice"),
    ],
)
def test_one_image_goes_where_the_command_says(
    double: Site, arguments: tuple[str, ...], environ: dict[str, str], targets: list[str]
) -> None:
    outcome = double.run(*arguments, double.source(), environ=environ)
    assert targets_of(outcome) == targets
    assert {item["action"] for item in outcome.report["items"]} == {"copied"}
    assert {item["line"] for item in outcome.report["items"]} == {None}


@pytest.mark.parametrize(
    ("arguments", "environ", "targets"),
    [
        pytest.param((), NO_CHANGES, ["aliyun", "ghcr"], id="config.env"),
        pytest.param((), {"SYNC_MODE": "ghcr"}, ["ghcr"], id="the environment is stronger"),
        pytest.param(("--to=aliyun",), {"SYNC_MODE": "ghcr"}, ["aliyun"], id="a flag is strongest"),
    ],
)
def test_batch_goes_to_the_targets_that_the_strongest_setting_names(
    double: Site, arguments: tuple[str, ...], environ: dict[str, str], targets: list[str]
) -> None:
    double.list_images(double.source())
    assert targets_of(double.run("batch", *arguments, environ=environ)) == targets


def test_one_image_may_have_a_name_and_a_platform(double: Site) -> None:
    options = ("--name=mine:2", "--platform=linux/arm64")
    outcome = double.run("aliyun", double.source(), *options)
    assert targets_of(outcome) == ["aliyun"]
    assert double.mirror.digest(f"{double.namespace}/mine", "2") == ARM64.digest


def test_the_list_may_stand_elsewhere_with_its_settings_beside_it(double: Site) -> None:
    elsewhere = double.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "list.txt").write_text(double.source(), encoding="utf-8")
    (double.folder / "config.env").rename(elsewhere / "config.env")
    outcome = double.run("batch", "--file=elsewhere/list.txt")
    assert targets_of(outcome) == ["aliyun", "ghcr"]
    assert (elsewhere / ".syncer").is_dir()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--config=other.env", "batch"), id="before the command"),
        pytest.param(("batch", "--config=other.env"), id="after it"),
        pytest.param(("--config=nowhere.env", "batch", "--config=other.env"), id="the later holds"),
    ],
)
def test_global_options_stand_before_the_command_or_after_it(
    double: Site, arguments: tuple[str, ...]
) -> None:
    double.list_images(double.source())
    text = (double.folder / "config.env").read_text(encoding="utf-8")
    (double.folder / "other.env").write_text(f"{text}SYNC_MODE=ghcr\n", encoding="utf-8")
    assert targets_of(double.run(*arguments)) == ["ghcr"]


def test_plan_takes_images_too_and_writes_nothing(double: Site) -> None:
    double.publish(AMD64, "other:1")
    outcome = double.run("plan", double.source(), double.source("other:1"), "--to=aliyun")
    assert outcome.status == 0
    assert outcome.verdicts() == (("would-copy", "missing"),) * 2
    assert not double.writes()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        pytest.param(("redis",), "ns/redis:latest", id="official"),
        pytest.param(("bitnami/redis:7",), "ns/bitnami_redis:7", id="a user's"),
        pytest.param(("quay.io/a/b:v1",), "ns/quay-io_a_b:v1", id="another registry's"),
        pytest.param(("mysql:8", "--platform=linux/arm64"), "ns/linux_arm64_mysql:8", id="arm64"),
        pytest.param(("mysql:8", "--name=db:1"), "ns/db:1", id="the user's own"),
        pytest.param(("--", "mysql:8"), "ns/mysql:8", id="after two dashes"),
    ],
)
def test_name_prints_the_destination_without_network_or_skopeo(
    site: Site, arguments: tuple[str, ...], name: str
) -> None:
    site.configure(ALIYUN_REGISTRY="registry.example.com", ALIYUN_NAMESPACE="ns")
    nothing = {"PATH": path_without_skopeo(site.folder / "bin")}
    outcome = site.run("name", *arguments, environ=nothing)
    assert (outcome.status, outcome.stdout) == (0, f"registry.example.com/{name}\n")
    assert not site.state.exists()


@pytest.mark.parametrize(
    "arguments", [(), ("--help",), ("batch", "--help"), ("doctor", "--help")], ids=" ".join
)
def test_help_goes_to_stdout_and_fits_80_columns(site: Site, arguments: tuple[str, ...]) -> None:
    outcome = site.run(*arguments, environ={"COLUMNS": "200"})
    assert outcome.status == 0
    assert "usage: syncer" in outcome.stdout
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    assert not outcome.stderr


def test_help_shows_the_commands_in_groups(site: Site) -> None:
    text = site.run("--help").stdout
    places = [
        text.index(word) for word in ("\nmirror:", "  copy", "\nlook:", "\nset up:", "  doctor")
    ]
    assert places == sorted(places)


def test_sync_mode_none_does_nothing_and_says_so(site: Site) -> None:
    site.configure(SYNC_MODE="none")
    outcome = site.run("batch", environ={"PATH": path_without_skopeo(site.folder / "bin")})
    assert outcome.status == 0
    assert "SYNC_MODE is none" in outcome.stderr
    assert not site.state.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("-v",), "COMMAND", id="no command"),
        pytest.param(
            ("bach",),
            "error: 'bach' is no command; did you mean 'batch'?\n",
            id="a slip in a command",
        ),
        pytest.param(
            ("zzz",), "'zzz' is no command; 'syncer --help' lists them", id="an unknown command"
        ),
        pytest.param(
            ("--jobs", "3", "plan"),
            "'--jobs' comes after the command",
            id="an option and its value before the command",
        ),
        pytest.param(
            ("--force", "plan"),
            "'--force' comes after the command",
            id="an option before the command",
        ),
        pytest.param(
            ("--jbos", "3", "plan"),
            "unknown option '--jbos'; did you mean '--jobs'?",
            id="a slip in an option before the command",
        ),
        pytest.param(("batch", "--frobnicate"), "--frobnicate", id="an unknown option"),
        pytest.param(
            ("batch", "--fiel", "x"), "; did you mean '--file'?", id="a slip in an option"
        ),
        pytest.param(("batch", "--fiel=x"), "usage: syncer batch", id="the command's own usage"),
        pytest.param(
            ("batch", "nginx"), "(syncer aliyun IMAGE mirrors one)", id="an image to batch"
        ),
        pytest.param(
            ("copy", "a", "b", "--to=x"), "'b' is one word too many", id="two images to copy"
        ),
        pytest.param(("batch", "--stri"), "--stri", id="an option cut short"),
        pytest.param(("aliyun",), "IMAGE", id="no image"),
        pytest.param(("aliyun", "a", "b"), "b", id="two images"),
        pytest.param(("copy", NOWHERE), "--to", id="no target"),
        pytest.param(("copy", NOWHERE, "--to=nowhere"), "'nowhere'", id="an unknown target"),
        pytest.param(("copy", NOWHERE, "--to="), "--to", id="an empty target"),
        pytest.param(("aliyun", "Redis:7"), "names are in lower case", id="a bad image"),
        pytest.param(("aliyun", ""), "empty", id="an empty image"),
        pytest.param(("aliyun", "--", "--all"), "'--all' is not an image", id="an option as image"),
        pytest.param(("aliyun", NOWHERE, "--platform=amd46"), "amd46", id="a bad platform"),
        pytest.param(("aliyun", NOWHERE, "--name=A B"), "A B", id="a bad name"),
        pytest.param(("plan", "a", "b", "--name=c"), "--name goes with one", id="a name for two"),
        pytest.param(("batch", "--jobs=0"), "JOBS: '0' is not a number", id="no jobs"),
        pytest.param(("batch", "--output=xml"), "invalid choice: 'xml'", id="a strange output"),
        pytest.param(("batch", "--file=nowhere.txt"), "nowhere.txt can't be read", id="no list"),
        pytest.param(("batch", "--config=nowhere"), "nowhere can't be read", id="no settings"),
        pytest.param(("batch",), "images.txt can't be read", id="no images.txt"),
    ],
)
def test_what_can_not_be_carried_out_is_said_and_ends_with_2(
    site: Site, arguments: tuple[str, ...], words: str
) -> None:
    outcome = site.run(*arguments)
    assert outcome.status == 2, outcome.stdout
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not outcome.stdout


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"JOBS": "many"}, "config.env:4: JOBS: 'many' is not a number", id="JOBS"),
        pytest.param({"SYNC_MODE": "aliyum"}, "did you mean 'aliyun'?", id="SYNC_MODE"),
        pytest.param({"ALIYUN_NAMESPACE": ""}, "ALIYUN_NAMESPACE is not set", id="no namespace"),
        pytest.param({"ALIYUN_REGISTRY": "https://x.cn"}, "write 'x.cn'", id="a URL"),
        pytest.param({"DEFAULT_PLATFORM": "arm46"}, "DEFAULT_PLATFORM", id="a platform"),
        pytest.param({"CREATED_CHECK": "verfy"}, "did you mean 'verify'?", id="CREATED_CHECK"),
        pytest.param({"STATE_DIR": "images.txt/state"}, "set STATE_DIR to a", id="STATE_DIR"),
        pytest.param({"STATE_DIR": "/proc/state"}, "/proc/state can't be used", id="read only"),
    ],
)
def test_a_bad_setting_is_named_and_ends_with_2(
    site: Site, settings: dict[str, str], words: str
) -> None:
    site.configure(**settings)
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.status == 2, outcome.stdout
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_where_no_file_is_there_yet_the_hint_leads_to_one_that_works(site: Site) -> None:
    (site.folder / "config.env").unlink()
    assert "'syncer init' writes one here" in site.run("batch").stderr
    assert site.run("init").status == 0
    assert "#NAMING=packed\n" in (site.folder / "config.env").read_text(encoding="utf-8")
    bare = site.run("batch")
    assert "ALIYUN_REGISTRY, ALIYUN_NAMESPACE, ALIYUN_USERNAME and ALIYUN_PASSWORD" in bare.stderr
    assert "set them in config.env or the environment" in bare.stderr
    (site.folder / "images.txt").unlink()
    assert "write one image a line into it" in site.run("batch").stderr


def test_settings_that_are_missing_are_named_all_together(site: Site) -> None:
    registry = "registry.cn-hangzhou.aliyuncs.com"
    site.configure(SYNC_MODE="double", ALIYUN_REGISTRY=registry, ALIYUN_NAMESPACE="")
    site.list_images(site.source())
    outcome = site.run("batch")
    assert outcome.status == 2
    assert (
        "target 'aliyun': ALIYUN_NAMESPACE, ALIYUN_USERNAME and ALIYUN_PASSWORD are not set; "
        "target 'ghcr': GHCR_NAMESPACE, GHCR_USERNAME and GHCR_TOKEN are not set"
    ) in outcome.stderr
    assert not site.state.exists()


@pytest.mark.parametrize(
    ("registry", "missing"),
    [
        pytest.param("registry.cn-hangzhou.aliyuncs.com", "ALIYUN_USERNAME", id="nobody"),
        pytest.param("registry.example.com", "", id="elsewhere strangers may push"),
    ],
)
def test_a_login_of_the_users_own_will_do(site: Site, registry: str, missing: str) -> None:
    site.configure(ALIYUN_REGISTRY=registry, ALIYUN_NAMESPACE="ns")
    settings = load_settings({"REGISTRY_AUTH_FILE": str(site.folder / "auth")}, base=site.folder)
    with pytest.raises(ConfigurationError, match=missing) if missing else nullcontext():
        ready_targets(settings, ("aliyun",))
    login = {"auths": {registry: {"auth": "bWU6c2VjcmV0"}}}
    (site.folder / "auth").write_text(json.dumps(login), encoding="utf-8")
    assert ready_targets(settings, ("aliyun",))["aliyun"].registry == registry


def test_an_empty_list_is_a_warning(site: Site) -> None:
    site.list_images("# nothing yet")
    outcome = site.run("batch")
    assert outcome.status == 0
    assert "warning: images.txt names no image" in outcome.stderr
    assert outcome.report["warnings"] == ["images.txt names no image"]


@pytest.mark.parametrize("command", ["name", "plan", "history", "doctor", "batch"])
def test_whatever_prints_prints_json_and_markdown_too(double: Site, command: str) -> None:
    double.list_images(double.source())
    double.run("batch")
    printed = json.loads(double.run(command, "--output=json").stdout)
    assert printed["schema"] == 1
    assert next(value for value in printed.values() if isinstance(value, list))
    assert "|" in double.run(command, "--output=markdown").stdout or command == "batch"


def test_an_unknown_key_ends_with_2_and_a_hint_that_works(double: Site) -> None:
    double.list_images(double.source())
    config = double.folder / "config.env"
    with config.open("a", encoding="utf-8") as file:
        file.write("RETRYS=2\n")
    outcome = double.run("batch")
    assert outcome.status == 2
    assert "unknown key 'RETRYS'; did you mean 'RETRIES'?" in outcome.stderr
    config.write_text(config.read_text("utf-8").replace("RETRYS", "RETRIES"), encoding="utf-8")
    assert double.run("batch").status == 0


def test_without_skopeo_it_ends_with_3_and_a_hint(site: Site) -> None:
    site.list_images(site.source())
    outcome = site.run("batch", environ={"PATH": path_without_skopeo(site.folder / "bin")})
    assert outcome.status == 3
    assert "skopeo is not installed, or not on PATH" in outcome.stderr
    assert "install" in outcome.stderr.partition("->")[2]
    assert not tuple(site.state.glob("private-*"))


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("skopeo version 1.2.3", "skopeo 1.2.3 is too old: 1.4 is the oldest that will do"),
        ("skopeo version 1.3.9", "skopeo 1.3.9 is too old"),
        ("I am a skunk", "bin/skopeo does not say which version of skopeo it is"),
    ],
)
def test_a_skopeo_that_is_too_old_ends_with_3_and_a_hint(
    site: Site, version: str, words: str
) -> None:
    folder = path_without_skopeo(site.folder / "bin")
    stand_in = Path(folder) / "skopeo"
    stand_in.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
    stand_in.chmod(0o755)
    site.publish(build_image())
    site.list_images(site.source())
    outcome = site.run("batch", environ={"PATH": folder})
    assert outcome.status == 3
    assert words in outcome.stderr
    assert "install skopeo 1.9.3 or newer" in outcome.stderr


def test_a_second_run_ends_with_4_and_says_who_holds_the_lock(double: Site) -> None:
    double.list_images(double.source())
    holder = '{"run": "20260101T000000Z-abcdef", "process": 1234, "host": "elsewhere"}'
    with held_lock(double, holder):
        refused = double.run("batch")
        plan = double.run("plan")
        elsewhere = double.run("batch", environ={"STATE_DIR": "other"})
    assert refused.status == 4
    assert "run 20260101T000000Z-abcdef (process 1234 on elsewhere)" in refused.stderr
    assert "STATE_DIR" in refused.stderr
    assert not refused.stdout
    assert (plan.status, elsewhere.status) == (0, 0)
    assert double.run("batch").status == 0, "a lock that nobody holds is stale"


@contextmanager
def held_lock(site: Site, holder: str) -> Iterator[None]:
    """The lock as another run holds it; what it wrote stays behind, as after a crash."""
    site.state.mkdir()
    with (site.state / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(holder)
        lock.flush()
        yield


def test_two_runs_at_once_exclude_each_other(double: Site) -> None:
    with at_gate(double, "/blobs/") as (first, gate):
        second = double.run("batch")
        gate.open()
        assert first.finish().status == 0
    assert second.status == 4
    assert f"(process {first.process_id} on " in second.stderr


@contextmanager
def at_gate(site: Site, path: str, *, has_heads: bool = True) -> Iterator[tuple[Running, Gate]]:
    """A run that waits for the upstream registry's answer to a request of this path."""
    gate = Gate()
    with FaultProxy(site.upstream.url) as proxy:
        if not has_heads:
            proxy.add(Rule(Response(405), method="HEAD", path="/manifests/"))
        proxy.add(Rule(Call(gate), method="GET", path=path))
        site.list_images(site.source(host=proxy.host), site.source(host=proxy.host) + " --name=b")
        try:
            with site.running("batch", "--jobs=1") as run:
                gate.wait()
                yield run, gate
        finally:
            gate.open()


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name
)
@pytest.mark.parametrize("at", ["looking by HTTP", "looking by skopeo", "copying"])
def test_an_interrupted_run_reports_and_leaves_nothing(
    site: Site, number: signal.Signals, at: str
) -> None:
    layer = publish_own(site)
    path = layer if at == "copying" else "/manifests/1"
    with at_gate(site, path, has_heads=at != "looking by skopeo") as (run, _):
        children = children_of(run.process_id)
        assert bool(children) is (at != "looking by HTTP")
        run.send(number)
        outcome = run.finish(within=20)  # the registry is silent for longer
    assert outcome.status == 130
    assert outcome.verdicts()[-1] == ("deferred", "interrupted")
    assert "interrupted: 0 copied" in outcome.stdout
    assert "2 deferred" in outcome.stdout
    assert "Traceback" not in outcome.stderr
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not tuple(site.state.glob("private-*"))
    again = site.sync(site.source())
    assert again.item["action"] == "copied"


def publish_own(site: Site) -> str:
    """Publish an image whose layer the mirror can't know; the path of that layer."""
    image = build_image("linux/amd64", {"own": site.namespace.encode()})
    site.publish(image)
    return f"/blobs/{image.layers[-1].digest}"


def children_of(process: int) -> list[str]:
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text(encoding="ascii").split()]


def test_after_a_kill_the_next_run_goes_on(site: Site) -> None:
    with at_gate(site, publish_own(site)) as (run, _):
        run.send(signal.SIGKILL)
        assert run.finish().status == -signal.SIGKILL
    assert len(tuple(site.state.glob("private-*"))) == 1
    assert site.sync(site.source()).item["action"] == "copied"
    assert not tuple(site.state.glob("private-*")), (
        "the next run clears away what a killed one left"
    )


def test_json_on_stdout_is_the_report(double: Site) -> None:
    double.list_images(double.source(), "Bad:line")
    outcome = double.run("batch", "--output=json")
    assert json.loads(outcome.stdout) == outcome.report
    assert outcome.status == 1


def test_markdown_on_stdout_has_the_table_and_what_went_wrong(double: Site) -> None:
    double.list_images(double.source(), "Bad|line")
    outcome = double.run("batch", "--output=markdown")
    assert outcome.stdout.startswith("### Docker Image Syncer: ")
    assert "| image " in outcome.stdout
    assert r"Bad\|line" in outcome.stdout


def test_the_table_says_what_happened_to_each_image(double: Site) -> None:
    double.list_images(double.source())
    outcome = double.run("batch", "--output=table")
    first, _, *rows = outcome.stdout.splitlines()
    headers = "image platform target outcome why size time address to pull"
    assert first.split() == headers.split()
    assert rows[0].split()[:5] == [double.source(), "linux/amd64", "aliyun", "copied", "missing"]
    assert rows[0].split()[-1] == outcome.report["items"][0]["pull"]
    assert rows[-1].startswith("2 copied, 0 in sync, 0 failed; ")


def test_what_is_in_sync_is_listed_for_those_who_ask(double: Site) -> None:
    double.list_images(double.source())
    double.run("batch")
    again = double.run("batch")
    assert double.source() not in again.stdout + again.stderr
    assert again.stdout.startswith("0 copied, 2 in sync, 0 failed; ")
    assert double.run("batch", "--all").stdout.count(double.source()) == 2


def test_a_report_is_written_whole_into_a_new_folder(double: Site) -> None:
    double.list_images(double.source())
    outcome = double.run("plan", "--report=new/folder/report.json")
    assert outcome.status == 0
    folder = double.folder / "new" / "folder"
    assert [path.name for path in folder.iterdir()] == ["report.json"]
    assert json.loads((folder / "report.json").read_text(encoding="utf-8"))["schema"] == 1


def test_a_report_that_can_not_be_written_is_named(double: Site) -> None:
    double.list_images(double.source())
    outcome = double.run("plan", "--report=images.txt/report.json")
    assert outcome.status == 0, "the run went well"
    assert "images.txt/report.json can't be written" in outcome.stderr
    assert "would be copied" in outcome.stdout, "what was done is told all the same"


def test_a_reader_that_goes_away_does_not_cost_the_report(double: Site) -> None:
    double.list_images(double.source())
    command = f"{sys.executable} -m orchestrator batch --report=whole.json | true"
    environ = {"PATH": os.environ["PATH"], "HOME": str(double.home)}
    done = subprocess.run(
        ["sh", "-c", command], cwd=double.folder, env=environ, capture_output=True, check=False
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    whole = json.loads((double.folder / "whole.json").read_text(encoding="utf-8"))
    assert whole["totals"]["items"] == 2


def test_stdout_has_results_and_stderr_the_log(double: Site) -> None:
    double.list_images(double.source())
    outcome = double.run("batch")
    assert "[1/2]" in outcome.stderr
    assert "[1/2]" not in outcome.stdout
    assert "\x1b" not in outcome.stdout + outcome.stderr
    quiet = double.run("-q", "batch")
    assert not quiet.stderr
    assert "2 in sync" in quiet.stdout


def test_colour_comes_where_it_is_asked_for(double: Site) -> None:
    double.list_images(double.source(), double.source())
    coloured = double.run("batch", "--color=always")
    assert "\x1b[33m" in coloured.stderr
    assert "\x1b[32m" in coloured.stdout
    assert "\x1b" not in double.run("batch", "--color=always", "--output=json").stdout


def test_starting_up_imports_neither_requests_nor_tabulate(site: Site) -> None:
    command = (sys.executable, "-X", "importtime", "-m", "orchestrator", "--version")
    done = subprocess.run(command, cwd=site.folder, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("syncer ")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "orchestrator.cli" in imported
    assert not imported & {"requests", "tabulate", "sh", "tqdm", "sqlite3", "orchestrator.sync.run"}


def test_starting_up_takes_less_than_150_milliseconds_of_the_processor(site: Site) -> None:
    assert min(seconds_to_start(site.folder) for _ in range(5)) < 0.15


def seconds_to_start(folder: Path) -> float:
    command = (sys.executable, "-m", "orchestrator", "--version")
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
