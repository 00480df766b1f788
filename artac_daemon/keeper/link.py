"""A connection to the keeper: messages in, messages out, never waited for."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Callable

from .loop import Loop
from .wire import Decoder, WireError, encode

# Replies and events are small. A peer that leaves this much unread is stuck and is let go.
MAX_UNREAD = 1024 * 1024


class Link:
    """One peer. `on_message` gets each message; `on_close` is called once."""

    def __init__(
        self,
        loop: Loop,
        peer: socket.socket,
        on_message: Callable[[Link, dict[str, object]], None],
        on_close: Callable[[Link], None],
    ) -> None:
        self._loop = loop
        self._socket = peer
        self._on_message = on_message
        self._on_close = on_close
        self._decoder = Decoder()
        self._out = bytearray()
        self._fd = peer.fileno()
        peer.setblocking(False)
        loop.watch(self._fd, select.EPOLLIN, self._on_events)

    def send(self, message: dict[str, object]) -> None:
        """Queue a message; the link is closed if the peer has stopped reading."""
        if self._fd < 0:
            return
        self._out += encode(message)
        self._flush()
        if len(self._out) > MAX_UNREAD:
            self.close()

    def close(self) -> None:
        if self._fd < 0:
            return
        self._loop.forget(self._fd)
        self._fd = -1
        self._socket.close()
        self._on_close(self)

    def _on_events(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush()
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read()

    def _read(self) -> None:
        try:
            data = self._socket.recv(262144)
            messages = self._decoder.feed(data) if data else None
        except BlockingIOError:
            return
        except (OSError, WireError):
            messages = None
        if messages is None:
            self.close()
            return
        for message in messages:
            if self._fd >= 0:
                self._on_message(self, message)

    def _flush(self) -> None:
        if self._fd < 0:
            return
        try:
            while self._out:
                sent = self._socket.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            pass  # the rest goes out when there is room
        except OSError:
            # The reading side is about to learn the same, and closes from the loop, not from
            # within whoever was sending.
            self._out.clear()
        wanted = select.EPOLLIN | (select.EPOLLOUT if self._out else 0)
        self._loop.watch(self._fd, wanted, self._on_events)


def listen(name: str) -> socket.socket:
    """Listen on a socket in the working directory, which keeps the path within its 108 bytes."""
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    server.bind(name)
    os.chmod(name, 0o600)
    server.listen(64)
    server.setblocking(False)
    return server


def peer_uid(peer: socket.socket) -> int:
    """Who is at the other end, as the kernel knows it."""
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("iII", credentials)[1])
