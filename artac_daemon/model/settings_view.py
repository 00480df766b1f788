"""The settings in force, as `artac config` shows them; no secret is in any of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from .setting_kinds import HiddenValues, Raw
from .setting_layers import Resolved
from .settings import SETTINGS

HIDDEN = "(hidden)"
# Texts that YAML reads back as themselves without quotes. An umask is not among them: other
# readers of YAML would take it for a number.
_PLAIN = re.compile(
    r"/?[A-Za-z][A-Za-z0-9_./@+-]*|[1-9][0-9]*(?:[a-zA-Z][a-zA-Z0-9]*(?: [a-zA-Z0-9]+)*)?|0"
)
_RESERVED = frozenset({"yes", "no", "on", "off", "null", "y", "n"})


class Row(NamedTuple):
    """One setting: its value as a YAML file would have it, its origin, `live` or `restart`."""

    key: str
    value: str
    origin: str
    reload: str


def _quoted(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in escaped)


def _written(raw: Raw) -> str:
    if raw is None:
        return "null"
    if isinstance(raw, str):
        is_plain = _PLAIN.fullmatch(raw) and raw.lower() not in _RESERVED
        return raw if is_plain else _quoted(raw)
    if isinstance(raw, Mapping):
        return "{" + ", ".join(f"{name}: {_written(value)}" for name, value in raw.items()) + "}"
    return "[" + ", ".join(_written(item) for item in raw) + "]"


def _value(key: str, value: Any) -> str:
    if isinstance(value, HiddenValues):
        return "{" + ", ".join(f"{name}: {HIDDEN}" for name in value) + "}"
    return _written(SETTINGS[key].kind.write(value))


def _json_value(key: str, value: Any) -> Any:
    if isinstance(value, HiddenValues):
        return dict.fromkeys(value, HIDDEN)
    if isinstance(value, bool | int | float) and key != "session_umask":
        return value
    if isinstance(value, Enum):
        return value.value
    return SETTINGS[key].kind.write(value)


def rows(resolved: Resolved) -> list[Row]:
    """Every setting, in the table's order."""
    return [
        Row(
            key,
            _value(key, getattr(resolved.settings, key)),
            str(resolved.origins[key]),
            setting.reload.value,
        )
        for key, setting in SETTINGS.items()
    ]


def to_json(resolved: Resolved) -> dict[str, dict[str, Any]]:
    """The same for programs: `value` has bytes and seconds as numbers, `written` is the row's."""
    return {
        row.key: {
            "value": _json_value(row.key, getattr(resolved.settings, row.key)),
            "written": row.value,
            "origin": row.origin,
            "reload": row.reload,
        }
        for row in rows(resolved)
    }
