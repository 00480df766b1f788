"""The messages that were typed into one terminal session, as far as this backend remembers."""

from __future__ import annotations

import asyncio

_REMEMBERED = 1024


class Typed:
    """By uuid, for a sender that tries again."""

    def __init__(self) -> None:
        self.typing = asyncio.Lock()  # held while one is typed
        self._accepted: dict[str, int] = {}
        self._delivered: dict[str, str] = {}

    def accepted_at(self, message_uuid: str) -> int | None:
        """Where the output stood when it was accepted, if this backend remembers."""
        return self._accepted.get(message_uuid)

    def remember(self, message_uuid: str, offset: int) -> None:
        """One that is about to be typed, from that offset of the output on."""
        while len(self._accepted) >= _REMEMBERED:
            del self._accepted[next(iter(self._accepted))]
        self._accepted[message_uuid] = offset

    def delivered(self, message_uuid: str) -> str | None:
        """What became of one that was typed, if this backend knows."""
        return self._delivered.get(message_uuid)

    def deliver(self, message_uuid: str, delivery: str) -> None:
        """One that was typed has got there."""
        while len(self._delivered) >= _REMEMBERED:
            del self._delivered[next(iter(self._delivered))]
        self._delivered[message_uuid] = delivery
