"""Things timed in turn, round by round, so that a machine that slows down slows down all of them.

Each round has another order: what comes just before leaves caches and processors as it does, and a
thing that always came after the same one had a few per cent of that in its figure.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Sequence

BARE_SCOPE = ("systemd-run", "--user", "--scope", "--quiet", "true")

# What a round has set off (a unit that is collected, a process reaped) is over by then.
_SETTLE = 0.03


def seconds(action: Callable[[], object]) -> float:
    """How long that took."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def command(argv: Sequence[str]) -> float:
    """How long a whole command took, its output thrown away."""
    return seconds(
        lambda: subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
        )
    )


def interleave(
    rounds: int, ours: Callable[[], float], reference: Callable[[], float]
) -> dict[str, list[float]]:
    """The times of both; a first round of each is not counted."""
    return around(rounds, {"ours": ours, "reference": reference})


def around(
    rounds: int, takes: dict[str, Callable[[], float]], settle: float = _SETTLE
) -> dict[str, list[float]]:
    """The times of each; a first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in takes}
    order = random.Random(rounds)
    for number in range(rounds + 1):
        for name in order.sample(list(takes), len(takes)):
            time.sleep(settle)
            taken = takes[name]()
            if number:
                times[name].append(taken)
    return times


def tell(found: object) -> None:
    print(json.dumps(found))
