"""`make demo`: the real batch on throw-away registries, with no account and no internet.

It shows a first run that copies, a second one that finds everything in sync, an upstream that
changed, and failures that are explained; then everything is gone again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.binaries import Binary, fetch_busybox
from demo.images import Image, Layer, build_image, build_index, layer, push
from demo.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7")


@dataclass(frozen=True)
class Stage:
    """The demo's own folder, and the registries that it plays on."""

    folder: Path
    upstream: Registry
    near: Registry
    far: Registry

    def write(self, name: str, text: str) -> None:
        """Write one of the files that a user would edit, and show it."""
        (self.folder / name).write_text(text, encoding="utf-8")
        print(f"\n    {name}:")
        print("".join(f"    | {line}\n" for line in text.splitlines()), end="", flush=True)

    def run(self, *arguments: str) -> int:
        """Run the program as a user does, and show what it prints."""
        print(f"\n    $ syncer {' '.join(arguments)}", flush=True)
        command = [str(ROOT / "bin" / "syncer"), "-q", *arguments]
        status = subprocess.run(command, cwd=self.folder, check=False).returncode
        print(f"    exit status {status}", flush=True)
        return status


def main() -> int:
    """Play the whole demo; the status tells whether each act ended as it should."""
    binaries = fetch_busybox(PLATFORMS)
    print("Images are made of:")
    for binary in binaries:
        print(f"    {binary.platform:14} {binary.origin}")
    with (
        tempfile.TemporaryDirectory(prefix="syncer-demo-") as folder,
        Registry() as upstream,
        Registry() as near,
        Registry() as far,
    ):
        stage = Stage(Path(folder), upstream, near, far)
        statuses = _play(stage, {binary.platform: binary for binary in binaries})
    print("\nThe registries, the images and the folder are gone again.")
    return 0 if statuses == (0, 0, 0, 1) else 1


def _play(stage: Stage, binaries: Mapping[str, Binary]) -> tuple[int, ...]:
    _act("Two registries of our own, and a list of what to mirror into both")
    bases = {platform: _base(binary) for platform, binary in binaries.items()}
    _push_upstream(stage, bases, greeting="hello", created="2026-01-01T00:00:00Z")
    host = stage.upstream.host
    stage.write("config.env", _config(stage))
    stage.write("images.txt", _list(host))

    _act("The first run copies what is missing; a base that two images share travels once")
    first = stage.run("batch")
    _act("The second run finds everything in sync, and writes nothing")
    second = stage.run("batch")
    _act("Upstream changes: hello:1 is built anew, and only that is copied")
    _push_upstream(stage, bases, greeting="hello again", created="2026-02-01T00:00:00Z")
    third = stage.run("batch")
    _act("A list with mistakes: each one is named, and the good lines run all the same")
    with (stage.folder / "images.txt").open("a", encoding="utf-8") as images:
        images.write(_mistakes(host))
    print("".join(f"    | {line}\n" for line in _mistakes(host).splitlines()), end="")
    fourth = stage.run("batch")
    return first, second, third, fourth


def _act(title: str) -> None:
    width = min(shutil.get_terminal_size().columns, 100)
    print(f"\n{'=' * width}\n{title}\n{'=' * width}", flush=True)


def _base(binary: Binary) -> Layer:
    return layer({"bin/busybox": binary.content})


def _push_upstream(
    stage: Stage, bases: Mapping[str, Layer], *, greeting: str, created: str
) -> None:
    busybox = [_image(platform, base, "busybox") for platform, base in bases.items()]
    push(stage.upstream.url, "demo/busybox", "1.36", build_index(busybox))
    hello = [_image(platform, base, greeting, created) for platform, base in bases.items()]
    push(stage.upstream.url, "demo/hello", "1", build_index(hello))
    push(stage.upstream.url, "demo/arm-only", "1", hello[1])


def _image(platform: str, base: Layer, greeting: str, created: str | None = None) -> Image:
    command = ["/bin/busybox", "echo", greeting]
    files = {"etc/motd": greeting.encode()}
    return build_image(platform, files, layers=[base], cmd=command, created=created)


def _config(stage: Stage) -> str:
    return (
        "SYNC_MODE=double\n"
        f"ALIYUN_REGISTRY={stage.near.host}\n"
        "ALIYUN_NAMESPACE=mirror\n"
        f"GHCR_REGISTRY={stage.far.host}\n"
        "GHCR_NAMESPACE=mirror\n"
    )


def _list(host: str) -> str:
    return (
        f"{host}/demo/busybox:1.36\n"
        f"--platform=linux/arm64 {host}/demo/busybox:1.36\n"
        f"{host}/demo/hello:1              # its base is busybox's\n"
        f"--platform=all {host}/demo/hello:1 --name=hello:1\n"
    )


def _mistakes(host: str) -> str:
    return (
        f"{host}/demo/missing:1\n"
        f"{host}/demo/arm-only:1           # one image, for arm64, and amd64 is the default\n"
        f"--platform=linux/s390x {host}/demo/busybox:1.36\n"
        f"--platfrom=linux/arm64 {host}/demo/hello:1\n"
        f"{host}/demo/hello:1 --name=hello:1\n"
    )


if __name__ == "__main__":
    sys.exit(main())
