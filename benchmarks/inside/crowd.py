"""`crowd NUMBER`: make that many idle sessions run; prints the pids of their keepers."""

from __future__ import annotations

import sys

from . import api, turns


def settle(number: int) -> list[int]:
    """Start or end sessions until there are that many, all idle; their keepers."""
    ids = api.running()
    for session in ids[number:]:
        api.remove(session)
    ids = ids[:number]
    while len(ids) < number:
        ids.append(api.run())
    for session in ids:
        api.wait(session, "idle")
    shown = [api.call("GET", f"/v1/sessions/{session}")["session"] for session in ids]
    return [session["keeper"]["pid"] for session in shown]


if __name__ == "__main__":
    turns.tell({"keepers": settle(int(sys.argv[1]))})
