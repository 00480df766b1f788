"""A session's terminal: what Claude writes to it goes to the file, the screen model and clients.

The file comes first: it has every byte that anybody has seen, at an offset that never changes, so a
client that is slow needs no queue here, it reads on from there. The model comes last: it costs more
than all the rest, so it follows at some distance, and of a flood it is fed the end only.
"""

from __future__ import annotations

import os
import select
from collections import deque
from collections.abc import Callable, Iterator

from . import child
from .attached import Attached
from .loop import Loop
from .sizes import Sizes
from .vt.painting import paint
from .vt.terminal import Terminal
from .wire import DATA, placed

_READ = 65536
# How long after output the model is fed (seconds); a flood is looked at less often.
_SOON, _LATER = 0.1, 0.25
# What the model is fed in one go (bytes): two or three milliseconds, in which a key has to wait.
_PIECE = 16384
# What is more than the model is to be fed is a flood; of one that is over it gets the end.
_FLOOD, _FLOOD_END = 1024 * 1024, 128 * 1024
# Even a flood is passed over piece by piece before the head of the file is dropped.
_LONGEST_FLOOD = 32 * 1024 * 1024
# Drawings are passed over at a few megabytes a second, so a larger piece would hold up keys.
_SKIP = 128 * 1024
# More than a terminal holds of what its program has written (bytes).
_LEFT_OVER = 1024 * 1024
# How often clients get a whole screen while the disk is full (seconds).
_WITHOUT_DISK = 0.25


class SessionTerminal:
    """The master side of the terminal, and everything that follows from what comes out of it."""

    def __init__(
        self, loop: Loop, control: int, output: int, size: tuple[int, int], file: str = "output"
    ) -> None:
        self.clients: list[Attached] = []
        self.size = size  # columns, rows
        self._loop = loop
        self._control = control
        self._output = output
        self._held = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        self.written = 0
        self._model = Terminal(*size)
        self._modelled = self._looked_at = 0
        self._asked: list[tuple[int, Callable[[dict[str, object]], None]]] = []
        self._sizes: deque[tuple[int, int, int]] = deque()  # offset, columns, rows
        self._noted = Sizes()
        self._noted.add(0, *size)
        loop.watch(control, select.EPOLLIN, self._read)

    # What Claude writes

    def _read(self, _: int = 0) -> bool:
        """Whether something was read: once for each wake-up, so that a flood leaves others room."""
        try:
            data = os.read(self._control, _READ)
        except BlockingIOError:
            return False
        except OSError:  # EIO: every process has closed the terminal
            data = b""
        if not data:
            self._loop.forget(self._control)
            return False
        at = self.written
        rest = data
        try:
            while rest := rest[os.write(self._output, rest) :]:
                continue
        except OSError:  # a full disk: the program goes on, and its log has a gap
            self.written = at + len(data) - len(rest)
            self._without_disk(rest)
            return True
        self.written = at + len(data)
        if self.clients:
            frame = placed(DATA, at, data)
            for client in self.clients:
                client.output(frame)
        if not self._loop.due("screen"):
            self._loop.after("screen", _SOON, self._follow)
        return True

    def _without_disk(self, lost: bytes) -> None:
        """What is not in the file is on the screen all the same."""
        for _ in self._feed_to(self.written):
            continue
        self._model.feed(lost)
        if not self._loop.due("no-disk"):
            self._loop.after("no-disk", _WITHOUT_DISK, self._show_all)

    def _show_all(self) -> None:
        for client in self.clients:
            client.want_screen(self.written)
        self._follow()

    # The model

    def _follow(self) -> None:
        """Bring the model on by a piece, and show it to who waits for it."""
        quiet, self._looked_at = self.written == self._looked_at, self.written
        waiting = self.written - self._modelled
        wanted = [at for client in self.clients if (at := client.waits_from) is not None]
        wanted += [at for at, _ in self._asked]
        if _FLOOD < waiting < _LONGEST_FLOOD and not quiet and not wanted:
            self._loop.after("screen", _LATER, self._follow)
            return
        # Who waits gets the screen of when it asked: in a flood there is no catching up with now.
        if next(self._feed_to(max(wanted, default=self.written)), None) is not None:
            self._loop.after("screen", 0.0, self._follow)
        elif self._modelled < self.written:
            self._loop.after("screen", _SOON, self._follow)
        self._show()

    def _show(self) -> None:
        for client in self.clients:
            # One that takes nothing is not painted for: it asks again when it does.
            if (at := client.waits_from) is not None and at <= self._modelled:
                screen = paint(self._model, client.lines)
                client.show(self._modelled, screen, self.written)
        due = [tell for at, tell in self._asked if at <= self._modelled]
        self._asked = [asked for asked in self._asked if asked[0] > self._modelled]
        for tell in due:
            tell(self._screen())

    def _feed_to(self, end: int) -> Iterator[int]:
        """Feed the model up to there, a piece at every step; what is left after it."""
        self._fit_model()
        while self._modelled < end:
            if end - self._modelled > _FLOOD:
                stop, take = min(self._modelled + _SKIP, end - _FLOOD_END), self._model.skip
            else:
                stop, take = min(self._modelled + _PIECE, end), self._model.feed
            if self._sizes:
                stop = min(stop, max(self._sizes[0][0], self._modelled))
            try:
                take(os.pread(self._held, stop - self._modelled, self._modelled))
            except OSError:  # a disk that cannot be read: the model goes on behind it
                pass
            self._modelled = stop
            self._fit_model()
            if self._modelled < end:
                yield end - self._modelled

    def _fit_model(self) -> None:
        """Give the model the size that the terminal had where it is."""
        while self._sizes and self._sizes[0][0] <= self._modelled:
            _, columns, rows = self._sizes.popleft()
            self._model.resize(columns, rows)

    # Who looks at it

    def attach(self, client: Attached, steal: bool) -> None:
        """Take a client in; with `steal` it is the only one."""
        if steal:
            for other in list(self.clients):
                self.clients.remove(other)
                other.detach("stolen", client.who)
        self.clients.append(client)
        client.resized(0 if client.from_start else self.written, *self.size)
        self._fit()
        if client.from_start:
            client.drained(self.written)
        else:
            client.want_screen(self.written)
            self._soon()

    def drained(self, client: Attached) -> None:
        """A client has taken everything that was sent to it."""
        client.drained(self.written)
        if client.awaits is not None:
            self._soon()

    def window(self, client: Attached, columns: int, rows: int) -> None:
        """A client's window is of another size now."""
        client.window = (columns, rows)
        self._fit()

    def show(self, client: Attached, lines: int) -> None:
        """Send a client the screen anew."""
        client.lines = lines
        client.want_screen(self.written)
        # Not at once: of many that are asked for together, one is painted.
        self._loop.after("screen", 0.0, self._follow)

    def _soon(self) -> None:
        if self.written - self._modelled <= 4 * _PIECE:
            for _ in self._feed_to(self.written):
                continue
            self._show()
        else:
            self._loop.after("screen", 0.0, self._follow)

    def leads(self, client: Attached) -> bool:
        """Whether that client's terminal answers what the program asks of its terminal."""
        writers = [other for other in self.clients if not other.read_only]
        # A window of another size shows a picture, and nothing is asked there; nor who is behind.
        asked = (o for o in writers if o.window in (None, self.size) and o.is_up_to_date)
        return next(asked, writers[0] if writers else None) is client

    def left(self, client: Attached) -> None:
        """A client has gone."""
        if client in self.clients:
            self.clients.remove(client)
            self._fit()

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; its program gets SIGWINCH."""
        child.set_size(self._control, columns, rows)
        self.size = (columns, rows)
        if self._sizes and self._sizes[-1][0] == self.written:
            self._sizes.pop()  # a storm of them: the program has said nothing in between
        self._sizes.append((self.written, columns, rows))
        self._noted.add(self.written, columns, rows)
        for client in self.clients:
            client.resized(self.written, columns, rows)
        if not self._loop.due("screen"):
            self._loop.after("screen", _SOON, self._follow)

    def _fit(self) -> None:
        """The smallest window rules."""
        windows = [c.window for c in self.clients if c.window is not None and not c.ignore_size]
        if not windows:
            return
        smallest = min(width for width, _ in windows), min(height for _, height in windows)
        if smallest != self.size:
            self.resize(*smallest)

    # What it looks like

    def screen(self, tell: Callable[[dict[str, object]], None]) -> None:
        """Tell the screen as it is now, once the model is there."""
        self._asked.append((self.written, tell))
        self._soon()

    def last_screen(self) -> dict[str, object]:
        """The screen when nothing is written any more."""
        for _ in self._feed_to(self.written):
            continue
        return self._screen()

    def _screen(self) -> dict[str, object]:
        model = self._model
        return {
            "columns": model.columns,
            "rows": model.rows,
            "title": model.title,
            "alternate": model.alternate,
            "cursor": list(model.cursor),
            "cursor_visible": model.cursor_visible,
            "bracketed_paste": 2004 in model.modes,
            "text": model.text(),
            "ansi": model.ansi(),
        }

    # Its end

    def finish(self) -> None:
        """Take in what is left of a program that has ended; its children may write for ever."""
        most = self.written + _LEFT_OVER
        while self.written < most and self._read():
            continue
        self._loop.forget(self._control)

    def ended(self, end: dict[str, object]) -> None:
        """Tell everybody, after the last byte."""
        for client in list(self.clients):
            client.ended(self.written, end)
