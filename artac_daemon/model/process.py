"""A process as it was seen, and what descends from what."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple


class Process(NamedTuple):
    """A process as /proc has it at one moment."""

    pid: int
    parent: int
    group: int  # its kernel session (setsid)
    uid: int
    start_time: int  # clock ticks after boot
    terminal: bool  # whether it has a controlling terminal
    name: str
    words: tuple[str, ...]  # its command line; empty where there is none to be had
    program: str  # the file it runs; "" where that is not to be seen
    cgroup: str  # as in /proc/PID/cgroup
    mark: str  # ARTAC_SESSION in its environment; "" where there is none or it was not looked for
    memory: int  # bytes, RSS
    cpu_seconds: float

    @property
    def identity(self) -> tuple[int, int]:
        return self.pid, self.start_time

    @property
    def command(self) -> str:
        return " ".join(self.words) or f"[{self.name}]"


def parent_of(process: Process, processes: Mapping[int, Process]) -> Process | None:
    """The process above it, where that was seen.

    One that is younger is none: it got the pid of a parent that ended while /proc was read.
    """
    parent = processes.get(process.parent)
    if parent is None or parent.start_time > process.start_time or parent is process:
        return None
    return parent


def above(process: Process, processes: Mapping[int, Process]) -> Iterator[Process]:
    """Its ancestors, the nearest first."""
    seen = {process.pid}
    parent = parent_of(process, processes)
    while parent is not None and parent.pid not in seen:
        yield parent
        seen.add(parent.pid)
        parent = parent_of(parent, processes)


def below(pid: int, processes: Mapping[int, Process]) -> list[Process]:
    """What descends from a process, however deep."""
    children: dict[int, list[Process]] = {}
    for process in processes.values():
        parent = parent_of(process, processes)
        if parent is not None:
            children.setdefault(parent.pid, []).append(process)
    found: dict[int, Process] = {}
    pending = [pid]
    while pending:
        for child in children.get(pending.pop(), ()):
            if child.pid not in found and child.pid != pid:
                found[child.pid] = child
                pending.append(child.pid)
    return list(found.values())


def forest(
    pids: Collection[int], processes: Mapping[int, Process]
) -> Iterator[tuple[Process, int]]:
    """Those processes, parents before their children, the oldest first; each with its depth."""
    chosen = set(pids)
    children: dict[int, list[Process]] = {}
    for pid in chosen:
        nearest = next(
            (one.pid for one in above(processes[pid], processes) if one.pid in chosen), 0
        )
        children.setdefault(nearest, []).append(processes[pid])
    for siblings in children.values():
        siblings.sort(key=lambda one: one.identity[::-1], reverse=True)
    pending = [(process, 0) for process in children.pop(0, ())]
    while pending or children:
        if not pending:  # pids changed hands within one tick, and what is left goes in a circle
            pending = [(process, 0) for process in children.pop(next(iter(children)))]
        process, depth = pending.pop()
        yield process, depth
        pending += [(child, depth + 1) for child in children.pop(process.pid, ())]
