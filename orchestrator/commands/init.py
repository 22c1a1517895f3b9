"""The `init` command: what a folder needs to mirror from, written into one that has none of it.

A checkout has these files; a wheel carries them as `orchestrator/template`. With `--workflows`
the program goes along, so that the folder, once it is a repository on GitHub, runs there as a
repository made from ours does: the workflows install what lies beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.commands.inputs import Invocation
from orchestrator.errors import ConfigurationError, ExitStatus, UsageError

_PACKAGE = Path(__file__).resolve().parents[1]
_OF_WORKFLOWS = (
    ".github/ISSUE_TEMPLATE/mirror-an-image.yml",
    ".github/actions",
    ".github/workflows",
    "bin",
    "LICENSE",
    "pyproject.toml",
)

_IMAGES = """\
# One image a line; `syncer batch` mirrors all of them. Three small ones to begin with:

alpine:3.20
busybox:stable
hello-world

# Another platform, all platforms, another registry, a name of your own:
#--platform=linux/arm64 traefik:v3.1
#--platform=all registry.k8s.io/pause:3.9
#quay.io/prometheus/node-exporter:v1.8.2
#bitnami/kubectl:latest --name=kubectl:latest
"""

_README = """\
# My mirror

<!-- badge -->
<!-- /badge -->

Docker Image Syncer mirrors the images of `images.txt` into the registry that `config.env` names:
once a day, on each change of the list, and by hand (*Actions > 01 Batch Sync*).

Under *Settings > Secrets and variables > Actions* set the variables `ALIYUN_REGISTRY` and
`ALIYUN_NAMESPACE` and the secrets `ALIYUN_USERNAME` and `ALIYUN_PASSWORD`; or write
`SYNC_MODE=ghcr` into `config.env` and set nothing.
"""


def run(invocation: Invocation) -> ExitStatus:
    """Write the files, and say which and what comes next; write none if one is there already.

    Raises:
        UsageError: One is there already.
        ConfigurationError: They can't be written.
    """
    folder = invocation.settings.base
    files = _files(with_workflows=invocation.arguments.workflows)
    if there := [name for name in files if (folder / name).exists()]:
        shown = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
        raise UsageError(
            f"{shown}: there already, so nothing was written",
            hint="start in an empty folder, or move that away",
        )
    try:
        for name, content in files.items():
            _write(folder / name, content)
    except OSError as error:
        raise ConfigurationError(f"{error.filename} can't be written: {error.strerror}") from None
    invocation.streams.out.write(_told(files, with_workflows=invocation.arguments.workflows))
    return ExitStatus.OK


def _files(*, with_workflows: bool) -> Mapping[str, bytes]:
    files = {"config.env": _template("config.env").read_bytes(), "images.txt": _IMAGES.encode()}
    if with_workflows:
        files["README.md"] = _README.encode()
        for name in _OF_WORKFLOWS:
            files.update(_below(_template(name), name))
        files.update(_below(_PACKAGE, "orchestrator"))
    return files


def _template(name: str) -> Path:
    packed = _PACKAGE / "template" / name
    return packed if packed.exists() else _PACKAGE.parent / name


def _below(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """The file, or all files below the folder, under their names in the new folder."""
    if path.is_file():
        yield name, path.read_bytes()
        return
    for child in sorted(path.iterdir()):
        if child.name not in ("__pycache__", "template", "lint-scripts", "lint-workflows"):
            yield from _below(child, f"{name}/{child.name}")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
    if content.startswith(b"#!"):
        path.chmod(0o755)


def _told(files: Mapping[str, bytes], *, with_workflows: bool) -> str:
    places: dict[str, int] = {}
    for name in files:
        top = name.partition("/")[0]
        places[f"{top}/" if "/" in name else top] = places.get(f"{top}/", 0) + 1
    lines = [f"wrote {place}{f' ({n} files)' if place[-1] == '/' else ''}" for place, n in
             places.items()]  # fmt: skip
    lines.append("next: set where images go in config.env, then run 'syncer doctor'")
    if with_workflows:
        lines.append("on GitHub: commit and push all of it; README.md says which secrets to set")
    return "".join(f"{line}\n" for line in lines)
