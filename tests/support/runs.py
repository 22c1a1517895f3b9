"""The program as a user runs it: a folder with a list and settings, a command, what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from demo.images import noise_layer, push
from tests.support.schema import faults_of
from tests.support.warm import WARM
from tests.support.warm_client import needs_real_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.images import Image, Index, Layer
    from demo.registry import Registry, Request

TIMEOUT = 120
WRITES = frozenset({"PUT", "POST", "PATCH", "DELETE"})
_REPORTING = frozenset({"batch", "merge", "aliyun", "ghcr", "double", "copy", "plan"})


class ErrorDocument(TypedDict):
    """Why an item failed, as the report has it."""

    kind: str
    message: str
    hint: str


class ItemDocument(TypedDict):
    """One item, as the report has it."""

    line: int | None
    source: str
    platform: str
    delivered: str | None
    target: str
    destination: str
    pull: str | None
    action: str
    reason: str
    note: str | None
    told: bool
    source_digest: str | None
    expected_digest: str | None
    destination_digest_before: str | None
    destination_digest: str | None
    created: str | None
    platforms: list[str] | None
    size: int | None
    changed: str | None
    visibility: str | None
    bytes: int
    seconds: float
    attempts: int
    error: ErrorDocument | None


class ProblemDocument(TypedDict):
    """A bad line, as the report has it."""

    file: str
    line: int | None
    column: int | None
    text: str
    message: str


class CountDocument(TypedDict):
    """What a plan comes to for one target, as the report has it."""

    target: str
    repositories: int
    most_repositories: int | None
    tags: int
    copies: int
    layers: int
    largest_layer: int
    bytes: int
    pulls: int
    unread: int
    seconds: float | None
    no_forecast: str


class _PlanDocument(TypedDict, total=False):
    targets: list[CountDocument]


class ReportDocument(_PlanDocument):
    """The whole report, as programs read it."""

    schema: int
    run_id: str
    mode: str
    totals: dict[str, int]
    items: list[ItemDocument]
    invalid: list[ProblemDocument]
    warnings: list[str]


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        written: The report, where it wrote one.
    """

    status: int
    stdout: str
    stderr: str
    written: ReportDocument | None = None

    @property
    def report(self) -> ReportDocument:
        """The report of a run that must have written one."""
        assert self.written is not None, self.stderr
        return self.written

    @property
    def item(self) -> ItemDocument:
        """The report's only item."""
        (item,) = self.report["items"]
        return item

    @property
    def error(self) -> ErrorDocument:
        """Why the only item failed."""
        error = self.item["error"]
        assert error is not None, self.stdout
        return error

    @property
    def verdict(self) -> tuple[str, str]:
        """The only item's action and its reason."""
        return self.item["action"], self.item["reason"]

    def verdicts(self) -> tuple[tuple[str, str], ...]:
        """Each item's action and its reason, in the list's order."""
        return tuple((one["action"], one["reason"]) for one in self.report["items"])


class Running:
    """A run in progress, to be sent signals."""

    def __init__(self, process: subprocess.Popen[str], report: Path) -> None:
        self._process = process
        self._report = report

    @property
    def process_id(self) -> int:
        """The program's own."""
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send the program, and only it, a signal."""
        self._process.send_signal(number)

    def finish(self, *, within: float = TIMEOUT) -> Outcome:
        """Wait for the end of it; it is a failure if that takes more than so many seconds."""
        stdout, stderr = self._process.communicate(timeout=within)
        return Outcome(self._process.returncode, stdout, stderr, _read(self._report))


class Gate:
    """A place in a network where requests wait: for `demo.faults.Call`.

    A test waits until somebody has come there, does what it likes, and lets all pass.
    """

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def __call__(self) -> None:
        self._reached.set()
        self._opened.wait(TIMEOUT)

    def wait(self) -> None:
        """Until a request is at the gate."""
        assert self._reached.wait(TIMEOUT), "nobody came to the gate"

    def open(self) -> None:
        """From now on, all pass."""
        self._opened.set()


@dataclass(frozen=True)
class Site:
    """A user's folder, the registry their images come from, and the one they go to.

    Attributes:
        namespace: Below it stands all that is this test's, in both registries.
        environ: What the program sees besides PATH, HOME and TMPDIR.
    """

    folder: Path
    upstream: Registry
    mirror: Registry
    namespace: str
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The user's home."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return self.folder / "tmp"

    @property
    def state(self) -> Path:
        """The state directory, where no setting says otherwise."""
        return self.folder / ".syncer"

    def publish(self, content: Image | Index, image: str = "app:1") -> str:
        """Push an image upstream; returns its digest."""
        repository, _, tag = image.partition(":")
        return push(self.upstream.url, f"{self.namespace}/{repository}", tag or None, content)

    def noise(self, size: int = 1000) -> Layer:
        """A layer that no other test has: else skopeo mounts it from there, and nothing travels."""
        return noise_layer(size, seed=zlib.crc32(self.namespace.encode()))

    def source(self, image: str = "app:1", *, host: str = "") -> str:
        """What a user calls an image; `host` is another way to the same registry."""
        return f"{host or self.upstream.host}/{self.namespace}/{image}"

    def mirrored_name(self, image: str = "app", *, prefix: str = "", host: str = "") -> str:
        """The repository in the mirror that the flat naming gives an image."""
        component = (host or self.upstream.host).replace(".", "-").replace(":", "-")
        return f"{self.namespace}/{prefix}{component}_{self.namespace}_{image}"

    def mirrored(self, image: str = "app:1", *, prefix: str = "", host: str = "") -> str | None:
        """The digest that the mirror has for an image; None where it has none."""
        repository, _, tag = image.partition(":")
        return self.mirror.digest(self.mirrored_name(repository, prefix=prefix, host=host), tag)

    def place(self, content: Image | Index, image: str = "app:1", *, host: str = "") -> str:
        """Put something under an image's tag in the mirror, behind the program's back."""
        repository, _, tag = image.partition(":")
        return push(self.mirror.url, self.mirrored_name(repository, host=host), tag, content)

    def convert(self, *options: str, image: str = "app:1") -> None:
        """Copy an image to where it belongs by skopeo alone, in another form."""
        repository, _, tag = image.partition(":")
        destination = f"{self.mirror.host}/{self.mirrored_name(repository)}:{tag}"
        plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
        names = (f"docker://{self.source(image)}", f"docker://{destination}")
        platform = ("--override-os=linux", "--override-arch=amd64")
        command = ("skopeo", *platform, "copy", *plain, *options, *names)
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)

    def configure(self, **settings: object) -> None:
        """Write config.env: the mirror as `aliyun`, and these on top."""
        defaults = {
            "SYNC_MODE": "aliyun",
            "ALIYUN_REGISTRY": self.mirror.host,
            "ALIYUN_NAMESPACE": self.namespace,
        }
        lines = (f"{name}={value}\n" for name, value in {**defaults, **settings}.items())
        (self.folder / "config.env").write_text("".join(lines), encoding="utf-8")

    def list_images(self, *lines: str) -> None:
        """Write images.txt."""
        text = "".join(f"{line}\n" for line in lines)
        (self.folder / "images.txt").write_text(text, encoding="utf-8")

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Outcome:
        """Run the program to its end."""
        given = self._environ(environ or {})
        if needs_real_start(list(given)):
            with self.running(*arguments, environ=environ) as run:
                return run.finish()
        report, words = self._reporting(arguments)
        status, out, err = WARM.run(words, self.folder, given, timeout=TIMEOUT)
        return Outcome(status, out.decode(), err.decode(), _read(report))

    @contextmanager
    def running(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> Iterator[Running]:
        """Start the program; what is left of it at the end is killed."""
        report, words = self._reporting(arguments)
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.folder,
            env=self._environ(environ or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        with process:
            try:
                yield Running(process, report)
            finally:
                process.kill()

    def writes(self, *, since: int = 0) -> tuple[Request, ...]:
        """What was written to the mirror below this test's namespace, after so many requests."""
        return tuple(one for one in self.asked(self.mirror)[since:] if one.method in WRITES)

    def asked(self, registry: Registry) -> tuple[Request, ...]:
        """What was asked of a registry about this test's images."""
        return tuple(one for one in registry.requests() if f"/{self.namespace}/" in one.path)

    def sync(self, *lines: str) -> Outcome:
        """Mirror these lines, which must succeed."""
        self.list_images(*lines)
        outcome = self.run("batch")
        assert outcome.status == 0, f"{outcome.stdout}\n{outcome.stderr}"
        return outcome

    def _reporting(self, arguments: tuple[str, ...]) -> tuple[Path, list[str]]:
        """Where the report will be, and the arguments that ask for one."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        has_own = any(one.startswith("--report") for one in arguments)
        asked = [f"--report={report}"] if _REPORTING & set(arguments) and not has_own else []
        return report, _with_report(arguments, asked)

    def _environ(self, given: Mapping[str, str]) -> dict[str, str]:
        minimal = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
        }
        return {**minimal, **self.environ, **given}


def make_site(folder: Path, upstream: Registry, mirror: Registry, namespace: str) -> Site:
    """A site with its folders and its config.env."""
    site = Site(folder, upstream, mirror, namespace)
    site.home.mkdir()
    site.temporary.mkdir()
    site.configure()
    return site


def path_without_skopeo(folder: Path) -> str:
    """A PATH that has all of the usual programs but skopeo."""
    folder.mkdir()
    for name in ("env", "sh", "cat"):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return str(folder)


def _with_report(arguments: tuple[str, ...], asked: list[str]) -> list[str]:
    """Before a `--`, after which nothing is an option."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return [*arguments[:place], *asked, *arguments[place:]]


def _read(report: Path) -> ReportDocument | None:
    if not report.exists():
        return None
    text = report.read_text(encoding="utf-8")
    assert not faults_of(text), "each report of each test is as the schema says"
    document: ReportDocument = json.loads(text)
    return document
