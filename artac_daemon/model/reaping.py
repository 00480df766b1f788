"""What a reap ends, and why: decided from a census, before anything is signalled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from .census import Census, Foreign, Known, Role, Row, session_cgroup
from .errors import ArtacError, ErrorKind
from .process import Process


class Way(Enum):
    """How a process is ended."""

    SESSION = "session"  # with its session, whole
    CGROUP = "cgroup"  # by signal, and the cgroup of its ended session whole
    SIGNAL = "signal"  # by itself


@dataclass(frozen=True)
class Wanted:
    """What somebody wants ended: one of these."""

    session: str = ""  # a reference, or once found an id
    orphans: bool = False
    everything: bool = False  # all sessions and all orphans; never what is foreign
    foreign: tuple[int, ...] = ()


@dataclass(frozen=True)
class Target:
    process: Process
    why: str
    way: Way
    session: str = ""


def plan(found: Census, wanted: Wanted, known: Iterable[Known]) -> list[Target]:
    """The targets, a session's keeper before the rest of it.

    ArtacError for a pid that names no foreign Claude process: nothing is to be done then.
    """
    targets = {}
    labels = {session.id: session.label for session in known}
    for session, rows in found.sessions.items():
        if wanted.everything or session == wanted.session:
            label = labels.get(session, session)
            for row in rows:
                targets[row.process.pid] = _of_session(row, label)
    for row in found.orphans:
        if wanted.everything or wanted.orphans or row.session == wanted.session:
            targets[row.process.pid] = _of_orphans(row)
    for pid in wanted.foreign:
        for target in _of_foreign(found, pid):
            targets.setdefault(target.process.pid, target)
    return list(targets.values())


def _of_session(row: Row, label: str) -> Target:
    if row.role == Role.ESCAPED.value:
        return Target(row.process, row.why, Way.SIGNAL, row.session)
    why = f"session {label}, which runs: it is killed as a whole"
    return Target(row.process, why, Way.SESSION, row.session)


def _of_orphans(row: Row) -> Target:
    way = Way.SIGNAL if session_cgroup(row.process.cgroup) is None else Way.CGROUP
    return Target(row.process, row.why, way, row.session)


def _of_foreign(found: Census, pid: int) -> list[Target]:
    row = next((row for row in found.foreign if row.process.pid == pid), None)
    if row is None:
        raise _not_foreign(found, pid)
    why = f"foreign ({row.role}), named by its pid {pid}"
    if row.role == Foreign.BACKGROUND.value:
        why += "; Claude Code may start it again, `claude stop` does not"
    below = f"below the foreign process {pid}"
    return [
        Target(row.process, why, Way.SIGNAL),
        *(Target(process, below, Way.SIGNAL) for process in found.below(pid)),
    ]


def _not_foreign(found: Census, pid: int) -> ArtacError:
    if pid not in found.processes:
        return ArtacError(ErrorKind.NOT_FOUND, f"there is no process {pid}")
    rows = [row for rows in found.sessions.values() for row in rows]
    for row in (*rows, *found.orphans):
        if row.process.pid == pid:
            verb = "reap --orphans" if row.role == Role.ORPHAN.value else f"reap {row.session}"
            return ArtacError(
                ErrorKind.CONFLICT,
                f"process {pid} is not foreign but of session {row.session}: use `artac {verb}`",
            )
    if pid in found.ours:
        return ArtacError(ErrorKind.CONFLICT, f"process {pid} is the daemon: use systemctl stop")
    return ArtacError(
        ErrorKind.DENIED, f"process {pid} does not run Claude Code: artac ends no such process"
    )
