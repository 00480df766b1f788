"""What clients send, checked for form: every wrong key, type and value has its one-line answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..claude import stream
from ..model.errors import ArtacError, ErrorKind
from ..model.limits import read as read_limits
from ..model.reaping import Wanted
from ..model.session import LARGEST_PID, Kind, LaunchRequest, State
from ..model.settings import PermissionMode

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_QUEUE = 86400.0


class Body:
    """A JSON object whose keys are taken one by one; what is left over is refused."""

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, dict):
            raise _bad("the request's body must be a JSON object")
        self._raw: dict[str, Any] = dict(raw)

    def take(self, key: str, default: T, check: Callable[[str, Any], T]) -> T:
        """The checked value of a key; the default where it is missing or null."""
        value = self._raw.pop(key, None)
        return default if value is None else check(key, value)

    def finish(self) -> None:
        """ArtacError(USAGE) when there are keys that nobody asked for."""
        if self._raw:
            raise _bad(f"unknown key {', '.join(map(repr, sorted(self._raw)))} in the request")


def launch(raw: object) -> LaunchRequest:
    """The request to start a session; a prompt has a uuid in any case."""
    body = Body(raw)
    kind = body.take("kind", Kind.HEADLESS, _kind)
    prompt = body.take("prompt", None, _maybe_text)
    prompt_uuid = body.take("prompt_uuid", None, message_uuid)
    request = LaunchRequest(
        cwd=body.take("cwd", "", text),
        kind=kind,
        name=body.take("name", "", text),
        prompt=prompt,
        prompt_uuid=prompt_uuid or (stream.new_uuid() if prompt is not None else None),
        model=body.take("model", "", _option_value),
        permission_mode=body.take("permission_mode", "", _permission_mode),
        allowed_tools=body.take("allowed_tools", (), _texts),
        claude_args=body.take("claude_args", (), _texts),
        env=body.take("env", {}, _environment),
        size=body.take("size", None, _size),
        limits=body.take("limits", {}, _limits),
        queue=body.take("queue", None, _queue),
    )
    body.finish()
    if not request.cwd:
        raise _bad("cwd is missing: the absolute path that the session works in")
    if request.prompt is not None and kind is Kind.TERMINAL:
        raise _bad("prompt: a terminal session has none; type it once attached")
    if request.prompt is not None and not request.prompt.strip():
        raise _bad("prompt is empty")
    return request


def limits(raw: object) -> tuple[Mapping[str, Any], bool]:
    """The limits to change, and whether to do it at the cost of processes."""
    body = Body(raw)
    none: Mapping[str, Any] = {}
    changes = body.take("limits", none, _limits)
    force = body.take("force", False, _boolean)
    body.finish()
    if not changes:
        raise _bad('limits is missing or empty: an object such as {"memory": "3G"}')
    return changes, force


def message(raw: object) -> tuple[str, str | None]:
    """A message's text, and its uuid if the sender chose one."""
    body = Body(raw)
    words = body.take("text", "", text)
    chosen = body.take("uuid", None, message_uuid)
    body.finish()
    if not words.strip():
        raise _bad("text is missing or empty")
    return words, chosen


def reap(raw: object) -> tuple[Wanted, frozenset[tuple[int, int]] | None]:
    """What is to be ended, and what of it was confirmed (pid, start time); None to be shown it."""
    body = Body(raw)
    wanted = Wanted(
        session=body.take("session", "", text),
        orphans=body.take("orphans", False, _yes),
        everything=body.take("all", False, _yes),
        foreign=body.take("foreign", (), _pids),
    )
    dry_run = body.take("dry_run", False, _yes)
    confirmed = body.take("confirmed", None, _identities)
    body.finish()
    if [bool(part) for part in vars(wanted).values()].count(True) != 1:
        raise _bad("give one of session, orphans, all and foreign")
    if dry_run == (confirmed is not None):
        raise _bad("give dry_run, or in confirmed what that has shown: pid and start_time of each")
    return wanted, confirmed


def switch(raw: object) -> bool:
    """The request to switch persistence on or off."""
    body = Body(raw)
    on = body.take("on", None, _maybe_flag)
    body.finish()
    if on is None:
        raise _bad("on is missing: true or false")
    return on


def adoption(raw: object) -> tuple[int, str]:
    """The request to adopt a process: its pid, and a name if one was given."""
    body = Body(raw)
    pid = body.take("pid", 0, _whole)
    name = body.take("name", "", text)
    body.finish()
    if pid <= 0:
        raise _bad("pid is missing: a whole number above 0")
    return pid, name


def text(key: str, value: Any) -> str:
    """A text without NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise _bad(f"{key} must be a text without NUL, found {_shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _bad(f"{key} holds half of a surrogate pair, which is no text") from None
    return value


def message_uuid(key: str, value: Any) -> str:
    """A message's uuid, in lower case."""
    lowered = text(key, value).lower()
    if not _UUID.fullmatch(lowered):
        raise _bad(f"{key} must be a UUID such as 123e4567-e89b-12d3-a456-426614174000")
    return lowered


def seconds(key: str, value: str) -> float:
    """A number of seconds, from a query."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 31536000:
        raise _bad(f"{key} must be seconds from 0 to a year, found {value!r}")
    return number


def offset(key: str, value: str) -> int:
    """An offset into an output, from a query; negative ones count from its end."""
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise _bad(f"{key} must be a whole number of bytes, found {value!r}")
    return int(value)


def flag(key: str, value: str) -> bool:
    """A yes or no, from a query."""
    if value not in ("0", "1", "true", "false"):
        raise _bad(f"{key} must be 1, 0, true or false, found {value!r}")
    return value in ("1", "true")


def states(key: str, value: str) -> frozenset[State]:
    """A list of states, separated by commas."""
    known = {state.value: state for state in State}
    wanted = [word for word in value.split(",") if word]
    unknown = [word for word in wanted if word not in known]
    if unknown or not wanted:
        raise _bad(f"{key} must be of {', '.join(known)}; found {value!r}")
    return frozenset(known[word] for word in wanted)


def query(raw: Mapping[str, str], allowed: tuple[str, ...]) -> Mapping[str, str]:
    """The query, if it has no key but these."""
    for key in raw:
        if key not in allowed:
            raise _bad(f"unknown query key {key!r}; allowed: {', '.join(allowed) or 'none'}")
    return raw


def _yes(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad(f"{key} must be true or false, found {_shown(value)}")
    return value


def _pids(key: str, value: Any) -> tuple[int, ...]:
    valid = isinstance(value, list) and all(_is_pid(item) for item in value)
    if not valid:
        raise _bad(f"{key} must be a list of process ids, found {_shown(value)}")
    return tuple(value)


def _identities(key: str, value: Any) -> frozenset[tuple[int, int]]:
    if not isinstance(value, list):
        raise _bad(f"{key} must be a list of objects, found {_shown(value)}")
    for item in value:
        valid = isinstance(item, dict) and item.keys() == {"pid", "start_time"}
        if not valid or not _is_pid(item["pid"]) or type(item["start_time"]) is not int:
            raise _bad(f"{key} must be a list of objects with the numbers pid and start_time")
    return frozenset((item["pid"], item["start_time"]) for item in value)


def _is_pid(value: Any) -> bool:
    return type(value) is int and 0 < value <= LARGEST_PID


def _maybe_text(key: str, value: Any) -> str | None:
    return text(key, value)


def _maybe_flag(key: str, value: Any) -> bool | None:
    if not isinstance(value, bool):
        raise _bad(f"{key} must be true or false, found {_shown(value)}")
    return value


def _whole(key: str, value: Any) -> int:
    if type(value) is not int:
        raise _bad(f"{key} must be a whole number, found {_shown(value)}")
    return value


def _option_value(key: str, value: Any) -> str:
    if text(key, value).startswith("-"):
        raise _bad(f"{key} must not start with '-'")
    return str(value)


def _kind(key: str, value: Any) -> Kind:
    kinds = {kind.value: kind for kind in (Kind.HEADLESS, Kind.TERMINAL)}
    if not isinstance(value, str) or value not in kinds:
        raise _bad(f"{key} must be {' or '.join(kinds)}, found {_shown(value)}")
    return kinds[value]


def _permission_mode(key: str, value: Any) -> str:
    modes = [mode.value for mode in PermissionMode]
    if not isinstance(value, str) or value not in modes:
        raise _bad(f"{key} must be one of {', '.join(modes)}; found {_shown(value)}")
    return value


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _bad(f"{key} must be a list of texts, found {_shown(value)}")
    return tuple(text(key, item) for item in value)


def _environment(key: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise _bad(f"{key} must be an object of names and texts")
    for name in value:
        if not _ENV_NAME.fullmatch(name) or name.startswith("ARTAC_"):
            raise _bad(f"{key}: {name!r} is not a variable that a session may be given")
        text(f"{key}.{name}", value[name])
    return dict(value)


def _limits(key: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise _bad(f'{key} must be an object of names and texts, such as {{"memory": "3G"}}')
    return read_limits(value)


def _boolean(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad(f"{key} must be true or false, found {_shown(value)}")
    return value


def _queue(key: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= _LONGEST_QUEUE:
        raise _bad(f"{key} must be seconds from 0 to a day, found {_shown(value)}")
    return float(value)


def _size(key: str, value: Any) -> tuple[int, int]:
    valid = isinstance(value, list) and len(value) == 2
    if not valid or not all(type(item) is int and 1 <= item <= 10000 for item in value):
        raise _bad(f"{key} must be [columns, rows], each from 1 to 10000")
    return value[0], value[1]


def _shown(value: Any) -> str:
    if isinstance(value, (str, int, float, bool)):
        return repr(value)[:60]
    return f"a {type(value).__name__}"  # what it holds may be nested deeper than repr() goes


def _bad(what: str) -> ArtacError:
    return ArtacError(ErrorKind.USAGE, what)
