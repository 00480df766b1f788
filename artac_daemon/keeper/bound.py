"""Keeping what a session's output files hold on disk within a bound, as they are written to."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable

from . import output
from .loop import Loop

# With the most that each may hold, where the session's own bound is not lower. What Claude's hooks
# have told is read again by each new backend, and only the latest of it counts.
FILES = {"output": None, "stderr": None, "hooks": 256 * 1024}

# After a file was written to, how long until its size is looked at (seconds).
_PAUSE = 2.0


class OutputBound:
    """Looks at the files some time after they were written to, and never otherwise.

    One SIGIO at the next write to a file of the working directory (dnotify), then quiet: it is the
    one file notification that the standard library has, and being one-shot it costs a busy session
    one look every few seconds and an idle one nothing.
    """

    def __init__(self, loop: Loop, limit: int, complain: Callable[[str], None]) -> None:
        self._limit = limit
        self._complain = complain
        self._punching: set[int] = set()
        self._directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        loop.on_signal(signal.SIGIO, lambda: loop.after("output", _PAUSE, self._look))
        self._arm()

    def reaped(self, pid: int, status: int) -> bool:
        """Whether that child was one of ours."""
        if pid not in self._punching:
            return False
        self._punching.discard(pid)
        if status:
            self._complain("output cannot be bounded: this file system cannot punch holes")
        return True

    def _arm(self) -> None:
        try:
            fcntl.fcntl(self._directory, fcntl.F_NOTIFY, fcntl.DN_MODIFY)
        except OSError as error:
            self._complain(f"output cannot be bounded: dnotify: {error.strerror}")

    def _look(self) -> None:
        self._arm()
        if self._punching:
            return
        for path, most in FILES.items():
            try:
                length = output.due(path, min(self._limit, most or self._limit))
                if length:
                    self._punching.add(output.punch(path, length))
            except OSError as error:
                self._complain(f"{path} cannot be bounded: {error.strerror}")
