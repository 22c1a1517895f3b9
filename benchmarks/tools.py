"""The tools, and how each is told the same: these images, from here to there.

Each gets what its own documentation recommends for speed: sixteen at once where it does that by
itself, four processes at once where a shell has to (more gain nothing on two cores).
"""

from __future__ import annotations

import json
import os
import re
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
        is_secure: Whether registries speak TLS that the environment trusts; else it is plain HTTP.
        processes: How many a shell starts at once.
    """

    source: str
    targets: tuple[str, ...]
    samples: tuple[Sample, ...]
    platform: str
    choices: tuple[Choice, ...] = ()
    is_secure: bool = False
    processes: int = _PROCESSES

    @property
    def hosts(self) -> tuple[str, ...]:
        """All registries, the source first."""
        return (self.source, *self.targets)

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
    plain = () if job.is_secure else ("--tls-verify=false",)
    command = ("skopeo", *_overrides(job), "inspect", *plain)
    return _each(job, folder, references, 1, *command)


def skopeo_copy(job: Job, folder: Path) -> Command:
    """Copy each image, whatever is there."""
    references = [f"docker://{one}" for pair in job.pairs for one in pair]
    plain = () if job.is_secure else ("--src-tls-verify=false", "--dest-tls-verify=false")
    whole = () if job.architecture else ("--all",)
    return _each(job, folder, references, 2, "skopeo", *_overrides(job), "copy", *plain, *whole)


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
    start = ("xargs", "--arg-file", path, "--max-lines=1", f"--max-procs={job.processes}")
    return (*start, "crane", "digest", *_insecure(job))


def crane_copy(job: Job, folder: Path) -> Command:
    """Copy each image; crane looks for what is there by itself."""
    references = [one for pair in job.pairs for one in pair]
    platform = (f"--platform={job.platform}",) if job.architecture else ()
    return _each(job, folder, references, 2, "crane", "copy", *_insecure(job), *platform)


def regctl_copy(job: Job, folder: Path) -> Command:
    """Copy each image with regsync's sister program, which is one process an image."""
    references = [one for pair in job.pairs for one in pair]
    plain = () if job.is_secure else [f"--host=reg={host},tls=disabled" for host in job.hosts]
    platform = (f"--platform={job.platform}",) if job.architecture else ()
    return _each(job, folder, references, 2, "regctl", *plain, "image", "copy", *platform)


def regsync(job: Job, folder: Path) -> Command:
    """Run regsync once, with its limit of three requests a registry lifted."""
    platform = {"platform": job.platform} if job.architecture else {}
    tls = "enabled" if job.is_secure else "disabled"
    configuration = {
        "version": 1,
        "creds": [{"registry": host, "tls": tls, "reqConcurrent": _AT_ONCE} for host in job.hosts],
        "defaults": {"parallel": _AT_ONCE},
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
    logins = {host: {"username": "", "password": "", "insecure": True} for host in job.hosts}
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


def set_to(prepare: Prepare, *settings: str) -> Prepare:
    """The same command, with settings in its environment (`NAME=value`)."""
    return lambda job, folder: ("env", *settings, *prepare(job, folder))


def with_skopeo(prepare: Prepare, program: str) -> Prepare:
    """The same command, with this program in skopeo's place."""

    def prepared(job: Job, folder: Path) -> Command:
        script = f'#!/bin/sh\nexec "{shutil.which(program)}" "$@"\n'
        return (*put_before_skopeo(folder, script), *prepare(job, folder))

    return prepared


def put_before_skopeo(folder: Path, script: str) -> Command:
    """Have a script found where skopeo is looked for; it costs nothing unless it is started."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    path = programs / "skopeo"
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return ("env", f"PATH={programs}:{os.environ.get('PATH', os.defpath)}")


def other_skopeos() -> tuple[tuple[str, str], ...]:
    """Versions of skopeo, the newest last, and the programs `skopeo-VERSION` on PATH."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    names = {path.name for folder in folders if folder for path in Path(folder).glob("skopeo-*")}
    versions = [found[1] for name in names if (found := _OTHER_SKOPEO.fullmatch(name))]
    versions.sort(key=lambda version: tuple(map(int, version.split("."))))
    return tuple((version, f"skopeo-{version}") for version in versions)


_OTHER_SKOPEO = re.compile(r"skopeo-(\d+(?:\.\d+)+)")


def _overrides(job: Job) -> Command:
    if not job.architecture:
        return ()
    return ("--override-os=linux", f"--override-arch={job.architecture}")


def _insecure(job: Job) -> Command:
    return () if job.is_secure else ("--insecure",)


def _each(job: Job, folder: Path, words: list[str], at_a_time: int, *command: str) -> Command:
    """Run a command on each group of words, several processes at once."""
    path = _write(folder / "words", "\n".join(words) + "\n")
    limits = (f"--max-args={at_a_time}", f"--max-procs={job.processes}")
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
