"""A small event loop: descriptors, deadlines, signals. asyncio would double the keeper's memory."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

# epoll counts milliseconds in 32 bits, and a session may have weeks.
_LONGEST_SLEEP = 86_400.0
# How many descriptors are told of at once.
_AT_ONCE = 64

_NEVER = float("inf")

Callback = Callable[[], None]
OnEvents = Callable[[int], object]


class Loop:
    """Runs until stopped; sleeps for as long as nothing happens."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, OnEvents] = {}
        self._deadlines: dict[str, tuple[float, Callback]] = {}
        self._next = _NEVER  # when the first of them is over, or earlier
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
        due = time.monotonic() + seconds
        self._deadlines[name] = (due, callback)
        self._next = min(self._next, due)

    def cancel(self, name: str) -> None:
        self._deadlines.pop(name, None)

    def due(self, name: str) -> bool:
        """Whether there is a deadline of that name."""
        return name in self._deadlines

    def on_signal(self, number: int, callback: Callback) -> None:
        """Call back from the loop, not from within the signal."""
        self._signals[number] = callback
        signal.signal(number, lambda *_: None)
        signal.siginterrupt(number, False)

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        callbacks, poll, now = self._callbacks, self._epoll.poll, time.monotonic
        while self._running:
            # A key that is typed wakes a keeper twice, and a person waits: no more than this.
            rest = -1.0
            if self._next < _NEVER:
                rest = min(max(0.0, self._next - now()), _LONGEST_SLEEP)
            for fd, events in poll(rest, _AT_ONCE):
                callback = callbacks.get(fd)
                if callback:
                    callback(events)
            if self._next < _NEVER and self._next <= now():
                self._run_due()

    def _run_due(self) -> None:
        now = time.monotonic()
        for name, (due, action) in list(self._deadlines.items()):
            if due <= now and self._deadlines.get(name) == (due, action):
                del self._deadlines[name]
                action()
        self._next = min((due for due, _ in self._deadlines.values()), default=_NEVER)

    def _on_signals(self, fd: int) -> None:
        try:
            numbers = set(os.read(fd, 4096))
        except BlockingIOError:
            return
        for number in numbers:
            callback = self._signals.get(number)
            if callback:
                callback()
