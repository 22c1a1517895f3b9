"""A repository on GitHub as a user has it: made from this template, with secrets and a list."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from demo.images import build_image, noise_layer, push
from demo.registry import Login, Registry, RegistryOptions
from tests.support.job_runs import WorkflowRun
from tests.support.runner import Event, Runner
from tests.support.step_process import Stop
from tests.support.warm import WARM
from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.workflows import Node

OWNER = "octocat"
TOKEN = "the-workflows-own-token"
ALIYUN = Login("me@example.com", "aliyun:pa$$word")
GHCR = Login(OWNER, TOKEN)


@dataclass(frozen=True)
class Network:
    """The registries: where images come from, and the two that they go to, with their logins."""

    upstream: Registry = field(default_factory=Registry)
    aliyun: Registry = field(default_factory=lambda: Registry(RegistryOptions(login=ALIYUN)))
    ghcr: Registry = field(default_factory=lambda: Registry(RegistryOptions(login=GHCR)))


@dataclass(frozen=True)
class Repository:
    """A repository made from the template, and the runner that works for it.

    Attributes:
        folder: The checkout, and what belongs to it.
        namespace: Below it stand all of this repository's images, in each registry.
        environ: What a step sees besides.
    """

    folder: Path
    network: Network
    namespace: str
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def checkout(self) -> Path:
        """The work tree."""
        return self.folder / "mirror"

    @property
    def temporary(self) -> Path:
        """The runner's own folder."""
        return self.folder / "temp"

    @property
    def server(self) -> str:
        """What plays github.com: a folder of bare repositories."""
        return f"file://{self.folder}/server"

    @property
    def remote(self) -> Path:
        """The bare repository that the badge is pushed to."""
        return self.folder / "server" / OWNER / "mirror"

    def git(self, *arguments: str) -> str:
        """Ask git about the remote."""
        return git(self.remote, *arguments)

    @property
    def secrets(self) -> dict[str, Node]:
        """What the user enters under Settings."""
        return {
            "ALIYUN_REGISTRY": self.network.aliyun.host,
            "ALIYUN_NAMESPACE": self.namespace,
            "ALIYUN_USERNAME": ALIYUN.user,
            "ALIYUN_PASSWORD": ALIYUN.password,
        }

    def publish(self, called: str = "app:1", *, seed: int = 0) -> str:
        """Push an image upstream; returns what a user calls it."""
        name, _, tag = called.partition(":")
        noise = noise_layer(1000, seed=crc32(f"{self.namespace}/{name}".encode()) + seed)
        image = build_image("linux/amd64", layers=[noise])
        push(self.network.upstream.url, f"{self.namespace}/{name}", tag, image)
        return f"{self.network.upstream.host}/{self.namespace}/{called}"

    def write(self, name: str, *lines: str) -> None:
        """Write a file of the checkout."""
        text = "".join(f"{line}\n" for line in lines)
        (self.checkout / name).write_text(text, encoding="utf-8")

    def configure(self, **settings: str) -> None:
        """Write config.env; GHCR is where the stand-in is."""
        default = {"SYNC_MODE": "aliyun", "GHCR_REGISTRY": self.network.ghcr.host}
        default["GHCR_NAMESPACE"] = self.namespace
        self.write(
            "config.env", *(f"{key}={value}" for key, value in {**default, **settings}.items())
        )

    @property
    def runner_environ(self) -> dict[str, str]:
        """What a step sees besides what GitHub gives it; nothing has to be installed."""
        return {
            # `python3` itself, and no script that looks for it at each start.
            "PATH": f"{sys.base_prefix}/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "SYNCER_PYTHON": WARM.python(),
            "BADGE_PAUSE": "0",
            **self.environ,
        }

    def run(self, workflow: str, event: Event, *, stop: Stop | None = None) -> WorkflowRun:
        """Let GitHub run a workflow."""
        real = {"SYNCER_PYTHON": sys.executable} if stop else {}
        runner = Runner(
            self.checkout,
            self.temporary,
            {**self.runner_environ, **real},
            repository=f"{OWNER}/mirror",
            server=self.server,
        )
        return runner.run(workflow, event, stop=stop)

    def dispatch(self, workflow: str, inputs: Mapping[str, Node]) -> WorkflowRun:
        """Run a workflow by hand, its form filled in."""
        event = Event("workflow_dispatch", inputs, self.secrets, token=TOKEN)
        return self.run(workflow, event)

    def mirrored(self, name: str, tag: str = "1", *, at: str = "aliyun") -> str | None:
        """The digest that a target has for an image of ours; None where it has none."""
        registry = {"aliyun": self.network.aliyun, "ghcr": self.network.ghcr}[at]
        host = self.network.upstream.host.replace(".", "-").replace(":", "-")
        return registry.digest(f"{self.namespace}/{host}_{self.namespace}_{name}", tag)


def use_template(checkout: Path) -> None:
    """Use this template: the tracked files; a link stands for the program, which no run changes."""
    for name in _template_files():
        copy = checkout / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy)
    (checkout / "orchestrator").symlink_to(ROOT / "orchestrator")


def use_init(checkout: Path) -> None:
    """Begin with `syncer init --workflows`, in an empty folder."""
    checkout.mkdir()
    command = [sys.executable, "-m", "orchestrator", "init", "--workflows"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=checkout, env=environ, check=True, capture_output=True)


def make_repository(
    folder: Path, network: Network, namespace: str, *, fill: Callable[[Path], None] = use_template
) -> Repository:
    """A repository of ours, filled by one way or the other, with an empty list."""
    repository = Repository(folder, network, namespace)
    fill(repository.checkout)
    repository.configure()
    repository.write("images.txt")
    _make_remote(repository)
    return repository


README = "# mirror\n\n<!-- badge -->\n<!-- /badge -->\n\nMine.\n"


def _make_remote(repository: Repository) -> None:
    """A branch `main` with a README that has room for the badge, and nothing else."""
    for name, content in _first_remote().items():
        file = repository.remote / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@cache
def _first_remote() -> Mapping[str, bytes]:
    """The files of the remote as it is at first."""
    with tempfile.TemporaryDirectory() as folder:
        remote, work = Path(folder, "remote"), Path(folder, "work")
        remote.mkdir()
        git(remote, "init", "--quiet", "--bare", "--initial-branch=main")
        git(Path(folder), "clone", "--quiet", str(remote), str(work))
        (work / "README.md").write_text(README, encoding="utf-8")
        git(work, "add", "README.md")
        git(work, "commit", "--quiet", "--message=First")
        git(work, "push", "--quiet", "origin", "HEAD:main")
        files = (path for path in remote.rglob("*") if path.is_file())
        return {str(path.relative_to(remote)): path.read_bytes() for path in files}


def git(folder: Path, *arguments: str) -> str:
    """Run git as a user of its own; returns what it says."""
    command = ["git", "-c", "user.name=me", "-c", "user.email=me@example.com", *arguments]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout


@cache
def _template_files() -> tuple[str, ...]:
    """What git has, and what will be added to it: but no state and no environment."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    wanted = ("bin/", ".github/", "config.env", "images.txt")
    return tuple(
        name for name in listed.split("\0") if name.startswith(wanted) and (ROOT / name).is_file()
    )
