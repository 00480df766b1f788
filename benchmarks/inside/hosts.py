"""What keeps a program's terminal while nobody looks: artac, tmux, dtach, all used in one way."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Protocol

from . import api

# As the launcher of the stand-in has it: the interpreter that shares no pages with the keepers.
PYTHON = "/usr/local/lib/artac-bench/python3"
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")

COLUMNS, ROWS = 100, 30

# The program has as many rows as elsewhere; and the account has no shell of its own.
_TMUX = """\
set -g status off
set -g default-shell /bin/sh
set -g default-terminal screen-256color
"""


class Host(Protocol):
    """`attach` is the command that shows a terminal that was started."""

    def start(self, program: str, columns: int = COLUMNS, rows: int = ROWS) -> str: ...

    def attach(self, name: str) -> list[str]: ...

    def end(self, name: str) -> None: ...


class Artac:
    def start(
        self,
        program: str,
        columns: int = COLUMNS,
        rows: int = ROWS,
        claude_args: Sequence[str] = (),
    ) -> str:
        """The launcher of the stand-in runs what BENCH_PROGRAM names."""
        body = {
            "cwd": api.WORK,
            "kind": "terminal",
            "size": [columns, rows],
            "env": {"BENCH_PROGRAM": program},
            "claude_args": list(claude_args),
        }
        return str(api.call("POST", "/v1/sessions", body)["session"]["id"])

    def attach(self, name: str) -> list[str]:
        return ["artac", "attach", name]

    def end(self, name: str) -> None:
        api.remove(name)


class Tmux:
    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="bench-tmux-")
        self._socket = os.path.join(self._folder, "socket")
        self._settings = os.path.join(self._folder, "conf")
        with open(self._settings, "w", encoding="ascii") as file:
            file.write(_TMUX)
        self._started = 0

    def start(self, program: str, columns: int = COLUMNS, rows: int = ROWS) -> str:
        self._started += 1
        name = f"bench{self._started}"
        size = ["-x", str(columns), "-y", str(rows)]
        self._call("new-session", "-d", "-s", name, *size, " ".join(command(program)))
        # From then on it is of that size. Else a client whose terminal has just gone is taken for
        # one of 80x24, and what was below is not drawn again.
        self._call("resize-window", "-t", name, *size)
        return name

    def attach(self, name: str) -> list[str]:
        return ["tmux", "-u", "-S", self._socket, "attach", "-t", name]

    def end(self, name: str) -> None:
        self._call("kill-session", "-t", name)

    def server(self) -> int:
        """The pid of the process that has all its terminals."""
        return int(self._call("display-message", "-p", "#{pid}"))

    def _call(self, *words: str) -> str:
        command = ["tmux", "-u", "-f", self._settings, "-S", self._socket, *words]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()


class Dtach:
    """It relays and keeps no screen: an attach shows what comes from then on."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="bench-dtach-")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, program: str, columns: int = COLUMNS, rows: int = ROWS) -> str:
        name = os.path.join(self._folder, str(len(self._running)))
        self._running[name] = subprocess.Popen(["dtach", "-N", name, *command(program)])
        while not os.path.exists(name):
            time.sleep(0.01)
        return name

    def attach(self, name: str) -> list[str]:
        # Without keys of its own, which it would look for in all that is typed.
        return ["dtach", "-a", name, "-r", "none", "-E", "-z"]

    def end(self, name: str) -> None:
        self._running[name].terminate()
        self._running[name].wait()


def command(program: str) -> list[str]:
    """The program by itself, on whatever terminal it is started."""
    return [PYTHON, "-I", "-S", _PROGRAM, *program.split()]


def named(names: Sequence[str]) -> dict[str, Host]:
    """Those of that name, each made anew."""
    known: dict[str, type[Artac] | type[Tmux] | type[Dtach]]
    known = {"artac": Artac, "tmux": Tmux, "dtach": Dtach}
    return {name: known[name]() for name in names}
