"""Messages over a serial line, between a virtual machine's agent and the tests.

A message is JSON, compressed, in one or more frames: a byte of kind, a length, bytes.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from typing import Any

Message = dict[str, Any]

_HEADER = struct.Struct(">BI")
_PART, _LAST, _TAKEN = range(3)

# The guest's kernel keeps 64 KiB of what it receives and drops what comes beyond that.
_PIECE = 16 * 1024

_SILENCE = 30.0


class Closed(RuntimeError):
    """The other side is gone."""


class Frames:
    """One end of the line. `send` may be called by many threads, `receive` by one."""

    def __init__(self, fd: int, paced: bool, acknowledging: bool) -> None:
        """`paced` waits after each frame until the other, `acknowledging`, has taken it."""
        self._fd = fd
        self._paced = paced
        self._acknowledging = acknowledging
        self._taken = threading.Semaphore(0)
        self._sending = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False

    def send(self, message: Message) -> None:
        packed = zlib.compress(json.dumps(message).encode(), 1)
        pieces = [packed[at : at + _PIECE] for at in range(0, len(packed), _PIECE)]
        with self._sending:
            for number, piece in enumerate(pieces, 1):
                self._write(_LAST if number == len(pieces) else _PART, piece)
                if self._paced:
                    if not self._taken.acquire(timeout=_SILENCE):
                        raise TimeoutError(f"the other side has taken nothing for {_SILENCE:.0f} s")
                    if self._closed:
                        raise Closed

    def receive(self) -> Message:
        packed = b""
        while True:
            kind, length = _HEADER.unpack(self._read(_HEADER.size))
            if kind == _TAKEN:
                self._taken.release()
                continue
            packed += self._read(length)
            if self._acknowledging:
                self._write(_TAKEN, b"")
            if kind == _LAST:
                message: Message = json.loads(zlib.decompress(packed))
                return message

    def _read(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            try:
                part = os.read(self._fd, count - len(found))
            except OSError:
                part = b""
            if not part:
                self._closed = True
                self._taken.release()
                raise Closed
            found += part
        return found

    def _write(self, kind: int, content: bytes) -> None:
        left = memoryview(_HEADER.pack(kind, len(content)) + content)
        with self._writing:
            while left:
                try:
                    left = left[os.write(self._fd, left) :]
                except OSError:
                    raise Closed from None


def text(content: bytes) -> str:
    """Bytes as JSON can carry them."""
    return content.decode("latin-1")


def content(text: str) -> bytes:
    return text.encode("latin-1")
