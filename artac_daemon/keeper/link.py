"""A connection to the keeper: frames in, frames out, never waited for.

`_socket`, here and in all of the keeper: what `socket` adds to it, mostly enumerations, costs every
keeper 0.4 MB.
"""

from __future__ import annotations

import _socket
import os
import select
import struct
from collections.abc import Callable

from .loop import Loop
from .wire import DATA, HEADER, MAX_FRAME, MESSAGE, REPORT, Frames, WireError, encode, message

# Replies and events are small. A peer that leaves this much unread is stuck and is let go.
MAX_UNREAD = 1024 * 1024
_IN = select.EPOLLIN
_READ = 65536
# What a terminal sends is typed or pasted, and cut: there may be many of them.
_MAX_TYPED = 1024 * 1024


def _ignore(body: bytes) -> None:
    pass


def _nothing() -> None:
    pass


class Link:
    """One peer. `on_message` gets each message; `on_close` is called once."""

    def __init__(
        self,
        loop: Loop,
        peer: _socket.socket,
        on_message: Callable[[Link, dict[str, object]], None],
        on_close: Callable[[Link], None],
    ) -> None:
        self._loop = loop
        self._socket = peer
        self._on_message = on_message
        self._on_close = on_close
        self.terminal = False  # it is one now: it gets output, not the events of a backend
        # Of a terminal only: what is in its frames, and that everything sent was taken.
        self._on_data: Callable[[bytes], None] = _ignore
        self._on_report: Callable[[bytes], None] = _ignore
        self._on_drained: Callable[[], None] = _nothing
        self._to_its_end = False
        self._frames = Frames()
        self._out = bytearray()
        self._fd = peer.fileno()
        self._reads = select.EPOLLIN
        self._finishing = False
        peer.setblocking(False)
        loop.watch(self._fd, self._reads, self._on_events)

    @property
    def unsent(self) -> bool:
        """Whether the peer has yet to make room for what was sent already."""
        return bool(self._out)

    def send(self, content: dict[str, object]) -> None:
        """Queue a message; the link is closed if the peer has stopped reading."""
        self.send_frame(encode(content))

    def send_frame(self, data: bytes) -> None:
        """Queue a frame, as `send` does."""
        if self._fd < 0 or self.send_if_free(data):
            return
        self._out += data
        self._wait()
        if len(self._out) > MAX_UNREAD + len(data):
            self.close()

    def send_if_free(self, data: bytes) -> bool:
        """Send a frame, unless the peer has yet to make room for what was sent already."""
        if self._out:
            return False
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return True  # its close is about to be read
        if sent < len(data):
            self._out += data[sent:]
            self._wait()
        return True

    def becomes_terminal(
        self,
        on_data: Callable[[bytes], None],
        on_report: Callable[[bytes], None] | None = None,
        on_drained: Callable[[], None] | None = None,
        to_its_end: bool = False,
    ) -> None:
        """From now on it is a terminal, and may hold no more of our memory than one needs.

        `to_its_end`: what it had sent is read, too, when it goes while it is paused.
        """
        self.terminal = True
        self._on_data = on_data
        self._on_report = on_report or _ignore
        self._on_drained = on_drained or _nothing
        self._to_its_end = to_its_end
        self._frames.longest = _MAX_TYPED

    def takes_whole_lines(self) -> None:
        """A frame is as long as a line may be, however many others there are."""
        self._frames.longest = MAX_FRAME

    def pause(self) -> None:
        """Read nothing for now: the peer will have to wait."""
        self._reads = 0
        self._wait()

    def resume(self) -> None:
        """Read again."""
        if not self._reads and not self._finishing:
            self._reads = select.EPOLLIN
            self._wait()

    def finish(self) -> None:
        """Close once everything is sent; what comes meanwhile is not read."""
        self._finishing = True
        self.pause()
        if not self._out:
            self.close()

    def close(self) -> None:
        if self._fd < 0:
            return
        self._loop.forget(self._fd)
        self._fd = -1
        self._socket.close()
        self._on_close(self)

    def _wait(self) -> None:
        if self._fd >= 0:
            wanted = self._reads | (select.EPOLLOUT if self._out else 0)
            self._loop.watch(self._fd, wanted, self._on_events)

    def _on_events(self, events: int) -> None:
        # A key's way: on a processor that was idle, each call costs as much as a system call.
        if events == _IN and self._reads:
            try:
                data = self._socket.recv(_READ)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if (
                self.terminal
                and len(data) > HEADER
                and data[0] == DATA
                and int.from_bytes(data[1:HEADER], "big") == len(data) - HEADER
                and not self._frames.rest
            ):
                self._on_data(data[HEADER:])
            else:
                self._take(data)
            return
        if events & select.EPOLLOUT:
            self._flush()
        if self._reads and events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            self._read()
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            if self._to_its_end and not self._finishing:
                # Now: who comes next would otherwise be heard before it.
                while self._fd >= 0 and self._read():
                    continue
            self.close()

    def _read(self) -> bool:
        """Whether there was something, be it the end."""
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        try:
            frames = self._frames.feed(data) if data else None
        except WireError:
            frames = None
        if frames is None:
            self.close()
            return
        for kind, body in frames:
            if self._fd < 0:
                return
            if kind == DATA:
                self._on_data(body)
            elif kind == REPORT:
                self._on_report(body)
            elif kind == MESSAGE:
                try:
                    content = message(body)
                except WireError:
                    self.close()
                    return
                self._on_message(self, content)

    def _flush(self) -> None:
        try:
            while self._out:
                sent = self._socket.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            return  # the rest goes out when there is room
        except OSError:
            # The reading side is about to learn the same, and closes from the loop, not from
            # within whoever was sending.
            self._out.clear()
        self._wait()
        if self._finishing:
            self.close()
        else:
            self._on_drained()


def listen(name: str) -> _socket.socket:
    """Listen on a socket in the working directory, which keeps the path within its 108 bytes."""
    try:
        os.unlink(name)
    except FileNotFoundError:
        pass
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    server.bind(name)
    os.chmod(name, 0o600)
    server.listen(64)
    server.setblocking(False)
    return server


def peer_uid(peer: _socket.socket) -> int:
    """Who is at the other end, as the kernel knows it."""
    credentials = peer.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    return int(struct.unpack("iII", credentials)[1])
