"""The frames between a keeper and whoever speaks to it. Bytes in, frames out; no I/O.

A frame is a type byte, a length (32 bits, big endian) and that many bytes. `MESSAGE` holds a JSON
object; the other types are spoken on the connection of an attached terminal only. A keeper outlives
the backend that started it, so the first thing it says on a connection is `hello` with the
protocol's version: the major number changes when an old keeper can no longer be spoken to, the
minor one when something was added.

An attached terminal is told of output by its offset in the session's output file, which it has
open as well. `DATA` from the keeper is an offset (64 bits) and the bytes that are there; what lies
between the last offset and this one is to be read from the file first, and without bytes it says no
more than how far the file goes. `SCREEN` is an offset and what a blank terminal is to be sent to be
as the session's is at that offset. To the keeper, `DATA` is what was typed, and `REPORT` what a
terminal answered to a question of the program.

A program that has a piped session reads the output file by itself; `DATA` to the keeper is what
goes into Claude, in whole lines where Claude reads lines.
"""

from __future__ import annotations

import json
import struct

PROTOCOL = (1, 3)

# Where a keeper listens, in its session's directory.
SOCKET = "keeper.sock"

MESSAGE = 1
DATA = 2
SCREEN = 3
REPORT = 4


# A user's message of several megabytes is legal input for Claude; this is far beyond it and still
# bounds what a peer can make us hold.
MAX_FRAME = 64 * 1024 * 1024

_HEADER = struct.Struct(">BI")
HEADER = _HEADER.size
_PLACED = struct.Struct(">BIQ")
_OFFSET = struct.Struct(">Q")


class WireError(Exception):
    """What arrived is not this protocol; the connection is of no more use."""


def encode(message: dict[str, object]) -> bytes:
    """A message as one frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME:
        raise WireError(f"a message of {len(body)} bytes, at most {MAX_FRAME} are allowed")
    return _HEADER.pack(MESSAGE, len(body)) + body


def frame(kind: int, body: bytes) -> bytes:
    """Bytes as one frame."""
    return _HEADER.pack(kind, len(body)) + body


def placed(kind: int, offset: int, body: bytes) -> bytes:
    """Bytes that are at an offset of the output, as one frame."""
    return _PLACED.pack(kind, len(body) + _OFFSET.size, offset) + body


def place(body: bytes) -> tuple[int, bytes]:
    """The offset and the bytes of a placed frame; WireError when it has none."""
    if len(body) < _OFFSET.size:
        raise WireError("a placed frame without its offset")
    return _OFFSET.unpack_from(body)[0], body[_OFFSET.size :]


def length(header: bytes | bytearray) -> int:
    """How many bytes follow a header of `HEADER` bytes; WireError when it is none."""
    kind, size = _HEADER.unpack(header)
    if not MESSAGE <= kind <= REPORT or size > MAX_FRAME:
        raise WireError(f"frame of type {kind} and {size} bytes")
    return int(size)


def message(body: bytes) -> dict[str, object]:
    """The object in a `MESSAGE` frame."""
    return _object(body)


class Frames:
    """Cuts a byte stream into frames, however the bytes arrive."""

    def __init__(self) -> None:
        self.rest = bytearray()  # of a frame that is not whole yet
        self.longest = MAX_FRAME

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Types and contents of the frames completed by these bytes; WireError for no protocol."""
        self.rest += data
        frames: list[tuple[int, bytes]] = []
        start = 0
        while len(self.rest) - start >= HEADER:
            body = start + HEADER
            size = length(self.rest[start:body])
            if size > self.longest:
                raise WireError(f"a frame of {size} bytes, at most {self.longest} are allowed")
            end = body + size
            if len(self.rest) < end:
                break
            frames.append((self.rest[start], bytes(self.rest[body:end])))
            start = end
        del self.rest[:start]
        return frames


class Decoder:
    """Cuts a byte stream into messages; frames of other types are passed over."""

    def __init__(self) -> None:
        self._frames = Frames()

    def feed(self, data: bytes) -> list[dict[str, object]]:
        """The messages completed by these bytes; WireError when they are not the protocol's."""
        return [_object(body) for kind, body in self._frames.feed(data) if kind == MESSAGE]


def _object(body: bytes) -> dict[str, object]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a message that is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("a message that is not an object")
    return message
