"""What a file in sessions.d can say: its keys, the kinds of their values, what they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from .session import LaunchRequest, Restart
from .setting_kinds import Choice, Flag, Raw, Refused, ValueKind, Variables, shown


class Start(StrEnum):
    """Who starts a declared session."""

    MANUAL = "manual"  # a person, a script or a timer: `artac start`
    WITH_BACKEND = "with-backend"  # the backend, too, each time that it has come up


@dataclass(frozen=True)
class Declaration:
    """One file: the session that it describes, of the name that the file has."""

    name: str
    path: str
    request: LaunchRequest
    start: Start = Start.MANUAL


@dataclass(frozen=True)
class Additions:
    """What one start of a declared session adds to its file."""

    prompt_uuid: str | None = None
    queue: float | None = None  # as in LaunchRequest
    env: Mapping[str, str] = field(default_factory=dict)  # counts over the file's
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Save:
    """The request to write a file: its keys and values as a request of the API has them."""

    content: Mapping[str, Any] = field(repr=False)
    force: bool = False  # replace the one that is there
    dry_run: bool = False


class Directory(ValueKind[str]):
    allowed = "an absolute path, or ~/ and what is below the account's home"

    def parse(self, raw: Raw) -> str:
        if not isinstance(raw, str) or not raw.startswith(("/", "~/")):
            raise Refused(shown(raw))
        return raw

    def write(self, value: str) -> Raw:
        return value


class Restarts(ValueKind[tuple[Restart, ...]]):
    """A word or a list of words; `no` is none of them."""

    allowed = "no, on-failure, on-boot, or a list of the last two"

    def parse(self, raw: Raw) -> tuple[Restart, ...]:
        if raw == "no":
            return ()
        known = {when.value: when for when in Restart}
        words = [raw] if isinstance(raw, str) else raw
        if words is None or isinstance(words, Mapping):
            raise Refused(shown(raw))
        found = []
        for word in words:
            if not isinstance(word, str) or word not in known:
                raise Refused(shown(word))
            found.append(known[word])
        return tuple(dict.fromkeys(found))

    def write(self, value: tuple[Restart, ...]) -> Raw:
        return [when.value for when in value] or "no"


# Every key. One without a kind is written as a request of the API has it, and checked as that is.
KEYS: Final[Mapping[str, ValueKind[Any] | None]] = MappingProxyType(
    {
        "prompt": None,
        "kind": None,
        "cwd": Directory(),
        "model": None,
        "permission_mode": None,
        "allowed_tools": None,
        "claude_args": None,
        "limits": None,
        "env": Variables(),
        "persist": Flag(),
        "restart": Restarts(),
        "start": Choice(Start),
    }
)
