"""Platforms, normalised as containerd does, and chosen as skopeo does.

Sources: containerd/platforms (database.go, platforms.go) for the normal form;
the OCI image index specification for the fields; the platform matcher of
containers/image for which variants serve which choice.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace

from orchestrator.errors import FormatError
from orchestrator.text import shortened

_ARCHITECTURES = frozenset(
    "386 amd64 amd64p32 arm arm64 arm64be armbe loong64 loongarch64 mips mips64 mips64el mips64le "
    "mips64p32 mips64p32le mipsel mipsle ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 "
    "sw64 wasm wasm32 wasm64".split()
)
_SYSTEMS = frozenset(
    "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 "
    "solaris wasi wasip1 wasip2 windows zos".split()
)
"""The words that containerd knows, and those that images have beside them.

Others are taken as they stand, where system and architecture are both written; what is nearly
a word of these is taken for a slip.
"""

_ARCHITECTURE_ALIASES = {
    "i386": ("386", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_VARIANT_ALIASES = {
    ("arm64", "8.0"): "v8",
    ("arm64", "v8.0"): "v8",
    ("arm64", "9.0"): "v9",
    ("arm64", "v9.0"): "v9",
}
_SYSTEM_ALIASES = {"macos": "darwin"}
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]*")
_VARIANT = re.compile(r"(?:[a-z0-9][a-z0-9._-]*)?")
"""containerd's specifier, less a dash in front, which a program may take for an option."""

_GLUED = re.compile(r"(?P<family>arm|amd64)(?:32|64)?-?(?P<variant>v[0-9])[a-z]?")
"""`armv7`, `armv7l`, `arm32v7`, `arm64v8`: an architecture that has swallowed its variant."""

_BARE_VARIANT = re.compile(r"v[0-9][.0-9]*")
_SLIPS = {"x64": "amd64", "x86": "386", "i586": "386", "i686": "386", "win": "windows"}
_LIKE_A_SYSTEM, _LIKE_AN_ARCHITECTURE = 0.6, 0.75
"""How like a known word an unknown one is that is taken for a slip (difflib's ratio)."""

_SHOWN = re.compile(
    r"(?P<os>[^/(]*)(?:\((?P<ver>[^)]*)\))?/(?P<architecture>[^/]*)(?:/(?P<variant>.*))?"
)
"""As containerd writes it: `windows(10.0.17763)/amd64`."""

_SYSTEM = re.compile(r"(?P<os>[^()]*)(?:\((?P<ver>[^()]*)\))?")
_OS_VERSION = re.compile(r"(?:[0-9A-Za-z][0-9A-Za-z._-]{0,63})?")

_PLAIN_VARIANTS = {("arm64", "v8"), ("amd64", "v1")}
"""Variants that mean nothing more than the architecture's own baseline."""

_BEST_FIRST = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",)}
"""Which variants can stand in for which: each runs what comes after it."""


@dataclass(frozen=True, order=True)
class Platform:
    """One operating system on one processor, in containerd's normal form.

    Attributes:
        variant: Empty where the architecture says it all (`arm64/v8` is `arm64`).
        os_version: Windows' own, where an image says it, or one is asked for.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `os/architecture/variant`, as `str` writes it.

        The system may be missing, and is `linux` then; it may have a version, as in
        `windows(10.0.17763.5458)/amd64`.

        Raises:
            FormatError: It is not written so, or is nearly, but not quite, a known platform.
        """
        first, *parts = text.strip().lower().split("/")
        found = _SYSTEM.fullmatch(first)
        if not found:
            raise _refused(text)
        system, version = _SYSTEM_ALIASES.get(found["os"], found["os"]), found["ver"] or ""
        if _is_known(first):
            system, parts = "linux", [first, *parts]
        if not parts and system in _SYSTEMS:
            raise _refused(text, f"name the architecture too, as in '{system}/amd64'")
        if not parts:
            raise _refused(text, _meant("linux", system))
        if len(parts) > 2 or not all(parts) or (found["ver"] is not None and not version):
            raise _refused(text)
        wanted = cls.normal(system, parts[0], "".join(parts[1:]), version)
        meant = _meant(system, *parts)
        if meant or not wanted.is_writable or wanted.os_version != version:
            raise _refused(text, meant)
        is_bare_arm = wanted.architecture == "arm" and not wanted.variant
        return cls(wanted.os, "arm", "v7", wanted.os_version) if is_bare_arm else wanted

    @classmethod
    def normal(
        cls, os: str, architecture: str, variant: str = "", os_version: str = ""
    ) -> Platform:
        """The normal form of what a manifest or a config says; nothing is refused.

        A missing variant stays missing: skopeo takes such an image for any variant.
        """
        architecture, implied = _ARCHITECTURE_ALIASES.get(
            architecture.lower(), (architecture.lower(), "")
        )
        glued = _GLUED.fullmatch(architecture)
        if glued and not variant:
            architecture, implied = _unglued(glued)
        variant = (implied or variant).lower()
        if variant.isdigit():
            variant = f"v{variant}"
        variant = _VARIANT_ALIASES.get((architecture, variant), variant)
        if (architecture, variant) in _PLAIN_VARIANTS:
            variant = ""
        version = os_version.lower() if _OS_VERSION.fullmatch(os_version) else ""
        return cls(_SYSTEM_ALIASES.get(os.lower(), os.lower()), architecture, variant, version)

    @classmethod
    def shown(cls, text: str) -> Platform:
        """What `str` was made of.

        Raises:
            FormatError: The text was not made so.
        """
        found = _SHOWN.fullmatch(text)
        if found is None:
            raise FormatError(f"'{shortened(text)}' is not a platform")
        return cls(found["os"], found["architecture"], found["variant"] or "", found["ver"] or "")

    @property
    def is_writable(self) -> bool:
        """Whether it can be asked for as it is shown.

        An index may say anything, words with spaces or words that are taken for slips; and what
        attestations say, nobody can ask for.
        """
        words = all(map(_WORD.fullmatch, (self.os, self.architecture)))
        if not words or not _VARIANT.fullmatch(self.variant) or _is_known(self.os):
            return False
        return self != UNKNOWN and not _meant(self.os, self.architecture, self.variant)

    @property
    def of_any_version(self) -> Platform:
        """The same, whatever version its system has."""
        return replace(self, os_version="")

    @property
    def served_by(self) -> tuple[str, ...]:
        """The variants that serve this platform, the best first, as skopeo tries them."""
        order = _BEST_FIRST.get(self.architecture, ())
        if not self.variant:
            return ("", *order)
        lower = order[order.index(self.variant) :] if self.variant in order else (self.variant,)
        return (*lower, "")

    def is_served_by(self, offered: Platform) -> bool:
        """Whether an image for `offered` may be delivered where this one was asked for."""
        same_processor = (offered.os, offered.architecture) == (self.os, self.architecture)
        return (
            same_processor and offered.variant in self.served_by and self._has_version_of(offered)
        )

    def rank_of(self, offered: Platform) -> tuple[int, bool]:
        """How well `offered`, which serves this platform, does so; the lowest is the best."""
        is_other_version = bool(self.os_version) and offered.os_version != self.os_version
        return self.served_by.index(offered.variant), is_other_version

    def _has_version_of(self, offered: Platform) -> bool:
        """Whether `offered` has the version that is wanted, if any is; `10.0.17763` has updates."""
        wanted, version = self.os_version, offered.os_version
        return not wanted or version == wanted or version.startswith(f"{wanted}.")

    def __str__(self) -> str:
        version = f"({self.os_version})" if self.os_version else ""
        tail = f"/{self.variant}" if self.variant else ""
        return f"{self.os}{version}/{self.architecture}{tail}"


UNKNOWN = Platform("unknown", "unknown")
"""What BuildKit writes where a child of an index is an attestation."""


@dataclass(frozen=True)
class PlatformChoice:
    """Which platforms of an image an entry wants: one, several, or all.

    Attributes:
        platforms: In the order they were asked for; empty means all.
        optional: Those of several that are left out where the source lacks them.
    """

    platforms: tuple[Platform, ...] = ()
    optional: frozenset[Platform] = frozenset()

    @classmethod
    def parse(cls, text: str) -> PlatformChoice:
        """Read `all`, one platform, or several with commas between.

        A question mark behind one of several makes it optional: `linux/amd64,linux/arm64?`.

        Raises:
            FormatError: One of them is no platform.
        """
        if text.strip().lower() == "all":
            return cls()
        parts = text.split(",")
        if len(parts) > 1 and not all(parts):
            hint = "write them as 'linux/amd64,linux/arm64', no spaces"
            raise FormatError(f"'{shortened(text)}' has a comma too many", hint=hint)
        platforms = tuple(Platform.parse(part.removesuffix("?")) for part in parts)
        marked = zip(parts, platforms, strict=True)
        optional = frozenset(platform for part, platform in marked if part.endswith("?"))
        if len(set(platforms)) == 1 and optional:
            hint = "a question mark goes behind one of several"
            raise FormatError(f"'{shortened(text)}' would leave nothing", hint=hint)
        return cls(tuple(dict.fromkeys(platforms)), optional)

    @property
    def is_all(self) -> bool:
        """Whether the whole index is wanted, whatever it holds."""
        return not self.platforms

    @property
    def single(self) -> Platform | None:
        """The one platform, where it is one; its copy is a plain image, not an index."""
        return self.platforms[0] if len(self.platforms) == 1 else None

    @property
    def in_any_order(self) -> tuple[frozenset[Platform], frozenset[Platform]]:
        """What is asked for, whatever order it stands in: an index keeps its source's order."""
        return frozenset(self.platforms), self.optional

    def left_out_of(self, delivered: str) -> tuple[Platform, ...]:
        """The platforms that a copy lacks since its source does.

        Args:
            delivered: What the copy is for: platforms as they are shown, commas between them.
        """
        if not self.optional:
            return ()
        there = tuple(map(Platform.shown, delivered.split(",")))
        return tuple(one for one in self.platforms if not any(map(one.is_served_by, there)))

    def __str__(self) -> str:
        marked = (f"{one}{'?' if one in self.optional else ''}" for one in self.platforms)
        return ",".join(marked) or "all"


def _is_known(word: str) -> bool:
    """Whether a word is an architecture, or is meant as one."""
    names = _ARCHITECTURES | _ALIASES
    return word in names or bool(_GLUED.fullmatch(word) or _BARE_VARIANT.fullmatch(word))


def _refused(text: str, hint: str = "") -> FormatError:
    otherwise = "write it as 'linux/arm64' or 'linux/arm/v7'"
    return FormatError(f"'{shortened(text)}' is not a platform", hint=hint or otherwise)


def _meant(system: str, architecture: str, variant: str = "") -> str:
    """What was probably meant, where words are not quite the known ones; else nothing."""
    if variant in _SYSTEMS:
        return f"the system comes first: '{variant}/{architecture}'"
    if architecture in _SYSTEMS:
        return f"the system comes first: '{architecture}/{system}'"
    if _BARE_VARIANT.fullmatch(architecture):
        return f"did you mean '{system}/arm/{architecture}'?"
    glued = _GLUED.fullmatch(architecture)
    if glued:
        return f"did you mean '{'/'.join((system, *_unglued(glued)))}'?"
    words = (
        _near(system, _SYSTEMS, _LIKE_A_SYSTEM),
        _near(architecture, _ARCHITECTURES | _ALIASES, _LIKE_AN_ARCHITECTURE),
    )
    if words == (system, architecture):
        return ""
    return f"did you mean '{'/'.join((*words, *filter(None, (variant,))))}'?"


def _unglued(glued: re.Match[str]) -> tuple[str, str]:
    """Architecture and variant; from v8 on, ARM is a 64-bit architecture."""
    is_64 = "64" in glued[0] or glued["variant"] in ("v8", "v9")
    family = "arm64" if is_64 and glued["family"] == "arm" else glued["family"]
    return family, glued["variant"]


_ALIASES = frozenset(_ARCHITECTURE_ALIASES)


def _near(word: str, known: frozenset[str], likeness: float) -> str:
    """The known word that one is, or nearly is; else the word itself."""
    if word in known:
        return word
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=likeness)
    return _SLIPS.get(word) or (near[0] if near else word)
