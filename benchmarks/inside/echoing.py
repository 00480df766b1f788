"""`echoing ROUNDS HOST ...`: a keystroke's way to a program that echoes it, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import cycle

from . import hosts, turns
from .client import Client


def trips(client: Client) -> Callable[[], float]:
    # Another letter each time: what comes late cannot be taken for the next one's echo.
    keys = cycle(b"abcdefghijklmnopqrstuvwxyz")
    return lambda: client.trip(bytes([next(keys)]))


def main(rounds: int, names: list[str]) -> None:
    kept = hosts.named(names)
    started = {name: host.start("echo") for name, host in kept.items()}
    clients = {name: Client(host.attach(started[name])) for name, host in kept.items()}
    # The program itself on a terminal, with nobody between.
    clients["bare"] = Client(hosts.command("echo"))
    for client in clients.values():
        client.settle()
        client.trip(b".")
    # A pause between two keys as of a fast typist would take a minute; this is enough to be idle.
    takes = {name: trips(client) for name, client in clients.items()}
    times = turns.around(rounds, takes, settle=0.002)
    for client in clients.values():
        client.close()
    for name, host in kept.items():
        host.end(started[name])
    turns.tell(times)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
