"""This program as the benchmarks start it, and the bare copies that are the floor under it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.samples import PLATFORM, SOURCE_NAMESPACE, TARGET_NAMESPACE
from benchmarks.tools import Tool, other_skopeos, put_before_skopeo, set_to, with_skopeo

if TYPE_CHECKING:
    from benchmarks.tools import Command, Job

ROOT = Path(__file__).resolve().parent.parent
SYNCER = (sys.executable, "-m", "orchestrator")
STARTS = "skopeo-starts"
"""The file that a counted skopeo adds a line to, each time it is started."""

_COPIES_AT_ONCE = 16
_COUNTING = '#!/bin/sh\necho "$@" >>"{starts}"\nexec "{skopeo}" "$@"\n'


def check_warm(job: Job, folder: Path) -> Command:
    """Check all, with what earlier runs have learned."""
    return (*_counting(folder), *_batch(job, folder))


def check_tags(job: Job, folder: Path) -> Command:
    """Check all, but for the images that an index names, as the peers do."""
    return (*_counting(folder), "VERIFY=tag", *_batch(job, folder))


def check_cold(job: Job, folder: Path) -> Command:
    """Check all, and know nothing."""
    shutil.rmtree(folder / ".syncer", ignore_errors=True)
    return check_warm(job, folder)


def copy_default(job: Job, folder: Path) -> Command:
    """Copy what is missing, as it comes out of the box."""
    shutil.rmtree(folder / ".syncer", ignore_errors=True)
    return _batch(job, folder)


def copy_known(job: Job, folder: Path) -> Command:
    """Copy what is missing, with what earlier runs have learned of the registries."""
    return _batch(job, folder)


def copy_many(job: Job, folder: Path) -> Command:
    """Copy what is missing, as many at once as the peers are allowed to."""
    return (*copy_default(job, folder), f"--jobs={_COPIES_AT_ONCE}")


def copy_bare(job: Job, folder: Path) -> Command:
    """The same copies in the same order, as many at once, and nothing around them.

    The first image that has the shared base goes ahead of the others that have it.
    """
    shared = [place for place, one in enumerate(job.samples) if one.has_shared_base]
    lines = []
    for place, sample in enumerate(job.samples):
        after = shared[0] if place in shared[1:] else -1
        repository = sample.name.partition(":")[0]
        source = f"{job.source}/{SOURCE_NAMESPACE}/{repository}@{sample.digest}"
        destination = f"{job.targets[0]}/{TARGET_NAMESPACE}/{sample.name}"
        command = (*_COPY, f"docker://{source}", f"docker://{destination}")
        lines.append("\t".join((str(after), *command)))
    (folder / "copies").write_text("\n".join(lines) + "\n", encoding="utf-8")
    script = str(Path(__file__).with_name("bare.py"))
    return (sys.executable, "-I", "-S", script, str(_COPIES_AT_ONCE), str(folder / "copies"))


_COPY = (
    "skopeo",
    "--override-os=linux",
    f"--override-arch={PLATFORM.split('/')[1]}",
    "--debug",
    "copy",
    "--preserve-digests",
    "--src-tls-verify=false",
    "--dest-tls-verify=false",
)


def write_files(job: Job, folder: Path) -> None:
    """Write the three files that a user would."""
    targets = [f"target-{number}" for number, _ in enumerate(job.targets)]
    tables = [
        f'[targets.{name}]\nregistry = "{host}"\nnamespace = "{TARGET_NAMESPACE}"\n'
        for name, host in zip(targets, job.targets, strict=True)
    ]
    lines = [
        f"{job.source}/{SOURCE_NAMESPACE}/{one.name} --name={one.name}\n" for one in job.samples
    ]
    if job.choices:
        lines = [
            f"{job.source}/{SOURCE_NAMESPACE}/{one.repository} --tags-regex={one.regex} "
            f"--name={one.repository}:{{tag}}\n"
            for one in job.choices
        ]
    mode = f"SYNC_MODE={','.join(targets)}\nDEFAULT_PLATFORM={job.platform}\n"
    (folder / "config.env").write_text(mode, encoding="utf-8")
    (folder / "targets.toml").write_text("\n".join(tables), encoding="utf-8")
    (folder / "images.txt").write_text("".join(lines), encoding="utf-8")


def _batch(job: Job, folder: Path) -> Command:
    write_files(job, folder)
    return (*SYNCER, "batch", "--quiet", "--no-notify", f"--file={folder / 'images.txt'}")


def _counting(folder: Path) -> Command:
    """Put a skopeo that counts its starts before the real one."""
    starts = folder / STARTS
    starts.write_text("", encoding="utf-8")
    skopeo = shutil.which("skopeo") or "skopeo"
    return put_before_skopeo(folder, _COUNTING.format(starts=starts, skopeo=skopeo))


WARM = Tool("syncer", "skopeo", check_warm)
TAGS = Tool("syncer, VERIFY=tag", "skopeo", check_tags)
COLD = Tool("syncer, no state", "skopeo", check_cold)
COPYING = Tool("syncer, JOBS=auto", "skopeo", copy_default)
COPYING_MANY = Tool("syncer, 16 at once", "skopeo", copy_many)
RELAY_OFF = Tool("syncer, RELAY=off", "skopeo", set_to(copy_default, "RELAY=off"))
OTHER_SKOPEOS = tuple(
    Tool(f"syncer, skopeo {version}", program, with_skopeo(copy_default, program))
    for version, program in other_skopeos()
)
NEWEST_SKOPEO = OTHER_SKOPEOS[-1:]
"""None, where only one skopeo is on PATH."""
BARE = Tool("the same copies, bare", "skopeo", copy_bare)
OURS = (WARM, TAGS, COLD, COPYING, COPYING_MANY, RELAY_OFF, *OTHER_SKOPEOS)
