"""The list for other programs: podman's registries.conf, k3s' registries.yaml, a script.

containers-registries.conf(5), "prefix" and "[[registry.mirror]]"; k3s docs, "Private Registry
Configuration", "Rewrites". containerd's own hosts.toml can't rename an image.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping

from orchestrator.plan.items import Item

_SAME_TAG = "the tag differs there, which this can't say: see 'syncer export retag'"
_TWICE = "its repository stands above for another copy"
_NOT_CHOSEN = "no run from here has mirrored a tag that it chooses"
_HEAD = (
    "# Made by 'syncer export {kind}' for target {target}; make it anew when the list changes.\n"
)


def _by_repository(items: Iterable[Item]) -> tuple[dict[str, Item], list[tuple[Item, str]]]:
    """One item for each repository that keeps its tags, and why the others are left out."""
    chosen: dict[str, Item] = {}
    left: list[tuple[Item, str]] = []
    for item in items:
        if item.source.tag and item.source.tag != item.destination.tag:
            left.append((item, _SAME_TAG))
            continue
        first = chosen.setdefault(item.source.name, item)
        if first.destination.name != item.destination.name:
            left.append((item, _TWICE))
    return chosen, left


def _left_out(left: Iterable[tuple[Item, str]]) -> str:
    return "".join(f"# left out: {item.source.familiar}: {why}\n" for item, why in left)


def registries_conf(items: tuple[Item, ...]) -> str:
    """A file for `/etc/containers/registries.conf.d/`: the mirror first, then the source."""
    chosen, left = _by_repository(items)
    blocks = [
        f"\n[[registry]]\nprefix = {json.dumps(name)}\nlocation = {json.dumps(name)}\n"
        f"[[registry.mirror]]\nlocation = {json.dumps(item.destination.name)}\n"
        + ("insecure = true\n" if item.target.is_insecure else "")
        for name, item in chosen.items()
    ]
    return "".join((*blocks, "\n" if left else "", _left_out(left)))


def k3s(items: tuple[Item, ...]) -> str:
    """A `/etc/rancher/k3s/registries.yaml`: each repository is asked for under its new name."""
    chosen, left = _by_repository(items)
    registries: dict[str, list[Item]] = {}
    for item in chosen.values():
        registries.setdefault(item.source.registry, []).append(item)
    blocks = [
        f"  {json.dumps(registry)}:\n    endpoint:\n    - {json.dumps(_endpoint(of_one[0]))}\n"
        "    rewrite:\n"
        + "".join(
            f"      {json.dumps(f'^{re.escape(item.source.repository)}$')}: "
            f"{json.dumps(item.destination.repository)}\n"
            for item in of_one
        )
        for registry, of_one in registries.items()
    ]
    body = "mirrors:\n" + "".join(blocks) if blocks else "mirrors: {}\n"
    return body + _left_out(left)


def _endpoint(item: Item) -> str:
    return f"http{'' if item.target.is_insecure else 's'}://{item.destination.registry}"


_SCRIPT = """\
# Pulls each image from the mirror and gives it its own name:
#   sh retag.sh [docker|podman|nerdctl|ctr]
set -u
tool=${1:-docker}
status=0
case $tool in
    docker | podman | nerdctl | ctr) ;;
    *) echo "use docker, podman, nerdctl or ctr" >&2; exit 2 ;;
esac
get() {
    if [ "$tool" = ctr ]; then
        ctr -n k8s.io images pull "$1" &&
            { [ -z "$2" ] || ctr -n k8s.io images tag --force "$1" "$2"; }
    else
        "$tool" pull "$1" && { [ -z "$2" ] || "$tool" tag "$1" "$2"; }
    fi || { echo "$1: not pulled" >&2; status=1; }
}
"""


def retag(items: tuple[Item, ...]) -> str:
    """A script that pulls all images and tags them; one that fails stops no other."""
    lines = []
    seen: set[str] = set()
    for item in items:
        own = (
            str(item.source.by_tag)
            if item.source.tag and str(item.source.by_tag) not in seen
            else ""
        )
        seen.add(own)
        lines.append(f"get {shlex.quote(str(item.destination))} {shlex.quote(own)}\n")
    return "".join((_SCRIPT, *lines, "exit $status\n"))


EXPORTS: Mapping[str, Callable[[tuple[Item, ...]], str]] = {
    "registries-conf": registries_conf,
    "k3s": k3s,
    "retag": retag,
}
"""What can be made of the list, by the names that are typed."""


def exported(
    kind: str, items: tuple[Item, ...], *, target: str, unknown: Iterable[str] = ()
) -> str:
    """One of the exports with a line above it that says what it is.

    Args:
        kind: Which.
        items: What it is made of.
        target: Where they are.
        unknown: Lines of the list that choose tags which nobody knows here.
    """
    first = "#!/bin/sh\n" if kind == "retag" else ""
    left = "".join(f"# left out: {one}: {_NOT_CHOSEN}\n" for one in unknown)
    return first + _HEAD.format(kind=kind, target=target) + left + EXPORTS[kind](items)
