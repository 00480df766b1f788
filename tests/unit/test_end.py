"""Which reason follows from what was seen of an end."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from artac_daemon.model.end import EndFacts, Reason, keeper_lost, verdict
from artac_daemon.model.session import Placement, StopRequest

CLEAN = EndFacts(at=1.0, exit_code=0)
CODE = EndFacts(at=1.0, exit_code=7)
KILLED = EndFacts(at=1.0, signal=signal.SIGKILL)
OOM = replace(KILLED, oom_kills=1)
TERM = EndFacts(at=1.0, exit_code=143, terminated=True)


def stop(why: str, limit: float | None = None) -> StopRequest:
    return StopRequest("root (uid 0)", why, 0.5, limit)


@pytest.mark.parametrize(
    ("facts", "reason", "says"),
    [
        (CLEAN, Reason.COMPLETED, "exit code 0"),
        (CODE, Reason.FAILED, "exit code 7"),
        (KILLED, Reason.KILLED, "from outside artac (signal SIGKILL)"),
        (EndFacts(1.0, signal=11), Reason.KILLED, "SIGSEGV"),
        (EndFacts(1.0, signal=63), Reason.KILLED, "signal 63"),
        (EndFacts(1.0), Reason.FAILED, "no exit status"),
        (OOM, Reason.OOM, "memory ran out"),
        # One of its tools was taken by the kernel, not Claude itself.
        (replace(CLEAN, oom_kills=3), Reason.COMPLETED, "killed 3 of its processes for want"),
        (replace(CODE, oom_kills=1), Reason.FAILED, "killed one of its processes for want"),
        (replace(CLEAN, stop=stop("stop"), oom_kills=2), Reason.STOPPED, "killed 2 of its"),
        (EndFacts(1.0, signal=signal.SIGTERM, oom_kills=1), Reason.KILLED, "SIGTERM"),
        (replace(CLEAN, stop=stop("stop")), Reason.STOPPED, "stopped by root (uid 0)"),
        (replace(KILLED, stop=stop("kill")), Reason.KILLED, "killed by root (uid 0)"),
        (replace(CODE, stop=stop("drain")), Reason.BACKEND_STOPPED, "drained by root"),
        (replace(CLEAN, stop=stop("timeout", 3600)), Reason.TIMEOUT, "idle_timeout of 1h ("),
        (replace(CLEAN, stop=stop("limit", 9000)), Reason.LIMIT, "runtime_max of 2h 30min ("),
        (
            replace(CLEAN, stop=stop("overdue", 60)),
            Reason.TIMEOUT,
            "no result within its time of 1min",
        ),
        (
            replace(CLEAN, stop=stop("done")),
            Reason.COMPLETED,
            "its one turn was over (exit code 0)",
        ),
        (EndFacts(1.0, exit_code=143, stop=stop("done")), Reason.COMPLETED, "one turn was over ("),
        (replace(KILLED, stop=stop("done")), Reason.COMPLETED, "one turn was over ("),
        (EndFacts(1.0, exit_code=1, stop=stop("done")), Reason.FAILED, "not with success (exit"),
        (EndFacts(1.0, signal=11, stop=stop("done")), Reason.FAILED, "not with success (signal"),
        # Noted before the time was.
        (replace(CLEAN, stop=stop("timeout")), Reason.TIMEOUT, "for its idle_timeout ("),
        (replace(CLEAN, stop=stop("limit")), Reason.LIMIT, "for its runtime_max ("),
        (replace(CLEAN, stop=stop("of a later version")), Reason.STOPPED, "by root"),
        (replace(CLEAN, host_stopping=True, terminated=True), Reason.HOST_SHUTDOWN, "machine"),
        (replace(TERM, backend_gone=True), Reason.BACKEND_STOPPED, "the backend went away"),
        (EndFacts(1.0, error="No such file"), Reason.FAILED, "not started: No such file"),
        (EndFacts(1.0, lost="its keeper was killed"), Reason.LOST, "its keeper was killed"),
        (EndFacts(1.0, lost="why", keeper="signal SIGKILL"), Reason.LOST, "keeper: signal SIGKILL"),
        (EndFacts(1.0, error="two\nlines"), Reason.FAILED, "two lines"),
    ],
)
@pytest.mark.parametrize("placement", Placement)
def test_the_reason_follows_from_the_facts(
    facts: EndFacts, reason: Reason, says: str, placement: Placement
) -> None:
    end = verdict(facts, placement)
    assert end.reason is reason and says in end.sentence and end.facts is facts
    assert "\n" not in end.sentence


@pytest.mark.parametrize(
    ("placement", "reason"),
    [
        (Placement.SERVICE, Reason.BACKEND_STOPPED),
        (Placement.SCOPE, Reason.STOPPED),
        (Placement.DETACHED, Reason.STOPPED),
    ],
)
def test_what_a_sigterm_means_depends_on_where_the_session_lived(
    placement: Placement, reason: Reason
) -> None:
    assert verdict(TERM, placement).reason is reason


# Each with all that comes after it in the order of how much it tells.
ORDER = [
    ({"lost": "why"}, Reason.LOST),
    ({"error": "why"}, Reason.FAILED),
    ({"signal": 9, "oom_kills": 1}, Reason.OOM),
    ({"stop": stop("stop")}, Reason.STOPPED),
    ({"host_stopping": True}, Reason.HOST_SHUTDOWN),
    ({"backend_gone": True}, Reason.BACKEND_STOPPED),
    ({"terminated": True}, Reason.STOPPED),
    ({"signal": 9}, Reason.KILLED),
    ({"exit_code": 0}, Reason.COMPLETED),
]


@pytest.mark.parametrize("first", range(len(ORDER)))
def test_the_most_telling_fact_decides(first: int) -> None:
    facts: dict[str, object] = {}
    for more, _ in reversed(ORDER[first:]):
        facts.update(more)
    end = verdict(EndFacts(at=1.0, **facts), Placement.SCOPE)  # type: ignore[arg-type]
    assert end.reason is ORDER[first][1]


def test_what_was_left_behind_is_told_with_any_reason() -> None:
    for facts in (CLEAN, OOM, TERM):
        sentence = verdict(replace(facts, left_behind=2), Placement.SCOPE).sentence
        assert sentence.endswith("; 2 processes that it left behind were killed")
        sentence = verdict(replace(facts, left_behind=1), Placement.SCOPE).sentence
        assert sentence.endswith("; one process that it left behind was killed")


@pytest.mark.parametrize(
    ("status", "why", "keeper"),
    [
        (None, "was killed", ""),
        (-9, "was killed", "signal SIGKILL"),
        (1, "did not note", "exit code 1"),
        (0, "did not note", "exit code 0"),
    ],
)
def test_what_is_known_of_a_keeper_that_noted_nothing(
    status: int | None, why: str, keeper: str
) -> None:
    lost, known = keeper_lost(status)
    assert why in lost and known == keeper
    assert "behind" not in verdict(CLEAN, Placement.SCOPE).sentence
