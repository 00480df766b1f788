"""The figures: how each is taken, and what it may be at most (or at least)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, median, quantiles
from typing import Any

from .stand import CLAUDE, Stand

_MB = 1e6
_FLOOD = 512 * 1024 * 1024
_IDLE = 30.0


@dataclass(frozen=True)
class Measured:
    """One figure as taken. `shown` is what it was made of, in words; `raw` every single value."""

    value: float
    shown: str
    raw: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A row of the table. `standin`: taken from sessions that are not Claude Code."""

    name: str
    what: str
    bound: float
    unit: str
    measure: Callable[[Stand], Measured]
    sessions: int
    at_least: bool = False
    standin: bool = True

    def holds(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


def _ratio(times: dict[str, Any]) -> Measured:
    ours, reference = median(times["ours"]), median(times["reference"])
    shown = f"{ours * 1e3:.1f} ms / {reference * 1e3:.1f} ms, {len(times['ours'])} pairs"
    return Measured(ours / reference, shown, times)


def _start(stand: Stand) -> Measured:
    return _ratio(stand.inside("starts", "request", 40))


def _run(stand: Stand) -> Measured:
    return _ratio(stand.inside("starts", "command", 25))


def _keeper(stand: Stand) -> Measured:
    each = [stand.pss(pid) / _MB for pid in stand.sessions(20)]
    return Measured(mean(each), f"{min(each):.2f} to {max(each):.2f} MB", {"each": each})


def _idle(stand: Stand) -> Measured:
    keepers = stand.sessions(50)
    daemon = stand.artac.main_pid()
    time.sleep(3)  # the last of the starts is over

    def spent() -> tuple[float, float]:
        return stand.cpu(daemon), sum(map(stand.cpu, keepers))

    before = spent()
    time.sleep(_IDLE)
    daemons, theirs = (now - then for now, then in zip(spent(), before, strict=True))
    shown = f"artacd {daemons * 1e3:.1f} ms, keepers {theirs * 1e3:.1f} ms"
    return Measured(daemons + theirs, shown, {"artacd": daemons, "keepers": theirs})


def _end(stand: Stand) -> Measured:
    taken = stand.inside("ends", 25)["seconds"]
    shown = f"{min(taken) * 1e3:.1f} to {max(taken) * 1e3:.1f} ms, {len(taken)} ends"
    return Measured(median(taken), shown, {"seconds": taken})


def _daemon(stand: Stand) -> Measured:
    stand.sessions(100)
    grown = stand.pss(stand.artac.main_pid()) / _MB
    stand.restart()
    adopted = stand.pss(stand.artac.main_pid()) / _MB
    shown = f"{grown:.1f} MB having started them, {adopted:.1f} MB having adopted them"
    return Measured(max(grown, adopted), shown, {"started": grown, "adopted": adopted})


def _ls(stand: Stand) -> Measured:
    stand.sessions(200)
    return _ratio(stand.inside("listing", 25))


def _ps(stand: Stand) -> Measured:
    stand.sessions(50)
    return _ratio(stand.inside("processes", 25))


def _ready(stand: Stand) -> Measured:
    stand.sessions(200)
    whole, own = [], []
    for _ in range(5):
        taken, to_ready = stand.restart()
        if stand.running() != 200:
            raise RuntimeError(f"artacd has found {stand.running()} of 200 sessions")
        whole.append(taken)
        own.append(to_ready)
    shown = f"of it {median(own):.2f} s from artacd's exec, {len(own)} starts"
    return Measured(median(whole), shown, {"systemctl start": whole, "exec to ready": own})


def _output(stand: Stand) -> Measured:
    stand.sessions(0)
    rates = stand.inside("flood", 20, _FLOOD, CLAUDE)
    # A neighbour only ever slows a round down, by more than what is looked for here: of both, the
    # rounds that were left in peace.
    ours, alone = (quantiles(rates[name])[2] for name in ("ours", "reference"))
    shown = (
        f"{ours / _MB:.0f} MB/s / {alone / _MB:.0f} MB/s, {len(rates['ours'])} pairs; "
        f"artacd knew its end {median(rates['noticed']):.2f} s after sending"
    )
    return Measured(ours / alone, shown, rates)


# By how many sessions they need, so that a run starts each of them once.
FIGURES = (
    Figure("start", "API request to claude exec'd / systemd-run", 4, "x", _start, 0),
    Figure("run", "artac run as a whole / systemd-run", 8, "x", _run, 0),
    Figure(
        "output", "headless output through us / by itself", 0.98, "x", _output, 0, at_least=True
    ),
    Figure("keeper", "keeper, PSS, 20 running", 5.5, "MB", _keeper, 20),
    Figure("end", "claude's end to its tree gone, reason on disk", 0.1, "s", _end, 20),
    Figure("idle", "CPU of artacd and 50 keepers, idle 30 s", 0.1, "s", _idle, 50),
    Figure("ps", "artac ps, 50 sessions x 5 / python3 -c pass", 10, "x", _ps, 50),
    Figure("daemon", "artacd, PSS, 100 sessions", 45, "MB", _daemon, 100),
    Figure("ls", "artac ls, 200 sessions / python3 -c pass", 6, "x", _ls, 200),
    Figure("ready", "start with 200 sessions to READY=1", 1.5, "s", _ready, 200),
)
