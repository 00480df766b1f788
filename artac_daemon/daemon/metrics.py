"""What is measured of the backend and its sessions, for Prometheus."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .. import __version__
from ..host import usage
from ..model.end import Reason
from ..model.exposition import Family, Type, render
from ..model.session import Placement, State
from . import footprint
from .event_log import Tally
from .lines import extent
from .loop_lag import LoopLag
from .session import Session
from .sessions import Sessions

_STATES = [state for state in State if state is not State.ENDED]
_WHYS = ("stop", "kill", "drain", "shutdown")
_SINCE = "since this backend started"


@dataclass(frozen=True)
class _Measured:
    """What reading files of the kernel told of one session."""

    session: Session
    used: usage.Usage
    memory: int | None
    processes: int
    output: int


class Metrics:
    """Makes the page. Scrapes that come together share one, so that many cost no more than one."""

    def __init__(self, sessions: Sessions) -> None:
        self.lag = LoopLag()
        self._sessions = sessions
        self._started_at = time.time()
        self._making: asyncio.Task[str] | None = None

    async def page(self, readers: int) -> str:
        """The page as it is now; `readers` are the clients that follow something."""
        if self._making is None or self._making.done():
            self._making = asyncio.get_running_loop().create_task(self._make(readers))
        # One scrape that goes away does not take the page from the others.
        return await asyncio.shield(self._making)

    async def _make(self, readers: int) -> str:
        live = self._sessions.live()
        families = [
            *self._backend(readers),
            *_sessions(live, len(self._sessions.all()) - len(live)),
            _states(live, self._sessions.events.tally),
            *_life(self._sessions.events.tally),
        ]
        # Some ten files and lines for each session: in a thread, so that nobody waits for them.
        return await asyncio.to_thread(
            lambda: render([*families, *_each(_measure(live)), _machine()])
        )

    def _backend(self, readers: int) -> list[Family]:
        info = Family("artac_backend_info", Type.GAUGE, "1, with the backend's version.")
        info.add(1, version=__version__)
        start = Family(
            "artac_start_time_seconds", Type.GAUGE, "When this backend started, since the epoch."
        )
        start.add(self._started_at)
        starts = Family(
            "artac_backend_starts_total",
            Type.COUNTER,
            "Starts of a backend over this state directory, this one among them.",
        )
        starts.add(self._sessions.events.starts)
        lag = Family(
            "artac_event_loop_lag_seconds",
            Type.GAUGE,
            "How late the event loop was at the latest watchdog beat.",
        )
        lag.add(self.lag.seconds)
        following = Family("artac_api_readers", Type.GAUGE, "Clients that follow something.")
        following.add(readers)
        return [info, start, starts, lag, following]


def _sessions(live: Sequence[Session], ended: int) -> list[Family]:
    sessions = Family("artac_sessions", Type.GAUGE, "Live sessions by state and placement.")
    counted = Counter((session.state, session.spec.placement) for session in live)
    for placement in Placement:
        for state in _STATES:
            number = counted[state, placement]
            sessions.add(number, state=state.value, placement=placement.value)
    kept = Family("artac_sessions_kept", Type.GAUGE, "Ended sessions that are not removed yet.")
    kept.add(ended)
    waiting = Family(
        "artac_permission_requests", Type.GAUGE, "Permission requests that wait for an answer."
    )
    waiting.add(sum(len(session.permissions.waiting()) for session in live))
    return [sessions, kept, waiting]


def _states(live: Sequence[Session], tally: Tally) -> Family:
    family = Family(
        "artac_state_seconds_total",
        Type.COUNTER,
        f"Time of all sessions in each state, as seen {_SINCE}.",
    )
    seconds = Counter[str]()
    now = time.time()
    for counted in (tally.state_seconds, *(session.times.measured(now) for session in live)):
        seconds.update(counted)
    for state in _STATES:
        family.add(float(seconds[state.value]), state=state.value)
    return family


def _life(tally: Tally) -> list[Family]:
    started = Family("artac_sessions_started_total", Type.COUNTER, f"Sessions started {_SINCE}.")
    started.add(tally.started)
    failed = Family(
        "artac_session_start_failures_total", Type.COUNTER, f"Starts that failed {_SINCE}."
    )
    failed.add(tally.failed_starts)
    adopted = Family(
        "artac_sessions_adopted_total",
        Type.COUNTER,
        "Sessions of an earlier backend that this one took up.",
    )
    adopted.add(tally.adopted)
    ended = Family(
        "artac_sessions_ended_total",
        Type.COUNTER,
        f"Ends told {_SINCE}, by reason; those that came while no backend ran are among them.",
    )
    for reason in Reason:
        ended.add(tally.ends[reason.value], reason=reason.value)
    stops = Family(
        "artac_stops_total", Type.COUNTER, f"Ends asked for {_SINCE}, by what was asked."
    )
    for why in (*_WHYS, *sorted(set(tally.stops) - set(_WHYS))):
        stops.add(tally.stops[why], why=why)
    return [started, failed, adopted, ended, stops]


def _each(measured: Sequence[_Measured]) -> list[Family]:
    def gauge(name: str, what: str) -> Family:
        return Family(f"artac_session_{name}", Type.GAUGE, what)

    def counter(name: str, what: str) -> Family:
        return Family(f"artac_session_{name}_total", Type.COUNTER, what)

    memory = gauge("memory_bytes", "Memory of its whole tree: charged to its cgroup, else RSS.")
    cpu = counter("cpu_seconds", "Processor time of its whole tree, where it has a cgroup.")
    tasks = gauge("tasks", "Its processes and threads, where the pids controller counts them.")
    processes = gauge("processes", "Its processes, the keeper among them.")
    output = counter("output_bytes", "What Claude has written to its output since its start.")
    queue = gauge("input_queue", "Messages that were accepted and Claude has not taken up.")
    turns = counter("turns", "Turns with a result, as this backend has seen them.")
    pressure = gauge("pressure_ratio", "Share of the last 10 s it lost waiting (PSI).")
    for found in measured:
        session, used = found.session, found.used
        labels = {"session": session.spec.id, "name": session.spec.name}
        memory.add(found.memory, **labels)
        cpu.add(used.cpu_seconds, **labels)
        tasks.add(used.tasks, **labels)
        processes.add(found.processes, **labels)
        output.add(found.output, **labels)
        queue.add(session.messages.unread, **labels)
        turns.add(session.claude_state.turns, **labels)
        _add_pressure(pressure, "memory", used.memory_pressure, labels)
        _add_pressure(pressure, "cpu", used.cpu_pressure, labels)
        _add_pressure(pressure, "io", used.io_pressure, labels)
    return [memory, cpu, tasks, processes, output, queue, turns, pressure]


def _machine() -> Family:
    family = Family(
        "artac_pressure_ratio", Type.GAUGE, "Share of the last 10 s the machine lost waiting (PSI)."
    )
    for resource in ("memory", "cpu", "io"):
        _add_pressure(family, resource, usage.pressure(f"/proc/pressure/{resource}"), {})
    return family


def _add_pressure(
    family: Family, resource: str, found: usage.Pressure | None, labels: dict[str, str]
) -> None:
    if found is not None:
        family.add(found.some / 100, **labels, resource=resource, kind="some")
        family.add(found.full / 100, **labels, resource=resource, kind="full")


def _measure(sessions: Sequence[Session]) -> list[_Measured]:
    return [_of(session) for session in sessions]


def _of(session: Session) -> _Measured:
    used = usage.Usage() if session.cgroup is None else usage.of_cgroup(session.cgroup)
    memory = footprint.memory_bytes(session) if used.memory is None else used.memory
    processes = len(footprint.pids(session))
    return _Measured(session, used, memory, processes, extent(session.output).size)
