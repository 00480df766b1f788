"""A session whose input and output are a program's, which speaks to its keeper for it.

The program's side reads the output file by itself. Here is what it may ask, and what is known of
it: who it is, and up to where it has the output.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

from .claude_input import ClaudeInput
from .input import Full
from .link import Link
from .loop import Loop

# What may wait to be read by Claude (bytes): beyond it the program is not read from.
_AHEAD = 256 * 1024
_ANSWER = b'"control_response"'
# What a program may send Claude; it could send its own child any other, for nothing.
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)

Handler = Callable[[Link, dict[str, object]], None]


class Piping:
    """The one program that is there, if one is."""

    piped = True
    is_open = False  # it has no terminal

    def __init__(self, loop: Loop) -> None:
        self._input: ClaudeInput | None = None
        self._lines = True
        self._left: Callable[[int | None], None] = lambda signalled: None
        self._tell: Callable[[dict[str, object]], None] = lambda event: None
        self._link: Link | None = None
        self._waiting = 0
        self._taken = 0  # the output goes on here for who comes next
        self.met = False  # a program has spoken; before it does, none may know of the session

    def begin(
        self,
        into: ClaudeInput,
        lines: bool,
        left: Callable[[int | None], None],
        tell: Callable[[dict[str, object]], None],
    ) -> None:
        """Claude was started; `left` hears of signals for it, and of a program that has gone.

        `tell` takes events for the backends.
        """
        self._input, self._lines, self._left, self._tell = into, lines, left, tell

    def open(self, control: int, output: int, size: tuple[int, int], into: ClaudeInput) -> None:
        raise ValueError("this keeper was not started for a terminal")

    def handler(self, op: str) -> Handler | None:
        """What a backend may ask."""
        return self._pipe if op == "pipe" and self._input is not None else None

    def said(self, link: Link, message: dict[str, object]) -> None:
        """What a program may ask; ValueError, KeyError or TypeError when it is not understood."""
        op = message.get("op")
        if link is not self._link or self._input is None:
            return
        self.met = True
        if op == "taken":
            self._taken = max(self._taken, int(str(message["at"])))
        elif op == "end":
            self._input.end()
        elif op == "signal":
            number = int(str(message["number"]))
            if number in _SIGNALS:
                self._left(number)

    def left(self, link: Link) -> None:
        """A connection is closed."""
        if link is self._link:
            self._link = None
            self._left(None)

    def launcher_left(self) -> None:
        """The backend that was to bring the first program is gone."""
        if not self.met and self._link is None:
            self._left(None)

    def finish(self) -> None:
        """Claude has ended; its output is in the file."""

    def facts(self) -> dict[str, object]:
        """What belongs to the end: where a program that comes back goes on."""
        return {"taken": self._taken}

    def ended(self, end: dict[str, object]) -> None:
        """Tell the program, and how far its output goes."""
        if self._link is None:
            return
        sizes = [_size("output"), _size("stderr")]
        self._link.send({"event": "ended", "end": end, "at": sizes[0], "errors": sizes[1]})
        self._link.finish()

    def _pipe(self, link: Link, message: dict[str, object]) -> None:
        number = message["id"]
        if self._link is not None:
            if not message.get("steal"):
                link.send({"reply": number, "error": "program"})
                return
            before, self._link = self._link, None
            before.send({"event": "detached", "by": str(message.get("who"))})
            before.finish()
        self._link, self._waiting = link, 0
        link.becomes_terminal(lambda data: self._given(link, data))
        link.takes_whole_lines()
        link.send({"reply": number, "at": self._taken, "lines": self._lines})

    def _given(self, link: Link, data: bytes) -> None:
        assert self._input is not None
        if link is not self._link or not data:
            return
        self.met = True
        if self._lines and data[-1:] != b"\n":
            link.close()  # Claude would die of it
            return
        if self._lines and _ANSWER in data:
            self._answered(data)
        if not self._waiting:
            data = data[self._input.at_once(data) :]
            if not data:
                return
        self._waiting += len(data)
        if self._waiting > _AHEAD:
            link.pause()
        try:
            self._input.put(data, "", lambda _: self._has_read(link, len(data)))
        except Full:
            link.close()

    def _answered(self, data: bytes) -> None:
        """What the program answers Claude, no output tells."""
        for line in data.splitlines():
            if _ANSWER not in line:
                continue
            try:
                response = json.loads(line)["response"]
                request, behavior = response["request_id"], response["response"]["behavior"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # another answer, or a text that mentions one
            self._tell({"event": "answered", "request": request, "behavior": behavior})

    def _has_read(self, link: Link, length: int) -> None:
        if link is not self._link:
            return
        self._waiting -= length
        if self._waiting <= _AHEAD:
            link.resume()


def _size(name: str) -> int:
    try:
        return os.stat(name).st_size
    except OSError:
        return 0
