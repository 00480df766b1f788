"""What of a session's terminal is shown on the user's: its bytes, or a picture of it."""

import time

from . import following
from .following import Follower
from .frames import DATA, MESSAGE, SCREEN, Damaged
from .tty import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .view import View

# Between two pictures of a view (seconds).
_FRAME = 1 / 60
# How much is shown before the input is looked at again (bytes).
_AT_ONCE = 64 * 1024


class Display:
    """Goes through the output of a `Follower`. A window of the session's size gets the bytes.

    `ask` asks the keeper for a screen with so many lines before it. `fresh`: the terminal shows
    what a shell has left there.
    """

    def __init__(
        self,
        terminal: Terminal,
        output: Follower,
        window: tuple[int, int] | None,
        fresh: bool,
        ask: "Callable[[], None]",
    ) -> None:
        self.window = window
        self.asked = fresh  # a screen is on its way
        self.idle = True  # nothing is left of what the keeper has said
        self.dirty = False
        self.due = 0.0  # when a view may be painted again
        self.lines = 0  # that the next screen is to have before it
        self.shown = False  # that screen is there already
        self._terminal = terminal
        self._output = output
        self._view: View | None = None
        self._fresh = fresh
        self._ask_again = False
        self._ask_keeper = ask

    @property
    def is_plain(self) -> bool:
        """Whether the output's next bytes can go to the terminal as they are, now."""
        return self._view is None and not self._terminal.rest

    def show(self, last: bool) -> tuple[bool, bytes]:
        """Show what there is. Whether more could be shown at once, and a message that came.

        `last`: nothing more comes, so a picture is not to wait.
        """
        shown, message = 0, b""
        while not self._terminal.rest and shown < _AT_ONCE and not message:
            item = self._output.step()
            if item is None:
                self.idle = True
                break
            kind, body = item
            shown += len(body)
            if kind == DATA:
                self._draw(body)
            elif kind == SCREEN:
                self._on_screen(body)
            elif kind == MESSAGE:
                message = body
            elif kind == following.SIZE:
                self._on_size()
            elif kind == following.ASK:
                self.ask()
            elif self._view is None:
                self._terminal.write(reset() + b"\x1b[H\x1b[2J")
        if self.dirty and not self._terminal.rest:
            self._paint(last or bool(message))
        return shown >= _AT_ONCE and not self._terminal.rest, message

    def ask(self) -> None:
        """Ask for the screen as it is now; the answer decides how it is shown."""
        if self.asked:
            self._ask_again = True
        else:
            self.asked = True
            self._ask_keeper()

    def redraw(self) -> None:
        """Nothing is as it should be on the terminal."""
        if self._view is not None:
            self._terminal.write(self._view.enter())
            self.dirty = True
        else:
            self.ask()

    def resize(self, window: tuple[int, int]) -> None:
        """The window is of another size; the keeper was told, and may say another one, or not."""
        self.window = window
        if self._view is not None and not self._fits():
            self._view.resize(window)
            self.dirty = True
        else:
            self.ask()

    def suspended(self) -> None:
        """The terminal was a shell's meanwhile."""
        self._no_view()
        self._output.look_away()
        self._fresh = True
        self.ask()

    def last_lines(self) -> bytes:
        """What a view is to leave behind on the terminal."""
        return self._view.last_lines() if self._view is not None else b""

    def _draw(self, data: bytes) -> None:
        if self._view is None:
            self._terminal.write(data)
        else:
            self._view.model.feed(data)
            self.dirty = True

    def _paint(self, at_once: bool) -> None:
        now = time.monotonic()
        if self._view is not None and (now >= self.due or at_once):
            self.dirty = False
            self.due = now + _FRAME
            if picture := self._view.paint():
                self._terminal.write(picture)

    def _no_view(self) -> None:
        self._view, self._output.painted = None, False
        # The loop, without a pause, and an end would wait for what nobody paints any more.
        self.dirty = False

    def _fits(self) -> bool:
        return self.window is None or self.window == self._output.size

    def _on_screen(self, screen: bytes) -> None:
        self.asked = False
        shown, self.shown = self.shown, False
        if shown:
            self._fresh, self.lines = False, 0
        if self._fits():
            if self._view is not None or not (self._fresh or shown):
                self._terminal.write(reset() + (b"" if self._fresh else b"\x1b[H"))
            self._no_view()
            if not shown:
                self._terminal.write(b"\r" + screen)
            self._fresh, self.lines = False, 0
        else:
            if self._output.size is None or self.window is None:
                raise Damaged("a screen before its size")
            from .view import View

            self._view, self._output.painted = View(self._output.size, self.window), True
            self._terminal.write(self._view.enter())
            self._draw(screen)
        if self._ask_again:
            self._ask_again = False
            self.ask()

    def _on_size(self) -> None:
        """The session's terminal has another size from here on."""
        if self._view is not None and self._output.size is not None:
            self._view.model.resize(*self._output.size)
            self.dirty = True
        if self._fits() == (self._view is not None):
            self.ask()


def reset() -> bytes:
    """What brings any terminal back to its own."""
    from ...keeper.vt.painting import RESET

    return RESET
