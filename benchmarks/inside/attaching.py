"""`attaching ROUNDS HOST ...`: from the exec of the attaching command to the whole screen.

Beside them `python`: an interpreter that does nothing but start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from . import hosts, program, turns
from .client import Client


def attaching(argv: list[str], *marks: str) -> Callable[[], float]:
    """Seconds of one attach until all these are on the screen; it has detached by its return."""

    def once() -> float:
        client = Client(argv, hosts.COLUMNS, hosts.ROWS)
        try:
            return client.shows(*marks)
        finally:
            client.close()

    return once


def main(rounds: int, names: list[str]) -> None:
    kept = hosts.named(names)
    started = {name: host.start("screen") for name, host in kept.items()}
    takes = {
        name: attaching(host.attach(started[name]), program.TOP, program.BOTTOM)
        for name, host in kept.items()
    }
    bare = ["/usr/bin/python3", "-I", "-S", "-c", "print('here')"]
    times = turns.around(rounds, {**takes, "python": attaching(bare, "here")})
    for name, host in kept.items():
        host.end(started[name])
    turns.tell(times)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
