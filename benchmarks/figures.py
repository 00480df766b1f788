"""The figures: how each is taken, and what it may be at most (or at least)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean, median, quantiles
from typing import Any

from .bomb import round_trips
from .stand import CLAUDE, Stand

_MB = 1e6
_FLOOD = 512 * 1024 * 1024
_IDLE = 30.0
_GUSH = 50_000_000


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


def _bomb(_: Stand) -> Measured:
    return _ratio(round_trips())


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


def _complete(stand: Stand) -> Measured:
    stand.sessions(200)
    return _ratio(stand.inside("completing", 25))


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


def _shares(times: dict[str, list[float]], scale: float = 1e3, unit: str = "ms") -> str:
    """The median of each, in words."""
    each = (f"{name} {median(taken) * scale:.4g}" for name, taken in times.items())
    return f"{', '.join(each)} {unit}, {len(times['artac'])} of each"


def _attach(stand: Stand) -> Measured:
    times = stand.inside("attaching", 60, "artac", "tmux")
    return Measured(median(times["artac"]) / median(times["tmux"]), _shares(times), times)


def _background(stand: Stand) -> Measured:
    stand.offline_claude()
    return _ratio(stand.inside("background", 15))


def _echo(stand: Stand) -> Measured:
    times = stand.inside("echoing", 1000, "artac", "dtach", "tmux")
    shown = _shares(times, 1e6, "us")
    return Measured(median(times["artac"]) / median(times["dtach"]), shown, times)


def _pipe(stand: Stand) -> Measured:
    times = stand.inside("piping", 2000, CLAUDE)
    ours, reference = median(times["ours"]), median(times["reference"])
    shown = f"{ours * 1e6:.0f} us - {reference * 1e6:.0f} us, {len(times['ours'])} pairs"
    return Measured((ours - reference) * 1e3, shown, times)


def _gush(stand: Stand) -> Measured:
    rates = stand.inside("gushing", 8, _GUSH, "artac", "tmux", "dtach")
    shown = _shares(rates["shown"], 1 / _MB, "MB/s")
    ours, reference = (median(rates["shown"][name]) for name in ("artac", "tmux"))
    return Measured(ours / reference, shown, rates)


def _scrolled(stand: Stand) -> Measured:
    stand.offline_claude()
    found = stand.inside("scrolled", 20)
    each = [pss / _MB for pss in found["keepers"]]
    peers = stand.inside("background", 0)["pty_host"] / _MB
    shown = (
        f"{min(each):.2f} to {max(each):.2f} MB; a tmux server with one "
        f"{found['tmux'] / _MB:.1f} MB, a PTY host of claude --bg {peers:.1f} MB"
    )
    return Measured(mean(each), shown, found)


def _quiet(stand: Stand) -> Measured:
    spent = stand.inside("quiet", 20, _IDLE, stand.artac.main_pid())
    shown = ", ".join(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in spent.items())
    return Measured(sum(spent.values()), shown, spent)


# By how many sessions they need, so that a run starts each of them once.
FIGURES = (
    Figure("start", "API request to claude exec'd / systemd-run", 4, "x", _start, 0),
    Figure("run", "artac run as a whole / systemd-run", 8, "x", _run, 0),
    Figure(
        "output", "headless output through us / by itself", 0.98, "x", _output, 0, at_least=True
    ),
    Figure("attach", "artac attach to the whole screen / tmux attach", 3, "x", _attach, 0),
    Figure("claude", "artac attach / claude attach", 0.25, "x", _background, 0, standin=False),
    Figure("echo", "a key and its echo through attach / dtach", 1.5, "x", _echo, 0),
    Figure("pipe", "an event through artac-claude - a plain pipe", 1, "ms", _pipe, 0),
    Figure("flood", "a terminal's flood, shown / tmux", 1, "x", _gush, 0, at_least=True),
    Figure("scrolled", "keeper of a terminal, PSS, 20 running", 6, "MB", _scrolled, 0),
    Figure("quiet", "CPU of 20 attached, idle 30 s", 0.05, "s", _quiet, 0),
    Figure("bomb", "artac send beside a fork bomb / beside none", 2, "x", _bomb, 0),
    Figure("keeper", "keeper, PSS, 20 running", 5.5, "MB", _keeper, 20),
    Figure("end", "claude's end to its tree gone, reason on disk", 0.1, "s", _end, 20),
    Figure("idle", "CPU of artacd and 50 keepers, idle 30 s", 0.1, "s", _idle, 50),
    Figure("ps", "artac ps, 50 sessions x 5 / python3 -c pass", 10, "x", _ps, 50),
    Figure("daemon", "artacd, PSS, 100 sessions", 45, "MB", _daemon, 100),
    Figure("ls", "artac ls, 200 sessions / python3 -c pass", 6, "x", _ls, 200),
    Figure("complete", "completing a session, 200 of them / artac ls", 2, "x", _complete, 200),
    Figure("ready", "start with 200 sessions to READY=1", 1.5, "s", _ready, 200),
)
