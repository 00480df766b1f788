"""What a terminal session does, followed through Claude's hooks and its file in Claude's registry.

The file decides wherever it tells a status, the hooks where it does not; `claude/registry.py` says
why. Nothing is asked twice: both are followed by inotify.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..claude import hooks, registry
from ..host import processes
from ..host.inotify import GrowthWatch
from ..keeper.tree import descendants
from ..model.errors import ArtacError
from ..model.session import Identity, State
from .lines import LineReader, extent

# How long after its start a Claude that has told nothing counts as one that does not tell.
_SILENT = 10.0
_MAX_LINE = 64 * 1024  # a noted event has at most 11 values of 4096 characters, rarely 500 bytes
_MAX_ENTRY = 64 * 1024

_NOT_AT_REST = (State.WORKING, State.NEEDS_PERMISSION)


def _nothing() -> None:
    return


@dataclass
class _Watched:
    """The registry's file, and which one that was: another may take its place."""

    path: Path
    inode: tuple[int, int]
    remove: Callable[[], None]


class TerminalState:
    """Tells each state as it comes to be known; the same one may be told again."""

    def __init__(
        self,
        noted: Path,
        claude: Identity | None,
        started_at: float,
        growth: GrowthWatch,
        tell: Callable[[State], None],
        heard: Callable[[hooks.Hook], None] = lambda hook: None,
        directory: Path | None = None,
    ) -> None:
        """`directory` is the registry; None: as Claude's environment says.

        `heard` gets every event that is noted from `start` on, and none from before."""
        self._noted = noted
        self._claude = claude
        self._started_at = started_at
        self._growth = growth
        self._tell, self._heard = tell, heard
        self.transcript = ""  # the conversation's file, by the latest event; "" before any
        self._loop = asyncio.get_running_loop()
        self._reader: LineReader | None = None
        self._hooked = State.STARTING  # by hooks alone
        self._last: State | None = None
        self._closed = False
        self._unwatch_noted = self._unwatch_directory = _nothing
        self._directory = directory
        self._watched: _Watched | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Follow from now on; what is known already, from before a restart too, is told at once."""
        if (unwatch := self._watch(self._noted, self._on_noted)) is not None:
            self._unwatch_noted = unwatch
            self._reader = LineReader(self._noted, extent(self._noted).first, _MAX_LINE)
            while self._fold(lambda hook: None):
                continue
        # Not just after its start: a process that is being exec'd has no environment for a moment.
        if self._directory is None and self._claude is not None:
            self._directory = registry.directory(processes.environment(self._claude.pid))
        if self._directory is not None:
            # Every process writes there: it is watched only until our file is found.
            self._unwatch_directory = self._watch(self._directory, self._look) or _nothing
        self._look(settled=True)
        if self._last is None:
            rest = max(0.0, self._started_at + _SILENT - time.time())
            self._later("silent", rest, self._on_silence)

    def close(self) -> None:
        """Follow no more."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._unwatch_noted()
        self._unwatch_directory()
        if self._watched is not None:
            self._watched.remove()
        if self._reader is not None:
            self._reader.close()
        self._timers.clear()
        self._unwatch_noted = self._unwatch_directory = _nothing
        self._reader = self._watched = self._directory = None

    # What is noted by the hooks

    def _on_noted(self) -> None:
        if self._fold(self._heard):
            self._loop.call_soon(self._on_noted)  # others get their turn in between
        self._look()

    def _fold(self, heard: Callable[[hooks.Hook], None]) -> bool:
        """Take in a piece of what is noted; whether there may be more."""
        if self._reader is None:
            return False
        for _, line in self._reader.lines():
            hook = hooks.read(line)
            if hook is not None:
                self._hooked = hooks.next_state(self._hooked, hook)
                self.transcript = hook.transcript_path or self.transcript
                heard(hook)
        return self._reader is not None and self._reader.more

    # What the registry says

    def _look(self, settled: bool = False) -> None:
        """Tell what is known now; an idle state not before it has lasted, unless settled."""
        if self._closed:
            return  # by what it told, in the middle of that
        entry = self._entry()
        state = entry.state if entry is not None and entry.state is not None else self._hooked
        if state is State.STARTING:
            return
        if state is State.IDLE and not settled and self._last in _NOT_AT_REST:
            self._later("idle", registry.IDLE_LASTS, lambda: self._look(settled=True))
            return
        self._cancel("idle")
        self._cancel("silent")
        self._last = state
        self._tell(state)

    def _entry(self) -> registry.Entry | None:
        if self._directory is None or self._claude is None:
            return None
        if self._watched is not None and (found := self._read(self._watched.path)) is not None:
            return found
        # Claude itself may be run by another program, such as npm's wrapper.
        for pid in (self._claude.pid, *descendants(self._claude.pid)):
            path = self._directory / f"{pid}.json"
            if (found := self._read(path)) is not None:
                return found
        return None

    def _read(self, path: Path) -> registry.Entry | None:
        """The entry of a living process at that path, followed from now on."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            # Before it is read: what is written afterwards is told.
            self._follow(path, (status.st_dev, status.st_ino))
            found = registry.read(file.read(_MAX_ENTRY))
        if found is None:
            return None
        actual = processes.identify(found.pid)
        if actual is None or actual.start_time != found.start_time or path.stem != str(found.pid):
            return None  # left by another process that had this pid
        return found

    def _follow(self, path: Path, inode: tuple[int, int]) -> None:
        if self._watched is not None:
            if (self._watched.path, self._watched.inode) == (path, inode):
                return
            self._watched.remove()
            self._watched = None
        remove = self._watch(path, self._look)
        if remove is None:
            return
        self._watched = _Watched(path, inode, remove)
        self._unwatch_directory()
        self._unwatch_directory = _nothing

    # Within

    def _on_silence(self) -> None:
        """Neither tells: an older Claude, or one whose hooks are switched off, or a dialog."""
        self._look(settled=True)
        if self._last is None:
            self._tell(State.RUNNING)

    def _watch(self, path: Path, callback: Callable[[], None]) -> Callable[[], None] | None:
        try:
            return self._growth.add(path, callback)
        except (OSError, ArtacError):
            return None

    def _later(self, name: str, seconds: float, work: Callable[[], None]) -> None:
        if name not in self._timers:
            self._timers[name] = self._loop.call_later(seconds, self._due, name, work)

    def _due(self, name: str, work: Callable[[], None]) -> None:
        del self._timers[name]
        work()

    def _cancel(self, name: str) -> None:
        if name in self._timers:
            self._timers.pop(name).cancel()
