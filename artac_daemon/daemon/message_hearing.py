"""What Claude's output tells of the messages it was given; nothing else says that it has one.

A Claude that tells of a message's lifecycle (seen with 2.1.330) says itself that it begins with it
or drops it, and its results name their messages. An older one (2.1.197) replays a message when its
turn takes it up, of several the first before the turn begins and the others in it; where it has
replayed none, the turn that begins is of the oldest one. A result is of those taken up before it.
Its own commands (`/cost`) it does not replay at all.

A message that is taken back may be dropped although the answer says `cancelled: false` (seen with
both, where the message had just left the queue): what comes after the answer tells.
"""

from __future__ import annotations

from typing import Any

from ..claude import stream
from ..model.message import Ledger, MessageState, moved
from ..model.session import State

_CANCEL = "artac-cancel-"


def cancel_id(message_uuid: str) -> str:
    """The id of the request that takes a message back: its answer names the message."""
    return _CANCEL + message_uuid


class Hearing:
    """Reads the lines of one session in order, and moves its messages."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.answers: dict[str, stream.Answer] = {}  # to requests to take a message back
        self.tells_lifecycle = False
        self.on_its_way = ""  # the message that is being written: Claude may be before our keeper
        self._dropped: set[str] = set()  # by Claude, and nobody is known to have asked for it

    def hear(self, seen: stream.Seen, offset: int, at: float) -> list[dict[str, Any]]:
        """Take a line in, which ends at that offset; the notes of what it has changed."""
        notes: list[dict[str, Any]] = []
        self.tells_lifecycle |= bool(seen.begun or seen.dropped)
        for uuid in (*seen.begun, seen.replayed):
            notes.append(moved(uuid, MessageState.TAKEN, at))
        if seen.turn_begins and not self.tells_lifecycle and not self._taken():
            notes += [moved(uuid, MessageState.TAKEN, at) for uuid in self._given()[:1]]
        if seen.dropped:
            self._dropped.add(seen.dropped)
        if seen.answer is not None and seen.answer.request_id.startswith(_CANCEL):
            self.answers[seen.answer.request_id.removeprefix(_CANCEL)] = seen.answer
        if seen.dropped or seen.answer is not None:
            notes += self._taken_back(at)
        if seen.result is not None:
            outcome = seen.result.outcome
            for uuid in self._of(seen.result):
                told = {"outcome": outcome, "result": offset}
                notes.append(moved(uuid, MessageState.ANSWERED, at, **told))
        if seen.state is State.IDLE:
            # Claude rests and has none of these: it has dropped them.
            gone = [uuid for uuid, answer in self.answers.items() if answer.cancelled is False]
            notes += [moved(uuid, MessageState.CANCELLED, at) for uuid in gone]
        return [note for note in notes if self._ledger.take(note)]

    def dropped(self) -> list[str]:
        """Messages that Claude has dropped of its own accord, as far as is known."""
        untaken = [message.uuid for message in self._ledger.untaken()]
        return [uuid for uuid in untaken if uuid in self._dropped]

    def _taken_back(self, at: float) -> list[dict[str, Any]]:
        return [
            moved(uuid, MessageState.CANCELLED, at)
            for uuid, answer in self.answers.items()
            if answer.cancelled or uuid in self._dropped
        ]

    def _of(self, result: stream.Result) -> list[str]:
        if result.message_uuids is not None:
            return list(result.message_uuids)
        if self.tells_lifecycle:
            return []
        return self._taken()

    def _given(self) -> list[str]:
        """Those that Claude may have and has not begun with, in order."""
        return [
            message.uuid
            for message in self._ledger
            if message.state is MessageState.DELIVERED
            or (message.uuid == self.on_its_way and message.state is MessageState.QUEUED)
        ]

    def _taken(self) -> list[str]:
        return [message.uuid for message in self._ledger if message.state is MessageState.TAKEN]
