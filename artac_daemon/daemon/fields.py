"""The values in what clients send, checked one by one: a wrong one has its one-line answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..model.errors import ArtacError, ErrorKind
from ..model.limits import read as read_limits
from ..model.permission import ALL_SUGGESTIONS, PermissionMode
from ..model.session import (
    LARGEST_PID,
    Kind,
    Restart,
    State,
)

T = TypeVar("T")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_QUEUE = 86400.0
_LONGEST_TURN = 366 * 86400.0


class Body:
    """A JSON object whose keys are taken one by one; what is left over is refused."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise bad("the request's body must be a JSON object")
        self._raw: dict[str, Any] = dict(raw)
        self._known: list[str] = []

    def take(self, key: str, default: T, check: Callable[[str, Any], T]) -> T:
        """The checked value of a key; the default where it is missing or null."""
        self._known.append(key)
        value = self._raw.pop(key, None)
        return default if value is None else check(key, value)

    def finish(self) -> None:
        """ArtacError(USAGE) when there are keys that nobody asked for."""
        if self._raw:
            unknown = ", ".join(map(repr, sorted(self._raw)))
            allowed = ", ".join(self._known) or "none"
            raise bad(f"unknown key {unknown} in the request; allowed: {allowed}")


def text(key: str, value: Any) -> str:
    """A text without NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise bad(f"{key} must be a text without NUL, found {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise bad(f"{key} holds half of a surrogate pair, which is no text") from None
    return value


def message_uuid(key: str, value: Any) -> str:
    """A message's uuid, in lower case."""
    lowered = text(key, value).lower()
    if not _UUID.fullmatch(lowered):
        raise bad(f"{key} must be a UUID such as 123e4567-e89b-12d3-a456-426614174000")
    return lowered


def seconds(key: str, value: str) -> float:
    """A number of seconds, from a query."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 31536000:
        raise bad(f"{key} must be seconds from 0 to a year, found {value!r}")
    return number


def offset(key: str, value: str) -> int:
    """An offset into an output, from a query; negative ones count from its end."""
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise bad(f"{key} must be a whole number of bytes, found {value!r}")
    return int(value)


def flag(key: str, value: str) -> bool:
    """A yes or no, from a query."""
    if value not in ("0", "1", "true", "false"):
        raise bad(f"{key} must be 1, 0, true or false, found {value!r}")
    return value in ("1", "true")


def states(key: str, value: str) -> frozenset[State]:
    """A list of states, separated by commas."""
    known = {state.value: state for state in State}
    wanted = [word for word in value.split(",") if word]
    unknown = [word for word in wanted if word not in known]
    if unknown or not wanted:
        raise bad(f"{key} must be of {', '.join(known)}; found {value!r}")
    return frozenset(known[word] for word in wanted)


def query(raw: Mapping[str, str], allowed: tuple[str, ...]) -> Mapping[str, str]:
    """The query, if it has no key but these."""
    for key in raw:
        if key not in allowed:
            raise bad(f"unknown query key {key!r}; allowed: {', '.join(allowed) or 'none'}")
    return raw


def suggestions(key: str, value: Any) -> tuple[int, ...]:
    if value == "all":
        return ALL_SUGGESTIONS
    if not isinstance(value, list) or not all(type(item) is int and item > 0 for item in value):
        raise bad(f'{key} must be "all" or a list of whole numbers from 1, found {shown(value)}')
    return tuple(dict.fromkeys(value))


def yes(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad(f"{key} must be true or false, found {shown(value)}")
    return value


def pids(key: str, value: Any) -> tuple[int, ...]:
    valid = isinstance(value, list) and all(is_pid(item) for item in value)
    if not valid:
        raise bad(f"{key} must be a list of process ids, found {shown(value)}")
    return tuple(value)


def identities(key: str, value: Any) -> frozenset[tuple[int, int]]:
    if not isinstance(value, list):
        raise bad(f"{key} must be a list of objects, found {shown(value)}")
    for item in value:
        valid = isinstance(item, dict) and item.keys() == {"pid", "start_time"}
        if not valid or not is_pid(item["pid"]) or type(item["start_time"]) is not int:
            raise bad(f"{key} must be a list of objects with the numbers pid and start_time")
    return frozenset((item["pid"], item["start_time"]) for item in value)


def is_pid(value: Any) -> bool:
    return type(value) is int and 0 < value <= LARGEST_PID


def maybe_text(key: str, value: Any) -> str | None:
    return text(key, value)


def maybe_flag(key: str, value: Any) -> bool | None:
    if not isinstance(value, bool):
        raise bad(f"{key} must be true or false, found {shown(value)}")
    return value


def whole(key: str, value: Any) -> int:
    if type(value) is not int:
        raise bad(f"{key} must be a whole number, found {shown(value)}")
    return value


def option_value(key: str, value: Any) -> str:
    if text(key, value).startswith("-"):
        raise bad(f"{key} must not start with '-'")
    return str(value)


def kind(key: str, value: Any) -> Kind:
    kinds = {kind.value: kind for kind in (Kind.HEADLESS, Kind.TERMINAL)}
    if not isinstance(value, str) or value not in kinds:
        raise bad(f"{key} must be {' or '.join(kinds)}, found {shown(value)}")
    return kinds[value]


def permission_mode(key: str, value: Any) -> str:
    modes = [mode.value for mode in PermissionMode]
    if not isinstance(value, str) or value not in modes:
        raise bad(f"{key} must be one of {', '.join(modes)}; found {shown(value)}")
    return value


def texts(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise bad(f"{key} must be a list of texts, found {shown(value)}")
    return tuple(text(key, item) for item in value)


def environment(key: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise bad(f"{key} must be an object of names and texts")
    for name in value:
        if not _ENV_NAME.fullmatch(name) or name.startswith("ARTAC_"):
            raise bad(f"{key}: {name!r} is not a variable that a session may be given")
        text(f"{key}.{name}", value[name])
    return dict(value)


def mapping(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise bad(f"{key} must be an object, found {shown(value)}")
    return value


def maybe_kind(key: str, value: Any) -> Kind | None:
    return kind(key, value)


def maybe_restart(key: str, value: Any) -> tuple[Restart, ...] | None:
    return restart(key, value)


def restart(key: str, value: Any) -> tuple[Restart, ...]:
    known = {when.value: when for when in Restart}
    if not isinstance(value, list) or not all(
        isinstance(item, str) and item in known for item in value
    ):
        raise bad(f"{key} must be a list of {' and '.join(known)}, found {shown(value)}")
    return tuple(when for word, when in known.items() if word in value)


def limits(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise bad(f'{key} must be an object of names and texts, such as {{"memory": "3G"}}')
    return read_limits(value)


def boolean(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad(f"{key} must be true or false, found {shown(value)}")
    return value


def queue(key: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= _LONGEST_QUEUE:
        raise bad(f"{key} must be seconds from 0 to a day, found {shown(value)}")
    return float(value)


def turn_timeout(key: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value <= _LONGEST_TURN:
        raise bad(f"{key} must be seconds, more than 0 and up to a year, found {shown(value)}")
    return float(value)


def size(key: str, value: Any) -> tuple[int, int]:
    valid = isinstance(value, list) and len(value) == 2
    if not valid or not all(type(item) is int and 1 <= item <= 10000 for item in value):
        raise bad(f"{key} must be [columns, rows], each from 1 to 10000")
    return value[0], value[1]


def shown(value: Any) -> str:
    if isinstance(value, (str, int, float, bool)):
        return repr(value)[:60]
    return f"a {type(value).__name__}"  # what it holds may be nested deeper than repr() goes


def bad(what: str) -> ArtacError:
    return ArtacError(ErrorKind.USAGE, what)
