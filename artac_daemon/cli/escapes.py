"""Control characters in text of others: shown harmlessly, or taken out with what they control."""

from __future__ import annotations

import codecs
import re

# C0 without tab and line feed, DEL, C1, what reorders or breaks lines unseen, half surrogates.
_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LAYOUT = {"\t": "\\t", "\n": "\\n"}


def harmless(text: str) -> str:
    """The text with every active character written out, for one line of a terminal."""
    if text.isprintable():
        return text
    shown = harmless_text(text)
    for char, written in _LAYOUT.items():
        shown = shown.replace(char, written)
    return shown


def harmless_text(text: str) -> str:
    """The same for a text of many lines: tabs and line feeds stay."""
    return _ACTIVE.sub(_written, text)


def harmless_json(text: str) -> str:
    """The same JSON, with its active characters in JSON's own escapes."""
    return _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_STRING_END = re.compile("[\x07\x18\x1a\x1b\x9c]")
_NO_PARAMETER = re.compile("[^\x20-\x3f]")
# After ESC, and their C1 forms: what opens a control string (DCS, SOS, OSC, PM, APC).
_STRINGS = frozenset("PX]^_\x90\x98\x9d\x9e\x9f")
# Cursor movements to another line, which programs use instead of line feeds.
_NEW_LINE = frozenset("ABEFHdf")
_WIDEST = 500


class Stripper:
    """Takes ECMA-48 control functions out of a terminal's output, across any split of it.

    What moved the cursor becomes the space or the new line that a reader saw; several in a row
    become one.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._state = self._ground
        self._parameters = ""
        self._bell_ends = False
        self._line_open = False
        self._out: list[str] = []

    def feed(self, data: bytes, final: bool = False) -> str:
        """The readable part of the next bytes."""
        text = self._decoder.decode(data, final)
        position = 0
        while position < len(text):
            position = self._state(text, position)
        found = "".join(self._out)
        self._out.clear()
        return found

    def _ground(self, text: str, at: int) -> int:
        match = _CONTROL.search(text, at)
        end = match.start() if match else len(text)
        if end > at:
            self._put(text[at:end])
        if match is None:
            return end
        char = match[0]
        if char == "\x1b":
            self._state = self._escape
        elif char == "\x9b":
            self._open_sequence()
        elif char in _STRINGS:
            self._open_string(char == "\x9d")
        elif char in "\r\x0b\x0c\x85":
            self._break_line()
        return end + 1

    def _escape(self, text: str, at: int) -> int:
        char = text[at]
        self._state = self._ground
        if char == "[":
            self._open_sequence()
        elif char in _STRINGS:
            self._open_string(char == "]")
        elif char == "\x1b" or "\x20" <= char <= "\x2f":  # again, or an intermediate character
            self._state = self._escape
        elif char < "\x20" or char >= "\x7f":
            return at  # no escape sequence: the character stands for itself
        return at + 1

    def _sequence(self, text: str, at: int) -> int:
        match = _NO_PARAMETER.search(text, at)
        if match is None:
            self._parameters = (self._parameters + text[at:])[-16:]
            return len(text)
        end, final = match.start(), match[0]
        parameters = (self._parameters + text[at:end])[-16:]
        if final < "\x20" and final not in "\x18\x1a\x1b":
            self._parameters = parameters
            return end + 1  # a control within a sequence; nothing in here depends on it
        self._state = self._ground
        if final == "C":
            number = int(parameters) if parameters.isdecimal() else 1
            self._put(" " * min(_WIDEST, max(1, number)))
        elif final in _NEW_LINE:
            self._break_line()
        elif final == "\x1b" or final >= "\x7f":
            return end
        return end + 1

    def _string(self, text: str, at: int) -> int:
        match = _STRING_END.search(text, at)
        if match is None:
            return len(text)
        if match[0] == "\x07" and not self._bell_ends:
            return match.end()
        # ST is ESC \, and any other ESC ends a string too; its next character decides.
        self._state = self._escape if match[0] == "\x1b" else self._ground
        return match.end()

    def _open_sequence(self) -> None:
        self._state = self._sequence
        self._parameters = ""

    def _open_string(self, bell_ends: bool) -> None:
        self._state = self._string
        self._bell_ends = bell_ends

    def _put(self, text: str) -> None:
        # The line feed of CR LF, or after a movement to a new line, is that same new line.
        if not self._line_open and self._owes_nothing and text.startswith("\n"):
            text = text[1:]
        self._owes_nothing = False
        if text:
            self._out.append(text)
            self._line_open = not text.endswith("\n")

    _owes_nothing = False

    def _break_line(self) -> None:
        if self._line_open:
            self._out.append("\n")
            self._line_open = False
            self._owes_nothing = True
