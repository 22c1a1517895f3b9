"""What a command works on: settings, targets and images, as they were typed and set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.arguments import Arguments, Streams
from orchestrator.config.authfile import ready_targets
from orchestrator.config.files import TargetsFile, Value
from orchestrator.config.image_list import ImageList, parse_entry, parse_list
from orchestrator.config.load import load_settings, load_values, load_webhooks
from orchestrator.config.settings import BUILT_IN, Settings, Webhook
from orchestrator.config.values import words
from orchestrator.errors import ConfigurationError, FormatError, UsageError
from orchestrator.plan.items import NamedItems, name_items
from orchestrator.plan.shard import Shard
from orchestrator.system.terminal import Screen, screen_of
from orchestrator.text import Redactor

_LARGEST_LIST = 64 * 1024 * 1024
"""Bytes; a list of a million lines has less."""

_OTHER = "write one image a line into it, or name another with --file"
_FIRST = "'syncer init' writes one here, to begin with; or name yours with --file"
"""Where neither list nor settings are: `init` writes into no folder that has one of them."""


@dataclass(frozen=True)
class Invocation:
    """One start of the program: what was typed, what is set, and where to write.

    Attributes:
        environ: The process's environment; only what is no setting is looked up in it.
    """

    arguments: Arguments
    settings: Settings
    environ: Mapping[str, str]
    streams: Streams

    @property
    def screen(self) -> Screen:
        """What results are shown on."""
        return screen_of(self.streams.out, self.environ, colour=self.arguments.colour)

    @property
    def redact(self) -> Redactor:
        """Masks every secret of the settings in a text."""
        return Redactor(self.settings.secrets)


def read_settings(arguments: Arguments, environ: Mapping[str, str]) -> Settings:
    """The settings, from flags, environment and files.

    Raises:
        ConfigurationError: A value or a file is wrong.
    """
    base, config = _places(arguments)
    return load_settings(environ, base=base, config=config, flags=_flags(arguments))


def found_settings(
    arguments: Arguments, environ: Mapping[str, str]
) -> tuple[Mapping[str, Value], TargetsFile]:
    """The value of each key as it was found, and where; and what targets.toml says.

    Raises:
        ConfigurationError: A file is wrong.
    """
    base, config = _places(arguments)
    return load_values(environ, base=base, config=config, flags=_flags(arguments))


def _flags(arguments: Arguments) -> dict[str, str]:
    """What was typed in the place of settings."""
    return {
        "JOBS": arguments.jobs or "",
        "SIGNATURES": "true" if arguments.with_signatures else "",
    }


def read_webhooks(arguments: Arguments, environ: Mapping[str, str]) -> tuple[Webhook, ...]:
    """Whom to tell that there was no run, whether or not the settings can be used."""
    base, config = _places(arguments)
    return load_webhooks(environ, base=base, config=config)


def _places(arguments: Arguments) -> tuple[Path, Path | None]:
    """The folder of the list and its settings, and config.env where it was named."""
    config = Path(arguments.config) if arguments.config else None
    base = config.parent if config else Path(arguments.file or "images.txt").parent
    return base.absolute(), config


def chosen_targets(arguments: Arguments, settings: Settings) -> tuple[str, ...]:
    """The names of the run's targets, in their order; empty where SYNC_MODE is `none`.

    Raises:
        UsageError: `--to` names none.
    """
    if arguments.command in BUILT_IN:
        return (arguments.command,)
    if arguments.command == "double":
        return tuple(reversed(BUILT_IN)) if settings.is_on_actions else BUILT_IN
    if arguments.to is None:
        return settings.mode
    named = tuple(dict.fromkeys(words(arguments.to)))
    if not named:
        raise UsageError("--to names no target", hint="write it as --to=aliyun,ghcr")
    return named


def chosen_shard(arguments: Arguments) -> Shard | None:
    """The part of the list that is meant; None where all of it is.

    Raises:
        UsageError: `--shard` is not `K/N`.
    """
    if arguments.shard is None:
        return None
    try:
        return Shard.parse(arguments.shard)
    except FormatError as error:
        raise UsageError(f"--shard: {error.message}", hint=error.hint) from None


def ready_items(arguments: Arguments, settings: Settings) -> tuple[ImageList, NamedItems]:
    """The list, and its items in the run's targets.

    Raises:
        UsageError: An image, or an option to it, is wrong on the command line.
        ConfigurationError: The list can't be read, or a target is not set up.
    """
    images = read_images(arguments, settings)
    return images, name_items(
        images,
        targets=ready_targets(settings, chosen_targets(arguments, settings)),
        others=settings.usable_targets,
        default_platform=settings.default_platform,
    )


def named_anywhere(images: ImageList, settings: Settings, targets: tuple[str, ...]) -> NamedItems:
    """The list's items in targets that need no login, and may not be set up yet.

    What is not set of a target has a placeholder in its names.

    Raises:
        ConfigurationError: There is no such target.
    """
    known = {name: target.with_placeholders() for name, target in settings.targets.items()}
    return name_items(
        images.with_placeholders(),
        targets={settings.known_target(name).name: known[name] for name in targets},
        others=known,
        default_platform=settings.default_platform,
    )


def read_images(arguments: Arguments, settings: Settings) -> ImageList:
    """The images of the command line, or else those of the list.

    Raises:
        UsageError: An image, or an option to it, is wrong on the command line.
        ConfigurationError: The list can't be read.
    """
    given = arguments.images
    if not given:
        path = Path(arguments.file) if arguments.file else settings.base / "images.txt"
        is_bare = not arguments.file and not (settings.base / "config.env").exists()
        content = _read_list(path, hint=_FIRST if is_bare else _OTHER)
        return parse_list(content, file=_shown_path(path))
    if arguments.name and len(given) > 1:
        raise UsageError("--name goes with one image", hint="give each image a command of its own")
    try:
        entries = tuple(parse_entry(image, _options_of(arguments)) for image in given)
    except FormatError as error:
        raise UsageError(error.message, hint=error.hint) from None
    return ImageList("", entries)


def _options_of(arguments: Arguments) -> dict[str, str]:
    """What was typed to an image, by the names that options have in a list."""
    own = {"--platform": arguments.platform, "--name": arguments.name}
    return {option: value for option, value in own.items() if value} | dict(arguments.choice)


def _read_list(path: Path, *, hint: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_LIST + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{_shown_path(path)} can't be read: {error.strerror}",
            hint=hint,
        ) from None
    if len(content) > _LARGEST_LIST:
        raise ConfigurationError(
            f"{_shown_path(path)} is larger than 64 MiB",
            hint="a list has one image a line: name it with --file, or split it",
        )
    return content


def _shown_path(path: Path) -> str:
    """As short as a person would write it; annotations want it from the working folder."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
