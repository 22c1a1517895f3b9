"""The tools, and how each is told the same: these images, from here to there.

Each gets what its own documentation recommends for speed: sixteen at once where it does that by
itself, four processes at once where a shell has to (more gain nothing on two cores).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.samples import ALL, SOURCE_NAMESPACE, TARGET_NAMESPACE

if TYPE_CHECKING:
    from benchmarks.samples import Choice, Sample

_AT_ONCE = 16
_PROCESSES = 4


@dataclass(frozen=True, slots=True)
class Job:
    """What every tool is given to do.

    Attributes:
        source: Address and port of the source.
        targets: The same of the targets.
        samples: The images.
        platform: One platform, or all.
        choices: Lines that choose the images, where they are not named.
    """

    source: str
    targets: tuple[str, ...]
    samples: tuple[Sample, ...]
    platform: str
    choices: tuple[Choice, ...] = ()

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Sources and destinations, one target after the other."""
        return tuple(
            (f"{self.source}/{SOURCE_NAMESPACE}/{one.name}", f"{at}/{TARGET_NAMESPACE}/{one.name}")
            for at in self.targets
            for one in self.samples
        )

    @property
    def architecture(self) -> str:
        """The architecture that is wanted; empty where all are."""
        return "" if self.platform == ALL else self.platform.split("/")[1]


Command = tuple[str, ...]
Prepare = Callable[[Job, Path], Command]


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool: its name in tables, the program that has to be there, and its command.

    `prepare` writes what the tool reads into a folder, which is not timed, and says how to
    start it.
    """

    name: str
    program: str
    prepare: Prepare

    @property
    def is_here(self) -> bool:
        """Whether the program is on PATH."""
        return shutil.which(self.program) is not None


def skopeo_inspect(job: Job, folder: Path) -> Command:
    """Ask both sides for the whole answer, as a script that compares `created` does."""
    references = [f"docker://{one}" for pair in job.pairs for one in pair]
    command = ("skopeo", *_overrides(job), "inspect", "--tls-verify=false")
    return _each(folder, references, 1, *command)


def skopeo_copy(job: Job, folder: Path) -> Command:
    """Copy each image, whatever is there."""
    references = [f"docker://{one}" for pair in job.pairs for one in pair]
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    whole = () if job.architecture else ("--all",)
    return _each(folder, references, 2, "skopeo", *_overrides(job), "copy", *plain, *whole)


def skopeo_sync(job: Job, folder: Path) -> Command:
    """What skopeo has for mirroring; with several targets one after the other."""
    images = {}
    for sample in job.samples:
        repository, tag = sample.name.split(":")
        images[f"{SOURCE_NAMESPACE}/{repository}"] = [tag]
    sources = {job.source: {"images": images, "tls-verify": False}}
    path = _write(folder / "sync.yml", json.dumps(sources, indent=1))
    targets = [f"{target}/{TARGET_NAMESPACE}" for target in job.targets]
    whole = () if job.architecture else ("--all",)
    command = ("sync", "--src=yaml", "--dest=docker", "--dest-tls-verify=false", *whole, path)
    _write(folder / "targets", "\n".join(targets) + "\n")
    start = ("xargs", "--arg-file", str(folder / "targets"), "--max-args=1", "--max-procs=1")
    return (*start, "skopeo", *_overrides(job), *command)


def crane_digest(job: Job, folder: Path) -> Command:
    """Ask both sides for the digest, as a script that compares them does."""
    platform = f"--platform={job.platform} " if job.architecture else ""
    lines = [line for source, target in job.pairs for line in (f"{platform}{source}", f"{target}")]
    path = _write(folder / "references", "\n".join(lines) + "\n")
    start = ("xargs", "--arg-file", path, "--max-lines=1", f"--max-procs={_PROCESSES}")
    return (*start, "crane", "digest", "--insecure")


def crane_copy(job: Job, folder: Path) -> Command:
    """Copy each image; crane looks for what is there by itself."""
    references = [one for pair in job.pairs for one in pair]
    platform = (f"--platform={job.platform}",) if job.architecture else ()
    return _each(folder, references, 2, "crane", "copy", "--insecure", *platform)


def regsync(job: Job, folder: Path) -> Command:
    """Run regsync once, with its limit of three requests a registry lifted."""
    platform = {"platform": job.platform} if job.architecture else {}
    hosts = (job.source, *job.targets)
    configuration = {
        "version": 1,
        "creds": [
            {"registry": host, "tls": "disabled", "reqConcurrent": _AT_ONCE} for host in hosts
        ],
        "defaults": {"parallel": _AT_ONCE, "skipDockerConfig": True},
        "sync": [*_choosing(job, platform)]
        or [
            {"source": source, "target": target, "type": "image", **platform}
            for source, target in job.pairs
        ],
    }
    path = _write(folder / "regsync.yml", json.dumps(configuration, indent=1))
    return ("regsync", "once", "--verbosity=error", f"--config={path}")


def _choosing(job: Job, platform: dict[str, str]) -> Iterator[dict[str, object]]:
    """The entries of regsync that choose the same tags."""
    for one in job.choices:
        yield {
            "source": f"{job.source}/{SOURCE_NAMESPACE}/{one.repository}",
            "target": f"{job.targets[0]}/{TARGET_NAMESPACE}/{one.repository}",
            "type": "repository",
            "tags": {"allow": [one.regex]},
            **platform,
        }


def image_syncer(job: Job, folder: Path) -> Command:
    """image-syncer, without retries, so that what fails is seen to fail."""
    hosts = (job.source, *job.targets)
    logins = {host: {"username": "", "password": "", "insecure": True} for host in hosts}
    images: dict[str, list[str]] = {}
    for source, target in job.pairs:
        images.setdefault(source, []).append(target)
    command = (
        "image-syncer",
        f"--auth={_write(folder / 'auth.json', json.dumps(logins))}",
        f"--images={_write(folder / 'images.json', json.dumps(images))}",
        f"--proc={_AT_ONCE}",
        "--retries=0",
    )
    one = ("--os=linux", f"--arch={job.architecture}") if job.architecture else ()
    return (*command, *one)


def _overrides(job: Job) -> Command:
    if not job.architecture:
        return ()
    return ("--override-os=linux", f"--override-arch={job.architecture}")


def _each(folder: Path, words: list[str], at_a_time: int, *command: str) -> Command:
    """Run a command on each group of words, several processes at once."""
    path = _write(folder / "words", "\n".join(words) + "\n")
    limits = (f"--max-args={at_a_time}", f"--max-procs={_PROCESSES}")
    return ("xargs", "--arg-file", path, *limits, *command)


def _write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


_DIGESTS = f"crane digest, {_PROCESSES} at once"
_COPIES = f"crane copy, {_PROCESSES} at once"

REGSYNC = Tool(f"regsync, {_AT_ONCE} at once", "regsync", regsync)
SKOPEO_INSPECT = Tool(f"skopeo inspect, {_PROCESSES} at once", "skopeo", skopeo_inspect)
SKOPEO_SYNC = Tool("skopeo sync", "skopeo", skopeo_sync)
IMAGE_SYNCER = Tool(f"image-syncer, {_AT_ONCE} at once", "image-syncer", image_syncer)

CHECKING_PEERS = (
    REGSYNC,
    Tool(_DIGESTS, "crane", crane_digest),
    SKOPEO_INSPECT,
    SKOPEO_SYNC,
    IMAGE_SYNCER,
)
COPYING_PEERS = (
    REGSYNC,
    Tool(_COPIES, "crane", crane_copy),
    Tool(f"skopeo copy, {_PROCESSES} at once", "skopeo", skopeo_copy),
    SKOPEO_SYNC,
    IMAGE_SYNCER,
)
