"""The backend's end of a connection to one keeper: requests with replies, and its events."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..keeper.wire import PROTOCOL, SOCKET, Decoder, WireError, encode
from ..model.errors import ArtacError, ErrorKind
from ..model.refusals import refusal
from ..model.session import Identity

# What may wait for a keeper that is stopped or stuck (bytes).
_MOST_UNSENT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Hello:
    """What a keeper says of itself on every connection."""

    session: str
    keeper: Identity
    claude: Identity | None
    spec: Mapping[str, Any] | None
    protocol: tuple[int, int]
    cgroup: str | None  # where it takes its session to be; None where it does not know


class Link(asyncio.Protocol):
    """One connection. Events but `hello`, and its close, wait for whoever listens to it."""

    def __init__(self) -> None:
        self.closed = False
        self._on_event: Callable[[dict[str, Any]], None] | None = None
        self._on_close: Callable[[], None] | None = None
        self._unheard: list[dict[str, Any]] = []
        self._loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[Hello] = self._loop.create_future()
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    async def hello(self) -> Hello:
        """The keeper's first word; ArtacError when the connection ends without one."""
        return await asyncio.shield(self._hello)

    def listen(
        self, on_event: Callable[[dict[str, Any]], None], on_close: Callable[[], None]
    ) -> None:
        """Hear every event, those of before too, and the close, once, even if it is past."""
        self._on_event, self._on_close = on_event, on_close
        unheard, self._unheard = self._unheard, []
        for event in unheard:
            on_event(event)
        if self.closed:
            self._tell_closed()

    def ignore(self) -> None:
        """Hear nothing any more."""
        self._on_event, self._on_close = (lambda event: None), (lambda: None)

    async def request(self, op: str, **content: Any) -> dict[str, Any]:
        """Ask the keeper; ArtacError(NOT_RUNNING) when it is gone, its own error otherwise."""
        if self.closed or self._transport is None:
            raise ArtacError(ErrorKind.NOT_RUNNING, "the session has ended")
        if self._transport.get_write_buffer_size() > _MOST_UNSENT:
            raise ArtacError(
                ErrorKind.LIMIT, "the session's keeper is not reading: try again later"
            )
        self._number += 1
        number = self._number
        reply: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._replies[number] = reply
        try:
            self._transport.write(encode({"op": op, "id": number, **content}))
            return await reply
        except WireError as error:
            raise ArtacError(ErrorKind.LIMIT, str(error)) from None
        finally:
            self._replies.pop(number, None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._decoder.feed(data)
        except WireError:
            self.close()
            return
        for message in messages:
            self._on_message(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        gone = ArtacError(ErrorKind.NOT_RUNNING, "the session has ended")
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(gone)
        if not self._hello.done():
            self._hello.set_exception(gone)
            self._hello.exception()  # nobody may be waiting for it
        self._tell_closed()

    def _tell_closed(self) -> None:
        if self._on_close is not None:
            told, self._on_close = self._on_close, lambda: None
            told()

    def _on_message(self, message: dict[str, Any]) -> None:
        if message.get("event") == "hello":
            if not self._hello.done():
                self._take_hello(message)
        elif "event" in message:
            if self._on_event is None:
                self._unheard.append(message)
            else:
                self._on_event(message)
        else:
            reply = self._replies.get(message.get("reply", 0))
            if reply is not None and not reply.done():
                _settle(reply, message)

    def _take_hello(self, message: dict[str, Any]) -> None:
        try:
            major = int(message["protocol"][0])
            if major != PROTOCOL[0]:
                raise ValueError(f"protocol {major}, this artac speaks {PROTOCOL[0]}")
            claude = message["claude"]
            hello = Hello(
                session=str(message["session"]),
                keeper=Identity.from_json(message["keeper"]),
                claude=Identity.from_json(claude) if claude else None,
                spec=message["spec"] or None,
                protocol=(major, int(message["protocol"][1])),
                cgroup=message.get("cgroup"),
            )
        except (KeyError, IndexError, ValueError, TypeError) as error:
            self._hello.set_exception(
                ArtacError(ErrorKind.FAILED, f"a keeper that is not understood: {error}")
            )
            self._hello.exception()
            self.close()
            return
        self._hello.set_result(hello)


def _settle(reply: asyncio.Future[dict[str, Any]], message: dict[str, Any]) -> None:
    if message.get("error") is None:
        reply.set_result(message)
    else:
        reply.set_exception(refusal(message))


async def over(peer: socket.socket) -> Link:
    """A link over a socket that is connected already."""
    peer.setblocking(False)
    _, link = await asyncio.get_running_loop().create_unix_connection(Link, sock=peer)
    return link


async def connect(directory: Path) -> tuple[Link, int]:
    """A link to the keeper of a session directory, and the pid that listens there.

    OSError when nobody listens.
    """
    peer, pid = dial(directory)
    return await over(peer), pid


def dial(directory: Path) -> tuple[socket.socket, int]:
    """A connection to the keeper of a session directory, and the pid that listens there.

    OSError when nobody listens. The path goes through a directory descriptor because a socket's
    may have 108 bytes only, however deep the state directory lies.
    """
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        peer.connect(f"/proc/self/fd/{place}/{SOCKET}")
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    except OSError:
        peer.close()
        raise
    finally:
        os.close(place)
    return peer, int(struct.unpack("iII", credentials)[0])
