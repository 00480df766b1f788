"""What is noted with a session of those that had its conversation before it and after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Succession:
    """Of one session. Only `due` and `due_why` are not on disk."""

    # Where it has come from
    interrupted: Mapping[str, Any] | None = None  # what was cut off: message, tool
    anew: bool = False  # nothing had been said: it began the conversation
    attempts: tuple[float, ...] = ()  # when artac itself took it up, or tried to, of late
    # What came after it
    successor: str = ""
    gave_up: str = ""  # why artac does not take it up
    gave_up_boot: str = ""
    due: float | None = None  # when artac takes it up
    due_why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "interrupted": self.interrupted,
            "anew": self.anew,
            "attempts": list(self.attempts),
            "successor": self.successor,
            "gave_up": self.gave_up,
            "gave_up_boot": self.gave_up_boot,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Succession:
        """What a record says; of a damaged one what is whole."""
        interrupted, attempts = raw.get("interrupted"), raw.get("attempts")
        return cls(
            interrupted=dict(interrupted) if isinstance(interrupted, dict) else None,
            anew=raw.get("anew") is True,
            attempts=tuple(at for at in attempts if isinstance(at, float))
            if isinstance(attempts, list)
            else (),
            successor=str(raw.get("successor") or ""),
            gave_up=str(raw.get("gave_up") or ""),
            gave_up_boot=str(raw.get("gave_up_boot") or ""),
        )
