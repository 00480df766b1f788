"""Whose each process of the machine is: a session's, an orphan of one, or a Claude of others.

Cgroups decide, then descent from a keeper, then what a session wrote into its environment; the name
of a program decides nothing but which processes of others are shown.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from .process import Process, above, below, forest

# The outermost one counts: below it, a session may make cgroups of any name.
_SESSION_CGROUP = re.compile(
    r".*?/(?:sessions/session-(?P<service>[0-9a-z]{6})|artac-session-(?P<scope>[0-9a-z]{6})\.scope)"
    r"(?=/|$)"
)


class Role(str, Enum):
    """What a process is to its session."""

    KEEPER = "keeper"
    CLAUDE = "claude"
    MCP = "mcp"
    TOOL = "tool"
    ESCAPED = "escaped"  # started by the session, and outside its cgroup
    ORPHAN = "orphan"  # what a session that is no more has left


class Foreign(str, Enum):
    """What a Claude process that is not ours is doing there."""

    INTERACTIVE = "interactive"
    HEADLESS = "headless"
    BACKGROUND = "background"  # Claude Code's own background sessions, and what serves them
    ARTAC = "artac"  # another artac's session


class SessionCgroup(NamedTuple):
    """A cgroup that has the form of a session's, whoever's it is."""

    path: str
    session: str
    scope: bool


@dataclass(frozen=True)
class Known:
    """A session of ours. Identities are pid and start time."""

    id: str
    name: str
    live: bool
    keeper: tuple[int, int] | None = None
    claude: tuple[int, int] | None = None
    cgroup: str = ""  # as in /proc/PID/cgroup; "" for none, or none yet
    detached: bool = False
    leaving: bool = False  # it ended a moment ago, and its keeper is about to go

    @property
    def label(self) -> str:
        return self.id if self.name in ("", self.id) else f"{self.id} ({self.name})"


@dataclass(frozen=True)
class Grounds:
    """The cgroups that are this backend's own."""

    backend: int  # its pid
    sessions: str = ""  # the parent of sessions in `service` placement
    scopes: Mapping[str, str] = field(default_factory=dict)  # scopes of ours: session by cgroup


@dataclass(frozen=True)
class Row:
    """A process in its place."""

    process: Process
    role: str
    depth: int  # how many of those above it are listed in the same place
    session: str = ""
    why: str = ""


@dataclass(frozen=True)
class Census:
    sessions: Mapping[str, list[Row]]  # of each live session, parents first
    orphans: list[Row]
    foreign: list[Row]
    processes: Mapping[int, Process]
    ours: frozenset[int]  # the backend, and all of sessions and orphans

    def below(self, pid: int) -> list[Process]:
        """What descends from a process, but for what is ours."""
        return [each for each in below(pid, self.processes) if each.pid not in self.ours]


def session_cgroup(cgroup: str) -> SessionCgroup | None:
    """The session's cgroup that this one is or is in."""
    found = _SESSION_CGROUP.match(cgroup)
    if found is None:
        return None
    session = found["service"] or found["scope"]
    return SessionCgroup(found[0], session, found["service"] is None)


def unsettled_scopes(processes: Iterable[Process], known: Iterable[Known]) -> bool:
    """Whether there are scopes of sessions of which only systemd can tell whether they are ours."""
    settled = {session.cgroup for session in known if session.live}
    found = {session_cgroup(cgroup) for cgroup in {process.cgroup for process in processes}}
    return any(one is not None and one.scope and one.path not in settled for one in found)


def take(
    processes: Iterable[Process],
    known: Iterable[Known],
    grounds: Grounds,
    claudes: Mapping[int, Foreign],
    servers: Collection[int],
) -> Census:
    """Each process in its place.

    `claudes`: the processes that run Claude Code, by pid. `servers`: the roots of MCP servers.
    """
    return _Taking({process.pid: process for process in processes}, known, grounds).census(
        claudes, servers
    )


class _Taking:
    def __init__(
        self, processes: Mapping[int, Process], known: Iterable[Known], grounds: Grounds
    ) -> None:
        self._processes = processes
        self._known = {session.id: session for session in known}
        self._grounds = grounds
        self._members: dict[int, str] = {}
        self._escaped: dict[int, str] = {}
        self._orphans: dict[int, tuple[str, str]] = {}  # session, why
        self._others: set[int] = set()  # other artacs'
        self._place()

    def _place(self) -> None:
        homes: dict[str, SessionCgroup | None] = {}
        unplaced: list[Process] = []
        for process in self._processes.values():
            if process.pid == self._grounds.backend:
                continue
            cgroup = process.cgroup
            if cgroup not in homes:
                homes[cgroup] = session_cgroup(cgroup)
            home = homes[cgroup]
            if home is None:
                unplaced.append(process)
            else:
                self._place_by_cgroup(process, home)
        self._place_by_descent()
        for process in unplaced:
            if process.mark and process.pid not in self._members:
                self._place_by_mark(process)

    def _place_by_cgroup(self, process: Process, home: SessionCgroup) -> None:
        session = self._known.get(home.session)
        ours = home.path == f"{self._grounds.sessions}/session-{home.session}" or (
            home.session == self._grounds.scopes.get(home.path)
        )
        # A start that is under way has no cgroup on record yet; an id is not given twice.
        starting = session is not None and session.live and not session.cgroup
        if session is not None and session.live:
            if session.cgroup == home.path or (starting and (ours or home.scope)):
                self._members[process.pid] = session.id
            else:
                self._others.add(process.pid)
        elif not ours:
            self._others.add(process.pid)
        elif session is None:
            why = f"in the cgroup of session {home.session}, which artac does not know"
            self._orphans[process.pid] = (home.session, why)
        elif not (session.leaving and process.identity == session.keeper):
            why = f"left in the cgroup of session {session.label}, which has ended"
            self._orphans[process.pid] = (session.id, why)

    def _place_by_descent(self) -> None:
        """Without a cgroup a session is its keeper, and what descends from it."""
        for session in self._known.values():
            if not (session.live and session.detached):
                continue
            keeper = self._processes.get(session.keeper[0]) if session.keeper else None
            if keeper is None or keeper.identity != session.keeper:
                continue
            self._members[keeper.pid] = session.id
            self._orphans.pop(keeper.pid, None)
            for process in below(keeper.pid, self._processes):
                if process.pid == self._grounds.backend:  # restarted from within a session
                    continue
                if process.pid not in self._orphans:  # a cgroup tells more than descent
                    self._members.setdefault(process.pid, session.id)

    def _place_by_mark(self, process: Process) -> None:
        session = self._known.get(process.mark)
        if session is None:
            self._others.add(process.pid)
        elif session.live:
            self._escaped[process.pid] = session.id
        elif not (session.leaving and process.identity == session.keeper):
            why = f"started by session {session.label}, which has ended (ARTAC_SESSION says so)"
            self._orphans[process.pid] = (session.id, why)

    def census(self, claudes: Mapping[int, Foreign], servers: Collection[int]) -> Census:
        ours = frozenset((self._grounds.backend, *self._members, *self._escaped, *self._orphans))
        foreign = {pid: kind for pid, kind in claudes.items() if pid not in ours}
        return Census(
            sessions=self._sessions(servers),
            orphans=[
                Row(process, Role.ORPHAN.value, depth, *self._orphans[process.pid])
                for process, depth in forest(self._orphans, self._processes)
            ],
            foreign=[
                Row(process, self._kind(process, foreign).value, depth)
                for process, depth in forest(foreign, self._processes)
            ],
            processes=self._processes,
            ours=ours,
        )

    def _sessions(self, servers: Collection[int]) -> dict[str, list[Row]]:
        pids: dict[str, list[int]] = {one.id: [] for one in self._known.values() if one.live}
        for pid, session in (*self._members.items(), *self._escaped.items()):
            pids[session].append(pid)
        return {
            session: self._rows(self._known[session], members, servers)
            for session, members in pids.items()
        }

    def _rows(self, session: Known, pids: list[int], servers: Collection[int]) -> list[Row]:
        roles: dict[int, Role] = {}
        rows = []
        for process, depth in forest(pids, self._processes):
            why = ""
            if process.pid in self._escaped:
                role = Role.ESCAPED
                why = f"started by session {session.label}, and outside its cgroup or tree"
            elif process.identity == session.keeper:
                role = Role.KEEPER
            elif process.identity == session.claude:
                role = Role.CLAUDE
            elif process.pid in servers or roles.get(process.parent) is Role.MCP:
                role = Role.MCP
            else:
                role = Role.TOOL
            roles[process.pid] = role
            rows.append(Row(process, role.value, depth, session.id, why))
        return rows

    def _kind(self, process: Process, foreign: Mapping[int, Foreign]) -> Foreign:
        if process.pid in self._others:
            return Foreign.ARTAC
        # A background session looks like any other; what serves it, above it, does not.
        ancestors = above(process, self._processes)
        if any(foreign.get(one.pid) is Foreign.BACKGROUND for one in ancestors):
            return Foreign.BACKGROUND
        return foreign[process.pid]
