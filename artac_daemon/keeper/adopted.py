"""A Claude that somebody else has started: watched, signalled, but not waited for."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
from collections.abc import Callable

from . import record
from .loop import Loop

# linux/pidfd.h: struct pidfd_info in its first form, and the bit for its last field.
_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 1 << 3
_INFO = struct.Struct("=QQ12I")

# A process that has ended is a zombie until its parent asks for it, which a bad one never does.
_REAPED_WITHIN = 1.0

UNKNOWN = "it ended; its exit status went to the process that had started it"


class Adopted:
    """One process, by pidfd: from here on no other can be mistaken for it."""

    control = -1  # its input and terminal are where they were

    def __init__(self, identity: dict[str, object]) -> None:
        self.pid = int(str(identity["pid"]))
        self.fd = os.pidfd_open(self.pid)
        # After the pidfd: what has this start time now is what the pidfd means.
        try:
            same = record.start_time(self.pid) == identity["start_time"]
        except OSError:
            same = False
        if not same or record.boot_id() != identity["boot_id"] or record.is_zombie(self.pid):
            os.close(self.fd)
            raise ProcessLookupError(errno.ESRCH, f"process {self.pid} has ended")

    def signal(self, number: int) -> None:
        try:
            signal.pidfd_send_signal(self.fd, number)
        except ProcessLookupError:
            return  # it has just ended, which the loop will tell

    def watch(self, loop: Loop, ended: Callable[[int | None], None]) -> None:
        """Call back once with its wait status, or None where the kernel does not tell it."""

        def tell() -> None:
            loop.cancel("adopted")
            loop.forget(self.fd)
            ended(self.status())

        def on_events(events: int) -> None:
            if events & select.EPOLLHUP or not self._can_tell():
                tell()
                return
            # Ended and not yet asked for: the status is to be had afterwards (Linux 6.15).
            loop.watch(self.fd, 0, on_events)
            loop.after("adopted", _REAPED_WITHIN, tell)

        loop.watch(self.fd, select.EPOLLIN, on_events)

    def status(self) -> int | None:
        """The wait status of a process that has ended and was waited for by its parent."""
        info = bytearray(_INFO.size)
        struct.pack_into("=Q", info, 0, _PIDFD_INFO_EXIT)
        try:
            fcntl.ioctl(self.fd, _PIDFD_GET_INFO, info)
        except OSError:
            return None
        mask, *rest = _INFO.unpack(info)
        return int(rest[-1]) if mask & _PIDFD_INFO_EXIT else None

    def _can_tell(self) -> bool:
        try:
            fcntl.ioctl(self.fd, _PIDFD_GET_INFO, bytearray(_INFO.size))
        except OSError as error:
            return error.errno == errno.ESRCH  # waited for already
        return True
