"""The process tree of a session, apart from its keeper, as one thing that can be ended whole."""

from __future__ import annotations

import os
import signal

from . import record
from .counters import Counters, Counts


class CgroupTree:
    """A session's cgroup with two leaves: `keeper` for us and `claude` for all the rest.

    The keeper stands beside the tree that it ends, so `cgroup.kill` on the one leaf leaves it alive
    to say what happened. (cgroup v2 wants processes in leaves only, too.)
    """

    def __init__(self, cgroup: str) -> None:
        self.cgroup = cgroup
        self.leaf = f"{cgroup}/claude"
        self._other = ""  # while it is moved, a part of it may be in this leaf
        self._events = -1
        self._counters: Counters | None = None

    def prepare(self) -> None:
        """Make both leaves and move this process into its own."""
        for leaf in (f"{self.cgroup}/keeper", self.leaf):
            try:
                os.mkdir(leaf, 0o755)
            except FileExistsError:
                pass
        _write(f"{self.cgroup}/keeper/cgroup.procs", "0")
        self._counters = Counters(self.cgroup)
        self._events = _open_events(self.leaf)

    def enter(self) -> None:
        """Called in the forked child: be born inside the tree."""
        _write(f"{self.leaf}/cgroup.procs", "0")

    def events_fd(self) -> int:
        """Raises EPOLLPRI when the tree becomes empty or populated (kernfs notification)."""
        return self._events

    def being_moved_to(self, cgroup: str) -> None:
        """Until it has settled it may be in either of two cgroups, or in both."""
        self._other = f"{cgroup}/claude" if cgroup != self.cgroup else ""
        if self._counters is not None:
            self._counters.leave()

    def settle(self, cgroup: str) -> None:
        """It is in that cgroup now. OSError, and nothing changed, when that has no such leaf."""
        events = _open_events(f"{cgroup}/claude")
        if self._counters is not None:
            self._counters.enter(cgroup)
        os.close(self._events)
        self.cgroup, self.leaf, self._events, self._other = cgroup, f"{cgroup}/claude", events, ""

    def thaw(self) -> None:
        """Let it run on, wherever it is."""
        for leaf in self._leaves():
            try:
                _write(f"{leaf}/cgroup.freeze", "0")
            except FileNotFoundError:
                continue

    def populated(self) -> bool:
        try:
            os.lseek(self._events, 0, os.SEEK_SET)
            if b"populated 1" in os.read(self._events, 4096):
                return True
        except OSError:
            pass  # the cgroup is gone
        return bool(self._other) and self.count() > 0

    def count(self) -> int:
        """How many processes are in the tree, those in cgroups of their own making included."""
        return sum(map(_count, self._leaves()))

    def kill(self) -> None:
        """End every process of the tree at once, frozen, stopped and forking ones included."""
        for leaf in self._leaves():
            try:
                _write(f"{leaf}/cgroup.kill", "1")
            except FileNotFoundError:
                continue

    def tally(self) -> Counts:
        """What the kernel has counted of the session since it was prepared, here and below."""
        return self._counters.since() if self._counters is not None else {}

    def _leaves(self) -> list[str]:
        return [self.leaf, self._other] if self._other else [self.leaf]


class DescendantTree:
    """Where there is no cgroup to be had: every descendant, orphans included.

    PR_SET_CHILD_SUBREAPER makes double-forked orphans our children, so they can be found. A tree
    that forks faster than it can be walked may outrun this; only a cgroup can promise more.
    """

    def prepare(self) -> None:
        import ctypes  # only here: the other tree has no need of it

        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(36, 1, 0, 0, 0) != 0:  # PR_SET_CHILD_SUBREAPER
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")

    def enter(self) -> None:
        return

    def events_fd(self) -> int:
        return -1

    def populated(self) -> bool:
        return bool(descendants(os.getpid()))

    def count(self) -> int:
        return len(descendants(os.getpid()))

    def kill(self) -> None:
        for pid in descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def tally(self) -> Counts:
        return {}


def descendants(pid: int) -> list[int]:
    """Every living process below that one."""
    found: list[int] = []
    pending = [pid]
    while pending:
        current = pending.pop()
        for child in _children(current):
            if not record.is_zombie(child):
                found.append(child)
            pending.append(child)
    return found


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    children: list[int] = []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                children += map(int, file.read().split())
        except OSError:
            continue
    return children


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _open_events(leaf: str) -> int:
    return os.open(f"{leaf}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)


def _count(leaf: str) -> int:
    total = 0
    for directory, _, _ in os.walk(leaf):
        try:
            with open(f"{directory}/cgroup.procs", "rb") as procs:
                total += len(procs.read().split())
        except OSError:
            continue
    return total
