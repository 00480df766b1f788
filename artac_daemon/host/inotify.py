"""inotify(7), of which the standard library has no binding: who waits for a file to grow."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path

from ..model.errors import ArtacError, ErrorKind

_IN_MODIFY = 0x2
_IN_Q_OVERFLOW = 0x4000
# After events were heard, how long until more are listened for (seconds).
_PAUSE = 0.01
_EVENT = struct.Struct("iIII")

Callback = Callable[[], None]


class GrowthWatch:
    """Calls back when a watched file was written to. One inotify instance for all of them."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._pause: asyncio.TimerHandle | None = None
        self._callbacks: dict[int, list[Callback]] = {}
        asyncio.get_running_loop().add_reader(self._fd, self._on_events)

    def add(self, path: Path, callback: Callback) -> Callable[[], None]:
        """Watch a file; call what is returned to stop.

        OSError for a file that is not there, ArtacError(LIMIT) when the account has no watch left.
        """
        watch: int = self._libc.inotify_add_watch(self._fd, os.fsencode(path), _IN_MODIFY)
        if watch < 0:
            number = ctypes.get_errno()
            if number == errno.ENOSPC:
                raise ArtacError(
                    ErrorKind.LIMIT,
                    "no inotify watch is left for this account: "
                    "raise it with `sysctl fs.inotify.max_user_watches`",
                )
            raise OSError(number, os.strerror(number), str(path))
        self._callbacks.setdefault(watch, []).append(callback)

        def remove() -> None:
            callbacks = self._callbacks.get(watch, [])
            if callback in callbacks:
                callbacks.remove(callback)
            if not callbacks and self._callbacks.pop(watch, None) is not None:
                self._libc.inotify_rm_watch(self._fd, watch)

        return remove

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def _on_events(self) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        offset = 0
        grown: set[int] = set()
        while offset < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size + length
            if mask & _IN_Q_OVERFLOW:
                grown.update(self._callbacks)
            grown.add(watch)
        # The kernel merges what comes meanwhile; else a busy writer would wake us at every write.
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        self._pause = loop.call_later(_PAUSE, loop.add_reader, self._fd, self._on_events)
        for watch in grown:
            for callback in list(self._callbacks.get(watch, ())):
                callback()
