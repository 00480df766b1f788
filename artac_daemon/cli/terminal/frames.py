"""The frames of an attached terminal: `keeper.wire` without the import of json."""

MESSAGE = 1
DATA = 2
SCREEN = 3
REPORT = 4

HEADER = 5
OFFSET = 8
PLACED = HEADER + OFFSET
# As in keeper.wire; a test compares the two.
MAX_FRAME = 64 * 1024 * 1024


class Damaged(Exception):
    """What arrived is not the keeper's protocol."""


def frame(kind: int, body: bytes) -> bytes:
    """Bytes as one frame."""
    return kind.to_bytes(1, "big") + len(body).to_bytes(4, "big") + body


def placed(body: bytes) -> tuple[int, bytes]:
    """The offset and the bytes of a frame that has a place in the output; Damaged without one."""
    if len(body) < OFFSET:
        raise Damaged("a frame without its offset")
    return int.from_bytes(body[:OFFSET], "big"), body[OFFSET:]


def number(message: bytes, name: bytes) -> int:
    """A whole number in a message, without a parser for JSON; Damaged where there is none."""
    _, found, rest = message.partition(b'"' + name + b'":')
    end = 0
    while end < len(rest) and rest[end : end + 1].isdigit():
        end += 1
    if not found or not end:
        raise Damaged(f"a message without {name.decode()}")
    return int(rest[:end])


def cut(data: bytes | bytearray, at: int) -> tuple[int, bytes, int] | None:
    """The type and the body of the frame that begins there, and where it ends.

    None while there is no whole one; Damaged for no protocol.
    """
    if len(data) < at + HEADER:
        return None
    kind, length = data[at], int.from_bytes(data[at + 1 : at + HEADER], "big")
    if not MESSAGE <= kind <= REPORT or length > MAX_FRAME:
        raise Damaged(f"a frame of type {kind} and {length} bytes")
    end = at + HEADER + length
    return (kind, bytes(data[at + HEADER : end]), end) if len(data) >= end else None


class Frames:
    """Cuts a byte stream into frames, one at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def begun(self) -> bool:
        """Whether there is a part of a frame, or more."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """The type and the body of the next frame that is complete; Damaged for no protocol."""
        found = cut(self._buffer, 0)
        if found is None:
            return None
        kind, body, end = found
        del self._buffer[:end]
        return kind, body
