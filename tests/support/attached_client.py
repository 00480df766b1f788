"""A client of a session's terminal that has no terminal itself: the bytes, as they come."""

from __future__ import annotations

import json
import os
import select
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from artac_daemon.keeper import wire
from tests.support.backend import ApiError, Backend

_PATIENCE = 60.0


class AttachedClient:
    """`told` are the messages, `screens` the screens, `output` every byte after the first one's."""

    def __init__(self, backend: Backend, reference: str, **asked: Any) -> None:
        self.told: list[dict[str, Any]] = []
        self.screens: list[tuple[int, bytes]] = []
        self.output = bytearray()
        self.position = 0
        self.closed = False
        with socket.socket(socket.AF_UNIX) as api:
            api.settimeout(_PATIENCE)
            api.connect(str(backend.socket))
            body = json.dumps(asked).encode()
            head = f"POST /v1/sessions/{reference}/attach HTTP/1.1\r\nHost: artac\r\n"
            api.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer, fds, _, _ = socket.recv_fds(api, 65536, 2)
        if not answer.startswith(b"HTTP/1.1 101 "):
            error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
            raise ApiError(int(answer.split()[1]), error["kind"], error["message"])
        self.keeper, self.file = socket.socket(fileno=fds[0]), fds[1]
        self.keeper.setblocking(True)
        self._frames = wire.Frames()

    def __enter__(self) -> AttachedClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.keeper.close()
        os.close(self.file)

    def types(self, data: bytes) -> None:
        self.keeper.sendall(wire.frame(wire.DATA, data))

    def reports(self, data: bytes) -> None:
        self.keeper.sendall(wire.frame(wire.REPORT, data))

    def asks(self, **message: Any) -> None:
        self.keeper.sendall(wire.encode(message))

    def read(self, seconds: float = 0.2) -> None:
        """Take in what there is, waiting at most so long for it."""
        if self.closed or not select.select([self.keeper], [], [], seconds)[0]:
            return
        try:
            data = self.keeper.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        self.closed = not data
        for kind, body in self._frames.feed(data):
            self._take(kind, body)

    def until(self, look: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + _PATIENCE
        while not (found := look()):
            assert time.monotonic() < deadline, f"not within {_PATIENCE:g} s: {what}"
            assert not self.closed, f"closed before {what}"
            self.read()
        return found

    def shows(self, text: bytes) -> None:
        self.until(lambda: text in self.output, f"{text!r} in {bytes(self.output[-2000:])!r}")

    def events(self, name: str) -> list[dict[str, Any]]:
        return [message for message in self.told if message.get("event") == name]

    def wait_closed(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.closed:
            assert time.monotonic() < deadline, "the keeper holds on to it"
            self.read()

    def _take(self, kind: int, body: bytes) -> None:
        if kind == wire.MESSAGE:
            message = wire.message(body)
            if "at" in message:
                self._read_up_to(int(str(message["at"])))
            self.told.append(message)
            return
        at, data = wire.place(body)
        if kind == wire.SCREEN:
            self.screens.append((at, data))
            self.position = at
            return
        self._read_up_to(at)
        self.output += data
        self.position = at + len(data)

    def _read_up_to(self, at: int) -> None:
        while self.position < at and (self.screens or self.told):
            data = os.pread(self.file, min(1 << 20, at - self.position), self.position)
            assert data, f"the file ends at {self.position}, and was said to go to {at}"
            self.output += data
            self.position += len(data)
