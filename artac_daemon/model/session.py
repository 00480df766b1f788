"""What a session is: what was asked for, where it lives, and who keeps it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from .errors import ArtacError, ErrorKind

ID_LENGTH = 6
# No vowels and no look-alikes (0/o, 1/l): an id is read aloud and never spells a word.
ID_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"

LARGEST_PID = 4 * 1024 * 1024  # PID_MAX_LIMIT of the kernel

_ID = re.compile(rf"[{ID_ALPHABET}]{{{ID_LENGTH}}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
NAME_RULE = "1 to 63 letters, digits, '.', '_' or '-', starting with a letter or a digit"


class Kind(str, Enum):
    """How Claude Code is spoken to."""

    HEADLESS = "headless"
    TERMINAL = "terminal"
    ADOPTED = "adopted"  # not at all: somebody else has started it
    PIPED = "piped"  # by the program that started it, as if Claude were its own child


class Placement(str, Enum):
    """Which cgroup a session lives in, and so who ends it."""

    SERVICE = "service"
    SCOPE = "scope"
    DETACHED = "detached"


class State(str, Enum):
    """What a session is doing, as far as Claude has said."""

    STARTING = "starting"
    WORKING = "working"
    NEEDS_PERMISSION = "needs-permission"
    RETRYING = "retrying"  # the model's API has failed, and will be asked again
    IDLE = "idle"
    RUNNING = "running"  # its program does not tell
    STOPPING = "stopping"
    UNRESPONSIVE = "unresponsive"  # the keeper is alive and does not answer
    ENDED = "ended"


class Restart(str, Enum):
    """When a session's conversation is taken up again without anybody asking. None: never."""

    ON_FAILURE = "on-failure"  # it ended otherwise than in order or on purpose
    ON_BOOT = "on-boot"  # the machine went down under it


def is_id(text: str) -> bool:
    """Whether the text has the form of a session id."""
    return _ID.fullmatch(text) is not None


def check_name(name: str) -> str:
    """The name, if a session may have it; ArtacError(USAGE) otherwise."""
    if not _NAME.fullmatch(name):
        raise ArtacError(ErrorKind.USAGE, f"session name {name!r} is not allowed: use {NAME_RULE}")
    return name


def unit_name(session_id: str) -> str:
    """The scope unit of a session in `scope` placement."""
    return f"artac-session-{session_id}.scope"


def id_of_unit(unit: str) -> str | None:
    """The session id in a scope's name; None for a unit that is not of artac's naming."""
    stem = unit.removeprefix("artac-session-").removesuffix(".scope")
    return stem if unit_name(stem) == unit and is_id(stem) else None


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for another: pids are used again, these three are not."""

    pid: int
    start_time: int  # clock ticks after boot, /proc/PID/stat field 22
    boot_id: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Identity:
        identity = cls(int(raw["pid"]), int(raw["start_time"]), _text(raw, "boot_id"))
        if not 0 < identity.pid <= LARGEST_PID:
            raise ValueError(f"{identity.pid} is not a pid")
        return identity


@dataclass(frozen=True)
class SessionSpec:
    """What was asked for. Written once, before anything is started; never holds a secret.

    Environment values and prompts are not part of it: they travel to the keeper's socket only.
    """

    id: str
    name: str
    kind: Kind
    placement: Placement
    persistent: bool
    cwd: str
    claude_session_id: str
    created_at: float  # seconds since the epoch
    boot_id: str
    model: str = ""
    permission_mode: str = "default"
    allowed_tools: tuple[str, ...] = ()
    claude_args: tuple[str, ...] = ()
    env_names: tuple[str, ...] = ()
    created_by: str = ""
    denied_tools: tuple[str, ...] = ()
    restart: tuple[Restart, ...] = ()
    resumes: str = ""  # the id of the session whose conversation it took up; "": a new one
    declared: str = ""  # the name of the file in sessions.d that it was started from
    one_shot: str = ""  # the uuid of its prompt, after whose turn it is ended; "": it goes on
    turn_timeout: float | None = None  # seconds that a one-shot may take; None: any time
    deny_permissions: bool = False  # Claude denies what it would ask for

    def to_json(self) -> dict[str, Any]:
        raw = asdict(self)
        raw["kind"], raw["placement"] = self.kind.value, self.placement.value
        raw["restart"] = [when.value for when in self.restart]
        raw["version"] = 1
        return raw

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> SessionSpec:
        """The spec in a JSON object; ValueError, KeyError or TypeError for a damaged one."""
        if raw["version"] != 1:
            raise ValueError(f"record version {raw['version']!r}, this artac reads 1")
        spec = cls(
            id=_text(raw, "id"),
            name=_text(raw, "name"),
            kind=Kind(raw["kind"]),
            placement=Placement(raw["placement"]),
            persistent=_flag(raw, "persistent"),
            cwd=_text(raw, "cwd"),
            claude_session_id=_text(raw, "claude_session_id"),
            created_at=float(raw["created_at"]),
            boot_id=_text(raw, "boot_id"),
            model=_text(raw, "model"),
            permission_mode=_text(raw, "permission_mode"),
            allowed_tools=_texts(raw, "allowed_tools"),
            claude_args=_texts(raw, "claude_args"),
            env_names=_texts(raw, "env_names"),
            created_by=_text(raw, "created_by"),
            # Records of before there were policies have none.
            denied_tools=_texts(raw, "denied_tools") if "denied_tools" in raw else (),
            # Nor have those of before sessions could be resumed any of these.
            restart=tuple(map(Restart, _texts(raw, "restart"))) if "restart" in raw else (),
            resumes=_text(raw, "resumes") if "resumes" in raw else "",
            declared=_text(raw, "declared") if "declared" in raw else "",
            one_shot=_text(raw, "one_shot") if "one_shot" in raw else "",
            turn_timeout=_seconds(raw, "turn_timeout"),
            deny_permissions="deny_permissions" in raw and _flag(raw, "deny_permissions"),
        )
        if not is_id(spec.id):
            raise ValueError(f"{spec.id!r} is not a session id")
        return spec


@dataclass(frozen=True)
class StopRequest:
    """Who asked for a session's end, when and how. On disk before the first step of it."""

    by: str
    # stop, kill, drain; of artac itself: limit (runtime_max), timeout (idle_timeout), program (its
    # program has gone), and of a one-shot: done, overdue (turn_timeout)
    why: str
    at: float
    limit_seconds: float | None = None  # of these limits, the one that was reached

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> StopRequest:
        stop = cls(_text(raw, "by"), _text(raw, "why"), float(raw["at"]))
        limit = raw.get("limit_seconds")
        if limit is None:
            return stop
        if not 0 <= float(limit) < float("inf"):
            raise ValueError(f"limit_seconds is {limit}")
        return replace(stop, limit_seconds=float(limit))


@dataclass(frozen=True)
class LaunchRequest:
    """What `artac run` asks of the backend, checked for form but not yet against the machine."""

    cwd: str
    kind: Kind = Kind.HEADLESS
    name: str = ""
    prompt: str | None = None
    prompt_uuid: str | None = None
    model: str = ""
    permission_mode: str = ""
    allowed_tools: tuple[str, ...] = ()
    claude_args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None  # columns, rows
    limits: Mapping[str, Any] = field(default_factory=dict)  # of the table in model/limits.py
    queue: float | None = None  # seconds to wait until it may start; None: now or not at all
    restart: tuple[Restart, ...] = ()
    declared: str = ""
    persist: bool | None = None  # None: as persist_claude_sessions says
    resumed: bool = False  # Claude has the conversation already, and is to go on with it
    continue_interrupted: bool = False  # by running the turn again that was cut off
    one_shot: bool = False  # to be ended when its prompt's turn is over
    turn_timeout: float | None = None
    deny_permissions: bool = False


@dataclass(frozen=True)
class ResumeRequest:
    """What `artac resume` asks of the backend: to take up the conversation of an ended session."""

    name: str = ""  # "": the one it had, if no other session has it now
    kind: Kind | None = None  # None: the same
    env: Mapping[str, str] = field(default_factory=dict)
    without_env: bool = False  # also without the variables that it was given at its start
    continue_interrupted: bool = False
    size: tuple[int, int] | None = None
    queue: float | None = None
    attempts: tuple[float, ...] = ()  # of artac itself, this one with them; (): a person asks


@dataclass(frozen=True)
class AttachRequest:
    """What `artac attach` asks of a session's keeper."""

    columns: int | None = None  # of its window; None: it has none
    rows: int | None = None
    ignore_size: bool = False
    read_only: bool = False
    steal: bool = False
    lines: int = 2000  # of what has scrolled away, before the screen
    from_start: bool = False  # every byte from the first on, and no screen


@dataclass(frozen=True)
class PipeRequest:
    """What `artac-claude` asks: a session whose input and output are its caller's."""

    cwd: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    session: str = ""  # come back to that one; "": a new one
    inherited: str = ""  # the name of the session that the caller is a part of, if it is
    steal: bool = False


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is {type(value).__name__}, not text")
    return value


def _flag(raw: Mapping[str, Any], key: str) -> bool:
    value = raw[key]
    if not isinstance(value, bool):
        raise ValueError(f"{key} is {type(value).__name__}, not true or false")
    return value


def _seconds(raw: Mapping[str, Any], key: str) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    if not 0 < float(value) < float("inf"):
        raise ValueError(f"{key} is {value}")
    return float(value)


def _texts(raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = raw[key]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key} is not a list of texts")
    return tuple(value)
