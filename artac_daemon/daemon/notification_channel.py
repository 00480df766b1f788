"""One way of telling, with its own place in the event file: a slow one holds up no other."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from ..host.journal import about
from ..host.message_ids import MessageId
from ..model.errors import ArtacError, ErrorKind
from ..model.notification import Notification, pause
from ..model.settings import Settings
from .event_file import EventFile, parse
from .lines import LineReader
from .notification_queue import Item, Queue

log = logging.getLogger("artac.notifications")

# So many are told at once, and so many wait in memory; the others wait in the event file.
AT_ONCE, MOST = 4, 256

# A mark that nothing was told behind is written down all the same before so many bytes of events:
# one that falls behind what is kept would look like events that were missed.
_FAR = 1 << 20

# ArtacError(UNAVAILABLE) where another try may go better; any other is the end of it.
Tell = Callable[[Notification], Awaitable[None]]


class Channel:
    """Tells each event that is wanted; those that it had no time for are told by the next one."""

    def __init__(
        self,
        name: str,
        file: EventFile,
        settings: Callable[[], Settings],
        tell: Tell,
        on_mark: Callable[[], None],
    ) -> None:
        self.name = name
        self._file = file
        self._settings = settings
        self._tell = tell
        self._on_mark = on_mark
        self._mark: int | None = None
        self._told_since = False
        self._queue = Queue(0)
        self._reader: LineReader | None = None
        self._dropped = 0
        self._lost = 0  # since the latest one that got through
        self._wake = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def mark(self) -> int | None:
        """From where the next backend is to go on; None before anything could be read."""
        return self._mark

    def start(self, mark: int | None) -> None:
        """Go on from a mark of an earlier backend, or with the next event."""
        self._mark = mark
        self._open()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()), loop.create_task(self._watch())]

    async def close(self, seconds: float = 0.0) -> None:
        """Tell what is due, for at most that long; the rest stays before the mark."""
        self._closing = True
        self._wake.set()
        if seconds:
            await asyncio.wait(self._tasks[:1], timeout=seconds)
        for task in (*self._tasks, *self._telling):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._telling, return_exceptions=True)
        if self._reader is not None:
            self._mark = self._queue.mark
            self._reader.close()

    async def _watch(self) -> None:
        while True:
            await self._file.changed()
            self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            await self._read()
            self._begin()
            self._keep_mark()
            if self._closing and not self._telling:
                return
            await self._sleep()

    async def _sleep(self) -> None:
        rest = None
        if len(self._telling) < AT_ONCE and not self._closing:
            rest = self._queue.next_due(self._now())
        try:
            # Not wait_for(): Python 3.11's loses a cancellation that comes with the event.
            async with asyncio.timeout(rest):
                await self._wake.wait()
        except TimeoutError:
            return

    # Reading

    def _open(self) -> None:
        if self._reader is not None:
            return
        try:
            try:
                cursor = "now" if self._mark is None else str(self._mark)
                first, dropped = self._file.position(cursor)
                position = first - dropped  # where the reader finds out about it, too
            except ArtacError as error:
                if error.kind is not ErrorKind.USAGE:
                    return  # no event can be written yet
                # Of events that a power cut took: the ends among them are told again.
                position, _ = self._file.position("now")
            self._reader = LineReader(self._file.path, position)
        except (ArtacError, OSError):
            return
        self._queue = Queue(position)
        self._mark = position
        self._on_mark()

    async def _read(self) -> None:
        self._open()
        reader = self._reader
        while reader is not None and len(self._queue) < MOST:
            settings = self._settings()
            for cursor, line in reader.lines():
                if (event := parse(line)) is not None:
                    self._queue.take(
                        event, cursor, settings.notify_on, self._now(), settings.notify_after
                    )
            if not reader.more:
                break
            await asyncio.sleep(0)
        if reader is not None and reader.dropped > self._dropped:
            count, self._dropped = reader.dropped - self._dropped, reader.dropped
            what = "%s: %d bytes of events were dropped before they were told"
            log.warning(what, self.name, count)

    # Telling

    def _begin(self) -> None:
        while len(self._telling) < AT_ONCE and (item := self._queue.begin(self._now())) is not None:
            task = asyncio.get_running_loop().create_task(self._try(item))
            self._telling.add(task)
            task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        self._wake.set()

    async def _try(self, item: Item) -> None:
        try:
            await self._tell(item.notification)
        except ArtacError as error:
            self._failed(item, error)
        else:
            self._finish(item)
            if self._lost:
                log.info("%s: works again; not told: %d", self.name, self._lost)
            self._lost = 0

    def _failed(self, item: Item, error: ArtacError) -> None:
        assert item.first_try is not None
        now = self._now()
        if error.kind is ErrorKind.UNAVAILABLE and not item.outdated:
            due = now + pause(item.failures + 1, random.random())
            if due - item.first_try < self._settings().notify_retry:
                self._queue.put_off(item, due)
                return
        self._finish(item)
        if item.outdated:
            return
        self._lost += 1
        if self._lost == 1:
            told = item.notification
            log.warning(
                "%s: %s was not told: %s; no more is said until one gets through",
                self.name,
                told.occasion.value,
                error.message,
                extra=about(told.session, told.name, "not-told", MessageId.NOT_TOLD),
            )

    def _finish(self, item: Item) -> None:
        self._queue.finish(item)
        self._told_since = True

    def _keep_mark(self) -> None:
        mark = self._queue.mark
        if self._mark is not None and (self._told_since or mark - self._mark > _FAR):
            self._mark, self._told_since = mark, False
            self._on_mark()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
