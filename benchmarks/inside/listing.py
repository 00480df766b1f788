"""`listing ROUNDS`: `artac ls`, in turn with a Python that does nothing."""

from __future__ import annotations

import sys

from . import turns

if __name__ == "__main__":
    turns.tell(
        turns.interleave(
            int(sys.argv[1]),
            lambda: turns.command(["artac", "ls"]),
            lambda: turns.command(["/usr/bin/python3", "-c", "pass"]),
        )
    )
