"""Everybody who is connected to the keeper."""

from __future__ import annotations

import _socket
import os
import select
from collections.abc import Callable

from .link import Link, listen, peer_uid
from .loop import Loop
from .wire import SOCKET

MAX_LINKS = 64

OnMessage = Callable[[Link, dict[str, object]], None]
OnClose = Callable[[Link], None]


class Peers:
    """Listens in the working directory; only the same account and root get in."""

    def __init__(
        self,
        loop: Loop,
        hello: Callable[[], dict[str, object]],
        on_message: OnMessage,
        on_close: OnClose,
    ) -> None:
        self._loop = loop
        self._hello = hello
        self._on_message = on_message
        self._on_close = on_close
        self._links: set[Link] = set()
        self._server = listen(SOCKET)
        loop.watch(self._server.fileno(), select.EPOLLIN, self._accept)

    def __bool__(self) -> bool:
        """Whether a backend is there."""
        return any(not link.terminal for link in self._links)

    def add(self, peer: _socket.socket) -> Link:
        """Take in a connection and greet it."""
        link = Link(self._loop, peer, self._on_message, self._closed)
        self._links.add(link)
        link.send(self._hello())
        return link

    def tell(self, event: dict[str, object]) -> None:
        """Tell every backend."""
        for link in list(self._links):
            if not link.terminal:
                link.send(event)

    def _accept(self, _: int) -> None:
        try:
            # As `socket` does it: close-on-exec.
            fd, _address = self._server._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        peer = _socket.socket(fileno=fd)
        if peer_uid(peer) not in (0, os.getuid()) or len(self._links) >= MAX_LINKS:
            peer.close()
            return
        self.add(peer)

    def _closed(self, link: Link) -> None:
        self._links.discard(link)
        self._on_close(link)


def stop_listening() -> None:
    """Take the socket's name away."""
    try:
        os.unlink(SOCKET)
    except OSError:
        pass  # its directory may be gone already
