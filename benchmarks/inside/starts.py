"""`starts request|command ROUNDS`: starting a session, in turn with a bare systemd-run."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from . import api, turns


def by_request() -> float:
    """From the request to its answer, which comes after Claude was exec'd."""
    started = time.perf_counter()
    session = api.run()
    taken = time.perf_counter() - started
    _end(session)
    return taken


def by_command() -> float:
    """`artac run` from its own start to its own end."""
    argv = ["artac", "run", "--json", "--cwd", api.WORK, api.PROMPT]
    started = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    taken = time.perf_counter() - started
    _end(json.loads(done.stdout)["id"])
    return taken


def _end(session: str) -> None:
    api.wait(session, "idle")
    api.remove(session)


if __name__ == "__main__":
    take = {"request": by_request, "command": by_command}[sys.argv[1]]
    turns.tell(
        turns.interleave(int(sys.argv[2]), take, lambda: turns.command(turns.BARE_SCOPE)),
    )
