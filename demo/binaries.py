"""Real busybox binaries for the demo's images, one for each architecture.

They come from the distribution's own signed packages, through an apt with private folders: the
system's configuration, package lists and caches stay as they are. Without apt or a network the
machine's own file takes their place, and says so.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PACKAGE = "busybox-static"
_DEBIAN_NAMES: Mapping[str, str] = {
    "linux/386": "i386",
    "linux/amd64": "amd64",
    "linux/arm/v5": "armel",
    "linux/arm/v7": "armhf",
    "linux/arm64": "arm64",
    "linux/ppc64le": "ppc64el",
    "linux/riscv64": "riscv64",
    "linux/s390x": "s390x",
}
_OWN_FILES = ("/bin/busybox", "/usr/bin/busybox", "/bin/true", "/usr/bin/true", "/etc/hostname")

_APT_SETTINGS = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
#clear Acquire::IndexTargets::deb-src;
APT::Architectures {{ {architectures} }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-large::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Log "{folder}/log";
"""


@dataclass(frozen=True, slots=True)
class Binary:
    """A program for a platform, and where it comes from in words."""

    platform: str
    content: bytes = field(repr=False)
    origin: str


def fetch_busybox(
    platforms: Iterable[str], cache: Path, *, timeout: float = 90.0
) -> tuple[Binary, ...]:
    """A busybox for each platform, out of the packages in `cache` where they are there.

    Never raises for want of a network; takes about `timeout` seconds at most.
    """
    wanted = tuple(platforms)
    cache.mkdir(parents=True, exist_ok=True)
    names = tuple(_DEBIAN_NAMES[one] for one in wanted if one in _DEBIAN_NAMES)
    missing = tuple(name for name in names if not _find_package(cache, name))
    if missing and _has_apt():
        _download(missing, cache, time.monotonic() + timeout)
    return tuple(_unpack(one, cache) or _take_own(one) for one in wanted)


def _has_apt() -> bool:
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def _find_package(cache: Path, name: str) -> Path | None:
    return max(cache.glob(f"{_PACKAGE}_*_{name}.deb"), default=None)


def _download(names: Iterable[str], cache: Path, deadline: float) -> None:
    """One update for all, but a download each: one that is missing stops no other."""
    with tempfile.TemporaryDirectory(prefix="apt-") as private:
        folder = Path(private)
        settings = _write_settings(folder, names)
        _run_apt(settings, deadline, "update")
        for name in names:
            if _run_apt(settings, deadline, "download", f"{_PACKAGE}:{name}"):
                for package in folder.glob(f"{_PACKAGE}_*_{name}.deb"):
                    shutil.move(package, cache / package.name)


def _write_settings(folder: Path, names: Iterable[str]) -> Path:
    for private in ("state/lists/partial", "cache/archives/partial", "log"):
        (folder / private).mkdir(parents=True)
    (folder / "status").touch()
    settings = folder / "apt.conf"
    architectures = "".join(f'"{name}";' for name in names)
    text = _APT_SETTINGS.format(architectures=architectures, folder=folder)
    settings.write_text(text, encoding="utf-8")
    return settings


def _run_apt(settings: Path, deadline: float, *words: str) -> bool:
    """Whether it worked, in what time is left."""
    left = deadline - time.monotonic()
    command = ("apt-get", "-qq", "-c", str(settings), *words)
    try:
        done = subprocess.run(
            command, cwd=settings.parent, capture_output=True, timeout=max(left, 0), check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _unpack(platform: str, cache: Path) -> Binary | None:
    package = _find_package(cache, _DEBIAN_NAMES.get(platform, ""))
    if package is None or not _has_apt():
        return None
    command = ("dpkg-deb", "--fsys-tarfile", str(package))
    unpacked = subprocess.run(command, capture_output=True, timeout=60, check=False).stdout
    content = _read_busybox(unpacked)
    return Binary(platform, content, unquote(package.stem)) if content else None


def _read_busybox(tar: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith("bin/busybox"):
                found = archive.extractfile(member)
                return found.read() if found else b""
    return b""


def _take_own(platform: str) -> Binary:
    own = next(Path(one) for one in _OWN_FILES if Path(one).is_file())
    return Binary(platform, own.read_bytes(), f"{own} of this machine")
