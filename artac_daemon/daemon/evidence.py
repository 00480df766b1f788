"""Everything that speaks for how a session ended, or for what it is doing, one line each.

What was seen is said as such. What only may be so is marked: `certain` is false, and the line
starts with "perhaps".
"""

from __future__ import annotations

import signal as signals
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ..host.unit_state import UnitState
from ..model.end import End, EndFacts, Reason, exit_status, signal_name
from ..model.quantities import format_duration
from ..model.session import Placement, State, StopRequest
from ..model.tally import Tally
from .last_words import LastTurn
from .lines import Extent


@dataclass(frozen=True)
class Evidence:
    what: str
    said: str
    certain: bool = True


@dataclass(frozen=True)
class Circumstances:
    """What was found when somebody asked why."""

    placement: Placement
    state: State
    since: float
    end: End | None
    stop: StopRequest | None
    unit: UnitState | None  # None where no unit has to do with it
    booted_at: float
    same_boot: bool  # the machine has not been started again since the session was
    output: Extent
    written_at: float | None  # when its output last grew
    turn: LastTurn | None
    keeper: str = ""  # of a live session: what its keeper does, as the kernel has it
    claude: str = ""
    frozen: bool = False


_DOING = {
    State.STARTING: "it has not ended: Claude is starting",
    State.WORKING: "it has not ended: Claude is at work on a turn",
    State.NEEDS_PERMISSION: "it has not ended: Claude waits for somebody to permit a tool",
    State.RETRYING: "it has not ended: the model's API fails, and Claude asks it again",
    State.IDLE: "it has not ended: Claude is idle and waits for a message",
    State.RUNNING: "it has not ended: its program runs, and does not tell what it does",
    State.STOPPING: "it has not ended yet: it is being stopped",
    State.UNRESPONSIVE: "it has not ended: its keeper is alive and does not answer",
}


def sentence(found: Circumstances) -> str:
    """The verdict on an ended session; what a live one is doing, and since when."""
    if found.end is not None:
        return found.end.sentence
    return f"{_DOING[found.state]}, since {_moment(found.since)}"


def evidence(found: Circumstances) -> list[Evidence]:
    """The most telling first."""
    end = found.end
    first = _of_life(found) if end is None else _of_end(found, end)
    guesses = () if end is None else _guesses(found, end)
    # One line each, whatever was said elsewhere.
    return [
        replace(item, said=" ".join(item.said.split()))
        for item in (*first, *_of_machine(found), *guesses)
    ]


def _of_end(found: Circumstances, end: End) -> Iterator[Evidence]:
    facts = end.facts
    yield Evidence("claude", _claude(facts))
    yield Evidence("time", _time(found, facts))
    yield Evidence("keeper", _keeper(facts))
    yield _asked(facts.stop)
    yield from _counted(facts)
    if facts.left_behind:
        yield Evidence("left behind", f"{facts.left_behind} processes, which the keeper ended")


def _claude(facts: EndFacts) -> str:
    if facts.error:
        return f"was not started: {facts.error}"
    if facts.signal is not None:
        return f"was killed by signal {facts.signal} ({signal_name(facts.signal)})"
    if facts.exit_code is not None:
        return f"exited with code {facts.exit_code}"
    return "nobody saw its exit status"


def _time(found: Circumstances, facts: EndFacts) -> str:
    if not facts.lost:
        return f"ended at {_moment(facts.at)}"
    said = f"the daemon noticed at {_moment(facts.at)}; when it was, nobody saw"
    return said + (f"; last output at {_moment(found.written_at)}" if found.written_at else "")


def _keeper(facts: EndFacts) -> str:
    said = []
    if facts.keeper:
        said.append(f"ended ({facts.keeper}) and noted nothing")
    elif facts.lost or (exit_status(facts) == "no exit status" and not facts.error):
        said.append(
            "noted nothing; how it ended is not known, as no daemon was there as its parent"
        )
    else:
        said.append("saw the end and noted it")
    if facts.terminated:
        said.append("was sent SIGTERM, which is how systemd ends units")
    if facts.host_stopping:
        said.append("systemd told it that the machine was going down")
    if facts.host_silent:
        said.append("systemd did not tell it whether the machine was going down")
    if facts.backend_gone:
        said.append("its link to the daemon had broken")
    return "; ".join(said)


_OF_A_ONE_SHOT = {"done": "its one turn was over", "overdue": "turn_timeout"}


def _asked(stop: StopRequest | None) -> Evidence:
    if stop is None:
        return Evidence("asked", "nobody asked artac to end it")
    how = _OF_A_ONE_SHOT.get(stop.why, stop.why)
    if stop.limit_seconds is not None:
        how += f" of {format_duration(stop.limit_seconds)}"
    return Evidence("asked", f"{stop.by} asked for it ({how}) at {_moment(stop.at)}")


def _counted(facts: EndFacts) -> Iterator[Evidence]:
    tally = facts.tally or Tally()
    if tally.memory_oom_kill is not None:
        yield Evidence("memory", _memory(tally))
    elif facts.oom_kills:
        yield Evidence("memory", f"memory.events: oom_kill {facts.oom_kills}")
    elif facts.tally is not None:
        yield Evidence("memory", "not counted: its cgroup had no memory controller")
    else:
        yield Evidence("memory", "not known: no counts of a cgroup were noted")
    if tally.tasks_refused:
        said = f"{tally.tasks_refused} new processes or threads were refused (pids.events: max)"
        yield Evidence("tasks", said)
    if tally.memory_stall_seconds:
        said = f"its processes waited {tally.memory_stall_seconds:.1f} s for memory"
        yield Evidence("pressure", said)
    if tally.cpu_seconds is not None:
        yield Evidence("cpu", f"{tally.cpu_seconds:.1f} s of CPU time, in all")


def _memory(tally: Tally) -> str:
    counts = (
        ("high", tally.memory_high),
        ("max", tally.memory_max),
        ("oom", tally.memory_oom),
        ("oom_kill", tally.memory_oom_kill),
    )
    said = "memory.events: " + ", ".join(f"{name} {n}" for name, n in counts if n is not None)
    if tally.memory_peak_bytes is not None:
        said += f"; at most {tally.memory_peak_bytes / 1048576:.0f}M in use"
    return said


def _of_life(found: Circumstances) -> Iterator[Evidence]:
    if found.claude:
        yield Evidence("claude", found.claude)
    if found.keeper:
        yield Evidence("keeper", found.keeper)
    if found.frozen:
        yield Evidence("cgroup", "frozen: nothing in it runs until it is thawed (cgroup.freeze)")
    if found.stop is not None:
        yield _asked(found.stop)


def _of_machine(found: Circumstances) -> Iterator[Evidence]:
    if found.unit is not None:
        yield Evidence("unit", _unit(found.unit))
    if found.same_boot:
        yield Evidence("machine", "has not been started again since the session was")
    else:
        yield Evidence("machine", f"was started again since, at {_moment(found.booted_at)}")
    if found.turn is not None:
        yield Evidence("last turn", _turn(found.turn, found.end is not None))
    yield Evidence("output", _output(found))


def _unit(unit: UnitState) -> str:
    if unit.problem:
        return f"{unit.unit}: {unit.problem}"
    if not unit.loaded:
        return f"{unit.unit} is gone, and with it what systemd knew of its result"
    said = f"{unit.unit} is now {unit.active} ({unit.sub}), result {unit.result}"
    return said + (f", restarted {unit.restarts} times" if unit.restarts not in ("", "0") else "")


def _turn(turn: LastTurn, ended: bool) -> str:
    if turn.under_way:
        return "had not come to its result" if ended else "is under way"
    result = turn.result
    if result is None:
        return "its result is not in the output"
    if result.interrupted:
        return "was interrupted"
    if result.failed:
        return f"failed: {result.text[:300]}"
    return "was successful"


def _output(found: Circumstances) -> str:
    if found.written_at is None or not found.output.size:
        return "nothing was written"
    said = f"{found.output.size} bytes, the last of them at {_moment(found.written_at)}"
    return said + (f"; the first {found.output.first} were dropped" if found.output.first else "")


def _guesses(found: Circumstances, end: End) -> Iterator[Evidence]:
    """What is likely and was not seen."""
    facts = end.facts
    counted = facts.tally is not None and facts.tally.memory_oom_kill is not None
    if end.reason is Reason.LOST:
        if not found.same_boot:
            yield _perhaps("it ended when the machine went down, after the last output")
        elif facts.tally is not None and facts.tally.memory_oom_kill:
            yield _perhaps("the kernel killed its keeper, too, for want of memory")
    if end.reason is Reason.KILLED and facts.signal == signals.SIGKILL and not facts.stop:
        if not counted and found.placement is not Placement.DETACHED:
            yield _perhaps("the kernel, for want of memory: `journalctl -k` would tell")
        elif not counted:
            yield _perhaps("the kernel, for want of memory: its log (dmesg) would tell")
    if end.reason is Reason.FAILED and facts.exit_code is not None and facts.exit_code > 128:
        name = signal_name(facts.exit_code - 128)
        if name.startswith("SIG"):
            yield _perhaps(
                f"somebody sent Claude {name}: it exits with 128 and the signal's number"
            )
    if facts.host_silent and not found.same_boot:
        yield _perhaps("it ended because the machine was going down")
    elif end.reason is Reason.STOPPED and facts.terminated and not facts.stop:
        yield _perhaps("somebody stopped its unit, or its account's manager was stopped")


def _perhaps(said: str) -> Evidence:
    return Evidence("guess", f"perhaps {said}", certain=False)


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    except (ValueError, OverflowError, OSError):  # a record may hold any number
        return f"{seconds:g} s after the epoch"
