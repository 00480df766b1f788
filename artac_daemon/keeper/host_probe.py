"""Whether the machine is going down: what tells a shutdown from a unit that was stopped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from .loop import Loop

# A machine that goes down is busy, and an answer that comes too late makes the end untrue. Units
# are stopped with at least ten seconds more than the grace.
_LIMIT = 8.0
_STAYS_UP = (b"running", b"degraded", b"maintenance", b"starting", b"initializing")


class HostProbe:
    """Asks systemd once; the answer comes with the end of the process that asked."""

    def __init__(self, loop: Loop, done: Callable[[], None]) -> None:
        self.host_stopping = False
        self.silent = False  # it was asked and has not told
        self._loop = loop
        self._done = done
        self._pid = self._output = -1

    @property
    def pending(self) -> bool:
        return self._pid >= 0

    def ask(self) -> None:
        """Start asking; where there is no systemctl the machine counts as staying up."""
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            self._pid = os.posix_spawn(
                "/usr/bin/systemctl",
                ["systemctl", "is-system-running"],
                {"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                file_actions=[(os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, write, 2)],
                # systemd often signals a cgroup twice, and then whoever asks for us as well.
                setsigmask=(signal.SIGTERM, signal.SIGHUP),
            )
        except OSError:
            os.close(read)
            return
        finally:
            os.close(write)
        self._output = read
        self.silent = True
        self._loop.after("probe", _LIMIT, self._give_up)

    def reaped(self, pid: int) -> bool:
        """Whether that child was the one that asked."""
        if pid != self._pid:
            return False
        said = os.read(self._output, 64)
        self.host_stopping = said.startswith(b"stopping")
        self.silent = not self.host_stopping and not said.startswith(_STAYS_UP)
        os.close(self._output)
        self._give_up()
        return True

    def _give_up(self) -> None:
        self._pid = -1
        self._loop.cancel("probe")
        self._done()
