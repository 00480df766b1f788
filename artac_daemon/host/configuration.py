"""Loads the configuration: which files there are, and in which order they count."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..model.errors import printable
from ..model.setting_kinds import HiddenValues, Raw
from ..model.setting_layers import (
    Given,
    Layer,
    Origin,
    Resolved,
    config_error,
    merge,
    setting_of_variable,
)
from . import config_text, credentials
from .directories import config_directory
from .dotenv_file import parse_dotenv
from .yaml_file import parse_yaml

MAIN_FILE = "artac.yaml"
SESSIONS = "sessions.d"  # beside the main file: the declared sessions
# Names of artac's that say something other than a setting, in the environment only: whoever has
# one exported for a command of artac's may start the daemon by hand as well.
_OTHER_NAMES = frozenset(
    {"ARTAC_CONFIG_DIRECTORY", "ARTAC_SESSION", "ARTAC_NAME", "ARTAC_CACHE", "ARTAC_TRACEBACK"}
    | {"ARTAC_SESSION_NAME", "ARTAC_SESSION_FILE", "ARTAC_STEAL", "ARTAC_CLAUDE_DIRECT"}
    | {"ARTAC_NO_RESTART", "ARTAC_REMOVE_SESSIONS"}
    # What a program of notify_command has, which may well run `artac`.
    | {f"ARTAC_EVENT{part}" for part in ("", "_ID", "_SESSION", "_NAME")}
)


@dataclass(frozen=True)
class Override:
    """A setting given on the command line, and the option that gave it, such as `--persist`."""

    raw: Raw
    option: str


@dataclass(frozen=True)
class Loaded:
    """The configuration, and what sessions get from .env files and credentials beyond it.

    `session_environment` may hold secrets, `session_places` tells where each of them comes from;
    `files` are those read, lowest first; `declared` is the directory of the declared sessions.
    """

    resolved: Resolved
    session_environment: HiddenValues = field(repr=False)
    session_places: Mapping[str, str]
    warnings: tuple[str, ...]
    files: tuple[Path, ...]
    declared: Path


def _main_file(environ: Mapping[str, str], cwd: Path, config: Path | None) -> Path:
    named = environ.get("ARTAC_CONFIG_DIRECTORY", "")
    if config is None and not named:
        return config_directory(environ) / MAIN_FILE
    asked = cwd / (config or named)
    try:
        is_directory = stat.S_ISDIR(asked.stat().st_mode)
    except OSError as error:
        raise config_error(asked, f"cannot be read: {error.strerror}") from None
    return asked / MAIN_FILE if is_directory else asked


def _drop_ins(directory: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise config_error(directory, f"cannot be read: {error.strerror}") from None
    return [directory / n for n in names if n.endswith(".yaml") and not n.startswith(".")]


class _Collector:
    """Gathers values from the lowest layer to the highest."""

    def __init__(self) -> None:
        self.values: list[Given] = []
        self.session_environment = HiddenValues()
        self.session_places: dict[str, str] = {}
        self.warnings: list[str] = []
        self.files: list[Path] = []

    def _warn(self, path: Path, problem: str) -> None:
        self.warnings.append(printable(f"{path}: {problem}"))

    def read_yaml(self, path: Path) -> None:
        text = config_text.read(path)
        if text is None:
            return
        self.files.append(path)
        for key, raw, line in parse_yaml(str(path), text.content):
            place = printable(f"{path}:{line}")
            self.values.append(Given(key, raw, Origin(Layer.YAML, place)))

    def read_dotenv(self, path: Path, *, trusted: bool) -> None:
        # `.env` is also what many call a virtual environment's directory.
        if os.path.isdir(path):
            self._warn(path, "is a directory, not read")
            return
        if not trusted and not os.access(path.parent, os.X_OK):
            self._warn(path, "not looked for, the working directory is closed to this account")
            return
        text = config_text.read(path)
        if text is None:
            return
        owner, mode = text.status.st_uid, text.status.st_mode
        if not trusted and (owner not in {0, os.geteuid()} or mode & stat.S_IWOTH):
            self._warn(path, "not read, another user can write to it")
            return
        self.files.append(path)
        has_secrets = False
        for name, value, line in parse_dotenv(str(path), text.content):
            if name in _OTHER_NAMES:
                raise config_error(f"{path}:{line}", f"{name} counts in the environment only")
            key = setting_of_variable(name, f"{path}:{line}")
            if key is None:
                self.session_environment[name] = value
                self.session_places[name] = printable(f"{path}:{line}")
                has_secrets = True
            else:
                place = printable(f".env:{line} ({path})")
                self.values.append(Given(key, value, Origin(Layer.DOTENV, place)))
        if has_secrets and config_text.exposed(path, text.status):
            problem = f"mode {stat.S_IMODE(mode):04o} lets other users read what may be secret"
            self._warn(path, f"{problem}; run: {config_text.closing(path, text.status)}")

    def read_environment(self, environ: Mapping[str, str]) -> None:
        for name, value in sorted(environ.items()):
            if name in self.session_environment:
                self.session_environment[name] = value
                del self.session_places[name]
            if name in _OTHER_NAMES:
                continue
            place = f"environment {name}"
            if key := setting_of_variable(name, "environment"):
                self.values.append(Given(key, value, Origin(Layer.ENVIRONMENT, place)))

    def read_credentials(self, environ: Mapping[str, str]) -> None:
        """The lowest of what sessions get: a variable of the same name is the more particular."""
        for name, (value, place) in credentials.given_by_systemd(environ).items():
            if not environ.get(name) and not self.session_environment.get(name):
                self.session_environment[name] = value
                self.session_places[name] = place

    def take_overrides(self, overrides: Mapping[str, Override]) -> None:
        for key, override in overrides.items():
            origin = Origin(Layer.COMMAND_LINE, f"command line {override.option}")
            self.values.append(Given(key, override.raw, origin))


def _dotenv_files(config: Path, cwd: Path) -> Iterator[tuple[Path, bool]]:
    """The .env files, each with whether its directory is one that configuration comes from."""
    beside, working = config / ".env", cwd / ".env"
    yield beside, True
    try:
        same = beside.samefile(working)
    except OSError:
        same = False
    if not same:
        yield working, False


def load(
    overrides: Mapping[str, Override],
    environ: Mapping[str, str],
    cwd: Path,
    config: Path | None = None,
) -> Loaded:
    """Read every layer of the configuration.

    `config` is the file or directory that was asked for; it must exist, while files nobody
    asked for may be missing. Raises ArtacError(CONFIG) with one line for the first thing wrong.
    """
    main = _main_file(environ, cwd, config)
    found = _Collector()
    found.read_yaml(main)
    for path in _drop_ins(main.with_name(main.name + ".d")):
        found.read_yaml(path)
    for path, trusted in _dotenv_files(main.parent, cwd):
        found.read_dotenv(path, trusted=trusted)
    found.read_environment(environ)
    found.read_credentials(environ)
    found.take_overrides(overrides)
    return Loaded(
        merge(found.values),
        found.session_environment,
        found.session_places,
        tuple(found.warnings),
        tuple(found.files),
        main.with_name(SESSIONS),
    )
