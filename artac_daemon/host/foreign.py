"""A process that nobody of ours has started: who it is, and whose."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..model.errors import ArtacError, ErrorKind
from ..model.session import Identity
from . import cgroups, processes


@dataclass(frozen=True)
class Foreign:
    identity: Identity
    uid: int
    executable: str  # "" where it may not be known
    argv: tuple[str, ...]
    cwd: str
    cgroup: str


def look(pid: int) -> Foreign:
    """What a process is now; ArtacError(NOT_FOUND) when there is none of that pid."""
    identity = processes.identify(pid)
    try:
        if identity is None or _field(pid, "Tgid") != pid:  # else a thread's number
            raise ProcessLookupError
        found = Foreign(
            identity=identity,
            uid=_field(pid, "Uid"),
            executable=_link(pid, "exe").removesuffix(" (deleted)"),
            argv=_argv(pid),
            cwd=_link(pid, "cwd"),
            cgroup=cgroups.of_process(pid),
        )
    except (OSError, ValueError):
        raise ArtacError(ErrorKind.NOT_FOUND, f"there is no process {pid}") from None
    if not processes.is_alive(identity):
        raise ArtacError(ErrorKind.NOT_FOUND, f"process {pid} has just ended")
    return found


def uid_of(pid: int) -> int | None:
    """Whose a process is; None when it is gone."""
    try:
        return _field(pid, "Uid")
    except (OSError, ValueError):
        return None


def ancestors(pid: int) -> list[int]:
    """The process itself, its parent, and so on up."""
    found = []
    while pid > 0:
        found.append(pid)
        try:
            pid = _field(pid, "PPid")
        except (OSError, ValueError):
            break
    return found


def _argv(pid: int) -> tuple[str, ...]:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return tuple(os.fsdecode(word) for word in file.read().split(b"\0")[:-1])


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except PermissionError:
        return ""  # another user's, or one that may not be traced


def _field(pid: int, name: str) -> int:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key == name:
                return int(value.split()[0])
    raise ValueError(name)
