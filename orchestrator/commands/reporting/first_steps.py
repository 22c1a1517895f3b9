"""What the page of a run says while a repository made from the template is not set up yet."""

from __future__ import annotations

from orchestrator.config.settings import GitHubStep
from orchestrator.language import ENGLISH, Translations, gettext_noop
from orchestrator.report.github import Annotation, StepOutput, output_of_nothing

_VALUES = {
    "ALIYUN_REGISTRY": (
        "variables",
        gettext_noop("the host, such as `registry.cn-hangzhou.aliyuncs.com`"),
    ),
    "ALIYUN_NAMESPACE": ("variables", gettext_noop("the namespace, which has to exist")),
    "ALIYUN_USERNAME": (
        "secrets",
        gettext_noop("what follows `--username=` in the console's `docker login`"),
    ),
    "ALIYUN_PASSWORD": (
        "secrets",
        gettext_noop("the registry's own password, not your account's"),
    ),
}
"""What Aliyun needs: where it is set, and what it is."""


def not_set_up(github: GitHubStep, words: Translations = ENGLISH) -> StepOutput:
    """Say what to set, and where; that nothing is set yet is no failure."""
    page = f"{github.repository_url}/settings"
    rows = [
        f"| `{name}` | [{kind[:-1]}]({page}/{kind}/actions) | {words.gettext(meaning)} |"
        for name, (kind, meaning) in _VALUES.items()
    ]
    lines = [
        f"### Docker Image Syncer: {words.gettext('not set up yet')}",
        "",
        words.gettext(
            "Nothing was mirrored, since it is not known where to. For Aliyun, set these four "
            "under *Settings > Secrets and variables > Actions*:"
        ),
        "",
        words.gettext("| name | add it as | value |"),
        "|---|---|---|",
        *rows,
        "",
        words.gettext(
            "The [README]({readme}) says where each is found in the console. To mirror to GHCR "
            "instead, set nothing, and write `SYNC_MODE=ghcr` into `config.env`."
        ).format(readme=f"{github.repository_url}#readme"),
        "",
        words.gettext("Then run it: *Actions > 01 Batch Sync > Run workflow*."),
    ]
    message = words.gettext(
        "not set up yet, so nothing was mirrored; the summary of the run says what to set"
    )
    notice = Annotation("Docker Image Syncer", message, level="notice")
    nothing = output_of_nothing()
    return StepOutput((notice,), "\n".join(lines) + "\n", nothing.outputs)
