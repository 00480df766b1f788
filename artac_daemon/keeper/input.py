"""Claude's stdin: whole lines, in order, each acknowledged once the kernel has all of it.

Claude dies of a half line (`Error parsing streaming input line`, exit code 1), so nobody else
writes here, and a line that was begun is finished even if the backend that sent it is gone.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable

# What may wait for a Claude that does not read; beyond it a sender is told to come back later.
MAX_WAITING = 128 * 1024 * 1024
# Keys remembered for retries. Claude itself knows every uuid of its conversation; this saves the
# line from being written again within one keeper's life.
MAX_KEYS = 65536

Done = Callable[[str], None]
"""Called with "written", "duplicate" or "closed"."""


class Full(Exception):
    """More is waiting than may wait."""


class Input:
    """A queue in front of a descriptor that may not be ready."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._queue: deque[tuple[memoryview, str, Done]] = deque()
        self._waiting = 0
        self._keys: dict[str, list[Done] | None] = {}  # None: written
        self._closing = False

    def __bool__(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._queue)

    @property
    def is_open(self) -> bool:
        return self.fd >= 0 and not self._closing

    def put(self, data: bytes, key: str, done: Done) -> None:
        """Queue bytes; `done` is called when they are written. A known key is not queued again."""
        if key and key in self._keys:
            waiters = self._keys[key]
            if waiters is None:
                done("duplicate")
            else:
                waiters.append(done)
            return
        if not self.is_open:
            done("closed")
            return
        if self._waiting + len(data) > MAX_WAITING:
            raise Full
        if key:
            self._forget_oldest()
            self._keys[key] = []
        self._queue.append((memoryview(data), key, done))
        self._waiting += len(data)

    def at_once(self, data: bytes) -> int:
        """How many of the first of these bytes went in right now, past an empty queue."""
        if self._queue or self._closing or self.fd < 0:
            return 0
        try:
            return os.write(self.fd, data)
        except OSError:
            return 0  # who queues them then is told why

    def pump(self) -> None:
        """Write what the descriptor takes now; never blocks."""
        while self._queue and self.fd >= 0:
            data, key, done = self._queue[0]
            try:
                written = os.write(self.fd, data)
            except BlockingIOError:
                return
            except OSError:  # its reader is gone
                self.abandon()
                return
            self._waiting -= written
            if written < len(data):
                self._queue[0] = (data[written:], key, done)
                continue
            self._queue.popleft()
            waiters = self._keys.get(key) or []
            if key:
                self._keys[key] = None
            done("written")
            for waiter in waiters:
                waiter("duplicate")
        if self._closing and not self._queue:
            self.abandon()

    def close(self) -> None:
        """End of input, after what is queued."""
        self._closing = True
        self.pump()

    def abandon(self) -> None:
        """Close now; whatever waits is told that it was not written."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        queue, self._queue = self._queue, deque()
        self._waiting = 0
        for _, key, done in queue:
            for waiter in (self._keys.pop(key, None) or []) if key else []:
                waiter("closed")
            done("closed")

    def _forget_oldest(self) -> None:
        while len(self._keys) >= MAX_KEYS:
            oldest = next(iter(self._keys))
            if self._keys[oldest] is not None:
                return  # still waiting to be written: it stays
            del self._keys[oldest]
