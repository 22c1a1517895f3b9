"""A newcomer's walk on GitHub, written down with its real output.

    python -m tests.github.walk    writes docs/walk.md

The runner is a stand-in that carries out the workflows' own steps, and the registries are real
ones on this machine. In what they say, only names and numbers that change from run to run are
replaced: hosts, sizes, durations, the moment, and random words.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.github import TOKEN, Network, Repository, make_repository
from tests.support.runner import Event
from tests.support.workflows import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.job_runs import WorkflowRun
    from tests.support.workflows import Node

PAGE = ROOT / "docs" / "walk.md"
BATCH = "01-batch-sync.yml"

_INTRODUCTION = """\
# A newcomer's walk

From the template to the first failing image, with what GitHub shows at each step. A test plays it
(`tests/github/walk.py`) with a stand-in for GitHub's runner and real registries, and fails where
this page is no longer true. Hosts and the moment are replaced by these here; `…` stands for
sizes, durations and random words.
"""


def walk(folder: Path, network: Network) -> str:
    """The whole page."""
    repository = make_repository(folder, network, "acme")
    repository.configure(JOBS="1")
    parts = [_INTRODUCTION, *_parts(repository)]
    return "\n".join(parts)


def _parts(repository: Repository) -> Iterator[str]:
    nginx, redis = repository.publish("nginx:alpine"), repository.publish("redis:7")
    yield "## 1. Use this template\n\nThe list has two images:\n"
    repository.write("images.txt", "# what we need", nginx, redis)
    yield _block(repository, "images.txt")
    yield "Nothing is set up yet: the first run of `01 Batch Sync` says what to set, and where:\n"
    yield _told(repository, _push(repository, {}))

    yield "## 2. Add the secrets\n\nThen run `01 Batch Sync` by hand (*Actions > Run workflow*):\n"
    yield _told(repository, repository.dispatch(BATCH, {}))

    yield "## 3. Change the list\n\nA line more, under a name of its own:\n"
    tools = repository.publish("tools/kubectl:1.31")
    repository.write("images.txt", "# what we need", nginx, redis, f"{tools} --name=kubectl")
    yield _block(repository, "images.txt")
    yield "The push of it sets the batch off. What is in sync already is left alone:\n"
    yield _told(repository, _push(repository, repository.secrets))

    yield "## 4. An image that is not there\n\nA slip in a tag, and one in an option:\n"
    wrong = nginx.replace(":alpine", ":alpin")
    lines = ("# what we need", wrong, redis, f"{tools} --nmae=kubectl")
    repository.write("images.txt", *lines)
    yield _block(repository, "images.txt")
    yield "The run is red, each slip is shown on its line, and the rest goes on:\n"
    yield _told(repository, _push(repository, repository.secrets))

    yield "## 5. One image by hand\n\n`03 To Aliyun`, with `target_name` filled in:\n"
    inputs: dict[str, Node] = {"image_name": redis, "target_name": "cache:7"}
    yield _told(repository, repository.dispatch("03-to-aliyun.yml", inputs))

    yield "## 6. In Chinese\n\nWith `LANGUAGE=zh` in `config.env`, and one more image:\n"
    repository.configure(JOBS="1", LANGUAGE="zh")
    busybox = repository.publish("busybox:1.36")
    repository.write("images.txt", "# what we need", wrong, redis, busybox)
    yield _block(repository, "images.txt")
    yield _told(repository, _push(repository, repository.secrets))


def _push(repository: Repository, secrets: dict[str, Node]) -> WorkflowRun:
    return repository.run(BATCH, Event("push", {}, secrets, token=TOKEN))


def _block(repository: Repository, name: str) -> str:
    text = (repository.checkout / name).read_text(encoding="utf-8")
    return f"```\n{_steady(repository, text)}```\n"


def _told(repository: Repository, run: WorkflowRun) -> str:
    """What a user sees of a run: its colour, annotations, summary, log, and the badge."""
    step = run.jobs["sync"].step("Sync")
    lines = [f"**The run: {run.result}.**\n"]
    for error in (*step.errors, *step.named("notice")):
        place = (
            f"{error.properties['file']}:{error.properties['line']}"
            if error.properties.get("line")
            else ""
        )
        title = " ".join(filter(None, (f"`{place}`" if place else "", error.properties["title"])))
        message = error.data.replace("\n", "  \n> ")
        lines.append(f"> **{title}**  \n> {message}\n")
    if step.summary:
        summary = re.sub(r"(?m)^### ", "#### ", step.summary)
        lines.append(f"The summary:\n\n{_squeezed(summary)}")
    log = [line for line in step.lines if not line.startswith(("::error", "::notice"))]
    lines.append("<details><summary>The log</summary>\n")
    lines.append("```\n" + "\n".join(log) + "\n```\n\n</details>\n")
    if "badge" in run.jobs and repository.git("ls-tree", "main", ".github/badge.json"):
        badge = repository.git("show", "main:.github/badge.json")
        lines.append(f"The badge:\n\n```json\n{badge}```\n")
    return _steady(repository, "\n".join(lines))


def _squeezed(text: str) -> str:
    """Tables without the padding, which goes by the length of what is replaced."""
    return re.sub(r":-+|-+:|(?<=\S) {2,}(?=\|)| {2,}(?=\S+ *\|)", _narrow, text)


def _narrow(match: re.Match[str]) -> str:
    if match[0].startswith(":"):
        return ":--"
    return "--:" if match[0].endswith(":") else " "


def _in_order(match: re.Match[str]) -> str:
    """Results as they came, in an order that is always the same."""
    told = sorted(line.partition("] ")[2] for line in match[0].splitlines())
    lines = (f"06:10:00 [{n}/{len(told)}] {line}\n" for n, line in enumerate(told, 1))
    return "".join(lines)


def _steady(repository: Repository, text: str) -> str:
    hosts = {
        # As long as what it stands for, so that columns stay true.
        repository.network.upstream.host: "hub.example.org",
        repository.network.aliyun.host: "registry.cn-hangzhou.aliyuncs.com",
        repository.network.ghcr.host: "ghcr.io",
        repository.server: "https://github.com",
    }
    for host, name in hosts.items():
        text = text.replace(host, name)
        text = text.replace(re.sub(r"[.:]", "-", host), name.replace(".", "-"))
    text = re.sub(r"\b[0-9a-f]{32}\b", "…", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-24 06:10 UTC", text)
    text = re.sub(r"(?m)^\d\d:\d\d:\d\d ", "06:10:00 ", text)
    text = re.sub(r"(?m)(^06:10:00 \[\d+/\d+\] .*\n)+", _in_order, text)
    text = re.sub(r"-{3,}( +-{3,})+", lambda match: re.sub(r"-{3,}", "---", match[0]), text)
    text = re.sub(r" +(?=-{3})| {2,}(?=\S)", "  ", text)
    text = re.sub(r"\b\d+(\.\d)? (B|KiB)\b", "… KiB", text)
    return re.sub(r"\b\d+(\.\d)? s\b", "… s", text)


def main() -> None:
    """Write the page."""
    network = Network()
    with network.upstream, network.aliyun, network.ghcr, tempfile.TemporaryDirectory() as folder:
        PAGE.write_text(walk(Path(folder), network), encoding="utf-8")


if __name__ == "__main__":
    main()
