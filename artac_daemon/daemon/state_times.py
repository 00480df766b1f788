"""How long a session was in each state, and what of that is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ..model.session import State

# The time in which no backend looked, and that cannot be told from what there is before and after.
UNKNOWN = "unknown"


class StateTimes:
    """Seconds by state since a session was made, which is in `starting` at first."""

    def __init__(self, since: float, state: str = State.STARTING.value) -> None:
        self._state = state
        self._since = since
        self._seconds: Counter[str] = Counter()
        self._measured: Counter[str] = Counter()  # of that, by this backend
        self._gap: tuple[str, float] | None = None

    def enter(self, state: State, at: float) -> None:
        """It is in that state from then on."""
        if self._gap is None:
            self._add(self._state, at, self._measured)
        self._state, self._since = state.value, at

    def was(self, state: str, at: float) -> None:
        """An earlier backend has told that it was in that state from then on."""
        self._add(self._state, at)
        self._state, self._since = state, at

    def was_found(self, state: str, at: float) -> None:
        """An earlier backend has found it in that state, after a time in which none looked."""
        self._bridge(state, at)
        self._state, self._since = state, at

    def was_left(self, at: float) -> None:
        """An earlier backend has stopped then."""
        self._add(self._state, at)
        self._since = max(self._since, at)

    def take_over(self) -> None:
        """This backend is about to find out what it does now."""
        self._gap = self._state, self._since

    def taken_up(self, at: float) -> None:
        """This backend has found out."""
        if self._gap is None:
            return
        state, (self._state, self._since) = self._state, self._gap
        self._gap = None
        self._bridge(state, at)
        self._state, self._since = state, at

    def seconds(self, now: float) -> dict[str, float]:
        """By state and `unknown`, up to now."""
        return _with_rest(self._seconds, self._rest(now))

    def measured(self, now: float) -> dict[str, float]:
        """The same of what this backend has seen itself."""
        return _with_rest(self._measured, self._rest(now))

    def _rest(self, now: float) -> tuple[str, float]:
        live = self._state != State.ENDED.value and self._gap is None
        return self._state, max(0.0, now - self._since) if live else 0.0

    def _bridge(self, state: str, at: float) -> None:
        """Nobody looked: the same before and after counts as the same throughout."""
        self._add(self._state if self._state == state else UNKNOWN, at)

    def _add(self, state: str, at: float, too: Counter[str] | None = None) -> None:
        passed = max(0.0, at - self._since)
        if state == State.ENDED.value or not passed:
            return
        self._seconds[state] += passed  # type: ignore[assignment]
        if too is not None:
            too[state] += passed  # type: ignore[assignment]


class Histories:
    """The times of sessions as earlier backends have told them in the event log."""

    def __init__(self) -> None:
        self._times: dict[str, StateTimes] = {}

    def take(self, record: Mapping[str, Any]) -> None:
        """Take in the next event. KeyError, TypeError or ValueError for a damaged one."""
        event, session_id = record["event"], str(record.get("session"))
        if event == "backend-stopping":
            for times in self._times.values():
                times.was_left(float(record["at"]))
        elif event == "started":
            state = str(record.get("state", UNKNOWN))
            self._times[session_id] = StateTimes(float(record["at"]), state)
        elif event == "removed":
            self._times.pop(session_id, None)
        elif (known := self._times.get(session_id)) is None:
            return
        elif event == "state":
            known.was(str(record["new"]), float(record["at"]))
        elif event == "adopted":
            known.was_found(str(record["state"]), float(record["at"]))
        elif event == "ended":
            known.was(State.ENDED.value, float(record["at"]))

    def claim(self, session_id: str, since: float) -> StateTimes:
        """The times of a session that was made then; of one that nothing is told of, unknown."""
        return self._times.pop(session_id, None) or StateTimes(since, UNKNOWN)


def _with_rest(counted: Counter[str], rest: tuple[str, float]) -> dict[str, float]:
    found: dict[str, float] = dict(counted)
    if rest[1]:
        found[rest[0]] = found.get(rest[0], 0.0) + rest[1]
    return found
