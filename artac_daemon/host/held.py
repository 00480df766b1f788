"""A process held by pidfd: what is sent to it reaches no other, whoever gets its pid later."""

from __future__ import annotations

import asyncio
import errno
import os
import signal

from ..keeper import record


class Held:
    """One process, checked when it was taken hold of."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid = pid
        self._fd = fd

    @classmethod
    def take(cls, pid: int, start_time: int) -> Held | None:
        """The process of that pid and start time (clock ticks); None when it lives no more.

        The order counts: what has this start time now had its pid before the pidfd was opened.
        """
        try:
            fd = os.pidfd_open(pid)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.EINVAL):  # EINVAL: it is a thread's by now
                return None
            raise
        try:
            if not record.is_zombie(pid) and record.start_time(pid) == start_time:
                return cls(pid, fd)
        except (OSError, IndexError, ValueError):
            pass  # it has ended between the two
        os.close(fd)
        return None

    def send(self, number: signal.Signals) -> None:
        """Signal it; nothing happens to one that has ended. PermissionError if it may not be."""
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError:
            return

    async def ended_within(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(self._fd, gone.set)
        try:
            await asyncio.wait_for(gone.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            loop.remove_reader(self._fd)
        return True

    def close(self) -> None:
        os.close(self._fd)
