"""How values from several places become one set of settings, each with its origin."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final

from .errors import ArtacError, ErrorKind
from .setting_kinds import Raw, Refused, shown
from .settings import ENV_NAMES, SETTINGS, Settings

# Within these prefixes a name that is no setting is a misspelt one.
_OWN_PREFIXES = ("ARTAC_", "PERSIST_CLAUDE_")


class Layer(IntEnum):
    """Where a value comes from; of two values the one of the higher layer counts."""

    DEFAULT = 0
    YAML = 1
    DOTENV = 2
    ENVIRONMENT = 3
    COMMAND_LINE = 4


@dataclass(frozen=True)
class Origin:
    """Where a value was written: its layer and, for people, the exact place."""

    layer: Layer
    place: str

    def __str__(self) -> str:
        return self.place


BUILT_IN: Final = Origin(Layer.DEFAULT, "built-in default")


@dataclass(frozen=True)
class Given:
    """One value as it was found, not yet read."""

    key: str
    raw: Raw = field(repr=False)
    origin: Origin


@dataclass(frozen=True)
class Resolved:
    """The settings in force, and for every key where its value came from."""

    settings: Settings
    origins: Mapping[str, Origin]


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word; "" where no known one is like it."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def config_error(place: object, problem: str) -> ArtacError:
    """The error for something wrong at `place`; its message is one line."""
    return ArtacError(ErrorKind.CONFIG, f"{place}: {problem}")


def setting_of_variable(name: str, place: object) -> str | None:
    """The key an environment variable sets; None for a variable that is not artac's.

    Raises ArtacError(CONFIG) for a name of artac's that it does not know.
    """
    if name in ENV_NAMES or not name.startswith(_OWN_PREFIXES):
        return ENV_NAMES.get(name)
    key = name.removeprefix("ARTAC_").lower()
    if key in SETTINGS:
        right = SETTINGS[key].env_name
        hint = f"; use {right}" if right else "; it can only be set in a YAML file"
    else:
        hint = suggestion(name, ENV_NAMES)
    raise config_error(place, f"unknown variable {shown(name)}{hint}")


def _parse(given: Given) -> Any:
    setting = SETTINGS.get(given.key)
    if setting is None:
        hint = suggestion(given.key, SETTINGS) or f"; allowed: {', '.join(SETTINGS)}"
        raise config_error(given.origin, f"unknown key {shown(given.key)}{hint}")
    try:
        raw = given.raw
        if isinstance(raw, str) and given.origin.layer is not Layer.YAML:
            raw = setting.kind.from_text(raw)
        return setting.kind.parse(raw)
    except Refused as refused:
        problem = f"{given.key}: found {refused}; allowed: {setting.kind.allowed}"
        raise config_error(given.origin, problem) from None


def merge(values: Iterable[Given]) -> Resolved:
    """Lay `values`, lowest layer first, over the defaults; the last one of a key counts whole.

    Raises ArtacError(CONFIG) for a bad one, also where a later value would have replaced it.
    """
    parsed: dict[str, Any] = {}
    origins = dict.fromkeys(SETTINGS, BUILT_IN)
    for given in values:
        parsed[given.key] = _parse(given)
        origins[given.key] = given.origin
    return Resolved(Settings(**parsed), MappingProxyType(origins))
