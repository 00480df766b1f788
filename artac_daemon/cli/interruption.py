"""Signals that ask a command to end, for one that has something to end first."""

from __future__ import annotations

import signal
from types import FrameType

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Such a signal has come. No Exception: nothing on its way is to handle it as an error."""

    def __init__(self, number: int) -> None:
        self.name = signal.Signals(number).name
        self.exit_code = 128 + number
        super().__init__(self.name)


class Interruption:
    """Within it such a signal raises Interrupted once that is allowed, and disallows the next.

    What the command was started to ignore (nohup, a shell's background job) stays ignored. When
    it is not allowed, a second signal of the kind raises all the same: the person has no patience.
    """

    def __init__(self) -> None:
        self._allowed = False
        self._came: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        for number in _ASKING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def allow(self) -> None:
        """From now on; raises for one that has come before."""
        self._allowed = True
        if self._came is not None:
            self._raise(self._came)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._allowed or self._came is not None:
            self._raise(number)
        self._came = number

    def _raise(self, number: int) -> None:
        self._allowed, self._came = False, None
        raise Interrupted(number)
