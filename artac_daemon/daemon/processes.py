"""The processes of this machine as far as they concern sessions, and what they use."""

from __future__ import annotations

import asyncio
import functools
import os
import pwd
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ..claude import recognition
from ..host import census as host
from ..host import scopes, usage
from ..model import census
from ..model.census import Census, Known, Row
from ..model.errors import ArtacError
from ..model.process import Process
from ..model.session import Identity, Placement
from .session import Session
from .sessions import Sessions

T = TypeVar("T")

# One census at a time, in a thread that nothing else waits for: PSS of many may take seconds.
_reader = ThreadPoolExecutor(1, "census")

# A keeper leaves just after its session's end; for so long it is no orphan (seconds).
_LEAVING = 5.0


async def _aside(work: Callable[..., T], *given: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(_reader, work, *given)


async def survey(sessions: Sessions) -> Census:
    """Who is there now, and whose.

    /proc is read first: the session of whatever was seen is in the table by then.
    """
    seen = await _aside(host.scan)
    ours = known(sessions)
    own_scopes: Mapping[str, str] = {}
    if not sessions.embedded and census.unsettled_scopes(seen, ours):
        own_scopes = await _own_scopes(sessions)
        ours = known(sessions)
    grounds = census.Grounds(os.getpid(), sessions.places.service_sessions, own_scopes)
    return await _aside(_take, seen, ours, grounds)


def known(sessions: Sessions) -> list[Known]:
    """The table of sessions, as a census wants it."""
    now = time.time()
    return [_known(session, now) for session in sessions.all()]


async def view(
    sessions: Sessions, only: Session | None, foreign: bool, proportional: bool
) -> dict[str, Any]:
    """What `artac ps` shows: of one session, or of all."""
    found = await survey(sessions)
    if only is None:
        shown, orphans = sessions.live(), found.orphans
    else:
        shown = [only] if only.live else []
        orphans = [row for row in found.orphans if row.session == only.spec.id]
    others = found.foreign if foreign and only is None else []
    # A session's cgroup is not looked for in the thread, where it may change meanwhile.
    cgroups = {session.spec.id: session.cgroup for session in shown}
    uses, rows = await _aside(_measure, found, cgroups, orphans, others, proportional)
    return {
        "sessions": [
            {
                "id": session.spec.id,
                "name": session.spec.name,
                "state": session.state.value,
                "placement": session.spec.placement.value,
                **uses[session.spec.id],
                "processes": [rows[row.process.pid] for row in _rows(found, session)],
            }
            for session in shown
        ],
        "foreign": [rows[row.process.pid] for row in others],
        "orphans": [rows[row.process.pid] for row in orphans],
    }


def _known(session: Session, now: float) -> Known:
    end = session.end
    return Known(
        id=session.spec.id,
        name=session.spec.name,
        live=session.live,
        keeper=_pair(session.keeper),
        claude=_pair(session.claude),
        cgroup=_cgroup_name(session.cgroup) if session.live else "",
        detached=session.spec.placement is Placement.DETACHED,
        leaving=end is not None and now - end.facts.at < _LEAVING,
    )


@functools.lru_cache(maxsize=4096)
def _cgroup_name(directory: Path | None) -> str:
    return host.name_of_cgroup(directory)


def _pair(identity: Identity | None) -> tuple[int, int] | None:
    return None if identity is None else (identity.pid, identity.start_time)


async def _own_scopes(sessions: Sessions) -> Mapping[str, str]:
    """The session scopes of this state directory; none where systemd cannot be asked."""
    root = sessions.store.root
    try:
        listed = await scopes.list_scopes()
    except ArtacError:
        return {}
    return {
        scope.cgroup: scope.id
        for scope in listed
        if scope.description == scopes.describe(scope.id, root)
    }


def _take(seen: list[Process], ours: list[Known], grounds: census.Grounds) -> Census:
    claudes = {
        process.pid: kind for process in seen if (kind := recognition.kind(process)) is not None
    }
    of_sessions = {session.claude for session in ours if session.live}
    processes = {process.pid: process for process in seen}
    servers = recognition.mcp_servers(
        processes, {process.pid for process in seen if process.identity in of_sessions}
    )
    return census.take(seen, ours, grounds, claudes, servers)


def _rows(found: Census, session: Session) -> list[Row]:
    return found.sessions.get(session.spec.id, [])


def _measure(
    found: Census,
    cgroups: Mapping[str, Path | None],
    orphans: list[Row],
    others: list[Row],
    proportional: bool,
) -> tuple[dict[str, dict[str, Any]], dict[int, dict[str, Any]]]:
    booted = host.boot_time()
    uses, rows = {}, {}
    for session_id, cgroup in cgroups.items():
        members = found.sessions.get(session_id, [])
        rows.update(_shown(members, booted, proportional))
        uses[session_id] = _usage(cgroup, members, rows if proportional else None)
    rows.update(_shown(orphans, booted, proportional))
    for row in others:
        uid = host.account_of(row.process.pid)
        rows.update(_shown([row], booted, proportional))
        rows[row.process.pid].update(account=account(uid), own=uid == os.geteuid())
    return uses, rows


def _usage(
    cgroup: Path | None, members: list[Row], measured: Mapping[int, dict[str, Any]] | None
) -> dict[str, Any]:
    counted = usage.Usage() if cgroup is None else usage.of_cgroup(cgroup)
    resident = sum(row.process.memory for row in members)
    spent = sum(row.process.cpu_seconds for row in members)
    shares = [measured[row.process.pid]["pss_bytes"] for row in members] if measured else [None]
    return {
        # As in the list of sessions: where no controller counts it, each process by itself.
        "memory_bytes": resident if counted.memory is None else counted.memory,
        "memory_peak_bytes": counted.memory_peak,
        "swap_bytes": counted.swap,
        "pss_bytes": None if None in shares else sum(shares),
        "cpu_seconds": round(spent if counted.cpu_seconds is None else counted.cpu_seconds, 2),
        "tasks": counted.tasks,
    }


def _shown(rows: Iterable[Row], booted: float, proportional: bool) -> dict[int, dict[str, Any]]:
    return {
        row.process.pid: {
            "pid": row.process.pid,
            "parent": row.process.parent,
            "depth": row.depth,
            "role": row.role,
            "session": row.session or None,
            "why": row.why or None,
            "start_time": row.process.start_time,
            "started_at": round(booted + host.seconds(row.process.start_time), 2),
            "rss_bytes": row.process.memory,
            "pss_bytes": host.proportional_bytes(row.process.pid) if proportional else None,
            "cpu_seconds": round(row.process.cpu_seconds, 2),
            "command": row.process.command,
        }
        for row in rows
    }


@functools.lru_cache(maxsize=256)
def account(uid: int) -> str:
    """An account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)
