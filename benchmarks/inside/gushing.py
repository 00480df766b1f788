"""`gushing ROUNDS BYTES HOST ...`: bytes per second of a program that floods its terminal.

A client is attached and its terminal read as fast as it comes. `written`: by the program's own
time; `shown`: from the key that makes it begin to the end of it on the client's terminal; `read`:
how many bytes of it the client was sent.
"""

from __future__ import annotations

import sys

from . import hosts, program, turns
from .client import Client


class Gush:
    """A program and a client attached to it."""

    def __init__(self, argv: list[str], size: int) -> None:
        self._client = Client(argv)
        self._size = size
        self._client.settle()
        self.written: list[float] = []
        self.read: list[float] = []

    def once(self) -> float:
        taken, line, size = self._client.flood(b"x", program.FLOODED.encode())
        self.written.append(self._size / float(line.split()[-1]))
        self.read.append(size)
        self._client.settle(0.1)
        return self._size / taken

    def close(self) -> None:
        self._client.close()


def main(rounds: int, size: int, names: list[str]) -> None:
    kept = hosts.named(names)
    what = f"flood {size}"
    started = {name: host.start(what) for name, host in kept.items()}
    gushes = {name: Gush(host.attach(started[name]), size) for name, host in kept.items()}
    gushes["bare"] = Gush(hosts.command(what), size)
    shown = turns.around(rounds, {name: gush.once for name, gush in gushes.items()})
    for gush in gushes.values():
        gush.close()
    for name, host in kept.items():
        host.end(started[name])
    turns.tell(
        {
            "shown": shown,
            "written": {name: gush.written[1:] for name, gush in gushes.items()},
            "read": {name: gush.read[1:] for name, gush in gushes.items()},
        }
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
