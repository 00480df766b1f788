"""What somebody is told of a session without having asked for it, and when again if that failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .session import State

# Seconds. A receiver that restarts is back within the first pauses; one that is down for longer
# is asked once a minute.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class Occasion(StrEnum):
    """What of a session's life is told."""

    NEEDS_PERMISSION = "needs-permission"
    IDLE = "idle"
    ENDED = "ended"


@dataclass(frozen=True)
class Notification:
    """One occasion of one session."""

    occasion: Occasion
    session: str
    name: str
    at: float  # when it happened, seconds since the epoch
    cursor: int  # of its event
    details: Mapping[str, str]  # of an end: reason and sentence; of a state: the one before

    @property
    def id(self) -> str:
        """The same each time this is told: who has it already drops it."""
        return f"{self.session}-{self.cursor}"

    @property
    def passes(self) -> bool:
        """Whether it is worth nothing any more once the session is in another state."""
        return self.occasion is not Occasion.ENDED

    def body(self, **origin: str) -> bytes:
        """The JSON that is sent, the same bytes each time; `origin` says whose it is."""
        content = {
            "id": self.id,
            "event": self.occasion.value,
            "at": self.at,
            "cursor": str(self.cursor),
            "session": self.session,
            "name": self.name,
            **origin,
            **self.details,
        }
        return json.dumps(content).encode()

    @property
    def summary(self) -> str:
        """One line for a person."""
        if self.occasion is Occasion.ENDED:
            return f"{self.name} has ended: {self.details.get('reason', '')}"
        if self.occasion is Occasion.NEEDS_PERMISSION:
            return f"{self.name} needs a permission"
        return f"{self.name} is idle"


def of_event(event: Mapping[str, Any], cursor: int) -> Notification | None:
    """What is to be told of a line of the event log; None for most of them.

    Idle counts after a turn: a session that has just come up has nothing to tell.
    """
    old = str(event.get("old"))
    if event.get("event") == "ended":
        occasion = Occasion.ENDED
        details = {key: str(event.get(key, "")) for key in ("reason", "sentence")}
    elif event.get("event") != "state":
        return None
    elif event.get("new") == State.NEEDS_PERMISSION:
        occasion, details = Occasion.NEEDS_PERMISSION, {"old": old}
    elif event.get("new") == State.IDLE and old in (State.WORKING, State.NEEDS_PERMISSION):
        occasion, details = Occasion.IDLE, {"old": old}
    else:
        return None
    at = event.get("at")
    return Notification(
        occasion,
        str(event.get("session")),
        str(event.get("name")),
        float(at) if isinstance(at, (int, float)) else 0.0,
        cursor,
        details,
    )


def outdates(event: Mapping[str, Any], occasion: Occasion) -> bool:
    """Whether a session in that state is in another one after this event of it."""
    if event.get("event") == "adopted":
        return event.get("state") != occasion.value
    return event.get("event") in ("state", "ended", "removed")


def pause(failures: int, chance: float) -> float:
    """Seconds to wait after that many failed tries in a row.

    `chance`, from 0 to 1, spreads those who wait for the same receiver over half of it.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + chance / 2)
