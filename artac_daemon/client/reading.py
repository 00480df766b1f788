"""Reading what lasts, over every restart of the daemon: each byte and each event once."""

from __future__ import annotations

import json
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .coming_back import outlast, persist
from .connection import QUICK
from .event_stream import Event, EventReader
from .failures import ConnectionLost, NoDaemon
from .steps import Ask, Give, Known, Open, Pause, Procedure, Read, Reading
from .targets import session_path, with_query

# Before asking again for a stream that the daemon ended while there is more to come.
_PAUSE = 0.5


def output(session_id: str, stream: str, offset: int, follow: bool, patience: float) -> Reading:
    """The bytes of `output` or `stderr` from an offset on (from its end when negative).

    Gives (offset, bytes, how many bytes that were asked for are no longer there before them). The
    first of each answer has no bytes.
    """
    while True:
        lost: ArtacError | None = None
        try:
            path = session_path(session_id, "output")
            headers: dict[str, str] = yield Open(
                with_query(path, stream=stream, offset=offset, follow=int(follow))
            )
            offset = int(headers.get("artac-offset", offset))
            yield Give((offset, b"", int(headers.get("artac-dropped", 0))))
            while (piece := (yield Read())) is not None:
                start, offset = offset, offset + len(piece)
                yield Give((start, piece, 0))
        except (ConnectionLost, NoDaemon) as error:
            lost = error
        if not (yield from _goes_on(session_id, follow, lost, patience)):
            return


def claude_events(session_id: str, offset: int, follow: bool, patience: float) -> Reading:
    """The session's events from an offset on, in batches as they come; following, to its end.

    The kinds of what is not Claude's: "dropped", "end".
    """
    while True:
        lost: ArtacError | None = None
        ended = False
        try:
            path = session_path(session_id, "events")
            yield Open(with_query(path, offset=offset, follow=int(follow)))
            reader = EventReader()
            while (piece := (yield Read())) is not None:
                if batch := reader.feed(piece):
                    offset = batch[-1].offset
                    ended = batch[-1].kind == "end"
                    yield Give(batch)
                    if ended:
                        return
        except (ConnectionLost, NoDaemon) as error:
            lost = error
        if not (yield from _goes_on(session_id, follow, lost, patience)):
            return


def life(cursor: str | None, follow: bool, patience: float) -> Reading:
    """What happens to all sessions, in batches, behind a cursor (None: all that is kept).

    The first one, of the kind "start", has only the cursor that the answer begins at.
    """
    while True:
        try:
            yield Open(with_query("/v1/events", cursor=cursor, follow=int(follow)))
            reader = EventReader()
            while (piece := (yield Read())) is not None:
                if batch := reader.feed(piece):
                    cursor = str(batch[-1].offset)
                    yield Give(batch)
            if not follow:
                return
            yield Pause(_PAUSE)
        except (ConnectionLost, NoDaemon) as lost:
            if not follow or not (yield Known()):
                raise
            yield from outlast(lost, patience)


def now(patience: float) -> Procedure[str]:
    """The cursor behind the latest event of all sessions."""
    while True:
        try:
            yield Open(with_query("/v1/events", cursor="now"))
            reader = EventReader()
            while (piece := (yield Read())) is not None:
                for event in reader.feed(piece):
                    return str(event.offset)
            raise ArtacError(ErrorKind.FAILED, "the daemon does not say where its events are")
        except (ConnectionLost, NoDaemon) as lost:
            if not (yield Known()):
                raise
            yield from outlast(lost, patience)


def dropped(event: Event) -> int:
    """How many bytes before that event are no longer there."""
    return int(json.loads(event.data)["bytes"]) if event.kind == "dropped" else 0


def _goes_on(
    session_id: str, follow: bool, lost: ArtacError | None, patience: float
) -> Procedure[bool]:
    """Whether there is more to come after a stream's end; waits until it can be asked for."""
    if lost is not None:
        if not follow or not (yield Known()):
            raise lost
        yield from outlast(lost, patience)
        return True
    if not follow:
        return False
    # The daemon ends a stream also where it overtook its reader.
    asked = Ask("GET", with_query(session_path(session_id, "wait"), wait=0), seconds=QUICK)
    found: dict[str, Any] = yield from persist(asked, patience, repeatable=True)
    if found["session"]["end"]:
        return False
    yield Pause(_PAUSE)
    return True
