"""A terminal's screen model: what a program's output makes of it, fed in pieces of any size."""

from __future__ import annotations

import codecs
from collections.abc import Callable

from . import tokens
from .controls import CONTROLS, ESCAPES, numbers
from .emulator import TRANSLATIONS, Emulator
from .history import History
from .resizing import resize
from .tokens import FOLLOWED, LONGEST_SEQUENCE, LONGEST_STRING, TOKEN


class Terminal(Emulator):
    """A terminal of `columns` by `rows` (1 to 1000 each), both screens of it, and the modes.

    The lines that leave the main screen by its top are kept as text with escape sequences: at most
    `keep_lines`, in at most `keep_bytes` of memory. `on_line` is told of each of them. Whatever is
    fed, nothing raises, and memory is bounded by the number of cells.
    """

    def __init__(
        self,
        columns: int,
        rows: int,
        keep_lines: int = 2000,
        keep_bytes: int = 512 * 1024,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(columns, rows, History(keep_lines, keep_bytes), on_line)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""  # the beginning of a sequence
        self._string = ""  # what began the string that we are in
        self._pieces: list[str] = []
        self._length = 0

    # What there is to see

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return self.current is self.other

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column, from 0."""
        return self.y, min(self.x, self.columns - 1)

    @property
    def cursor_visible(self) -> bool:
        """Whether the cursor is shown (DECTCEM)."""
        return 25 in self.modes

    @property
    def unsure(self) -> bool:
        """Whether the screen may show what is not there, because output was skipped."""
        return self.current.doubt > 0

    @property
    def history(self) -> list[str]:
        """The kept lines as text with escape sequences, oldest first."""
        return self._history.lines()

    def history_end(self, count: int) -> bytes:
        """The last so many kept lines as they are printed: encoded, each with its line break."""
        return self._history.last(count)

    def text(self) -> list[str]:
        """The rows' text, without blanks at their ends."""
        return [self.plain(row).rstrip(" ") for row in self.current.rows]

    def ansi(self) -> list[str]:
        """The rows with escape sequences, without plain blanks at their ends."""
        screen = self.current
        return [
            self.drawn(row, inks, trimmed=True)
            for row, inks in zip(screen.rows, screen.inks, strict=True)
        ]

    def row(self, y: int, first: int = 0, last: int | None = None) -> str:
        """The columns from `first` to before `last`, with escape sequences and all blanks.

        A wide character that is not wholly among them is blank. Begins and ends with a plain pen.
        """
        end = self.columns if last is None else max(0, min(last, self.columns))
        row = self.cut(self.cut(self.current.rows[y], first), end)
        return self.drawn(row[first:end], self.current.inks[y][first:end])

    @property
    def begun(self) -> bytes:
        """The output's last bytes, where they are only the beginning of a character or sequence."""
        text = self._pending
        if self._string:
            # Of strings other than commands, and of long ones, nobody needs the text.
            text = f"\x1b{self._string}{''.join(self._pieces)}{text}"
        return text.encode() + self._decoder.getstate()[0]

    # What comes in

    def resize(self, columns: int, rows: int) -> None:
        """Another size. Lines are not wrapped anew; the top goes to the history when rows go."""
        resize(self, columns, rows)

    def feed(self, data: bytes) -> None:
        """The program's output, cut anywhere."""
        text = self._pending + self._decoder.decode(data)
        self._pending = ""
        at, end = 0, len(text)
        while at < end:
            at = self._in_string(text, at) if self._string else self._plain_text(text, at)

    def skip(self, data: bytes) -> None:
        """Output that is not drawn: modes, pen, title, keyboard and which screen are followed."""
        text = self._pending + self._decoder.decode(data)
        self._pending = ""
        at = 0
        while self._string and at < len(text):
            at = self._in_string(text, at)
        for token in FOLLOWED.finditer(text, at):
            if token[2]:
                if token[2] in "hl":  # the screen may be left for the other one
                    self.current.doubt = self.rows
                self._control(token[1], token[2])
            elif token[3] is not None:
                self._command(token[3])
            else:
                self._escape(token[4] or "", token[5] or token[6])
        self._tail(text, at)
        shifts = text.rfind("\x0e", at), text.rfind("\x0f", at)
        if shifts != (-1, -1):
            self.set_charsets(self.charsets, int(shifts[0] > shifts[1]))
        if not self.alternate and text.count("\n", at) >= self.rows:
            self.place(0, self.bottom)
        self.current.doubt = self.rows

    def _tail(self, text: str, at: int) -> None:
        """What the end of skipped text has begun."""
        last = text.rfind("\x1b", at)
        if last == len(text) - 1:  # it may be the first half of a string's end
            before = text.rfind("\x1b", at, max(at, last))
            found = TOKEN.match(text, before) if before >= 0 else None
            if found and found.lastindex == tokens.STRING:
                self._begin_string(found[tokens.STRING])
                if self._in_string(text, found.end()) == len(text):
                    return
        found = TOKEN.match(text, last) if last >= 0 else None
        if found and found.lastindex == tokens.INCOMPLETE:
            self._pending = found[0][: LONGEST_SEQUENCE + 4]
        elif found and found.lastindex == tokens.STRING:
            self._begin_string(found[tokens.STRING])
            self._in_string(text, found.end())

    def _plain_text(self, text: str, at: int) -> int:
        """Everything but strings; where a string begins, or the end."""
        for token in TOKEN.finditer(text, at):
            kind = token.lastindex
            if kind == tokens.LINE:
                run, end = token.group(1, 2)
                self.put(run if self.translation is None else run.translate(self.translation))
                if len(end) > 1 or self.newline_mode:
                    self.x = 0
                self.index()
            elif kind == tokens.TEXT:
                run = token[1]
                self.put(run if self.translation is None else run.translate(self.translation))
            elif kind == tokens.PLAIN_CSI:
                body, final = token.group(4, 5)
                if final == "m" and len(body) <= LONGEST_SEQUENCE:
                    self.use(self.pens.select(self.pen, body))
                else:
                    self._control(body, final)
            elif kind == tokens.NEWLINE:
                if len(token[3]) > 1 or self.newline_mode:
                    self.x = 0
                self.index()
            elif kind == tokens.CONTROL:
                self._single(token[6])
            elif kind == tokens.OTHER_TEXT:
                self.put_any(token[7])
            elif kind == tokens.CSI:
                self._control(token[8], token[9])
            elif kind == tokens.OSC:
                self._command(token[10])
            elif kind == tokens.ESCAPE:
                self._escape(token[11], token[12])
            elif kind == tokens.STRING:
                self._begin_string(token[13])
                return token.end()
            elif kind == tokens.INCOMPLETE:
                self._pending = token[0][: LONGEST_SEQUENCE + 4]
        return len(text)

    def _single(self, character: str) -> None:
        if character == "\r":
            self.x = 0
        elif character == "\b":
            self.place(min(self.x, self.columns - 1) - 1, self.y)
        elif character == "\t":
            CONTROLS["I"](self, [1])
        elif character in "\n\v\f":
            if self.newline_mode:
                self.x = 0
            self.index()
        elif character in "\x0e\x0f":
            self.set_charsets(self.charsets, int(character == "\x0e"))

    def _control(self, body: str, final: str) -> None:
        """A control sequence; controls within it are done first, whatever it is."""
        if len(body) > LONGEST_SEQUENCE:
            return
        if not body.isprintable():
            for character in body:
                if character < " ":
                    self._single(character)
            body = tokens.CONTROLS.sub("", body)
        parameters = body.rstrip(" !\"#$%&'()*+,-./")
        kind = body[len(parameters) :] + final
        if parameters[:1] in ("<", "=", ">", "?"):
            kind, parameters = parameters[0] + kind, parameters[1:]
        if parameters.strip("0123456789:;"):
            return
        if kind == "m":
            self.use(self.pens.select(self.pen, parameters))
        elif (do := CONTROLS.get(kind)) and (given := numbers(parameters)) is not None:
            do(self, given)

    def _escape(self, intermediates: str, final: str) -> None:
        if do := ESCAPES.get(intermediates + final):
            do(self)
        elif intermediates and intermediates in "()*+":
            place = "()*+".index(intermediates)
            name = final if final in TRANSLATIONS else "B"
            charsets = (*self.charsets[:place], name, *self.charsets[place + 1 :])
            self.set_charsets(charsets, self.shift)

    def _command(self, text: str) -> None:
        if len(text) <= LONGEST_STRING:
            self.command(text)

    # Strings

    def _begin_string(self, kind: str) -> None:
        self._string = kind
        self._pieces.clear()
        self._length = 0

    def _in_string(self, text: str, at: int) -> int:
        """Take a string's text up to its end; where to go on."""
        ends = tokens.COMMAND_END if self._string == "]" else tokens.STRING_END
        found = ends.search(text, at)
        end = found.start() if found else len(text)
        if self._string == "]" and self._length <= LONGEST_STRING:
            self._pieces.append(text[at:end])
            self._length += end - at
            if self._length > LONGEST_STRING:
                self._pieces.clear()
        if found is None:
            return end
        if found[0] == "\x1b" and end + 1 == len(text):
            self._pending = "\x1b"
            return len(text)
        proper = found[0] == "\x07" or text.startswith("\x1b\\", end)
        if proper and self._string == "]" and self._length <= LONGEST_STRING:
            self.command("".join(self._pieces))
        self._string = ""
        self._pieces.clear()
        return end + (2 if text.startswith("\x1b\\", end) else 1 if found[0] != "\x1b" else 0)
