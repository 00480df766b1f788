"""`scrolled NUMBER`: PSS of keepers of large terminals that have scrolled; of a tmux server.

Each has a screen of 200x50 as Claude Code draws it, and 2,000 lines above it.
"""

from __future__ import annotations

import sys

from . import api, hosts, memory, program, turns
from .client import Client

_COLUMNS, _ROWS = 200, 50


def _shown(argv: list[str]) -> None:
    client = Client(argv, _COLUMNS, _ROWS)
    client.shows(program.TOP, program.BOTTOM)
    client.settle()
    client.close()


def main(number: int) -> None:
    artac, tmux = hosts.Artac(), hosts.Tmux()
    ids = [artac.start("history", _COLUMNS, _ROWS) for _ in range(number)]
    for name in ids:
        _shown(artac.attach(name))
    keepers = [api.call("GET", f"/v1/sessions/{name}")["session"]["keeper"]["pid"] for name in ids]
    found = [memory.pss(pid) for pid in keepers]
    for name in ids:
        artac.end(name)
    _shown(tmux.attach(tmux.start("history", _COLUMNS, _ROWS)))
    turns.tell({"keepers": found, "tmux": memory.pss(tmux.server())})


if __name__ == "__main__":
    main(int(sys.argv[1]))
