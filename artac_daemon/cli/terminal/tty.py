"""The user's terminal: raw while we have it, and given back as it was found."""

import _signal  # type: ignore[import-not-found]
import posix
import select
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# How long a terminal that takes nothing may hold up our leaving (milliseconds).
_PATIENCE = 1000
# What a terminal is given at a time when it cannot be kept from making us wait.
_PIECE = 512

# A sequence or a string that was cut off ends here. The margins off, then the last row, and that
# place saved: leaving the alternate screen without being in it goes to the place last saved.
_BELOW = b"\x1b\\\x1b[?6l\x1b[r\x1b[999;1H\x1b7"


class Gone(Exception):
    """The terminal is not there any more."""


class Terminal:
    """Standard input and output, which are a terminal."""

    def __init__(self) -> None:
        self._saved: list[Any] = termios.tcgetattr(0)
        self.rest = b""  # what it has yet to take
        self._raw = False
        try:
            # Another open file of the same terminal: O_NONBLOCK on the one we were given would
            # be on the shell's as well, and stay there if we are killed.
            self.out = posix.open(
                "/proc/self/fd/1",
                posix.O_WRONLY | posix.O_NONBLOCK | posix.O_NOCTTY | posix.O_CLOEXEC,
            )
            self._piece = sys.maxsize
        except OSError:  # not ours to open, after `su` for one
            self.out, self._piece = 1, _PIECE

    def raw(self) -> None:
        """Every key as it is, from now on; every byte of output as well."""
        mode = [*self._saved[:6], list(self._saved[6])]
        mode[0] &= ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR
            | termios.IGNCR | termios.ICRNL | termios.IXON
        )  # fmt: skip
        mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        self._raw = True
        _attributes(termios.TCSANOW, mode)

    def window(self) -> tuple[int, int] | None:
        """Columns and rows; None when the terminal does not know."""
        return window()

    def write(self, more: bytes = b"") -> None:
        """Give it what is kept, and more; what it does not take is kept. Gone when it has gone."""
        data = self.rest = self.rest + more
        try:
            taken = posix.write(self.out, data[: self._piece])
        except BlockingIOError:
            return
        except OSError:  # EIO
            self.rest = b""
            raise Gone from None
        self.rest = data[taken:] if taken < len(data) else b""

    def give_back(self, reset: bytes, more: bytes = b"") -> None:
        """As it was found, with `more` shown on it; what it still had to take is dropped."""
        if not self._raw:
            return
        self._raw = False
        self.rest = b""
        poll = select.poll()
        poll.register(self.out, select.POLLOUT)
        try:
            self.write(_BELOW + reset + b"\r\n" + more)
            while self.rest and poll.poll(_PATIENCE):
                self.write()
        except Gone:
            return
        # What the terminal answers late is dropped with it, and does not end up in the shell.
        _attributes(termios.TCSAFLUSH, self._saved)

    def suspend(self, reset: bytes, more: bytes) -> None:
        """Give it back and stop; returns once we are continued, with the terminal raw again."""
        self.give_back(reset, more)
        posix.kill(posix.getpid(), _signal.SIGSTOP)
        self.raw()


def window() -> tuple[int, int] | None:
    """The terminal's columns and rows; None when it does not know."""
    try:
        columns, rows = posix.get_terminal_size(1)
    except OSError:
        return None
    return (columns, rows) if columns and rows else None


def is_alone() -> bool:
    """Whether nobody is there who would continue us: no shell with job control."""
    return posix.getpgrp() == posix.getsid(0)


def _attributes(when: int, mode: "list[Any]") -> None:
    try:
        termios.tcsetattr(0, when, mode)
    except termios.error:
        pass  # the terminal is gone, and its attributes with it
