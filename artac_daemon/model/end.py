"""How a session ended: facts seen by its keeper, and the one reason that follows from them."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from .quantities import format_duration
from .session import Placement, StopRequest
from .tally import Tally


class Reason(str, Enum):
    """The small set of reasons. `lost` is the only one that stands for not knowing."""

    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"
    KILLED = "killed"
    OOM = "oom"
    LIMIT = "limit"
    TIMEOUT = "timeout"
    BACKEND_STOPPED = "backend-stopped"
    HOST_SHUTDOWN = "host-shutdown"
    LOST = "lost"


@dataclass(frozen=True)
class EndFacts:
    """What was seen of an end. The keeper writes it; the backend writes it only for `lost`."""

    at: float
    exit_code: int | None = None
    signal: int | None = None
    oom_kills: int = 0  # memory.events of the session's cgroup
    stop: StopRequest | None = None
    terminated: bool = False  # the keeper was sent SIGTERM, with nobody having asked artac
    host_stopping: bool = False
    host_silent: bool = False  # asked whether the machine was going down, systemd did not say
    backend_gone: bool = False
    left_behind: int = 0  # processes that Claude left in the session's cgroup
    error: str = ""  # why Claude could not be started
    lost: str = ""  # why nothing can be known
    keeper: str = ""  # how the keeper itself ended, where its own parent saw it: "signal SIGKILL"
    tally: Tally | None = None  # of the session's cgroup, before what was left in it was ended

    def to_json(self) -> dict[str, Any]:
        return {"version": 1, **asdict(self)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> EndFacts:
        """The facts in a JSON object; ValueError, KeyError or TypeError for a damaged one."""
        stop, tally = raw.get("stop"), raw.get("tally")
        return cls(
            at=float(raw["at"]),
            exit_code=_whole(raw.get("exit_code")),
            signal=_whole(raw.get("signal")),
            oom_kills=_whole(raw.get("oom_kills")) or 0,
            stop=StopRequest.from_json(stop) if stop else None,
            terminated=bool(raw.get("terminated")),
            host_stopping=bool(raw.get("host_stopping")),
            host_silent=bool(raw.get("host_silent")),
            backend_gone=bool(raw.get("backend_gone")),
            left_behind=_whole(raw.get("left_behind")) or 0,
            error=str(raw.get("error") or ""),
            lost=str(raw.get("lost") or ""),
            keeper=str(raw.get("keeper") or ""),
            tally=Tally.from_json(tally) if tally else None,
        )


@dataclass(frozen=True)
class End:
    """The verdict: one reason, and one sentence that says it."""

    reason: Reason
    sentence: str
    facts: EndFacts


_STOP_REASONS = {
    "stop": Reason.STOPPED,
    "kill": Reason.KILLED,
    "drain": Reason.BACKEND_STOPPED,
    "shutdown": Reason.HOST_SHUTDOWN,
}


_STOP_VERBS = {
    "kill": "killed",
    "drain": "ended with the backend, drained",
    "shutdown": "ended as the machine was shut down, drained",
}


def verdict(facts: EndFacts, placement: Placement) -> End:
    """The reason that the facts prove, most telling first."""
    reason, sentence = _judge(facts, placement)
    if facts.oom_kills and reason is not Reason.OOM:
        # Not its end, as Claude lived on; which processes they were, the cgroup does not tell.
        count = "one" if facts.oom_kills == 1 else f"{facts.oom_kills}"
        sentence += f"; the kernel killed {count} of its processes for want of memory meanwhile"
    if facts.left_behind == 1:
        sentence += "; one process that it left behind was killed"
    elif facts.left_behind:
        sentence += f"; {facts.left_behind} processes that it left behind were killed"
    # What was said elsewhere may have any form.
    return End(reason, " ".join(sentence.split()), facts)


def _judge(facts: EndFacts, placement: Placement) -> tuple[Reason, str]:
    how = exit_status(facts)
    if facts.lost:
        return Reason.LOST, facts.lost + (f" (keeper: {facts.keeper})" if facts.keeper else "")
    if facts.error:
        return Reason.FAILED, f"claude was not started: {facts.error}"
    # Before the stop request: memory that ran out while a stop was under way is still the cause.
    if facts.signal == signals.SIGKILL and facts.oom_kills:
        return Reason.OOM, f"the kernel killed claude because memory ran out ({how})"
    if facts.stop and facts.stop.why == "limit":
        return Reason.LIMIT, f"it had run for its runtime_max{_of(facts.stop)} ({how})"
    if facts.stop and facts.stop.why == "timeout":
        return Reason.TIMEOUT, f"it had been idle for its idle_timeout{_of(facts.stop)} ({how})"
    if facts.stop and facts.stop.why == "program":
        return Reason.STOPPED, f"the program that it belonged to has gone ({how})"
    if facts.stop and facts.stop.why == "overdue":
        return Reason.TIMEOUT, f"its turn had no result within its time{_of(facts.stop)} ({how})"
    if facts.stop and facts.stop.why == "done":
        return _after_its_turn(facts, how)
    if facts.stop:
        verb = _STOP_VERBS.get(facts.stop.why, "stopped")
        reason = _STOP_REASONS.get(facts.stop.why, Reason.STOPPED)
        return reason, f"{verb} by {facts.stop.by} ({how})"
    if facts.host_stopping:
        return Reason.HOST_SHUTDOWN, f"the machine was shut down ({how})"
    if facts.backend_gone:
        return Reason.BACKEND_STOPPED, f"the backend went away ({how})"
    if facts.terminated and placement is Placement.SERVICE:
        return Reason.BACKEND_STOPPED, f"systemd ended the backend's cgroup ({how})"
    if facts.terminated:
        return (
            Reason.STOPPED,
            f"its unit was stopped from outside artac, or its keeper sent SIGTERM ({how})",
        )
    if facts.signal is not None:
        return Reason.KILLED, f"claude was killed from outside artac ({how})"
    if facts.exit_code == 0:
        return Reason.COMPLETED, f"claude ended by itself ({how})"
    return Reason.FAILED, f"claude failed ({how})"


def _after_its_turn(facts: EndFacts, how: str) -> tuple[Reason, str]:
    # Claude's exit code is 1 after a turn that failed or was interrupted; that of SIGTERM, and
    # SIGKILL, are artac's own next steps.
    if facts.signal in (signals.SIGTERM, signals.SIGKILL) or facts.exit_code in (0, 143):
        return Reason.COMPLETED, f"its one turn was over ({how})"
    return Reason.FAILED, f"its one turn was over, and not with success ({how})"


def keeper_lost(status: int | None) -> tuple[str, str]:
    """Why an end is lost whose keeper is gone, and how the keeper ended ("" if nobody saw it).

    `status` is as `subprocess.Popen.returncode` has it.
    """
    if status is None or status < 0:
        why = "its keeper was killed, so nobody could note how it ended"
    else:
        why = "its keeper ended and did not note how the session did"
    if status is None:
        return why, ""
    return why, f"signal {signal_name(-status)}" if status < 0 else f"exit code {status}"


def exit_status(facts: EndFacts) -> str:
    """How Claude's process ended, in two or three words."""
    if facts.signal is not None:
        return f"signal {signal_name(facts.signal)}"
    if facts.exit_code is not None:
        return f"exit code {facts.exit_code}"
    return "no exit status"


def _of(stop: StopRequest) -> str:
    return "" if stop.limit_seconds is None else f" of {format_duration(stop.limit_seconds)}"


def signal_name(number: int) -> str:
    """SIGKILL for 9; the number itself where it has no name."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return str(number)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
