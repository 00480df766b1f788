"""Reading a session's output to its end, over every restart of the daemon, each byte once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from ..model.errors import ArtacError, ErrorKind
from . import http1
from .client import Client, ConnectionLost, NoDaemon, note, session_path, with_query
from .event_stream import Event, EventReader

# Before asking again for a stream that the daemon ended while its session goes on.
_PAUSE = 0.5


def events(client: Client, session_id: str, offset: int, follow: bool) -> Iterator[list[Event]]:
    """The session's events from an offset on, in batches as they come; following, to its end.

    What the daemon no longer has is told on standard error.
    """
    while True:
        lost: ArtacError | None = None
        try:
            path = session_path(session_id, "events")
            target = with_query(path, offset=offset, follow=int(follow))
            for batch in event_batches(client, target):
                offset = batch[-1].offset
                for event in batch:
                    if event.kind == "dropped":
                        _tell_dropped(int(json.loads(event.data)["bytes"]), event.offset)
                yield [event for event in batch if not event.kind]
                if batch[-1].kind == "end":
                    return
        except (ConnectionLost, NoDaemon) as error:
            lost = error
        if not _go_on(client, session_id, follow, lost):
            return


def output(
    client: Client, session_id: str, stream: str, offset: int, follow: bool
) -> Iterator[bytes]:
    """The bytes of `output` or `stderr` from an offset on (from its end when negative)."""
    while True:
        lost: ArtacError | None = None
        try:
            path = session_path(session_id, "output")
            target = with_query(path, stream=stream, offset=offset, follow=int(follow))
            response = client.begin("GET", target).response()
            try:
                offset = int(response.headers.get("artac-offset", offset))
                if dropped := int(response.headers.get("artac-dropped", 0)):
                    _tell_dropped(dropped, offset)
                for piece in _unbroken(response):
                    offset += len(piece)
                    yield piece
            finally:
                response.close()
        except (ConnectionLost, NoDaemon) as error:
            lost = error
        if not _go_on(client, session_id, follow, lost):
            return


def tail(client: Client, session_id: str, stream: str, lines: int) -> tuple[int, bytes]:
    """The last lines that are there, and the offset at which they start."""
    window = 64 * 1024
    while True:
        path = session_path(session_id, "output")
        response = client.begin("GET", with_query(path, stream=stream, offset=-window)).response()
        try:
            start = int(response.headers.get("artac-offset", 0))
            held = b"".join(_unbroken(response))
        finally:
            response.close()
        if lines == 0:
            return start + len(held), b""
        at = len(held.removesuffix(b"\n"))
        for _ in range(lines):
            at = held.rfind(b"\n", 0, at)
            if at < 0:
                break
        # A punched head is shorter than asked for, and then there is no more to be had.
        if at >= 0 or start == 0 or len(held) < window:
            return start + at + 1, held[at + 1 :]
        window *= 8


def event_batches(client: Client, target: str) -> Iterator[list[Event]]:
    """The events of one stream as they come; ConnectionLost when it breaks."""
    response = client.begin("GET", target).response()
    reader = EventReader()
    try:
        for piece in _unbroken(response):
            if batch := reader.feed(piece):
                yield batch
    finally:
        response.close()


def _unbroken(response: http1.Response) -> Iterator[bytes]:
    try:
        yield from response.pieces()
    except http1.Broken as error:
        raise ConnectionLost(
            ErrorKind.UNAVAILABLE, f"the connection to the daemon broke: {error}"
        ) from None


def _go_on(client: Client, session_id: str, follow: bool, lost: ArtacError | None) -> bool:
    """Whether there is more to come after a stream's end; waits until it can be asked for."""
    if lost is not None:
        if not follow or not client.met:
            raise lost
        client.outlast(lost)
        return True
    if not follow:
        return False
    # The daemon ends a stream also where it overtook its reader.
    try:
        asked = with_query(session_path(session_id, "wait"), wait=0)
        if client.get(asked)["session"]["end"]:
            return False
    except (ConnectionLost, NoDaemon) as error:
        client.outlast(error)
    time.sleep(_PAUSE)
    return True


def _tell_dropped(count: int, offset: int) -> None:
    note(f"{count} bytes of output before offset {offset} are no longer there")
