"""`quiet NUMBER SECONDS`: processor time of artacd, keepers and clients while nothing happens."""

from __future__ import annotations

import os
import sys
import time

from . import api, hosts, program, turns
from .client import Client


def _spent(pids: list[int]) -> float:
    """Seconds that all their threads have run, exact where ticks are 10 ms each."""
    total = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def main(number: int, seconds: float, daemon: int) -> None:
    artac = hosts.Artac()
    ids = [artac.start("screen") for _ in range(number)]
    clients = [Client(artac.attach(name), hosts.COLUMNS, hosts.ROWS) for name in ids]
    for client in clients:
        client.shows(program.TOP, program.BOTTOM)
        client.settle()
    shown = [api.call("GET", f"/v1/sessions/{name}")["session"] for name in ids]
    groups = {
        "artacd": [daemon],
        "keepers": [session["keeper"]["pid"] for session in shown],
        "clients": [client.pid for client in clients],
    }
    time.sleep(3)  # the last of the starts is over
    before = {name: _spent(pids) for name, pids in groups.items()}
    time.sleep(seconds)
    spent = {name: _spent(pids) - before[name] for name, pids in groups.items()}
    for client in clients:
        client.close()
    for name in ids:
        artac.end(name)
    turns.tell(spent)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
