"""The messages of one headless session: what became of each, as a fold over what was noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

# Of a message's text so much stays when Claude has it for good: to know it again in a list.
HEAD = 200
# How many that Claude has dealt with are remembered, for lists and for a sender that tries again.
REMEMBERED = 1024


class MessageState(str, Enum):
    """Where a message is. Only the first two can still be taken back."""

    QUEUED = "queued"  # on disk, not with Claude
    DELIVERED = "delivered"  # with Claude, which has not begun with it
    TAKEN = "taken"  # Claude has begun with it
    ANSWERED = "answered"  # its turn has a result
    CANCELLED = "cancelled"
    UNDELIVERED = "undelivered"  # the session ended before Claude began with it


_RANK = {
    MessageState.QUEUED: 0,
    MessageState.DELIVERED: 1,
    MessageState.TAKEN: 2,
    MessageState.ANSWERED: 3,
    MessageState.CANCELLED: 4,
}
_UNTAKEN = (MessageState.QUEUED, MessageState.DELIVERED)


@dataclass
class Message:
    """One message; `offset` is where the output stood when it was accepted."""

    uuid: str
    text: str | None  # None: Claude has it, only the head is left
    head: str
    at: float
    by: str
    offset: int
    state: MessageState = MessageState.QUEUED
    since: float = 0.0
    outcome: str = ""  # of an answered one: success, failed, interrupted
    result: int | None = None  # the offset behind its result's line
    cancelled_by: str = ""

    @property
    def untaken(self) -> bool:
        """Whether Claude has yet to begin with it."""
        return self.state in _UNTAKEN


def accepted(uuid: str, text: str, at: float, by: str, offset: int) -> dict[str, Any]:
    """The note of a message that is accepted."""
    return {"is": "accepted", "uuid": uuid, "text": text, "at": at, "by": by, "offset": offset}


def moved(uuid: str, state: MessageState, at: float, **more: Any) -> dict[str, Any]:
    """The note of a message that has come to that state; with `outcome` and `result`, or `by`."""
    return {"is": state.value, "uuid": uuid, "at": at, **more}


class Ledger:
    """All messages that are known, in the order in which they were accepted."""

    def __init__(self) -> None:
        self._all: dict[str, Message] = {}

    def __iter__(self) -> Iterator[Message]:
        return iter(self._all.values())

    def find(self, uuid: str) -> Message | None:
        """The message of that uuid."""
        return self._all.get(uuid)

    def untaken(self) -> list[Message]:
        """Those that Claude has yet to begin with, in order."""
        return [message for message in self if message.untaken]

    def unfinished(self) -> list[Message]:
        """Those whose state Claude's output can still change, in order."""
        return [message for message in self if message.untaken or _is_taken(message)]

    def take(self, note: Mapping[str, Any]) -> bool:
        """Take a note in; whether it changed anything. What is no note of ours is passed over."""
        try:
            return self._take(note)
        except (KeyError, ValueError, TypeError, OverflowError):
            return False

    def notes(self) -> list[dict[str, Any]]:
        """The fewest notes that say the same; of the settled ones only the newest stay."""
        self.forget_old()
        found = []
        for message in self:
            told = accepted(message.uuid, message.text or "", message.at, message.by, 0)
            told |= {"offset": message.offset, "head": message.head}
            if message.text is None:
                del told["text"]
            found.append(told)
            if message.state is not MessageState.QUEUED:
                more: dict[str, Any] = {"outcome": message.outcome, "result": message.result}
                more["by"] = message.cancelled_by
                kept = {key: value for key, value in more.items() if value not in ("", None)}
                found.append(moved(message.uuid, message.state, message.since, **kept))
        return found

    def forget_old(self) -> None:
        """Drop the oldest settled ones beyond what is remembered."""
        settled = [message.uuid for message in self if not message.untaken]
        for uuid in settled[: max(0, len(settled) - REMEMBERED)]:
            del self._all[uuid]

    def _take(self, note: Mapping[str, Any]) -> bool:
        kind, uuid, at = str(note["is"]), _text(note, "uuid"), float(note["at"])
        if kind == "accepted":
            return self._accept(uuid, at, note)
        message, state = self._all.get(uuid), MessageState(kind)
        if message is None or _RANK[state] <= _RANK[message.state]:
            return False
        if state is MessageState.CANCELLED and not message.untaken:
            return False
        message.state, message.since = state, at
        if state is MessageState.ANSWERED:
            message.outcome = str(note.get("outcome") or "")
            result = note.get("result")
            message.result = result if type(result) is int else None
        if state is MessageState.CANCELLED:
            message.cancelled_by = str(note.get("by") or "")
        if not message.untaken:
            message.text = None
        return True

    def _accept(self, uuid: str, at: float, note: Mapping[str, Any]) -> bool:
        text = _text(note, "text") if "text" in note else None
        head = str(note.get("head", text or ""))[:HEAD]
        if uuid in self._all:
            return False
        by, offset = str(note.get("by") or ""), int(note["offset"])
        self._all[uuid] = Message(uuid, text, head, at, by, offset, since=at)
        return True


def _is_taken(message: Message) -> bool:
    return message.state is MessageState.TAKEN


def _text(note: Mapping[str, Any], key: str) -> str:
    value = note[key]
    if not isinstance(value, str):
        raise ValueError(f"{key} is {type(value).__name__}, not text")
    return value
