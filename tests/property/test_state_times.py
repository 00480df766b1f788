"""How long a session was in each state: every second is counted once, or called unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.daemon.state_times import UNKNOWN, Histories, StateTimes
from artac_daemon.model.session import State

states = st.sampled_from([State.WORKING, State.IDLE, State.NEEDS_PERMISSION])
steps = st.lists(st.tuples(states, st.floats(0, 1000)), max_size=8)


@given(steps, st.floats(0, 1000))
def test_all_of_a_life_is_counted(lived: list[tuple[State, float]], rest: float) -> None:
    times, now = StateTimes(100.0), 100.0
    for state, passed in lived:
        now += passed
        times.enter(state, now)
    now += rest
    assert sum(times.seconds(now).values()) == pytest.approx(now - 100.0)
    assert times.measured(now) == times.seconds(now)


@given(steps, st.floats(0, 1000), states, steps, st.booleans())
def test_over_a_gap_all_is_counted_too(
    before: list[tuple[State, float]],
    away: float,
    found: State,
    after: list[tuple[State, float]],
    stopped: bool,
) -> None:
    histories, now, last = Histories(), 100.0, "starting"
    histories.take({"event": "started", "session": "a", "at": now, "state": last})
    for state, passed in before:
        now += passed
        histories.take({"event": "state", "session": "a", "at": now, "new": state.value})
        last = state.value
    if stopped:
        histories.take({"event": "backend-stopping", "session": None, "at": now})
    left, now = now, now + away
    times = histories.claim("a", 100.0)
    times.take_over()
    for passing in (State.WORKING, State.IDLE, found):  # read from the output all at once
        times.enter(passing, now)
    times.taken_up(now)
    assert times.measured(now) == {}
    assert times.seconds(now).get(UNKNOWN, 0.0) == (
        0.0 if last == found.value else pytest.approx(now - left)
    )
    again = now
    for state, passed in after:
        now += passed
        times.enter(state, now)
    assert sum(times.seconds(now).values()) == pytest.approx(now - 100.0)
    assert sum(times.measured(now).values()) == pytest.approx(now - again, abs=1e-6)


def test_of_a_session_that_nothing_is_told_of_nothing_is_known() -> None:
    times = Histories().claim("a", 100.0)
    times.take_over()
    times.enter(State.IDLE, 150.0)
    times.taken_up(150.0)
    assert times.seconds(160.0) == {UNKNOWN: 50.0, "idle": 10.0}


def test_an_end_stops_the_count() -> None:
    times = StateTimes(100.0)
    times.enter(State.ENDED, 110.0)
    assert times.seconds(500.0) == {"starting": 10.0}
