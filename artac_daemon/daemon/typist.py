"""Messages to a terminal session: typed into Claude's input box, submitted, and seen to be taken.

Before each key the screen is looked at. Nothing is typed but into an empty input box, and Enter is
pressed only while the box shows the message and nothing else, in the time for which Claude opens no
dialog; so nothing typed here answers one, or submits what somebody else has typed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..claude import input_box, pasting
from ..claude.hooks import Hook
from ..claude.input_box import InputBox
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Kind, State
from .growth import Growth
from .lines import extent
from .queue_notes import QueueNotes
from .session import Session

# Seconds. At a start Claude is idle somewhat before it draws its screen, and on a busy machine
# long before.
_DRAWN = 10.0
# A paste is on the screen within 0.1 s mostly, one of 8 KB within 1 s.
_SHOWN = 20.0
# The event of a prompt comes within 0.25 s; then Enter is pressed once more.
_TAKEN, _TAKEN_LATE = 3.0, 6.0
# After the event: the note of a message that waits, or the state of one that does not.
_NOTED = 3.0
# Enter is pressed so long after the last key at most; the rest is for it to get there.
_SOON = pasting.HOLDS_DIALOGS_BACK - 0.5
_NUDGES = 5

_TAKES = (State.IDLE, State.WORKING)
_NOT_AT_REST = frozenset(State) - {State.IDLE}


async def send(session: Session, text: str, message_uuid: str) -> dict[str, Any]:
    """Type a message and submit it; returns when Claude has it.

    `delivery`: taken, queued, or typed (before, as far as this backend knows no more).
    ArtacError: CONFLICT (nothing was typed), TIMEOUT (it was, the line says where it is),
    USAGE, UNAVAILABLE, NOT_RUNNING.
    """
    session.must_live("send a message to")
    if pasting.leaves(text):
        raise ArtacError(
            ErrorKind.USAGE,
            f"{text.strip()!r} alone ends Claude Code: artac stop {session.spec.id} does that",
        )
    await session.begun()
    async with session.typed.typing:
        known = session.typed.delivered(message_uuid)
        offset = session.typed.accepted_at(message_uuid)
        if offset is None:
            offset = extent(session.output).size
            session.typed.remember(message_uuid, offset)
        if known is not None:
            delivery, duplicate = known, True
        else:
            delivery, duplicate = await _Message(session, text).hand_over(message_uuid)
    return {"uuid": message_uuid, "offset": offset, "duplicate": duplicate, "delivery": delivery}


def refuse_turns(session: Session) -> None:
    """ArtacError(USAGE) for a terminal session: its output does not tell how a turn went."""
    if session.spec.kind is Kind.TERMINAL:
        raise ArtacError(
            ErrorKind.USAGE,
            f"session {session.spec.id} is a terminal session, whose turns have no result: "
            f"artac wait {session.spec.id} --for idle waits for their end",
        )


class _Message:
    """One message on its way."""

    def __init__(self, session: Session, text: str) -> None:
        self._session = session
        self._text = text
        self._prompt: Hook | None = None
        self._over = False  # its turn has ended already
        self._queued = False
        self._news = asyncio.Event()
        self._typed_at = 0.0

    async def hand_over(self, message_uuid: str) -> tuple[str, bool]:
        """What became of it, and whether it had been typed before."""
        session = self._session
        growth = Growth(session)
        forget = session.on_ending(self._news.set)
        session.claude_state.heard = self._hear
        try:
            box = await self._ready(growth)
            self._typed_at = time.monotonic()
            keys = pasting.keys(self._text)
            reply = await self._type(keys, message_uuid)
            duplicate = reply.get("result") == "duplicate"
            if duplicate and box.empty:
                return "typed", True
            await self._until(growth, lambda box: box.shows(self._text))
            delivery = await self._submit(growth)
            session.typed.deliver(message_uuid, delivery)
            return delivery, duplicate
        finally:
            session.claude_state.heard = lambda hook: None
            forget()
            growth.close()

    # Looking

    async def _ready(self, growth: Growth) -> InputBox:
        """The input box, empty or left with this very message; CONFLICT if it is not so."""
        session = self._session
        reference = session.spec.id
        if session.state not in _TAKES:
            raise self._conflict(_why_not(session))
        if not session.claude_state.transcript:
            raise self._conflict(
                "Claude's hooks, which tell that it takes a message, are switched off: "
                f"artac attach {reference}"
            )
        deadline = time.monotonic() + _DRAWN
        while (box := await self._box()) is None:
            if (rest := deadline - time.monotonic()) <= 0 or session.state not in _TAKES:
                raise self._conflict(
                    f"Claude shows no input box, but a dialog or a view: artac attach {reference}"
                )
            await growth.wait(rest)
        if box.shell:
            raise self._conflict(f"its input box is in shell mode: artac attach {reference}")
        if not box.empty and not box.shows(self._text):
            begun = box.text.strip().splitlines()[0][:40] if box.text.strip() else ""
            raise self._conflict(
                f"its input box holds what somebody has typed ({begun!r}): submit or delete it, "
                f"artac attach {reference}"
            )
        return box

    def _conflict(self, why: str) -> ArtacError:
        return ArtacError(
            ErrorKind.CONFLICT, f"nothing was typed into session {self._session.spec.id}: {why}"
        )

    async def _box(self) -> InputBox | None:
        screen = (await self._session.request("read-screen"))["screen"]
        return input_box.find(screen) if screen.get("bracketed_paste", True) else None

    async def _until(self, growth: Growth, look: Callable[[InputBox], bool]) -> None:
        """Wait for a box that is as it should be; TIMEOUT when none is."""
        deadline = time.monotonic() + _SHOWN
        while True:
            box = await self._box()
            if box is not None and look(box):
                return
            if (rest := deadline - time.monotonic()) <= 0:
                raise self._stands("was typed, not submitted: the input box does not show it alone")
            await growth.wait(rest)

    # Submitting

    async def _submit(self, growth: Growth) -> str:
        worked = self._session.state is not State.IDLE
        notes = QueueNotes(self._session, self._note)
        try:
            for patience in (_TAKEN, _TAKEN_LATE):
                await self._press_enter(growth)
                await self._wait(patience, lambda: self._prompt is not None or self._queued)
                if self._prompt is not None or self._queued:
                    delivery = await self._outcome(worked, notes)
                    await self._gone(growth)
                    return delivery
        finally:
            notes.close()
        box = await self._box()
        if box is not None and box.shows(self._text):
            raise self._stands("stands in the input box: Claude took no Enter")
        raise self._stands("has left the input box, and Claude does not tell that it took it")

    async def _press_enter(self, growth: Growth) -> None:
        """Unless the box holds something else by now."""
        for _ in range(_NUDGES):
            box = await self._box()
            if box is None or not box.shows(self._text):
                return
            if time.monotonic() - self._typed_at < _SOON:
                await self._type(pasting.ENTER)
                self._typed_at = 0.0
                return
            before, self._typed_at = box.cursor, time.monotonic()
            await self._type(pasting.NUDGE)
            await self._until(growth, partial(_has_moved, before))
        raise self._stands(
            "stands in the input box: Claude is too slow to be sure that Enter answers no dialog"
        )

    async def _outcome(self, worked: bool, notes: QueueNotes) -> str:
        """Of one that Claude has: in its turn, or waiting for it."""
        if worked:
            notes.look()
            # 2.1.330 tells of it at once, older ones when its turn has come.
            await self._wait(_NOTED, lambda: self._queued)
            return "queued" if self._queued else "taken"
        if not self._over:
            # Who asks for the state next must not be told the one of before.
            await self._session.wait_for(_NOT_AT_REST, _NOTED)
        return "taken"

    async def _gone(self, growth: Growth) -> None:
        """Until it has left the screen too: the next message must not take it for half a one."""
        deadline = time.monotonic() + _NOTED
        while (box := await self._box()) is not None and box.shows(self._text):
            if (rest := deadline - time.monotonic()) <= 0:
                return
            await growth.wait(rest)

    async def _type(self, keys: str, key: str = "") -> dict[str, Any]:
        """TIMEOUT when Claude does not read them in time; they wait for it then."""
        try:
            return await self._session.request("write", _SHOWN, key=key, line=keys)
        except ArtacError as error:
            if error.kind is not ErrorKind.UNAVAILABLE:
                raise
            raise self._stands("is on its way, but Claude does not read its terminal") from None

    def _stands(self, what: str) -> ArtacError:
        return ArtacError(
            ErrorKind.TIMEOUT,
            f"the message {what}: see artac screen {self._session.spec.id}",
        )

    # Hearing

    def _hear(self, hook: Hook) -> None:
        if hook.event == "UserPromptSubmit" and input_box.same(self._text, hook.prompt_head):
            self._prompt = hook
        elif hook.event in ("Stop", "StopFailure") and self._prompt is not None:
            self._over = True
        self._news.set()

    def _note(self, content: str) -> None:
        self._queued = self._queued or input_box.same(self._text, content)
        self._news.set()

    async def _wait(self, seconds: float, heard: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not heard() and (rest := deadline - time.monotonic()) > 0:
            self._session.must_live("send a message to")
            self._news.clear()
            try:
                async with asyncio.timeout(rest):
                    await self._news.wait()
            except TimeoutError:
                return


def _has_moved(before: tuple[int, int], box: InputBox) -> bool:
    return box.cursor != before


def _why_not(session: Session) -> str:
    reference = session.spec.id
    if session.state is State.NEEDS_PERMISSION:
        return f"Claude waits for an answer of a person: artac attach {reference}"
    if session.state is State.STARTING:
        asked = ", ".join(question.dialog for question in session.asks or ())
        begun = f"Claude asks first ({asked})" if asked else "Claude is starting"
        return f"{begun}: artac wait {reference} --for idle"
    if session.state is State.RUNNING:
        return f"Claude does not tell what it does: artac attach {reference}"
    return f"it is {session.state.value}"
