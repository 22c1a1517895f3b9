"""POLICY: which sources have to be signed, and by whom (containers-policy.json(5)).

skopeo reads the file itself, and decides before it reads a layer. Here is only looked up which
keys it asks for, so that a refusal names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ConfigurationError, ErrorKind, ImageError
from orchestrator.oci.json_text import Json, parse_json
from orchestrator.oci.reference import Reference
from orchestrator.skopeo.hints import ASKED_FOR

_ONE = ("keyPath", "keyData")
_SEVERAL = ("keyPaths", "keyDatas")
_INLINE = "a key that stands in it"
_HINT = (
    "check that its publisher signs each platform's image with that, and that a file of "
    "registries.d says where its signatures are"
)


@dataclass(frozen=True)
class SignaturePolicy:
    """A policy of signatures.

    Attributes:
        file: Where it stands.
        rules: What it says.
    """

    file: Path
    rules: Mapping[str, Json]

    def explained(self, error: ImageError, source: Reference) -> ImageError:
        """A refusal that names the keys which the policy asks for."""
        if error.kind is not ErrorKind.UNSIGNED:
            return error
        keys = ", ".join(self.keys_for(source))
        asks = f"asks for {keys}" if keys else "lets nothing in from there"
        return ImageError(
            error.kind,
            f"{error.message}; {self.file.name} {asks}",
            hint=_HINT if error.hint == ASKED_FOR else error.hint,
            registry=error.registry,
        )

    def keys_for(self, source: Reference) -> tuple[str, ...]:
        """The keys that a source has to be signed with, by their files; each once."""
        found: dict[str, None] = {}
        for rule in self._rules_for(source):
            if isinstance(rule, Mapping):
                found.update(dict.fromkeys(_keys_in(rule)))
        return tuple(found)

    def _rules_for(self, source: Reference) -> tuple[Json, ...]:
        """The rules of the narrowest scope that has the source."""
        transports = self.rules.get("transports")
        scopes = transports.get("docker") if isinstance(transports, Mapping) else None
        if isinstance(scopes, Mapping):
            for scope in _scopes_of(source):
                if scope in scopes:
                    return _listed(scopes[scope])
        return _listed(self.rules.get("default"))


def read_policy(file: Path) -> SignaturePolicy:
    """Read a policy.

    Raises:
        ConfigurationError: It can't be read, or is no object of JSON.
    """
    try:
        rules = parse_json(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"POLICY: {file} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"POLICY: {file} is no JSON: {error}") from None
    if not isinstance(rules, Mapping) or "default" not in rules:
        raise ConfigurationError(
            f"POLICY: {file} has no default",
            hint='it is an object with "default", and "transports": see containers-policy.json(5)',
        )
    return SignaturePolicy(file, rules)


def _scopes_of(source: Reference) -> Iterator[str]:
    """The scopes that a source may have, the narrowest first."""
    if source.digest:
        yield f"{source.name}@{source.digest}"
    elif source.tag:
        yield f"{source.name}:{source.tag}"
    name = source.name
    while name:
        yield name
        name, _, _ = name.rpartition("/")
    labels = source.registry.split(".")
    yield from ("*." + ".".join(labels[at:]) for at in range(1, len(labels)))
    yield ""


def _keys_in(rule: Mapping[str, Json]) -> Iterator[str]:
    for name in (*_ONE, *_SEVERAL):
        value = rule.get(name)
        for key in _listed(value) if name in _SEVERAL else _listed([value] if value else None):
            yield str(key) if name.startswith("keyPath") else _INLINE
    for name in ("fulcio", "pki"):
        if name in rule:
            yield f"a certificate ({name})"


def _listed(value: Json) -> tuple[Json, ...]:
    return tuple(value) if isinstance(value, list) else ()
