"""The images of compose files, of Kubernetes' objects, and of any YAML with `image:` in it.

Compose specification, "services"; in Kubernetes, and in what people define for it, a container
has its image under `image`, wherever a pod template stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from orchestrator.errors import FormatError
from orchestrator.manifests.usage import Note, Reading, Usage
from orchestrator.manifests.variables import replaced
from orchestrator.manifests.yaml_tree import Mapping, Node, Scalar, Sequence, read_documents

Variables: TypeAlias = "dict[str, str]"

_IMAGE_KEYS = ("image", "imageName")
"""CloudNativePG, for one, has the second."""
_WITHOUT_IMAGES = frozenset({"CustomResourceDefinition", "ConfigMap", "Secret"})
_TEMPLATE = "{{"


def read_yaml(text: str, variables: Variables) -> Reading:
    """The images of all documents of a text.

    Raises:
        FormatError: It is no YAML.
    """
    return _once(Reading.joined(_of_document(one, variables) for one in read_documents(text)))


def _of_document(document: Node, variables: Variables) -> Reading:
    if not isinstance(document, Mapping):
        return _of_any(document, variables)
    services = document.get("services")
    if isinstance(services, Mapping) and not document.get("apiVersion"):
        return _of_compose(document, services, variables)
    if document.text_of("kind") in _WITHOUT_IMAGES:
        return Reading()
    return _of_any(document, variables)


def _of_compose(document: Mapping, services: Mapping, variables: Variables) -> Reading:
    reading = Reading()
    for name, service in _services(services):
        reading += _of_service(name, service, variables)
    included = document.get("include")
    if included:
        text = "other files are included, and not read: name them, too"
        reading += Reading(notes=(Note(included.line, text),))
    return reading


def _services(services: Mapping) -> Iterator[tuple[str, Mapping]]:
    for name, service in services.items():
        if isinstance(service, Mapping):
            yield name, service


def _of_service(name: str, service: Mapping, variables: Variables) -> Reading:
    if service.get("build"):
        text = f"service '{name}' is built, so its image is left out; its Dockerfile can be read"
        return Reading(notes=(Note(service.line, text),))
    image = service.get("image")
    if isinstance(image, Scalar):
        platform = service.text_of("platform")
        try:
            platform = replaced(platform, variables)
        except FormatError as error:
            return _problem(service.line, f"service '{name}': {error.message}")
        return _usage(image, variables, platform=platform, owner=name)
    if not service.get("extends"):
        return Reading()
    text = f"service '{name}' extends another one, whose file has to be read for its image"
    return Reading(notes=(Note(service.line, text),))


def _of_any(root: Node, variables: Variables) -> Reading:
    """The images under every `image` key; a node that several aliases name is looked at once."""
    found: list[Reading] = []
    seen: set[int] = set()
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Sequence):
            waiting += reversed(node.values)
        elif isinstance(node, Mapping):
            if node.text_of("kind") in _WITHOUT_IMAGES and node.get("apiVersion"):
                continue
            for key, value in node.items():
                if key in _IMAGE_KEYS:
                    found.append(_of_value(value, variables))
            waiting += reversed([value for _, value in node.items()])
    return Reading.joined(found)


def _of_value(value: Node, variables: Variables) -> Reading:
    if isinstance(value, Scalar):
        return _usage(value, variables)
    if isinstance(value, Mapping):
        reference = value.get("reference")
        if isinstance(reference, Scalar):
            return _usage(reference, variables)
        return _of_parts(value)
    return Reading()


def _of_parts(value: Mapping) -> Reading:
    """An image whose name stands in parts, as in the values of a Helm chart."""
    repository, tag = value.text_of("repository"), value.text_of("tag")
    digest = value.text_of("digest")
    if not repository or not (tag or digest):
        return Reading()
    registry = value.text_of("registry")
    name = f"{registry}/{repository}" if registry else repository
    image = f"{name}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}"
    return Reading((Usage(image, value.line, 0, 0, written=image),))


def _usage(value: Scalar, variables: Variables, *, platform: str = "", owner: str = "") -> Reading:
    written = value.text.strip()
    if not written:
        return Reading()
    if _TEMPLATE in written:
        text = f"'{written}' is filled in by a template: pipe what 'helm template' prints into '-'"
        return _problem(value.line, text)
    try:
        image = replaced(written, variables)
    except FormatError as error:
        hint = "set it in .env beside the file, or name a file of variables with --env-file"
        return _problem(value.line, f"'{written}': {error.message}; {hint}")
    usage = Usage(image, value.line, value.start, value.end, platform, owner, written)
    return Reading((usage,))


def _problem(line: int, text: str) -> Reading:
    return Reading(notes=(Note(line, text, is_problem=True),))


def _once(reading: Reading) -> Reading:
    """Each place once in the text's order, though several aliases lead to it."""
    usages = {(usage.start or -usage.line, usage.owner): usage for usage in reading.usages}
    notes = dict.fromkeys(sorted(reading.notes, key=lambda note: note.line))
    ordered = sorted(usages.values(), key=lambda usage: (usage.line, usage.start))
    return Reading(tuple(ordered), tuple(notes))
