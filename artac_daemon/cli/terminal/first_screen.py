"""The keeper's first words and the screen in them, shown before the rest of an attach is loaded.

Somebody waits for this one screen, and an interpreter takes as long for what comes after it as the
daemon and the keeper for all of theirs.
"""

import _signal  # type: ignore[import-not-found]
import posix
import select

from ..asking import Granted, refuse
from .frames import MESSAGE, SCREEN, Damaged, cut, number, placed
from .tty import Gone, Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_READ = 65536
# What the daemon, too, allows a keeper for its reply (milliseconds).
_PATIENCE = 5_000
# One that paints a screen for longer than this (milliseconds) gets keys meanwhile.
_PAINTING = 1_000
# They end an attach or stop it, and may not do so to a raw terminal before somebody gives it back.
HELD = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT, _signal.SIGTSTP)


class FirstScreen:
    """What a keeper that has been asked said first.

    `said` is all that came after its reply. `shown`: the screen in it is on the terminal, which is
    raw, and the signals in HELD wait.
    """

    def __init__(self, granted: Granted) -> None:
        self.said = b""
        self.shown = False
        self._granted = granted
        self._poll = select.poll()
        self._poll.register(granted.keeper, select.POLLIN)
        if granted.early:
            try:
                self._wait_for_reply()
            except Damaged as error:
                refuse("FAILED", f"the keeper of {granted.session} is not understood: {error}")

    def show(self, terminal: Terminal, window: tuple[int, int] | None) -> None:
        """Show the screen, once it has come, if the window is as large as the session's.

        Whatever else the keeper says first is left to who goes through `said`.
        """
        try:
            screen = self._screen(window)
        except Damaged:
            return
        if screen is not None:
            _signal.pthread_sigmask(_signal.SIG_BLOCK, HELD)
            terminal.raw()
            self.shown = True
            try:
                terminal.write(b"\r" + screen)
            except Gone:
                return  # as whoever looks at it next will see

    def _screen(self, window: tuple[int, int] | None) -> bytes | None:
        size, at = None, 0
        while True:
            found = cut(self.said, at)
            if found is None:
                if not self._poll.poll(_PAINTING) or not self._read():
                    return None
                continue
            kind, body, at = found
            if kind == MESSAGE and b'"event":"size"' in body and size is None:
                size = number(body, b"columns"), number(body, b"rows")
            elif kind == SCREEN and size is not None and window in (None, size):
                return placed(body)[1]
            else:
                return None

    def _wait_for_reply(self) -> None:
        """Until the keeper has taken us in; ArtacError when it does not."""
        at = 0
        while True:
            found = cut(self.said, at)
            if found is None:
                if not self._poll.poll(_PATIENCE):
                    from ...model.refusals import silent

                    raise silent(self._granted.session)
                if not self._read():
                    from ...model.refusals import gone

                    raise gone(self._granted.session)
                continue
            _, body, at = found
            if b'"reply":' in body:
                break
        self.said = self.said[at:]
        if b'"error":' in body:
            _refuse(body)

    def _read(self) -> bool:
        try:
            data = posix.read(self._granted.keeper, _READ)
        except OSError:
            data = b""
        self.said += data
        return bool(data)


def _refuse(reply: bytes) -> "NoReturn":
    from json import loads

    from ...model.refusals import refusal

    raise refusal(loads(reply))
