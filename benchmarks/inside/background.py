"""`background ROUNDS`: attaching to the real Claude Code, and to one of `claude --bg`.

Both have the same conversation on their screen. Also the PSS of what keeps the terminal of each: a
keeper, and what `claude --bg` calls a PTY host.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

from . import api, hosts, memory, turns
from .attaching import attaching
from .client import Client

_PROMPT = "say one word"
# From its first row and from its last one; the reply is in the middle.
_MARKS = ("API Usage Billing", f"echo: {_PROMPT}", "mode on")


def _claude(*words: str) -> str:
    done = subprocess.run(["claude", *words], cwd=api.WORK, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def _background() -> tuple[str, int]:
    """Start one: its id and the pid of Claude."""
    _claude("--bg", _PROMPT)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = json.loads(_claude("agents", "--json"))
        if found and found[0].get("pid"):
            return str(found[0]["id"]), int(found[0]["pid"])
    raise RuntimeError("claude --bg has started no session")


def _ready(argv: list[str]) -> None:
    """Once the reply is on its screen, and nothing moves any more."""
    client = Client(argv, hosts.COLUMNS, hosts.ROWS)
    client.shows(*_MARKS)
    client.settle(1)
    client.close()


def main(rounds: int) -> None:
    theirs, pid = _background()
    artac = hosts.Artac()
    ours = artac.start("claude", claude_args=[_PROMPT])
    commands = {"ours": artac.attach(ours), "reference": ["claude", "attach", theirs]}
    try:
        for argv in commands.values():
            _ready(argv)
        takes = {name: attaching(argv, *_MARKS) for name, argv in commands.items()}
        times = turns.around(rounds, takes)
        host = memory.pss(memory.parent(pid))
        keeper = memory.pss(api.call("GET", f"/v1/sessions/{ours}")["session"]["keeper"]["pid"])
    finally:
        artac.end(ours)
        _claude("daemon", "stop", "--any")
    turns.tell({**times, "pty_host": host, "keeper": keeper})


if __name__ == "__main__":
    main(int(sys.argv[1]))
