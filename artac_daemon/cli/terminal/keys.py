"""What was typed, told apart: bytes for the program, answers of the terminal, commands for us."""

from . import sequences
from .frames import DATA, REPORT
from .sequences import ESC, PASTE, PASTE_END, PRESS

# Beside the two types of frames that input becomes.
COMMAND = 0
COMMANDS = b"drz?"

_SHIFT, _CONTROL = 1, 4

Event = tuple[int, bytes]


def escape_byte(name: str) -> int | None:
    """The control character of a key's name, -1 for `none`; None when it is no such name."""
    word = name.lower()
    if word == "none":
        return -1
    for start in ("ctrl-", "c-", "^"):
        if word.startswith(start) and len(word) == len(start) + 1:
            code = ord(word[-1].upper()) & 0x1F
            return code if word[-1].upper() in "ABCDEFGHIJKLMNOPQRSTUVWXYZ\\]^_" else None
    return None


def key_name(escape: int) -> str:
    """How a person calls that control character."""
    return "ctrl-" + chr(escape | 0x40).lower()


class Keys:
    """Cuts the input, however it arrives. `escape` is the control character of the escape key."""

    def __init__(self, escape: int) -> None:
        self._escape = escape
        self._code = ord(chr(escape | 0x40).lower()) if escape >= 0 else -1
        self._held = b""  # the beginning of a sequence
        self._pasting = False
        self._tail = b""  # the last bytes of what is being pasted
        self._asked = b""  # the escape key, as it was sent, while its command is awaited
        self._events: list[Event] = []

    @property
    def holds(self) -> bool:
        """Whether something is held back that may turn out to be a key by itself: see `flush`."""
        return bool(self._held)

    def plain(self, data: bytes) -> bool:
        """Whether that is for the program as it is, without another look."""
        return not (
            ESC in data
            or self._held
            or self._asked
            or self._pasting
            or (self._escape >= 0 and self._escape in data)
        )

    def feed(self, data: bytes) -> list[Event]:
        """Types and bytes, in order: `DATA`, `REPORT`, or `COMMAND` with the command's letter."""
        data = self._held + data
        self._held = b""
        at = 0
        while at < len(data):
            if self._pasting:
                at = self._paste(data, at)
            elif data[at] == ESC:
                end = sequences.end_of(data, at)
                if end < 0:
                    self._held = data[at:]
                    break
                self._sequence(data[at:end])
                at = end
            else:
                at = self._text(data, at)
        return self._taken()

    def flush(self) -> list[Event]:
        """Nothing has followed what is held back: it was typed."""
        held, self._held = self._held, b""
        if held:
            self._type(self._given_up() + held)
        return self._taken()

    def cut_off(self) -> bytes:
        """What came last is lost, and its rest: forget it. What the program needs, to do so too."""
        was_pasting, self._pasting = self._pasting, False
        self._held = self._asked = self._tail = b""
        return PASTE_END if was_pasting else b""

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _type(self, data: bytes) -> None:
        if self._events and self._events[-1][0] == DATA:
            data = self._events.pop()[1] + data
        self._events.append((DATA, data))

    def _given_up(self) -> bytes:
        """The escape key, when what follows it is no command."""
        asked, self._asked = self._asked, b""
        return asked

    def _paste(self, data: bytes, at: int) -> int:
        seen = self._tail + data[at:]
        found = seen.find(PASTE_END)
        if found < 0:
            self._type(data[at:])
            self._tail = seen[1 - len(PASTE_END) :]
            return len(data)
        end = at + found + len(PASTE_END) - len(self._tail)
        self._type(data[at:end])
        self._pasting = False
        return end

    def _text(self, data: bytes, at: int) -> int:
        if data[at] == self._escape:
            self._press(data[at : at + 1])
            return at + 1
        if self._asked:
            self._command(data[at], data[at : at + 1])
            return at + 1
        end = data.find(b"\x1b", at)
        end = len(data) if end < 0 else end
        if self._escape >= 0 and (stop := data.find(self._escape, at, end)) >= 0:
            end = stop
        self._type(data[at:end])
        return end

    def _press(self, key: bytes) -> None:
        if self._asked:
            self._asked = b""
            self._type(key)
        else:
            self._asked = key

    def _command(self, code: int, key: bytes) -> None:
        if code < 128 and code in COMMANDS:
            self._asked = b""
            self._events.append((COMMAND, chr(code).encode()))
        else:
            self._type(self._given_up() + key)

    def _sequence(self, sequence: bytes) -> None:
        if sequence == PASTE:
            self._type(self._given_up() + sequence)
            self._pasting, self._tail = True, b""
        elif sequences.is_report(sequence):
            self._events.append((REPORT, sequence))
        elif key := sequences.key_in(sequence):
            self._key(sequence, *key)
        elif self._asked and not sequences.is_pointer(sequence):
            self._type(self._given_up() + sequence)
        else:
            self._type(sequence)

    def _key(self, sequence: bytes, code: int, modifiers: int, event: int) -> None:
        is_escape = code == self._code and modifiers == _CONTROL
        if is_escape and event == PRESS:
            self._press(sequence)
        elif is_escape:
            pass  # held down, or let go: the program did not hear of its press
        elif not self._asked or event != PRESS or sequences.is_modifier(code):
            self._type(sequence)
        elif modifiers & ~_SHIFT:
            self._type(self._given_up() + sequence)
        else:
            # With shift the code is still that of the key alone, so `?` may be sent as its key.
            self._command(_shifted(sequence, code), sequence)


def _shifted(sequence: bytes, code: int) -> int:
    """The character that a key stands for, where the terminal says so."""
    first = sequence[2:-1].split(b";")[0].split(b":")
    if len(first) > 1 and first[1].isdigit():
        return int(first[1])
    text = sequence[2:-1].split(b";")
    if len(text) > 2 and text[2].isdigit() and sequence[-1:] == b"u":
        return int(text[2])
    return code
