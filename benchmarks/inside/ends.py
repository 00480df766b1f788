"""`ends ROUNDS`: from Claude's death to its whole tree gone and the reason on disk, in seconds."""

from __future__ import annotations

import os
import signal
import sys
import time

from . import api, turns

# Five tools that have left Claude's session and process group, as a build's daemons do.
_TREE = "!tool for n in 1 2 3 4 5; do (setsid sleep 1000 >/dev/null 2>&1 </dev/null &); done"
_PATIENCE = 60.0


def once() -> float:
    answer = api.call("POST", "/v1/sessions", {"cwd": api.WORK, "prompt": _TREE})
    session = str(answer["session"]["id"])
    api.wait(session, "idle")
    shown = api.call("GET", f"/v1/sessions/{session}")["session"]
    tree = [row["pid"] for row in shown["processes"]]
    if len(tree) < 7:
        raise RuntimeError(f"{len(tree)} processes, a keeper, claude and five tools were expected")
    end = os.path.join(os.path.dirname(shown["output"]["path"]), "end")
    began = time.perf_counter()
    os.kill(shown["claude"]["pid"], signal.SIGKILL)
    # Looking does not sleep: a timer's slack would be a part of the figure.
    while not (os.path.exists(end) and not _populated(shown["cgroup"])):
        if time.perf_counter() - began > _PATIENCE:
            raise RuntimeError(f"session {session} does not end")
        os.sched_yield()
    taken = time.perf_counter() - began
    api.remove(session)
    return taken


def _populated(cgroup: str) -> bool:
    try:
        with open(f"{cgroup}/cgroup.events", encoding="ascii") as events:
            return "populated 1" in events.read()
    except OSError:
        return False


if __name__ == "__main__":
    once()
    turns.tell({"seconds": [once() for _ in range(int(sys.argv[1]))]})
