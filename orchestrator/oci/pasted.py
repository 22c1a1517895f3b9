"""What people paste where an image's name is wanted: pages of registries, and whole commands.

Pages are named as the registries' sites have them: Docker Hub, Quay, GitHub, Amazon's and
Microsoft's galleries, and the API's own addresses (distribution spec, "Endpoints").
"""

from __future__ import annotations

import re
from urllib.parse import unquote

_SEGMENT = r"[^/?#]+"
_HUB_PAGE = re.compile(
    r"hub\.docker\.com/(?:"
    rf"_/(?P<official>{_SEGMENT})"
    rf"|(?:r|repository/docker)/(?P<user>{_SEGMENT}/{_SEGMENT})"
    rf"|layers/(?P<layers>{_SEGMENT}/{_SEGMENT})/(?P<tag>{_SEGMENT})"
    r")(?:[/?#].*)?"
)
_OTHER_PAGES = (
    (re.compile(rf"hub\.docker\.com/(?!u/)({_SEGMENT}/{_SEGMENT})/?"), r"\1"),
    (
        re.compile(rf"(quay\.io)/repository/({_SEGMENT}/{_SEGMENT})(?:[/?#].*)?"),
        r"\1/\2",
    ),
    (
        re.compile(
            rf"github\.com/(?:orgs|users)/({_SEGMENT})/packages/container/"
            rf"(?:package/)?({_SEGMENT})(?:[/?#].*)?"
        ),
        r"ghcr.io/\1/\2",
    ),
    (
        re.compile(rf"github\.com/({_SEGMENT})/{_SEGMENT}/pkgs/container/({_SEGMENT})(?:[/?#].*)?"),
        r"ghcr.io/\1/\2",
    ),
    (re.compile(r"gallery\.ecr\.aws/([^?#]+?)/?(?:[?#].*)?"), r"public.ecr.aws/\1"),
    (
        re.compile(
            r"(mcr\.microsoft\.com)/(?:[a-z]{2}-[a-z]{2}/)?(?:product|artifact/mar)/([^?#]+?)"
            r"(?:/(?:about|tags|tag/.*))?(?:[?#].*)?"
        ),
        r"\1/\2",
    ),
    (re.compile(rf"({_SEGMENT})/v2/([^?#]+)/manifests/(sha256:[0-9a-f]{{64}})"), r"\1/\2@\3"),
    (re.compile(rf"({_SEGMENT})/v2/([^?#]+)/manifests/({_SEGMENT})"), r"\1/\2:\3"),
    (re.compile(rf"({_SEGMENT})/v2/([^?#]+)/tags/list(?:[?#].*)?"), r"\1/\2"),
)
_COMMAND = re.compile(
    r"(?:[$#]\s*)?(?:sudo\s+)?(?:docker|podman|nerdctl|crictl|ctr)\s+(?:images?\s+)?pull\s+(.+)"
    r"|(?:-\s*)?image:\s*(.+)"
    r"|FROM\s+(.+)",
)
_PLATFORM = re.compile(r"--platform(?:=|\s+)([a-z0-9/,._-]+)")
_HELM_TAG = re.compile(r"((?:.*/)?[^:@/]*:)([^@]*)(.*)")


def as_meant(text: str) -> str:
    """The name that a text can't but mean: blanks around it, Docker Hub's page, Helm's tag.

    Helm writes `1.2.3_up4` in a registry for a chart's version `1.2.3+up4`.
    """
    text = text.strip()
    page = _HUB_PAGE.fullmatch(text)
    if page:
        text = page["official"] or page["user"] or f"{page['layers']}:{page['tag']}"
    versioned = _HELM_TAG.fullmatch(text)
    if versioned and "+" in versioned[2]:
        return f"{versioned[1]}{versioned[2].replace('+', '_')}{versioned[3]}"
    return text


def named_by_page(address: str) -> str:
    """The name of the image whose page, or address in a registry's API, this is; else nothing.

    Args:
        address: Without its scheme.
    """
    if _HUB_PAGE.fullmatch(address):
        return as_meant(address)
    for page, name in _OTHER_PAGES:
        found = page.fullmatch(address)
        if found:
            host, slash, path = found.expand(name).partition("/")
            return f"{host}{slash}{unquote(path).lower() if host == 'ghcr.io' else path}"
    return ""


def named_by_command(text: str) -> str:
    """What to write for `docker pull IMAGE`, compose's `image:`, or a Dockerfile's `FROM`.

    Empty where the text is none of them. A platform stands before the image.
    """
    command = _COMMAND.fullmatch(text.strip())
    if not command:
        return ""
    rest = next(filter(None, command.groups()))
    platform = _PLATFORM.search(rest)
    words = [word.strip("\"'`") for word in _PLATFORM.sub(" ", rest).split()]
    image = next((word for word in words if not word.startswith("-")), "")
    return f"--platform={platform[1]} {image}" if platform and image else image
