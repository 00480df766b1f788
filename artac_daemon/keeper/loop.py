"""A small event loop: descriptors, deadlines, signals. asyncio would double the keeper's memory."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

# epoll counts milliseconds in 32 bits, and a session may have weeks.
_LONGEST_SLEEP = 86_400.0

Callback = Callable[[], None]
OnEvents = Callable[[int], None]


class Loop:
    """Runs until stopped; sleeps for as long as nothing happens."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, OnEvents] = {}
        self._deadlines: dict[str, tuple[float, Callback]] = {}
        self._signals: dict[int, Callback] = {}
        self._running = True
        read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self.watch(read, select.EPOLLIN, lambda _: self._on_signals(read))

    def watch(self, fd: int, events: int, callback: OnEvents) -> None:
        """Call back with the events of a descriptor; a second call changes what is waited for."""
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor; one just closed is gone from epoll by itself."""
        if self._callbacks.pop(fd, None) is not None:
            try:
                self._epoll.unregister(fd)
            except OSError:
                pass

    def after(self, name: str, seconds: float, callback: Callback) -> None:
        """One deadline of that name; a new one replaces it."""
        self._deadlines[name] = (time.monotonic() + seconds, callback)

    def cancel(self, name: str) -> None:
        self._deadlines.pop(name, None)

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call back from the loop, not from within the signal."""
        self._signals[number] = callback
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        while self._running:
            for fd, events in self._epoll.poll(self._timeout()):
                callback = self._callbacks.get(fd)
                if callback:
                    callback(events)
            now = time.monotonic()
            for name, (due, action) in list(self._deadlines.items()):
                if due <= now and self._deadlines.get(name) == (due, action):
                    del self._deadlines[name]
                    action()

    def _timeout(self) -> float:
        if not self._deadlines:
            return -1
        rest = min(due for due, _ in self._deadlines.values()) - time.monotonic()
        return min(max(0.0, rest), _LONGEST_SLEEP)

    def _on_signals(self, fd: int) -> None:
        try:
            numbers = set(os.read(fd, 4096))
        except BlockingIOError:
            return
        for number in numbers:
            callback = self._signals.get(number)
            if callback:
                callback()
