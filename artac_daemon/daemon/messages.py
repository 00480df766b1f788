"""The messages of one session: where each was accepted, and which Claude has yet to take up."""

from __future__ import annotations

# How many are remembered, for `turn` after a retry.
_REMEMBERED = 1024


class Messages:
    """By uuid. What Claude has taken up is known from its output."""

    def __init__(self) -> None:
        self._accepted: dict[str, int] = {}
        self._unread: set[str] = set()

    @property
    def waiting(self) -> bool:
        """Whether Claude has one to begin with."""
        return bool(self._unread)

    @property
    def unread(self) -> int:
        """How many Claude has yet to take up."""
        return len(self._unread)

    def accepted_at(self, message_uuid: str) -> int | None:
        """Where the output stood when it was accepted, if this backend remembers."""
        return self._accepted.get(message_uuid)

    def accept(self, message_uuid: str, offset: int) -> None:
        """One that is on its way to Claude, from that offset of the output on."""
        self.remember(message_uuid, offset)
        self._unread.add(message_uuid)

    def remember(self, message_uuid: str, offset: int) -> None:
        """Where to look for the turn of one that Claude may have had long ago."""
        while len(self._accepted) >= _REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        self._accepted[message_uuid] = offset

    def settle(self, message_uuid: str) -> None:
        """Claude has taken it up, or it has not got there."""
        self._unread.discard(message_uuid)

    def answered(self, message_uuids: frozenset[str] | None) -> None:
        """A result came for these; for all so far, from a Claude that does not say for which."""
        self._unread -= self._unread if message_uuids is None else message_uuids

    def take_unread(self) -> list[str]:
        """Those that Claude has not taken up; they do not count as waiting any more."""
        unread, self._unread = list(self._unread), set()
        return unread
