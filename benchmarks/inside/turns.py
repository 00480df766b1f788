"""Two things timed in turn, A B A B, so that a machine that slows down slows down both."""

from __future__ import annotations

import json
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
    times: dict[str, list[float]] = {"ours": [], "reference": []}
    for number in range(rounds + 1):
        for name, take in (("ours", ours), ("reference", reference)):
            time.sleep(_SETTLE)
            taken = take()
            if number:
                times[name].append(taken)
    return times


def tell(found: object) -> None:
    print(json.dumps(found))
