"""Where skopeo goes elsewhere than a name says: registries.conf, read conservatively.

The fast path leaves alone whatever a mirror, a block or another location may touch
(containers-registries.conf(5)); skopeo knows what to do there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.config.files import parse_toml
from orchestrator.errors import ConfigurationError
from orchestrator.oci.reference import Reference

_ORDINARY_HELPERS = ["containers-auth.json"]
"""What `credential-helpers` says where nothing is said: logins are in authfiles alone."""


@dataclass(frozen=True)
class RegistriesConf:
    """What the files change of the plain way.

    Attributes:
        prefixes: Names that are led elsewhere: `host[/path]`, or `*.domain`.
        everything: Why nothing at all is plain; empty where that isn't so.
    """

    prefixes: tuple[str, ...] = ()
    everything: str = ""

    def reason_against(self, reference: Reference) -> str:
        """Why skopeo may go elsewhere for this image; empty where it does not."""
        if self.everything:
            return self.everything
        touched = any(_touches(prefix, reference) for prefix in self.prefixes)
        return "registries.conf leads it elsewhere" if touched else ""


def usual_paths(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Every file and folder that some version of skopeo may look at."""
    named = environ.get("CONTAINERS_REGISTRIES_CONF")
    homes = [Path("/etc/containers"), Path("/usr/share/containers")]
    if environ.get("HOME"):
        homes.append(Path(environ["HOME"]) / ".config" / "containers")
    if environ.get("XDG_CONFIG_HOME"):
        homes.append(Path(environ["XDG_CONFIG_HOME"]) / "containers")
    found = [home / name for home in homes for name in ("registries.conf", "registries.conf.d")]
    return (*([Path(named)] if named else []), *found)


def read_registries_conf(paths: Iterable[Path]) -> RegistriesConf:
    """Read files, and the `*.conf` of folders; what isn't there says nothing.

    Whether one of them overrides another plays no part: what any of them leads elsewhere
    is left to skopeo.
    """
    prefixes: list[str] = []
    for path in _files(paths):
        try:
            document = parse_toml(path)
        except ConfigurationError:
            return RegistriesConf(everything=f"{path} can't be read")
        if document.get("credential-helpers", _ORDINARY_HELPERS) != _ORDINARY_HELPERS:
            return RegistriesConf(everything=f"{path} names credential helpers")
        prefixes += _led_elsewhere(document)
    return RegistriesConf(tuple(dict.fromkeys(prefixes)))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.glob("*.conf"))
        elif path.exists():
            yield path


def _led_elsewhere(document: Mapping[str, object]) -> Iterator[str]:
    for table in _tables(document.get("registry")):
        location = table.get("location")
        prefix = table.get("prefix") or location
        is_elsewhere = location is not None and location != prefix
        if is_elsewhere or any(table.get(key) for key in ("mirror", "blocked", "insecure")):
            yield str(prefix)
    yield from _old_format(document.get("registries"))


def _old_format(table: object) -> Iterator[str]:
    """Version 1 of the format: `[registries.insecure] registries = [...]`, and `block`."""
    for kind in ("insecure", "block"):
        group = table.get(kind) if isinstance(table, Mapping) else None
        hosts = group.get("registries") if isinstance(group, Mapping) else None
        yield from map(str, hosts if isinstance(hosts, list) else ())


def _tables(value: object) -> Iterator[Mapping[str, object]]:
    for table in value if isinstance(value, list) else ():
        if isinstance(table, Mapping):
            yield table


def _touches(prefix: str, reference: Reference) -> bool:
    """Whether a prefix is a reference's, or may be: a tag or a digest at its end is cut.

    As containers/image has it (pkg/sysregistriesv2, `refMatchingPrefix`): what follows a prefix
    begins with a slash, a colon or an at sign, so that a host covers itself at any port.
    """
    host, _, path = prefix.lower().rstrip("/").partition("/")
    covered = f"{host}/{path.partition('@')[0].partition(':')[0]}".rstrip("/")
    whole = f"{reference.name}/"
    if not covered.startswith("*."):
        return _goes_on(whole, covered, 0)
    dots = (at for at, character in enumerate(reference.registry) if character == ".")
    return any(_goes_on(whole, covered[1:], at) for at in dots)


def _goes_on(name: str, prefix: str, at: int) -> bool:
    return name.startswith(prefix, at) and name[at + len(prefix)] in ":/"
