"""`processes ROUNDS`: `artac ps`, in turn with a Python that does nothing.

Each session has a tool that runs first, so that it is a tree of five: keeper, Claude, the tool's
shell and two programs below it.
"""

from __future__ import annotations

import sys
import time

from . import api, turns

_EACH = 5


def _fill() -> None:
    """Give each session its tool; returns when all of them are there."""
    for session in api.running():
        text = "!tool sleep 100000 & sleep 100001"
        api.call("POST", f"/v1/sessions/{session}/messages", {"text": text})
    deadline = time.monotonic() + 60
    while True:
        shown = api.call("GET", "/v1/processes")["sessions"]
        if all(len(session["processes"]) == _EACH for session in shown):
            return
        if time.monotonic() > deadline:
            counts = sorted({len(session["processes"]) for session in shown})
            raise RuntimeError(f"sessions have {counts} processes, not {_EACH}")
        time.sleep(0.1)


def _empty() -> None:
    for session in api.running():
        api.call("POST", f"/v1/sessions/{session}/interrupt")
    for session in api.running():
        api.wait(session, "idle")


if __name__ == "__main__":
    _fill()
    times = turns.interleave(
        int(sys.argv[1]),
        lambda: turns.command(["artac", "ps"]),
        lambda: turns.command(["/usr/bin/python3", "-c", "pass"]),
    )
    _empty()
    turns.tell(times)
