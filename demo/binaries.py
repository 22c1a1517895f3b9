"""Programs out of the distribution's own signed packages, with nothing installed.

A real busybox for the demo's images, one for each architecture, and the registry that demo, tests
and benchmarks run: to install docker-registry would leave an enabled service on port 5000 behind.
apt gets private folders and needs no root: the system's configuration, package lists and caches
stay as they are. Without apt or a network the machine's own file takes busybox's place, and says
so.

`python -m demo.binaries` fetches the registry where it is missing.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "demo"

_BUSYBOX = "busybox-static"
_REGISTRY = "docker-registry"
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

_UBUNTU_MAIN = frozenset({"amd64", "i386"})
"""What Ubuntu's archive has; all else it keeps at another place. Debian has all in one."""

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
    platforms: Iterable[str], cache: Path = CACHE, *, timeout: float = 90.0
) -> tuple[Binary, ...]:
    """A busybox for each platform, out of the packages in `cache` where they are there.

    Never raises for want of a network; takes about `timeout` seconds at most.
    """
    wanted = tuple(platforms)
    names = tuple(_DEBIAN_NAMES[one] for one in wanted if one in _DEBIAN_NAMES)
    _fetch(_BUSYBOX, names, cache, timeout)
    return tuple(_unpack_busybox(one, cache) or _take_own(one) for one in wanted)


def find_registry(cache: Path = CACHE) -> str | None:
    """The path of docker-registry: on PATH, or fetched before; None where it is neither."""
    if found := shutil.which(_REGISTRY):
        return found
    fetched = cache / _REGISTRY
    return str(fetched) if fetched.is_file() else None


def fetch_registry(cache: Path = CACHE, *, timeout: float = 90.0) -> str | None:
    """The same, fetched now where it has to be; None where it can't be had."""
    if found := find_registry(cache):
        return found
    native = _native_architecture()
    _fetch(_REGISTRY, (native,), cache, timeout)
    package = _find_package(cache, _REGISTRY, native)
    content = _unpack(package, f"bin/{_REGISTRY}")
    if not package or not content:
        return None
    unfinished = cache / f"{_REGISTRY}.{os.getpid()}"
    unfinished.write_bytes(content)
    unfinished.chmod(0o755)
    fetched = unfinished.replace(cache / _REGISTRY)
    package.unlink()
    return str(fetched)


def _has_apt() -> bool:
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def _native_architecture() -> str:
    if not _has_apt():
        return ""
    command = ("dpkg", "--print-architecture")
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _find_package(cache: Path, package: str, name: str) -> Path | None:
    return max(cache.glob(f"{package}_*_{name}.deb"), default=None)


def _fetch(package: str, names: Iterable[str], cache: Path, timeout: float) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    missing = tuple(name for name in names if not _find_package(cache, package, name))
    if missing and _has_apt():
        _download(package, missing, cache, time.monotonic() + timeout)


def _download(package: str, names: Iterable[str], cache: Path, deadline: float) -> None:
    """One update for all, but a download each: one that is missing stops no other."""
    group = _at_hand(names)
    with tempfile.TemporaryDirectory(prefix="apt-") as private:
        folder = Path(private)
        settings = _write_settings(folder, group)
        _run_apt(settings, deadline, "update")
        for name in group:
            if _run_apt(settings, deadline, "download", f"{package}:{name}"):
                for file in folder.glob(f"{package}_*_{name}.deb"):
                    shutil.move(file, cache / file.name)


def _at_hand(names: Iterable[str]) -> tuple[str, ...]:
    """The architectures that the system's own sources have: apt takes nothing where one lacks."""
    is_main = _native_architecture() in _UBUNTU_MAIN
    has_all = _os_release().get("ID") != "ubuntu"
    return tuple(one for one in names if has_all or (one in _UBUNTU_MAIN) == is_main)


def _write_settings(folder: Path, names: Iterable[str]) -> Path:
    for private in ("state/lists/partial", "cache/archives/partial", "log"):
        (folder / private).mkdir(parents=True)
    (folder / "status").touch()
    settings = folder / "apt.conf"
    architectures = "".join(f'"{name}";' for name in names)
    text = _APT_SETTINGS.format(architectures=architectures, folder=folder)
    settings.write_text(text, encoding="utf-8")
    return settings


def _os_release() -> Mapping[str, str]:
    file = Path("/etc/os-release")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pairs = (line.partition("=") for line in lines)
    return {name: value.strip('"') for name, _, value in pairs}


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


def _unpack_busybox(platform: str, cache: Path) -> Binary | None:
    package = _find_package(cache, _BUSYBOX, _DEBIAN_NAMES.get(platform, ""))
    content = _unpack(package, "bin/busybox")
    return Binary(platform, content, unquote(package.stem)) if package and content else None


def _unpack(package: Path | None, path: str) -> bytes:
    """The file of the package whose path ends like this; empty where there is none."""
    if package is None or not _has_apt():
        return b""
    command = ("dpkg-deb", "--fsys-tarfile", str(package))
    unpacked = subprocess.run(command, capture_output=True, timeout=60, check=False).stdout
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(path):
                found = archive.extractfile(member)
                return found.read() if found else b""
    return b""


def _take_own(platform: str) -> Binary:
    own = next(Path(one) for one in _OWN_FILES if Path(one).is_file())
    origin = f"{own} of this machine, since no busybox could be had for it"
    return Binary(platform, own.read_bytes(), origin)


def main() -> int:
    """Fetch the registry, or say what to do."""
    if fetch_registry():
        return 0
    print("docker-registry could not be fetched from this system's packages", file=sys.stderr)
    print(
        "  -> put docker-registry (the program `registry` of CNCF Distribution) on PATH, or run it"
        " on Debian or Ubuntu, with a network",
        file=sys.stderr,
    )
    return 3


if __name__ == "__main__":
    sys.exit(main())
