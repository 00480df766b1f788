"""Answers that last: a session's output and events by offset, and waiting for something.

A reader has a file descriptor and an offset of its own, so one that is slow or stopped holds up
nobody but itself.
"""

from __future__ import annotations

import asyncio
import json
import select
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from ..model.errors import ArtacError, ErrorKind
from . import api, event_log, fields, views
from .event_file import EventFile, parse
from .growth import Growth
from .lines import LineReader, OutputReader, extent
from .session import Session

T = TypeVar("T")

# A reader that takes nothing for this long is let go; it can come back with its offset.
_PATIENCE = 300.0


@asynccontextmanager
async def reader_slot(request: web.Request) -> AsyncIterator[None]:
    """One of `max_readers`; ArtacError(LIMIT) when all are taken."""
    served = api.context(request)
    limit = served.sessions.settings.max_readers
    if served.readers >= limit:
        raise ArtacError(
            ErrorKind.LIMIT, f"{limit} readers are connected, max_readers allows no more"
        )
    task = asyncio.current_task()
    assert task is not None
    served.readers += 1
    served.streams.add(task)
    try:
        yield
    finally:
        served.readers -= 1
        served.streams.discard(task)


async def while_connected(request: web.Request, work: Coroutine[Any, Any, T]) -> T:
    """Await something for as long as the client waits for it too.

    aiohttp 3.8 does not tell a handler that its client has gone. EPOLLRDHUP does, whatever else the
    client has sent before it went.
    """
    loop = asyncio.get_running_loop()
    transport = request.transport
    task = loop.create_task(work)
    if transport is None:
        task.cancel()
        raise ConnectionResetError("the client has gone")
    hangup = select.epoll()
    hangup.register(transport.get_extra_info("socket").fileno(), select.EPOLLRDHUP)
    loop.add_reader(hangup.fileno(), task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        task.cancel()
        raise
    finally:
        loop.remove_reader(hangup.fileno())
        hangup.close()


async def output(request: web.Request) -> web.StreamResponse:
    """The bytes of a session's output (or stderr) from an offset, and on as they come."""
    query = fields.query(request.query, ("offset", "follow", "stream"))
    session = api.context(request).sessions.find(request.match_info["ref"])
    session.refuse_adopted("read")
    path = _file(session, query.get("stream", "output"))
    follow = fields.flag("follow", query.get("follow", "0"))
    start, dropped = _start(path, fields.offset("offset", query.get("offset", "0")))
    async with reader_slot(request):
        headers = {"Artac-Offset": str(start), "Artac-Dropped": str(dropped)}
        response = web.StreamResponse(headers=headers)
        response.content_type = "application/octet-stream"
        response.enable_chunked_encoding()
        await response.prepare(request)
        await while_connected(request, _copy(session, path, start, follow, response))
        await response.write_eof()
        return response


async def events(request: web.Request) -> web.StreamResponse:
    """A headless session's stream-json lines as server-sent events; `id` is where to resume."""
    query = fields.query(request.query, ("offset", "follow"))
    session = api.context(request).sessions.find(request.match_info["ref"])
    session.refuse_adopted("read")
    follow = fields.flag("follow", query.get("follow", "0"))
    last = request.headers.get("Last-Event-ID", query.get("offset", "0"))
    start, dropped = _start(session.output, fields.offset("offset", last))
    async with reader_slot(request):
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        response.enable_chunked_encoding()
        await response.prepare(request)
        if dropped:
            await _write(response, _event("dropped", start, json.dumps({"bytes": dropped})))
        await while_connected(request, _tell(session, start, follow, response))
        await response.write_eof()
        return response


async def life(request: web.Request) -> web.StreamResponse:
    """What happens to all sessions, as server-sent events; `id` is the cursor to come back with."""
    query = fields.query(request.query, ("cursor", "follow"))
    events = api.context(request).sessions.events.file
    follow = fields.flag("follow", query.get("follow", "0"))
    cursor = request.headers.get("Last-Event-ID", query.get("cursor", ""))
    start, dropped = events.position(cursor)
    async with reader_slot(request):
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        response.enable_chunked_encoding()
        await response.prepare(request)
        # So that one who has seen nothing yet knows where to come back to.
        await _write(response, _event("start", start, json.dumps({"cursor": str(start)})))
        if dropped:
            await _write(response, _life_dropped(start, dropped))
        await while_connected(request, _tell_life(events, start, follow, response))
        await response.write_eof()
        return response


async def _copy(
    session: Session, path: Path, start: int, follow: bool, response: web.StreamResponse
) -> None:
    if not path.exists():
        return
    reader, growth = OutputReader(path, start), Growth(session, path)
    try:
        while True:
            ended = not session.live  # before reading, so that nothing written before it is missed
            while data := reader.read():
                if reader.dropped:
                    # Overtaken. An end without the last chunk tells this from a clean one; the
                    # reader may come back for what is still there.
                    raise ConnectionResetError("what was to be read next has been dropped")
                await _write(response, data)
            if ended or not follow:
                return
            await growth.wait()
    finally:
        growth.close()
        reader.close()


async def _tell(session: Session, start: int, follow: bool, response: web.StreamResponse) -> None:
    if not session.output.exists():  # a start that failed, or one that is not that far yet
        if not session.live:
            await _write(response, _end_event(session, 0))
        return
    reader, growth, told = LineReader(session.output, start), Growth(session), 0
    try:
        while True:
            ended = not session.live
            while True:
                lines = reader.lines()
                if reader.dropped > told:
                    lost, told = reader.dropped - told, reader.dropped
                    note = json.dumps({"bytes": lost})
                    await _write(response, _event("dropped", reader.gap_end, note))
                for offset, line in lines:
                    await _write(response, _event("", offset, line.decode("utf-8", "replace")))
                if not reader.more:
                    break
            if ended:
                await _write(response, _end_event(session, reader.offset))
            if ended or not follow:
                return
            await growth.wait()
    finally:
        growth.close()
        reader.close()


async def _tell_life(
    events: EventFile, start: int, follow: bool, response: web.StreamResponse
) -> None:
    reader, told = LineReader(events.path, start), 0
    try:
        while True:
            size = events.size  # before reading, so that nothing written meanwhile is missed
            while True:
                lines = reader.lines()
                if reader.dropped > told:
                    lost, told = reader.dropped - told, reader.dropped
                    await _write(response, _life_dropped(reader.gap_end, lost))
                if batch := b"".join(_life_event(*line) for line in lines):
                    await _write(response, batch)
                if not reader.more:
                    break
            if not follow:
                return
            if events.size == size:
                await events.changed()
    finally:
        reader.close()


def _life_event(offset: int, line: bytes) -> bytes:
    record = parse(line)
    if record is None or record["event"] == event_log.CHECKPOINT:
        return b""
    return _event("", offset, json.dumps({**record, "cursor": str(offset)}))


def _life_dropped(offset: int, dropped: int) -> bytes:
    record = {"event": "dropped", "bytes": dropped, "cursor": str(offset)}
    return _event("dropped", offset, json.dumps(record))


async def _write(response: web.StreamResponse, data: bytes) -> None:
    try:
        await asyncio.wait_for(response.write(data), _PATIENCE)
    except TimeoutError:
        raise ConnectionResetError("the reader took nothing for too long") from None


def _end_event(session: Session, offset: int) -> bytes:
    return _event("end", offset, json.dumps(views.brief(session)["end"]))


def _event(kind: str, offset: int, data: str) -> bytes:
    named = f"event: {kind}\n" if kind else ""
    return f"{named}id: {offset}\ndata: {data}\n\n".encode()


def _file(session: Session, stream: str) -> Path:
    if stream not in ("output", "stderr"):
        raise ArtacError(ErrorKind.USAGE, f"stream must be output or stderr, found {stream!r}")
    return session.directory / stream


def _start(path: Path, offset: int) -> tuple[int, int]:
    """Where to start reading, and how many of the bytes asked for are dropped."""
    held = extent(path)
    wanted = offset if offset >= 0 else max(0, held.size + offset)
    if wanted > held.size:
        raise ArtacError(
            ErrorKind.USAGE, f"offset {wanted} is beyond the end of the output ({held.size})"
        )
    start = max(wanted, held.first)
    return start, start - wanted if offset >= 0 else 0
