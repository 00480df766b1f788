"""The frames between a keeper and whoever speaks to it. Bytes in, frames out; no I/O.

A frame is a type byte, a length (32 bits, big endian) and that many bytes. `MESSAGE` holds a JSON
object; `DATA` is kept for a terminal's bytes. A keeper outlives the backend that started it, so
the first thing it says on a connection is `hello` with the protocol's version: the major number
changes when an old keeper can no longer be spoken to, the minor one when something was added.
"""

from __future__ import annotations

import json
import struct

PROTOCOL = (1, 1)

# Where a keeper listens, in its session's directory.
SOCKET = "keeper.sock"

MESSAGE = 1
DATA = 2

# A user's message of several megabytes is legal input for Claude; this is far beyond it and still
# bounds what a peer can make us hold.
MAX_FRAME = 64 * 1024 * 1024

_HEADER = struct.Struct(">BI")


class WireError(Exception):
    """What arrived is not this protocol; the connection is of no more use."""


def encode(message: dict[str, object]) -> bytes:
    """A message as one frame."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME:
        raise WireError(f"a message of {len(body)} bytes, at most {MAX_FRAME} are allowed")
    return _HEADER.pack(MESSAGE, len(body)) + body


class Decoder:
    """Cuts a byte stream into messages, however the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, object]]:
        """The messages completed by these bytes; WireError when they are not the protocol's."""
        self._buffer += data
        messages: list[dict[str, object]] = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._buffer, start)
            if kind not in (MESSAGE, DATA) or length > MAX_FRAME:
                raise WireError(f"frame of type {kind} and {length} bytes")
            end = start + _HEADER.size + length
            if len(self._buffer) < end:
                break
            # A type of a later minor version is passed over, as its reader would expect.
            if kind == MESSAGE:
                messages.append(_object(bytes(self._buffer[start + _HEADER.size : end])))
            start = end
        del self._buffer[:start]
        return messages


def _object(body: bytes) -> dict[str, object]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a message that is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise WireError("a message that is not an object")
    return message
