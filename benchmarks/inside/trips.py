"""`trips SESSION FREEZE ROUNDS`: `artac send --wait`, in turn with a frozen neighbour and without.

Alone in its file: it is fed to the interpreter of a machine that has no benchmarks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time


def trip(session: str) -> float:
    began = time.perf_counter()
    command = ["artac", "send", session, "hello", "--wait"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main(session: str, freeze: str, rounds: int) -> None:
    times: dict[str, list[float]] = {"ours": [], "reference": []}
    for number in range(rounds + 1):
        for name, state in (("reference", "1"), ("ours", "0")):
            with open(freeze, "w", encoding="ascii") as file:
                file.write(state)
            taken = trip(session)
            if number:  # the first round does not count
                times[name].append(taken)
    print(json.dumps(times))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
