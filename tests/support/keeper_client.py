"""Speaks to a keeper as a backend does, and also as none would."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from artac_daemon.keeper.wire import SOCKET, Decoder, encode


class KeeperClient:
    """A connection to the keeper of a session directory."""

    def __init__(self, directory: Path) -> None:
        place = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(20)
        self._socket.connect(f"/proc/self/fd/{place}/{SOCKET}")
        os.close(place)
        self._decoder = Decoder()
        self._messages: list[dict[str, Any]] = []
        self._number = 0
        self.hello = self._next()

    def __enter__(self) -> KeeperClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request."""
        self.tell(request)
        while (message := self._next()).get("reply") != self._number:
            continue
        return message

    def tell(self, request: dict[str, Any]) -> None:
        """Send a request, and wait for nothing."""
        self._number += 1
        self._socket.sendall(encode({**request, "id": self._number}))

    def _next(self) -> dict[str, Any]:
        while not self._messages:
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the keeper has hung up")
            self._messages += self._decoder.feed(data)
        return self._messages.pop(0)


def main(directory: str, keys: str) -> None:
    """`python3 -m` this: type into the terminal session of that directory."""
    with KeeperClient(Path(directory)) as keeper:
        keeper.ask({"op": "write", "key": "", "line": keys})


if __name__ == "__main__":
    main(*sys.argv[1:])
