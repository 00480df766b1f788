"""Which ends come back by themselves, when, and why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.model.end import EndFacts, verdict
from artac_daemon.model.restart import LONGEST_BACKOFF, Bounds, Decision, Ended, decide
from artac_daemon.model.session import Placement, Restart, StopRequest

BOUNDS = Bounds(attempts=5, window=600.0, backoff=5.0)
NOW = 10_000.0
BOTH = (Restart.ON_FAILURE, Restart.ON_BOOT)


def ended(facts: EndFacts, placement: Placement = Placement.SCOPE, **more: object) -> Ended:
    given_: dict[str, object] = {"policy": BOTH, "same_boot": True, **more}
    return Ended(end=verdict(facts, placement), **given_)  # type: ignore[arg-type]


def decision(facts: EndFacts, **more: object) -> Decision:
    return decide(ended(facts, **more), BOUNDS, NOW)  # type: ignore[arg-type]


FAILURES = {
    "exit code": EndFacts(NOW, exit_code=1),
    "SIGTERM by a foreign hand": EndFacts(NOW, exit_code=143),
    "signal": EndFacts(NOW, signal=9),
    "oom": EndFacts(NOW, signal=9, oom_kills=1),
    "lost": EndFacts(NOW, lost="its keeper was killed"),
    "not started": EndFacts(NOW, error="No such file"),
    "the backend crashed": EndFacts(NOW, signal=15, backend_gone=True),
}
ON_PURPOSE = {
    "by itself": EndFacts(NOW, exit_code=0),
    "stop": EndFacts(NOW, exit_code=0, stop=StopRequest("alice", "stop", NOW)),
    "stop that ended badly": EndFacts(NOW, exit_code=1, stop=StopRequest("alice", "stop", NOW)),
    "kill": EndFacts(NOW, signal=9, stop=StopRequest("alice", "kill", NOW)),
    "drain": EndFacts(NOW, exit_code=0, stop=StopRequest("artac", "drain", NOW)),
    "limit": EndFacts(NOW, exit_code=0, stop=StopRequest("artac", "limit", NOW)),
    "timeout": EndFacts(NOW, exit_code=0, stop=StopRequest("artac", "timeout", NOW)),
    "its scope was stopped": EndFacts(NOW, signal=15, terminated=True),
}
WITH_THE_MACHINE = {
    "drained": EndFacts(NOW - 60, exit_code=0, stop=StopRequest("artac", "shutdown", NOW)),
    "shut down": EndFacts(NOW - 60, signal=15, host_stopping=True),
    "systemd did not say": EndFacts(NOW - 60, signal=15, terminated=True, host_silent=True),
    "power cut": EndFacts(NOW, lost="the machine went down while it ran"),
}


@pytest.mark.parametrize("facts", FAILURES.values(), ids=FAILURES)
def test_a_failure_comes_back_after_a_while(facts: EndFacts) -> None:
    found = decision(facts)
    assert (found.at, found.at_boot) == (NOW + 5, False)
    assert "attempt 1 of 5" in found.why
    assert decision(facts, policy=(Restart.ON_BOOT,)).at is None


@pytest.mark.parametrize("same_boot", [True, False])
@pytest.mark.parametrize("facts", ON_PURPOSE.values(), ids=ON_PURPOSE)
def test_an_end_on_purpose_does_not(facts: EndFacts, same_boot: bool) -> None:
    found = decision(facts, same_boot=same_boot)
    assert found.at is None and not found.given_up


@pytest.mark.parametrize("facts", WITH_THE_MACHINE.values(), ids=WITH_THE_MACHINE)
def test_what_ended_with_the_machine_comes_back_with_it(facts: EndFacts) -> None:
    found = decision(facts, same_boot=False)
    assert (found.at, found.at_boot) == (NOW, True)
    assert decision(facts, same_boot=False, policy=(Restart.ON_FAILURE,)).at is None


def test_a_machine_that_is_going_down_starts_nothing() -> None:
    for name in ("drained", "shut down"):
        assert decision(WITH_THE_MACHINE[name]).at is None


def test_a_stop_that_a_power_cut_cut_off_is_still_on_purpose() -> None:
    stop = StopRequest("alice", "stop", NOW)
    assert decision(WITH_THE_MACHINE["power cut"], same_boot=False, stop=stop).at is None


def test_the_time_doubles_and_the_attempts_end() -> None:
    facts, attempts, waited = EndFacts(NOW, exit_code=1), [], []
    now = NOW
    while (found := decide(ended(EndFacts(now, exit_code=1), attempts=attempts), BOUNDS, now)).at:
        waited.append(found.at - now)
        now = found.at
        attempts.append(now)
    assert waited == [5, 10, 20, 40, 80]
    assert found.given_up and "5 times within 10min" in found.why
    # Old ones do not count.
    assert decide(ended(facts, attempts=attempts), BOUNDS, now + 601).at == now + 601
    assert decide(ended(facts), Bounds(0, 600, 5), NOW).given_up


def test_variables_that_are_not_kept_keep_it_from_coming_back() -> None:
    found = decision(FAILURES["signal"], env_names=("TOKEN",))
    assert found.given_up and "TOKEN" in found.why


def test_no_policy_is_never() -> None:
    assert decision(FAILURES["signal"], policy=()).at is None


@given(
    st.lists(st.floats(0, NOW), max_size=20),
    st.integers(0, 20),
    st.floats(0.1, 300),
    st.floats(0, NOW),
)
def test_it_is_never_in_the_past_nor_far_off(
    attempts: list[float], most: int, backoff: float, at: float
) -> None:
    found = decide(
        ended(EndFacts(at, exit_code=1), attempts=attempts), Bounds(most, 600, backoff), NOW
    )
    if found.at is not None:
        assert NOW <= found.at <= NOW + LONGEST_BACKOFF
