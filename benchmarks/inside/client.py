"""A command on a terminal of its own, which is read as fast as it comes."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence

PATIENCE = 20.0

# Text may be placed word by word instead of being written with its blanks.
_CONTROL = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|\s+")


def visible(data: bytes) -> bytes:
    """What was written without control sequences and blanks."""
    return _CONTROL.sub(b"", data)


class Client:
    """Started when it is made; `began` is the moment before its exec, of `time.perf_counter`."""

    def __init__(self, argv: Sequence[str], columns: int = 100, rows: int = 30) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        name = os.ttyname(slave)
        self.seen = bytearray()
        path = next(p for p in _candidates(argv[0]) if os.access(p, os.X_OK))
        # Opening it makes it the controlling terminal of a new session's leader.
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, name, os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, 0, 2),
        ]
        env = {**os.environ, "TERM": "xterm-256color"}
        self.began = time.perf_counter()
        self.pid = os.posix_spawn(path, argv, env, file_actions=actions, setsid=True)
        self._slave = slave
        self._program = argv[0]

    def shows(self, *texts: str) -> float:
        """Seconds from its start until all of these were written to the terminal."""
        wanted = [visible(text.encode()) for text in texts]
        while True:
            self._read()
            shown = visible(self.seen)
            if all(text in shown for text in wanted):
                return time.perf_counter() - self.began

    def trip(self, key: bytes) -> float:
        """Seconds from writing that byte until it comes back."""
        self.drain()
        began = time.perf_counter()
        os.write(self._master, key)
        while key not in os.read(self._master, 65536):
            pass
        return time.perf_counter() - began

    def flood(self, key: bytes, mark: bytes) -> tuple[float, bytes, int]:
        """Press the key and read until a line that has the mark: seconds, that line, bytes read."""
        self.drain()
        began = time.perf_counter()
        os.write(self._master, key)
        size, tail = 0, b""
        while True:
            data = os.read(self._master, 1 << 20)
            size += len(data)
            tail = tail[-200:] + data
            place = tail.find(mark)
            if place >= 0 and (line := tail[place:].partition(b" s")[0]) != tail[place:]:
                return time.perf_counter() - began, line, size

    def settle(self, quiet: float = 0.3) -> None:
        """Read until it has written nothing for so long."""
        while select.select([self._master], [], [], quiet)[0]:
            self._read()

    def drain(self) -> None:
        self.settle(0)

    def close(self) -> None:
        """End it, its terminal first, as when its window is closed."""
        os.close(self._slave)
        os.close(self._master)
        deadline = time.monotonic() + 2
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.001)

    def _read(self) -> None:
        if not select.select([self._master], [], [], PATIENCE)[0]:
            shown = visible(self.seen).decode(errors="replace").replace("─", "")
            over = os.waitpid(self.pid, os.WNOHANG) != (0, 0)
            state = "has ended" if over else "is there"
            size = len(self.seen)
            raise RuntimeError(
                f"{self._program} {state}; {size} bytes, the last of them {shown[-500:]}"
            )
        self.seen += os.read(self._master, 65536)


def _candidates(program: str) -> list[str]:
    if "/" in program:
        return [program]
    return [f"{folder}/{program}" for folder in os.environ["PATH"].split(":")]
