"""What the API tells, as objects. Keys that this version does not know are in `raw`.

Names of states, kinds and outcomes are texts: a newer daemon may have more of them. They compare
with the enums of `artac_daemon.model.session`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, cast

Raw = Mapping[str, Any]
T = TypeVar("T")


def _taken(kind: Callable[..., T], raw: Raw, **made: Any) -> T:
    """An object with what the API tells under the names of its fields, and `made` in its place."""
    names = [each.name for each in fields(cast("Any", kind))]
    told = {name: raw[name] for name in names if name in raw}
    return kind(**{**told, **made, "raw": raw})


@dataclass(frozen=True)
class Health:
    """The daemon. `sessions` has the number of live ones by state."""

    version: str
    pid: int
    account: str
    persist_claude_sessions: bool  # of new sessions
    placement: str  # of new sessions
    state_directory: str
    draining: bool
    sessions: Mapping[str, int]
    queued: int  # requests that wait to start a session
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Raw) -> Health:
        return _taken(cls, raw)


@dataclass(frozen=True)
class End:
    """How a session ended: see docs/how-sessions-end.md."""

    reason: str
    sentence: str
    at: float  # seconds since the epoch
    exit_code: int | None
    signal: int | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Raw) -> End:
        return _taken(cls, raw)


@dataclass(frozen=True)
class Session:
    """A session as it was when it was asked for.

    Those with a default are told by `Client.session` only, else None. `prompt_uuid` is told by
    `Client.run`: it is the prompt's, to ask for its turn; "" where there is no prompt.
    """

    id: str
    name: str
    state: str
    state_since: float
    kind: str
    placement: str
    persistent: bool
    cwd: str
    created_at: float
    memory_bytes: int | None
    end: End | None
    raw: Raw = field(repr=False, compare=False)
    prompt_uuid: str = ""
    claude_session_id: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    turns: int | None = None
    cost_usd: float | None = None
    permissions: tuple[Permission, ...] | None = None

    @property
    def live(self) -> bool:
        """Whether it had not ended."""
        return self.end is None

    @classmethod
    def of(cls, raw: Raw, prompt_uuid: str = "") -> Session:
        return _taken(
            cls,
            raw,
            end=End.of(raw["end"]) if raw["end"] else None,
            prompt_uuid=prompt_uuid,
            permissions=None
            if raw.get("permissions") is None
            else tuple(map(Permission.of, raw["permissions"])),
        )


@dataclass(frozen=True)
class Accepted:
    """A message that will be taken up. `duplicate`: it had been accepted before."""

    uuid: str
    session: str
    offset: int  # where the output stood
    duplicate: bool
    delivery: str | None  # of a terminal session: taken, queued or typed
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Raw) -> Accepted:
        return _taken(cls, raw, delivery=raw.get("delivery"))


@dataclass(frozen=True)
class Message:
    """A message and what became of it: see docs/messages.md."""

    uuid: str
    state: str
    since: float  # of the state
    at: float  # when it was accepted
    by: str | None
    head: str  # its beginning
    outcome: str | None  # of one that is answered
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Raw) -> Message:
        return _taken(cls, raw)


@dataclass(frozen=True)
class Turn:
    """How the turn of a message went.

    `outcome`: `success`, `failed`, `interrupted`, `cancelled` or `session-ended`.
    """

    uuid: str
    outcome: str
    text: str
    cost_usd: float | None
    offset: int  # of the output, behind its result
    raw: Raw = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.outcome == "success"

    @classmethod
    def of(cls, raw: Raw) -> Turn:
        return _taken(cls, raw)


@dataclass(frozen=True)
class Permission:
    """What Claude asks for. `outcome` is None while it waits; `allowed`, `denied`, `withdrawn`."""

    session: str
    name: str  # the session's
    request: str
    request_id: str  # Claude's id of it
    tool: str
    input: Mapping[str, Any]
    blocked_path: str | None
    suggestions: tuple[Mapping[str, Any], ...]
    since: float
    outcome: str | None
    by: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Raw) -> Permission:
        return _taken(cls, raw, suggestions=tuple(raw["suggestions"]), by=raw["by"] or None)


@dataclass(frozen=True)
class Screen:
    """What a terminal shows. `text` has its rows, `ansi` the same with colours."""

    columns: int
    rows: int
    title: str
    alternate: bool
    cursor: tuple[int, int]  # row and column, from 0
    text: tuple[str, ...]
    ansi: tuple[str, ...]
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Raw) -> Screen:
        row, column = raw["cursor"]
        return _taken(
            cls, raw, cursor=(row, column), text=tuple(raw["text"]), ansi=tuple(raw["ansi"])
        )
