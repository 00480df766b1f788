"""The live table of `top` on a terminal, which is left as it was found."""

from __future__ import annotations

import argparse
import curses
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from . import rendering, top_table
from .client import Call, Client

# A daemon that is there answers in milliseconds. The keys are not read while an answer comes in.
_PATIENCE = 2.0
# The first percentages need a second sample, and are not to take a whole delay.
_FIRST_PAUSE = 0.5
_ESCAPE_KEY = 27
# Milliseconds that the rest of an arrow key's sequence may take after its escape character.
_ESCAPE_DELAY = 50
_SORT_KEYS = {ord(key): name for name, (key, _, _) in top_table.SORTS.items()}
_HELP = " ".join(f"{key} {name} " for name, (key, _, _) in top_table.SORTS.items())
_HELP += " r reverse  q quit"
_HINT = "h keys  q quit"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_COLOURS = {"green": 1, "yellow": 2, "red": 3, "blue": 4}


def run(client: Client, target: str, first: dict[str, Any], options: argparse.Namespace) -> int:
    """Show the table until somebody quits. ArtacError(USAGE) for a terminal that cannot."""
    _check_terminal()
    with _signals() as told, _screen() as screen:
        ended_by = _Live(screen, told, client, target, options).go(first)
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt
    if ended_by is not None:
        # Die of it, as without a screen: whoever sent it sees that it worked.
        signal.signal(ended_by, signal.SIG_DFL)
        os.kill(os.getpid(), ended_by)
    return 0


def _check_terminal() -> None:
    name = os.environ.get("TERM", "")
    try:
        # initscr() would end the whole process for a terminal that it does not know.
        curses.setupterm(name, sys.stdout.fileno())
        if curses.tigetstr("cup"):
            return
    except curses.error:
        pass  # not in the terminal database
    raise ArtacError(
        ErrorKind.USAGE,
        f"top: a terminal of the type {name!r} (TERM) cannot show a live table; "
        "`artac top -n 1` prints it",
    )


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that gets each signal's number as a byte; none interrupts drawing half way.

    SIGTSTP is left to curses, which gives the terminal back before it stops.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    previous = {}
    for number in (*_ENDING, signal.SIGWINCH, signal.SIGCONT):
        if signal.getsignal(number) is not signal.SIG_IGN:  # by nohup, for one
            previous[number] = signal.signal(number, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


@contextmanager
def _screen() -> Iterator[curses.window]:
    import locale

    # curses encodes what it is given by the locale.
    locale.setlocale(locale.LC_ALL, "")
    curses.set_escdelay(_ESCAPE_DELAY)
    screen = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        screen.keypad(True)
        screen.nodelay(True)
        if curses.tigetstr("civis"):
            curses.curs_set(0)
        if rendering.colours() and curses.has_colors():
            curses.start_color()
            curses.use_default_colors()
            for name, pair in _COLOURS.items():
                curses.init_pair(pair, getattr(curses, f"COLOR_{name.upper()}"), -1)
        yield screen
    finally:
        try:
            screen.keypad(False)
            curses.endwin()
        except curses.error:
            pass  # the terminal has gone


class _Live:
    def __init__(
        self,
        screen: curses.window,
        told: int,
        client: Client,
        target: str,
        options: argparse.Namespace,
    ) -> None:
        self._screen = screen
        self._told = told
        self._client = client
        self._target = target
        self._delay: float = options.delay
        self._sort: str = options.sort
        self._reverse: bool = options.reverse
        self._raw: dict[str, Any] = {}
        self._sample: dict[str, Any] = {}
        self._trouble = ""
        self._help = False
        self._top = 0
        self._page = 1
        self._call: Call | None = None
        self._due = self._late = 0.0  # when to ask next, and when an answer is late

    def go(self, first: dict[str, Any]) -> signal.Signals | None:
        """Until somebody quits, or a signal ends it: that one."""
        self._raw, self._sample = first, top_table.with_percents(first, None)
        self._due = time.monotonic() + min(_FIRST_PAUSE, self._delay)
        self._resize()
        while True:
            self._draw()
            events = self._wait()
            if self._told in events:
                for number in os.read(self._told, 512):
                    if number in _ENDING:
                        return signal.Signals(number)
                    self._resize()  # also when continued: it may have been resized meanwhile
            if events.get(0, 0) & ~select.POLLIN:
                return signal.SIGHUP  # the terminal has gone, and that signal is ignored
            if self._pressed():
                return None
            if self._call is not None and self._call.fileno() in events:
                self._take(self._call)
            self._ask()

    def _wait(self) -> dict[int, int]:
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(self._told, select.POLLIN)
        until = self._due
        if self._call is not None:
            poll.register(self._call.fileno(), select.POLLIN)
            until = self._late
        return dict(poll.poll(max(0.0, until - time.monotonic()) * 1000 + 1))

    # The daemon

    def _ask(self) -> None:
        now = time.monotonic()
        if self._call is not None:
            if now < self._late:
                return
            self._call.abandon()
            self._call = None
            self._trouble = "the daemon does not answer, trying again"
        if now < self._due:
            return
        self._due, self._late = now + self._delay, now + _PATIENCE
        if not self._client.listened_to():
            self._trouble = "no daemon, trying again"
            return
        try:
            self._call = self._client.begin("GET", self._target, seconds=_PATIENCE)
        except ArtacError as error:
            self._excuse(error)

    def _take(self, call: Call) -> None:
        self._call = None
        try:
            found = call.answer()
        except ArtacError as error:
            self._excuse(error)
            return
        self._sample = top_table.with_percents(found, self._raw)
        self._raw, self._trouble = found, ""

    def _excuse(self, error: ArtacError) -> None:
        """What a daemon that is being restarted does is no reason to end."""
        if error.kind not in (ErrorKind.UNAVAILABLE, ErrorKind.TIMEOUT):
            raise error
        self._trouble = "no daemon, trying again"

    # Keys

    def _pressed(self) -> bool:
        """Do what the keys say; whether one of them was to quit."""
        steps = {
            curses.KEY_UP: -1, curses.KEY_DOWN: 1, curses.KEY_PPAGE: -self._page,
            curses.KEY_NPAGE: self._page, curses.KEY_HOME: -1 << 30, curses.KEY_END: 1 << 30,
        }  # fmt: skip
        while (key := self._screen.getch()) != -1:
            if key in (ord("q"), _ESCAPE_KEY):
                return True
            if key in _SORT_KEYS:
                self._sort = _SORT_KEYS[key]
                self._top = 0
            elif key == ord("r"):
                self._reverse = not self._reverse
            elif key in (ord("h"), ord("?")):
                self._help = not self._help
            elif key == ord(" "):
                self._due = 0.0
            elif key in steps:
                self._top += steps[key]
        return False

    # The screen

    def _resize(self) -> None:
        columns, lines = os.get_terminal_size(1)
        if columns and lines:
            curses.resizeterm(lines, columns)
        self._screen.clearok(True)

    def _draw(self) -> None:
        height, columns = self._screen.getmaxyx()
        rows = top_table.ordered(self._sample["sessions"], self._sort, self._reverse)
        head = top_table.header(self._sample, columns)[: max(0, height - 4)]
        room = max(0, height - len(head) - 3)  # beside the status, the heads and the keys
        self._page = max(1, room)
        self._top = max(0, min(self._top, len(rows) - room))
        shown = rows[self._top : self._top + room]
        self._screen.erase()
        for at, line in enumerate(head):
            self._put(at, line)
        at = len(head)
        self._put(at, *self._status(len(shown), len(rows), columns))
        # Laid out for all rows, so that nothing moves sideways while they scroll.
        plan = top_table.layout(rows, columns)
        self._put(at + 1, plan.head(), curses.A_REVERSE)
        now = time.time()
        for line_number, row in enumerate(shown, at + 2):
            before, state, rest = plan.line(row, now)
            self._put(line_number, before)
            self._add(state, self._colour(rendering.state_colour(row["state"])))
            self._add(rest, 0)
        # Not in the last column: writing there scrolls, or fails.
        self._put(height - 1, rendering.cut(_HELP if self._help else _HINT, columns - 1))
        self._screen.refresh()

    def _status(self, shown: int, rows: int, columns: int) -> tuple[str, int]:
        if self._trouble:
            return rendering.cut(self._trouble, columns), curses.A_BOLD | self._colour("red")
        order = f"by {self._sort}{', reversed' if self._reverse else ''}"
        part = f", {self._top + 1}-{self._top + shown} of {rows}" if shown < rows else ""
        return rendering.cut(f"{order}{part}", columns), self._colour("dim")

    def _colour(self, name: str) -> int:
        if name == "dim":
            return curses.A_DIM
        if name not in _COLOURS or not (rendering.colours() and curses.has_colors()):
            return 0
        return curses.color_pair(_COLOURS[name])

    def _put(self, line: int, text: str, attributes: int = 0) -> None:
        if line < self._screen.getmaxyx()[0]:
            self._screen.move(line, 0)
            self._add(text, attributes)

    def _add(self, text: str, attributes: int) -> None:
        try:
            # What the locale cannot write is not to end the table.
            writable = text.encode(self._screen.encoding, "replace").decode(self._screen.encoding)
            self._screen.addstr(writable, attributes)
        except curses.error:
            pass  # more than fits: a screen of a few cells, or one that is just being resized
