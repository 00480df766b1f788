"""The messages of one headless session: on disk before they are accepted, and where each is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..claude import stream
from ..host import message_log
from ..model.errors import ArtacError, ErrorKind
from ..model.message import Ledger, Message, MessageState, accepted, moved
from .change import Change
from .message_hearing import Hearing
from .message_scan import scan

log = logging.getLogger("artac.messages")

# What may wait for a Claude that does not read (characters).
MAX_WAITING = 128 * 1024 * 1024
# A file of more bytes, and of more than twice what it held when it was last written anew, is
# written anew.
_LARGE = 1024 * 1024


class Messages:
    """Read from disk at its first use. What Claude has taken up is known from its output alone."""

    def __init__(self, directory: Path, change: Change) -> None:
        self.change = change
        self.settled: Callable[[], None] = lambda: None  # one is not waiting any more
        self._path = directory / message_log.NAME
        self._output = directory / "output"
        self._ledger: Ledger | None = None
        self._hearing = Hearing(Ledger())
        self._followed = False
        self._writing = asyncio.Lock()
        self._unwritten: list[dict[str, Any]] = []  # came while the file was being written
        self._arriving: dict[str, asyncio.Task[Message]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._failing = False
        self._enough = _LARGE
        self._fresh: set[str] = set()  # accepted by this backend, and not tried to deliver
        self._held: set[str] = set()  # about to be dropped from the queue
        self._recalled: set[str] = set()  # by a stop
        self._cancellers: dict[str, str] = {}
        self._on_cancelled: list[Callable[[], None]] = []

    # What there is

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger()
            self._hearing = Hearing(self._ledger)
            try:
                for note in message_log.read(self._path):
                    self._ledger.take(note)
            except OSError as error:
                log.error("%s cannot be read: %s", self._path, error.strerror)
        return self._ledger

    def up_to_date(self) -> Ledger:
        """Of a session that nobody follows: with what its output tells, too."""
        ledger = self.ledger
        if not self._followed:
            self._followed = True
            scan(ledger, self._hearing, self._output)
        return ledger

    @property
    def waiting(self) -> bool:
        """Whether Claude has one to begin with."""
        return any(message.uuid not in self._recalled for message in self.ledger.untaken())

    @property
    def unread(self) -> int:
        """How many Claude has yet to take up."""
        return len(self.ledger.untaken())

    def find(self, message_uuid: str) -> Message | None:
        return self.ledger.find(message_uuid)

    def follow_from(self) -> int | None:
        """The offset from which the output is to be heard, now that it is; None: from anywhere."""
        self._followed = True
        return min((message.offset for message in self.ledger.unfinished()), default=None)

    def answer_to_cancel(self, message_uuid: str) -> stream.Answer | None:
        """What Claude has answered to the request to take that one back."""
        return self._hearing.answers.get(message_uuid)

    @property
    def tells_lifecycle(self) -> bool:
        """Whether this Claude says itself what it begins with and drops."""
        return self._hearing.tells_lifecycle

    # Accepting

    async def accept(
        self, message_uuid: str, text: str, by: str, offset: int, opening: bool = False
    ) -> bool:
        """Put it on disk, behind those before it; whether it is a new one. ArtacError.

        The opening one is handed over with the launch of Claude.
        """
        if self.find(message_uuid) is not None:
            return False
        if (arriving := self._arriving.get(message_uuid)) is not None:
            await asyncio.shield(arriving)
            return False
        # What was begun is finished: a sender who goes away leaves no message on disk only.
        task = asyncio.get_running_loop().create_task(self._accept(message_uuid, text, by, offset))
        self._arriving[message_uuid] = task
        task.add_done_callback(lambda _: self._arriving.pop(message_uuid, None))
        await asyncio.shield(task)
        if not opening:
            self._fresh.add(message_uuid)
        return True

    async def _accept(self, message_uuid: str, text: str, by: str, offset: int) -> Message:
        waiting = sum(len(message.text or "") for message in self.ledger.untaken())
        if waiting + len(text) > MAX_WAITING:
            raise ArtacError(
                ErrorKind.LIMIT,
                f"{MAX_WAITING >> 20} MiB are waiting for the session already; `artac messages` "
                "lists them, `artac cancel` takes them back",
            )
        note = accepted(message_uuid, text, time.time(), by, offset)
        try:
            await self._write(note)
        except OSError as error:
            raise ArtacError(
                ErrorKind.FAILED,
                f"the message was not accepted: it could not be written to disk ({error.strerror})",
            ) from None
        message = self.find(message_uuid)
        assert message is not None
        self.ledger.forget_old()
        self.change.tell()
        return message

    async def _write(self, note: dict[str, Any]) -> None:
        """Put a note on disk, then take it in: in the same order."""
        async with self._writing:
            await asyncio.to_thread(message_log.append, self._path, [note], durable=True)
            self.ledger.take(note)
        self._flush()

    # Moving

    def next_queued(self) -> Message | None:
        """The one that is to be handed to Claude next, if none before it is about to be dropped."""
        for message in self.ledger:
            if message.state is MessageState.QUEUED:
                return None if message.uuid in self._held else message
        return None

    def handing_over(self, message_uuid: str) -> None:
        """The keeper is asked to write it; "": it has said what came of that."""
        self._hearing.on_its_way = message_uuid

    def is_first_try(self, message_uuid: str) -> bool:
        """Whether nobody has tried to deliver it before; asked once, just before that."""
        first = message_uuid in self._fresh
        self._fresh.discard(message_uuid)
        return first

    def delivered(self, message_uuid: str) -> None:
        """The keeper has written it."""
        note = moved(message_uuid, MessageState.DELIVERED, time.time())
        if self.ledger.take(note):
            self._note([note])

    def known_before(self, message_uuid: str, first: int) -> None:
        """The keeper had written it for an earlier backend, which this one has no note of."""
        message = self.find(message_uuid)
        if message is not None and message.state is MessageState.QUEUED:
            message.offset = first
            note = moved(message_uuid, MessageState.TAKEN, time.time())
            self.ledger.take(note)
            self._note([note])
            self.settled()

    def hear(self, seen: stream.Seen, offset: int, at: float, stopping: bool = False) -> None:
        """Take in a line of output, which ends at that offset.

        `stopping`: what Claude drops is what a stop has recalled, maybe an earlier backend's.
        """
        ledger = self.ledger
        notes = self._hearing.hear(seen, offset, at)
        if seen.state is not None and not notes and not stopping:
            gone = [uuid for uuid in self._hearing.dropped() if uuid not in self._recalled]
            told = [moved(uuid, MessageState.CANCELLED, at, by="claude") for uuid in gone]
            notes = [note for note in told if ledger.take(note)]
        for note in notes:
            if note["is"] == MessageState.CANCELLED.value and "by" not in note:
                self._sign(note)
        if notes:
            self._note(notes)
            self._tell_cancelled(notes)
            self.settled()
        elif seen.answer is not None:
            self.change.tell()

    def on_cancelled(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when one is cancelled; call what is returned to be left alone."""
        self._on_cancelled.append(callback)
        return lambda: self._on_cancelled.remove(callback)

    def _tell_cancelled(self, notes: list[dict[str, Any]]) -> None:
        if any(note["is"] == MessageState.CANCELLED.value for note in notes):
            for callback in list(self._on_cancelled):
                callback()

    def _sign(self, note: dict[str, Any]) -> None:
        message, by = self.find(note["uuid"]), self._cancellers.get(note["uuid"], "")
        if message is not None:
            note["by"] = message.cancelled_by = by

    # Taking back

    async def drop(self, message_uuid: str, by: str) -> None:
        """Drop one that is queued, on disk when this returns. ArtacError where it cannot be."""
        note = moved(message_uuid, MessageState.CANCELLED, time.time(), by=by)
        self._held.add(message_uuid)
        try:
            await self._write(note)
            self._tell_cancelled([note])
        except OSError as error:
            raise ArtacError(
                ErrorKind.FAILED,
                f"the message was not cancelled: that could not be written ({error.strerror})",
            ) from None
        finally:
            self._held.discard(message_uuid)
            self.change.tell()
            self.settled()

    def asked_back(self, message_uuid: str, by: str) -> None:
        """Somebody asks Claude to take it back."""
        self._cancellers[message_uuid] = by
        self._hearing.answers.pop(message_uuid, None)

    async def on_disk(self) -> None:
        """Return when what is noted is on disk, as far as the disk takes it."""
        async with self._writing:
            notes, self._unwritten = self._unwritten, []
            try:
                await asyncio.to_thread(message_log.append, self._path, notes, durable=True)
            except OSError as error:
                self._complain(error)

    def take_unread(self) -> list[str]:
        """Those with Claude that it has not begun with; none counts as waiting any more."""
        untaken = [m for m in self.ledger.untaken() if m.uuid not in self._recalled]
        self._recalled |= {message.uuid for message in untaken}
        if untaken:
            self.settled()
        return [message.uuid for message in untaken if message.state is MessageState.DELIVERED]

    # Writing what follows from the output: a crash loses nothing by losing it

    def _note(self, notes: list[dict[str, Any]]) -> None:
        self._unwritten += notes
        self._flush()
        self.change.tell()

    def _flush(self) -> None:
        if self._writing.locked() or not self._unwritten:
            return
        notes, self._unwritten = self._unwritten, []
        try:
            size = message_log.append(self._path, notes, durable=False)
        except OSError as error:
            self._complain(error)
            return
        self._failing = False
        if size > self._enough:
            self._enough = 2 * size  # until it is done, and for a while where it cannot be
            task = asyncio.get_running_loop().create_task(self._compact())
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _compact(self) -> None:
        async with self._writing:
            notes = self.ledger.notes()
            try:
                size = await asyncio.to_thread(message_log.replace, self._path, notes)
                self._enough = max(_LARGE, 2 * size)
            except OSError as error:
                self._complain(error)
        self._flush()

    def _complain(self, error: OSError) -> None:
        if not self._failing:
            log.warning("%s is not written: %s", self._path, error.strerror)
        self._failing = True
