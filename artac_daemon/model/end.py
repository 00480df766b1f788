"""How a session ended: facts seen by its keeper, and the one reason that follows from them."""

from __future__ import annotations

import signal as signals
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from .session import Placement, StopRequest


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
    backend_gone: bool = False
    left_behind: int = 0  # processes that Claude left in the session's cgroup
    error: str = ""  # why Claude could not be started
    lost: str = ""  # why nothing can be known

    def to_json(self) -> dict[str, Any]:
        return {"version": 1, **asdict(self)}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> EndFacts:
        """The facts in a JSON object; ValueError, KeyError or TypeError for a damaged one."""
        stop = raw.get("stop")
        return cls(
            at=float(raw["at"]),
            exit_code=_whole(raw.get("exit_code")),
            signal=_whole(raw.get("signal")),
            oom_kills=_whole(raw.get("oom_kills")) or 0,
            stop=StopRequest.from_json(stop) if stop else None,
            terminated=bool(raw.get("terminated")),
            host_stopping=bool(raw.get("host_stopping")),
            backend_gone=bool(raw.get("backend_gone")),
            left_behind=_whole(raw.get("left_behind")) or 0,
            error=str(raw.get("error") or ""),
            lost=str(raw.get("lost") or ""),
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
}


def verdict(facts: EndFacts, placement: Placement) -> End:
    """The reason that the facts prove, most telling first."""
    reason, sentence = _judge(facts, placement)
    if facts.left_behind:
        sentence += f"; {facts.left_behind} processes that it left behind were killed"
    return End(reason, sentence, facts)


def _judge(facts: EndFacts, placement: Placement) -> tuple[Reason, str]:
    how = _how(facts)
    if facts.lost:
        return Reason.LOST, facts.lost
    if facts.error:
        return Reason.FAILED, f"claude was not started: {facts.error}"
    # Before the stop request: memory that ran out while a stop was under way is still the cause.
    if facts.signal == signals.SIGKILL and facts.oom_kills:
        return Reason.OOM, f"the kernel killed claude because memory ran out ({how})"
    if facts.stop and facts.stop.why == "limit":
        return Reason.LIMIT, f"it had run for its runtime_max ({how})"
    if facts.stop and facts.stop.why == "timeout":
        return Reason.TIMEOUT, f"it had been idle for its idle_timeout ({how})"
    if facts.stop:
        verb = {"kill": "killed", "drain": "ended with the backend, drained"}.get(
            facts.stop.why, "stopped"
        )
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


def _how(facts: EndFacts) -> str:
    if facts.signal is not None:
        return f"signal {_signal_name(facts.signal)}"
    if facts.exit_code is not None:
        return f"exit code {facts.exit_code}"
    return "no exit status"


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return str(number)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)
