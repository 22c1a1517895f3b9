"""A file, whose kind is recognised by what stands in it: its images, and notes on them."""

from __future__ import annotations

from orchestrator.errors import FormatError
from orchestrator.manifests.dockerfile import is_dockerfile, read_dockerfile
from orchestrator.manifests.usage import Note, Reading
from orchestrator.manifests.yaml_images import read_yaml

LARGEST = 16 * 1024 * 1024
"""Bytes; all that a large chart makes is some 5 MB."""
BOM = b"\xef\xbb\xbf"


def text_of(content: bytes) -> str:
    """A file's text, without a byte order mark.

    Raises:
        FormatError: It is too large, or not UTF-8.
    """
    if len(content) > LARGEST:
        raise FormatError("it is larger than 16 MiB")
    try:
        return content.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError("it is not UTF-8 text") from None


def read_images_of(text: str, variables: dict[str, str] | None = None) -> Reading:
    """The images of a compose file, Kubernetes' YAML or a Dockerfile.

    Args:
        text: Without a byte order mark.
        variables: For `${NAME}`.

    Raises:
        FormatError: It is none of them.
    """
    values = variables or {}
    if is_dockerfile(text):
        return read_dockerfile(text, values)
    try:
        reading = read_yaml(text, values)
    except FormatError as error:
        hint = ""
        if "{{" in text:
            hint = "a template can't be read: pipe what 'helm template' prints into '-'"
        raise FormatError(f"it can't be read as YAML: {error.message}", hint=hint) from None
    if not reading.usages and not reading.notes:
        return Reading(notes=(Note(1, "no image is named in it"),))
    return reading
