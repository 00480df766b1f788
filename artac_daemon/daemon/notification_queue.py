"""What is still to be told on one way, and up to where in the event file all is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model.notification import Notification, Occasion, of_event, outdates


@dataclass(eq=False)
class Item:
    """One notification that is not told yet."""

    notification: Notification
    start: int  # where its event begins: to be read from there on until it is told
    due: float  # monotonic seconds; not before then
    failures: int = 0
    first_try: float | None = None
    running: bool = False
    outdated: bool = False  # while it is being told


class Queue:
    """In the order of the events; one at a time for a session. No I/O and no clock."""

    def __init__(self, position: int) -> None:
        self.position = position  # up to there the events are taken in
        self._items: dict[int, Item] = {}  # by start
        self._of: dict[str, list[Item]] = {}  # by session

    def __len__(self) -> int:
        return len(self._items)

    @property
    def mark(self) -> int:
        """All before it is told; what comes behind it is read again by the next backend."""
        return next(iter(self._items), self.position)

    def take(
        self,
        event: Mapping[str, Any],
        cursor: int,
        wanted: Collection[Occasion],
        now: float,
        settle: float,
    ) -> None:
        """Take in the next event, whose line ends at `cursor`.

        A state is due once it has lasted for `settle` seconds; with another one it is dropped.
        """
        start, self.position = self.position, cursor
        for item in list(self._of.get(str(event.get("session")), ())):
            if item.notification.passes and outdates(event, item.notification.occasion):
                item.outdated = True
                if not item.running:
                    self.finish(item)
        notification = of_event(event, cursor)
        if notification is not None and notification.occasion in wanted:
            due = now + settle if notification.passes else now
            item = self._items[start] = Item(notification, start, due)
            self._of.setdefault(notification.session, []).append(item)

    def begin(self, now: float) -> Item | None:
        """The next one that is due, from now on counted as being told."""
        due = [item for item in self._heads() if item.due <= now]
        item = min(due, key=lambda item: item.start, default=None)
        if item is not None:
            item.running = True
            item.first_try = now if item.first_try is None else item.first_try
        return item

    def next_due(self, now: float) -> float | None:
        """Seconds until one is due that no earlier one holds up; None while there is none."""
        return min((max(0.0, item.due - now) for item in self._heads()), default=None)

    def finish(self, item: Item) -> None:
        """It is told, or given up."""
        del self._items[item.start]
        of_session = self._of[item.notification.session]
        of_session.remove(item)
        if not of_session:
            del self._of[item.notification.session]

    def put_off(self, item: Item, due: float) -> None:
        """It is to be tried again then."""
        item.running, item.due = False, due
        item.failures += 1

    def _heads(self) -> Iterator[Item]:
        """The first of each session, unless it is being told."""
        return (items[0] for items in self._of.values() if not items[0].running)
