"""What the texts of settings mean: each function reads one kind of value.

They raise FormatError; whoever knows where the text stands says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from orchestrator.config.settings import BUILT_IN, MailServer
from orchestrator.config.targets import (
    ALIYUN_ENTERPRISE,
    ALIYUN_PERSONAL,
    PROFILES,
    Limits,
    MirrorPlace,
    Profile,
    SourceRules,
    check_naming,
)
from orchestrator.errors import FormatError, did_you_mean
from orchestrator.oci.reference import is_host, is_repository, registry_of
from orchestrator.text import shortened

if TYPE_CHECKING:  # a failed installation is told without the packages that reading files needs
    from orchestrator.config.files import Value

E = TypeVar("E", bound=Enum)

NO_TARGETS = "none"
_HIGHEST = 10_000
_SLOWEST = 0.1
_HOST_HINT = "write it as registry.example.com, or with its port"


def target_names(
    text: str, known: tuple[str, ...], *, is_on_actions: bool = False
) -> tuple[str, ...]:
    """The targets of SYNC_MODE, in their order, each once; `none` has none.

    `double` begins with the target that is near: GHCR on GitHub's runners, Aliyun elsewhere.
    """
    if text == NO_TARGETS:
        return ()
    both = tuple(reversed(BUILT_IN)) if is_on_actions else BUILT_IN
    names = tuple(part for word in words(text) for part in (both if word == "double" else (word,)))
    for name in names:
        if name == NO_TARGETS:
            raise FormatError("'none' goes with no other target", hint="write none alone")
        if name not in known:
            choices = (*known, "double", NO_TARGETS)
            hint = did_you_mean(name, choices) or f"write {', '.join(choices)}"
            raise FormatError(f"there is no target '{name}'", hint=hint)
    if not names:
        raise FormatError("it names no target")
    return tuple(dict.fromkeys(names))


def words(text: str) -> tuple[str, ...]:
    """Words with commas or spaces between."""
    return tuple(text.replace(",", " ").split())


def naming_rule(text: str) -> str:
    """A way of naming: `flat`, `nested`, `packed`, or a template."""
    check_naming(text)
    return text


def profile_named(text: str) -> Profile:
    """A registry's set of rules, by its name."""
    if text in PROFILES:
        return PROFILES[text]
    hint = did_you_mean(text, PROFILES) or f"write {', '.join(PROFILES)}"
    raise FormatError(f"there is no profile '{text}'", hint=hint)


def aliyun_edition(text: str) -> Profile | None:
    """The edition of an Aliyun registry; None lets its host name tell."""
    editions = {"": None, "personal": ALIYUN_PERSONAL, "enterprise": ALIYUN_ENTERPRISE}
    if text.lower() in editions:
        return editions[text.lower()]
    raise FormatError(f"'{text}' is no edition", hint="write personal or enterprise")


def host(text: str) -> str:
    """A host, with its port if it has one, in lower case."""
    text = text.strip().lower()
    if "@" in text:
        raise FormatError("a host holds no login", hint="user name and password have their keys")
    if "://" in text:
        meant = text.rpartition("://")[2].partition("/")[0]
        hint = f"write '{meant}'" if _is_told_from_a_user(meant) else _HOST_HINT
        raise FormatError(f"'{text}' is not a host", hint=hint)
    if "/" in text.rstrip("/") or any(character.isspace() for character in text):
        raise FormatError(
            f"'{text}' is not a host", hint="the path below it goes into the namespace"
        )
    text = text.rstrip("/")
    if text.startswith("["):
        raise FormatError(
            f"'{text}' is an IPv6 address, which skopeo does not take",
            hint="give the registry a host name, in /etc/hosts or DNS",
        )
    if text and not _is_told_from_a_user(text):
        why = "a host: it has neither a dot nor a port" if is_host(text) else "a host"
        raise FormatError(f"'{text}' is not {why}", hint=_HOST_HINT)
    return text


def _is_told_from_a_user(text: str) -> bool:
    """Whether a reference that begins with it means a host, and not a user of Docker Hub."""
    return is_host(text) and ("." in text or ":" in text or text == "localhost")


def hosts(text: str) -> frozenset[str]:
    """Hosts with commas or spaces between."""
    return frozenset(map(host, words(text)))


def namespace(text: str) -> str:
    """The path below a host that all repositories share; slashes at its ends don't count."""
    path = text.strip("/")
    if not path or is_repository(path):
        return path
    lower = path.lower()
    grammar = "lower-case letters and digits, with '.', '_', '-' or '/' between"
    hint = f"write '{lower}'" if is_repository(lower) else f"it is made of {grammar}"
    raise FormatError(f"'{text}' is not a namespace", hint=hint)


def web_url(text: str) -> str:
    """An http or https URL; a message never holds it, since it may be a secret."""
    try:
        parts = urlsplit(text)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one or any(character.isspace() for character in text):
        raise FormatError("it is not a URL", hint="write it as https://host/path")
    return text


_ADDRESS = re.compile(r"[^\s@,;<>()\"\\]+@[^\s@,;<>()\"\\]+")
_SUBMISSION = 587
"""The port that mail is handed in at (RFC 6409)."""
_LAST_PORT = 65_535
_SERVER = re.compile(r"\w[\w-]{0,62}(?:\.\w[\w-]{0,62})*\.?", re.ASCII)
"""A server's name; Docker's may have underscores."""


def mail_url(text: str) -> str:
    """`mailto:` and addresses with commas between."""
    addresses = text.removeprefix("mailto:").split(",")
    if all(map(_is_address, addresses)):
        return text
    raise FormatError("it is no mail address", hint="write it as mailto:you@example.com")


def mail_server(table: Mapping[str, str]) -> MailServer:
    """The SMTP server that a [[notify]] of mail names."""
    name, _, port = table.get("smtp", "").partition(":")
    port = port or str(_SUBMISSION)
    is_port = bool(re.fullmatch(r"[0-9]{1,5}", port)) and 0 < int(port) <= _LAST_PORT
    if not _SERVER.fullmatch(name) or not is_port:
        words = "mail needs a server" if not name else f"'{table['smtp']}' is no server"
        raise FormatError(words, hint="write it as smtp = 'smtp.example.com:465'")
    username = table.get("username", "")
    sender = table.get("from") or username
    if not _is_address(sender):
        raise FormatError("mail needs a sender", hint="write it as from = 'you@example.com'")
    password = table.get("password", "")
    if not f"{username}{password}".isascii():
        hint = "make a password for programs at your provider, of ASCII letters and digits"
        raise FormatError("mail's login has characters other than ASCII", hint=hint)
    return MailServer(name, int(port), sender, username, password)


def _is_address(text: str) -> bool:
    """Whether every mail server can be told of it: ASCII alone (RFC 5321)."""
    return bool(_ADDRESS.fullmatch(text)) and text.isascii() and text.isprintable()


def requests_per_second(text: str) -> float:
    """A number of requests, as `10` or `0.5`."""
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", text) or float(text) < _SLOWEST:
        hint = f"write a number from {_SLOWEST} on, as requests_per_second = 10"
        raise FormatError(f"'{shortened(text)}' is no number of requests", hint=hint)
    return float(text)


def source_rules(table: Mapping[str, Value], registry: str) -> SourceRules:
    """What a [sources."HOST"] says.

    Raises:
        FormatError: A value can't be used, or half of a login is missing.
    """
    texts = {key: value.text for key, value in table.items()}
    username, password = texts.get("username", ""), texts.get("password", "")
    if bool(username) != bool(password):
        missing = "password" if username else "username"
        raise FormatError(f"its {missing} is missing", hint="a login has a username and a password")
    rate, at_once = texts.get("requests_per_second"), texts.get("jobs")
    place, own = texts.get("mirror"), host(registry)
    return SourceRules(
        username,
        password,
        requests_per_second(rate) if rate else None,
        count(at_once) if at_once else None,
        mirror(place, of=own) if place else None,
    )


def mirror(text: str, *, of: str) -> MirrorPlace:
    """A host that has what another registry has, with the path below it where there is one.

    Raises:
        FormatError: It is no place, or that of the registry itself.
    """
    name, _, path = text.strip().rpartition("://")[2].partition("/")
    place = MirrorPlace(registry_of(host(name)), namespace(path))
    if "://" in text:
        raise FormatError("a mirror is a host and a path, not a URL", hint=f"write '{place}'")
    if not place.registry or place.registry == registry_of(of):
        raise FormatError(f"'{shortened(text)}' is no other registry than {of}")
    return place


def count(text: str) -> int:
    """A number from 1 to 10,000."""
    is_short = len(text) <= len(str(_HIGHEST))
    if is_short and text.isascii() and text.isdigit() and 1 <= int(text) <= _HIGHEST:
        return int(text)
    raise FormatError(f"'{shortened(text)}' is not a number from 1 to {_HIGHEST:,}")


def jobs(text: str) -> int | None:
    """A number from 1 to 10,000; None for `auto`."""
    if text.lower() == "auto":
        return None
    try:
        return count(text)
    except FormatError as error:
        raise FormatError(error.message, hint="or leave it to the program: auto") from None


_RATE = re.compile(
    r"([0-9]{1,6}(?:\.[0-9]{1,3})?) *([kmg]?)(i?)(b|bytes?|bit)(/s|ps)", re.IGNORECASE
)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}
_LOWEST_RATE = 64_000
"""Bytes a second: a copy that moves less looks stalled, beside others that share them."""


def bandwidth(text: str) -> int | None:
    """Bytes a second, as in `20MB/s`, `512 KiB/s` or `100Mbit/s`; None for no limit.

    Mbps is megabits a second, as whoever sells bandwidth means it.
    """
    if not text or text.lower() == "unlimited":
        return None
    found = _RATE.fullmatch(text.strip())
    if found is None:
        hint = "write a number and a unit, as 20MB/s or 100Mbit/s"
        raise FormatError(f"'{shortened(text)}' is not a bandwidth", hint=hint)
    number, power, binary, unit, per_second = found.groups()
    is_bits = unit.lower() == "bit" or (unit == "b" and per_second.lower() == "ps")
    factor = (1024 if binary else 1000) ** _POWERS[power.lower()]
    rate = int(float(number) * factor / (8 if is_bits else 1))
    if rate < _LOWEST_RATE:
        raise FormatError(
            f"{shortened(text)} is too slow for an image to get through",
            hint=f"the least is {_LOWEST_RATE // 1000}KB/s",
        )
    return rate


def limits(text: str, otherwise: Limits) -> Limits:
    """What a registry takes, from a table as JSON: a number, or `"unlimited"`, for each name."""
    known = tuple(one.name for one in fields(Limits))
    try:
        table = json.loads(text)
    except ValueError:
        table = None
    if not isinstance(table, dict):
        raise FormatError(f"'{shortened(text)}' is no table", hint=_LIMITS_EXAMPLE)
    for name in table:
        if name not in known:
            hint = did_you_mean(name, known) or f"known are {', '.join(known)}"
            raise FormatError(f"unknown limit '{name}'", hint=hint)
    return replace(otherwise, **{name: _limit(name, value) for name, value in table.items()})


_LIMITS_EXAMPLE = "write it as limits = { repositories = 1000 }"
_SIZE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?) *([kmg])(i?)b", re.IGNORECASE)


def _limit(name: str, value: object) -> int | None:
    """One of the limits; None for `"unlimited"`."""
    if value == "unlimited":
        return None
    if type(value) is int and value >= 1:
        return value
    size = _SIZE.fullmatch(str(value).strip()) if name == "layer_size" else None
    if size:
        number, power, binary = size.groups()
        return int(float(number) * (1024 if binary else 1000) ** _POWERS[power.lower()])
    if name == "layer_size":
        hint = 'write it as limits = { layer_size = "10GB" }, or "unlimited"'
        raise FormatError(f"{name} is neither a size nor 'unlimited'", hint=hint)
    hint = f'write it as limits = {{ {name} = 10 }}, or "unlimited" in place of the number'
    raise FormatError(f"{name} is neither a number from 1 on nor 'unlimited'", hint=hint)


def boolean(text: str) -> bool:
    """True or false, as people write it."""
    words = {"true": True, "1": True, "yes": True, "on": True}
    words |= {"false": False, "0": False, "no": False, "off": False, "": False}
    if text.lower() in words:
        return words[text.lower()]
    raise FormatError(f"'{text}' is neither true nor false")


def one_of(kind: type[E]) -> Callable[[str], E]:
    """Make a reader of the values that an enumeration has."""

    def parse(text: str) -> E:
        for member in kind:
            if member.value == text.lower():
                return member
        values = [str(member.value) for member in kind]
        hint = did_you_mean(text, values) or f"write {', '.join(values)}"
        raise FormatError(f"'{text}' is not one of its values", hint=hint)

    return parse
