"""What goes into Claude: the queue in front of its stdin or terminal, pumped by the loop."""

from __future__ import annotations

import os
import select

from .input import Done, Input
from .loop import Loop


class ClaudeInput:
    """Takes over the descriptor. Raises Full, as `Input` does, when too much is waiting."""

    def __init__(self, loop: Loop, fd: int) -> None:
        self._loop = loop
        self._input = Input(fd)
        self.at_once = self._input.at_once
        os.set_inheritable(fd, False)

    @property
    def is_open(self) -> bool:
        return self._input.is_open

    def put(self, data: bytes, key: str, done: Done) -> None:
        """Queue bytes and write what goes in now; see `Input.put`."""
        self._input.put(data, key, done)
        self.pump()

    def pump(self) -> None:
        """Write what Claude takes, and come back when it takes more."""
        before = self._input.fd
        self._input.pump()
        if self._input.fd < 0:
            self._loop.forget(before)
        elif self._input:
            self._loop.watch(before, select.EPOLLOUT, lambda _: self.pump())
        else:
            self._loop.forget(before)

    def end(self) -> None:
        """End of input, after what is queued."""
        fd = self._input.fd
        if fd >= 0:
            self._input.close()
            if self._input.fd < 0:
                # Before anything else is opened: it would get this number, and find it taken.
                self._loop.forget(fd)

    def abandon(self) -> None:
        """Close now; whatever waits is told that it was not written."""
        if self._input.fd >= 0:
            self._loop.forget(self._input.fd)
            self._input.abandon()
