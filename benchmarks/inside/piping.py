"""`piping ROUNDS`: an event's way from the program that writes it to the one that reads it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from . import turns
from .api import WORK

_LINES = ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose")


class Child:
    """A program at the other end of two pipes, which answers each line with a stamped one."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=WORK,
            env={**os.environ, "BENCH_PROGRAM": "events"},
        )

    def trip(self) -> float:
        """Seconds from before the line's write to after its arrival."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(b"{}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        arrived = time.monotonic_ns()
        return (arrived - int(line.split(b'"', 2)[1])) / 1e9

    def end(self) -> None:
        self._process.communicate(timeout=60)
        if self._process.returncode:
            raise RuntimeError(f"exit code {self._process.returncode}")


def main(rounds: int, claude: str) -> None:
    os.makedirs(WORK, exist_ok=True)
    children = {
        "ours": Child("artac-claude", *_LINES),
        "reference": Child(claude, *_LINES),
    }
    takes: dict[str, Callable[[], float]] = {name: c.trip for name, c in children.items()}
    times = turns.around(rounds, takes, settle=0.002)
    for child in children.values():
        child.end()
    turns.tell(times)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
