"""A real interactive shell on a terminal, with artac's completion: what a TAB makes of a line."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support import cache

COMPLETIONS = cache.PROJECT / "packaging/completions"
_PATIENCE = 30.0

# Each tells at ^T what its line is, through a pipe, and empties it.
_COMMANDS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
_PREPARE = {
    "bash": """\
bind 'set bell-style none'
told() {{ printf '%s\\n' "$READLINE_LINE" >{pipe}; READLINE_LINE=; }}
bind -x '"\\C-t": told'
source {completions}/artac.bash
echo >{pipe}
""",
    "zsh": """\
fpath=({completions} $fpath)
autoload -Uz compinit; compinit -D -u
told() {{ print -r -- "$BUFFER" >{pipe}; BUFFER= }}
zle -N told; bindkey '^T' told
print >{pipe}
""",
    "fish": """\
function told; commandline >{pipe}; commandline ''; end
bind \\ct told
source {completions}/artac.fish
echo >{pipe}
""",
}
SHELLS = tuple(_COMMANDS)


def missing(shell: str) -> str | None:
    """Why that shell cannot be had here."""
    return None if shutil.which(shell) else f"{shell} is not installed"


def launcher(directory: Path) -> None:
    """Put this checkout's artac into that directory."""
    words = [sys.executable, "-m", "artac_daemon.cli.main"]
    path = directory / "artac"
    path.write_text(f'#!/bin/sh\nPYTHONPATH={cache.PROJECT} exec {shlex.join(words)} "$@"\n')
    path.chmod(0o755)


class Shell:
    """One shell at its prompt."""

    def __init__(self, terminal: int, pipe: int) -> None:
        self._terminal = terminal
        self._pipe = pipe
        self.shown = b""

    def after_tab(self, line: str) -> str:
        """The line after a TAB at its end."""
        os.write(self._terminal, line.encode() + b"\t")
        os.write(self._terminal, b"\x14")
        return self.told()

    def told(self) -> str:
        """The next line of the pipe; what the terminal shows meanwhile is kept."""
        line = b""
        deadline = time.monotonic() + _PATIENCE
        while not line.endswith(b"\n"):
            rest = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._terminal, self._pipe], [], [], rest)
            assert ready, f"the shell says nothing: {self.shown[-2000:]!r}"
            if self._terminal in ready:
                self.shown += os.read(self._terminal, 65536)
            if self._pipe in ready:
                line += os.read(self._pipe, 4096)
        return line.decode().removesuffix("\n")


@contextlib.contextmanager
def interactive(
    shell: str, directory: Path, environment: Mapping[str, str], cwd: Path
) -> Iterator[Shell]:
    """That shell, ready; `directory` is for a pipe and a file of its own."""
    pipe = directory / "line"
    os.mkfifo(pipe)
    script = directory / "prepare"
    script.write_text(_PREPARE[shell].format(pipe=pipe, completions=COMPLETIONS))
    ours, theirs = pty.openpty()
    reader = os.open(pipe, os.O_RDWR)
    process = subprocess.Popen(
        # Without a controlling terminal fish does not start.
        ["setsid", "--ctty", *_COMMANDS[shell]],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env={**environment, "TERM": "vt100", "HOME": str(directory)},
    )
    os.close(theirs)
    try:
        os.write(ours, f"source {script}\n".encode())
        found = Shell(ours, reader)
        found.told()
        yield found
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(reader)
