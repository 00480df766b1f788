"""Which reason follows from what was seen of an end."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from artac_daemon.model.end import EndFacts, Reason, verdict
from artac_daemon.model.session import Placement, StopRequest

CLEAN = EndFacts(at=1.0, exit_code=0)
CODE = EndFacts(at=1.0, exit_code=7)
KILLED = EndFacts(at=1.0, signal=signal.SIGKILL)
OOM = replace(KILLED, oom_kills=1)
TERM = EndFacts(at=1.0, exit_code=143, terminated=True)


def stop(why: str) -> StopRequest:
    return StopRequest("root (uid 0)", why, 0.5)


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
        (replace(CLEAN, oom_kills=3), Reason.COMPLETED, "exit code 0"),
        (EndFacts(1.0, signal=signal.SIGTERM, oom_kills=1), Reason.KILLED, "SIGTERM"),
        (replace(CLEAN, stop=stop("stop")), Reason.STOPPED, "stopped by root (uid 0)"),
        (replace(KILLED, stop=stop("kill")), Reason.KILLED, "killed by root (uid 0)"),
        (replace(CODE, stop=stop("drain")), Reason.BACKEND_STOPPED, "drained by root"),
        (replace(CLEAN, stop=stop("timeout")), Reason.TIMEOUT, "idle_timeout"),
        (replace(CLEAN, stop=stop("limit")), Reason.LIMIT, "runtime_max"),
        (replace(CLEAN, stop=stop("of a later version")), Reason.STOPPED, "by root"),
        (replace(CLEAN, host_stopping=True, terminated=True), Reason.HOST_SHUTDOWN, "machine"),
        (replace(TERM, backend_gone=True), Reason.BACKEND_STOPPED, "the backend went away"),
        (EndFacts(1.0, error="No such file"), Reason.FAILED, "not started: No such file"),
        (EndFacts(1.0, lost="its keeper was killed"), Reason.LOST, "its keeper was killed"),
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
    assert "behind" not in verdict(CLEAN, Placement.SCOPE).sentence
