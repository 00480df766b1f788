"""A program on a terminal of its own, and what a person would see there (pyte draws it)."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping
from typing import Any

import pyte

_PATIENCE = 60.0


def _as_a_shell_starts_it() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Both are ignored where the tests run in the background of a script.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


class PtyTerminal:
    """`saved` are the terminal's attributes before the program was started on it."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        # pyte has no alternate screen: whether a program left it is to be seen in `raw`.
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._master, self.slave = pty.openpty()
        self._set_size(columns, rows)
        self.saved = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={"TERM": "xterm-256color", **environment},
            start_new_session=True,
            preexec_fn=_as_a_shell_starts_it,
        )

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def has_read_all(self) -> bool:
        """Whether the program has read all that was pressed."""
        waiting = fcntl.ioctl(self.slave, termios.FIONREAD, b"\0" * 4)
        return not struct.unpack("i", waiting)[0]

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._set_size(columns, rows)  # the kernel sends SIGWINCH

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """The first true thing that `look` finds on the screen as it is drawn."""
        deadline = time.monotonic() + _PATIENCE
        while not (found := look()):
            rest = deadline - time.monotonic()
            assert rest > 0, f"not on the screen within {_PATIENCE:g} s: {what}\n{self.text}"
            self.read(min(rest, 0.2))
        return found

    def shows(self, text: str) -> None:
        self.until(lambda: text in self.text, repr(text))

    def read(self, seconds: float) -> bool:
        """Take in what was written, waiting at most so long for it; whether there was any."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self.take(os.read(self._master, 65536))
        return True

    def take(self, data: bytes) -> None:
        """Something was written to it."""
        self.raw += data
        self._stream.feed(data)

    def wait(self) -> int:
        """The exit code, all output taken in: a program may wait for that to end."""
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end\n{self.text}"
            self.read(0.05)
        while self.read(0):
            pass
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for fd in (self._master, self.slave):
            if fd >= 0:
                os.close(fd)
        self._master = self.slave = -1

    def hang_up(self) -> None:
        """The terminal goes away, as when its window is closed."""
        os.close(self.slave)
        os.close(self._master)
        self._master = self.slave = -1
