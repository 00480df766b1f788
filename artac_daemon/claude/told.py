"""The state of a session that nobody has asked to tell it, from what its events imply."""

from __future__ import annotations

from dataclasses import replace

from ..model.session import State
from .stream import Seen


def with_state(seen: Seen, before: State) -> Seen:
    """The same, with the state that follows from it where it does not say one itself."""
    return replace(seen, state=_state(seen, before))


def _state(seen: Seen, before: State) -> State | None:
    if seen.state is not None or seen.retry is not None:
        return seen.state
    if seen.result is not None:
        return State.IDLE
    if seen.asked:
        return State.NEEDS_PERMISSION
    if seen.said is not None or seen.tools_done or seen.model or seen.answered:
        return State.WORKING
    # The answer to a program's first word, which comes before the first turn.
    return State.IDLE if before is State.STARTING else None
