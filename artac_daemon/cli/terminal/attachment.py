"""One attach, from its first screen to its end: between the user's terminal and the keeper."""

import _signal  # type: ignore[import-not-found]
import posix
import select
import time

from ..asking import Granted, Wishes
from .display import Display, reset
from .first_screen import HELD, FirstScreen
from .following import Follower
from .frames import DATA, MESSAGE, PLACED, Damaged, frame
from .tty import Gone, Terminal, is_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .keys import Keys
    from .leaving import Outcome

_READ = 65536
# What the keeper has not taken of the input (bytes): beyond it the terminal is not read, and with
# it the escape key. Somebody who has pasted a file into a session that hangs wants to leave.
_TYPED_AHEAD = 4 * 1024 * 1024
# How long somebody who detaches is kept for a session that is slow to read (seconds).
_LAST_TYPED = 2.0
# How long the rest of a sequence may take before its beginning counts as a key (seconds).
_SEQUENCE = 0.025
_ENDING = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT)


class Attachment:
    """A session's terminal in the user's, which is raw from here to the end of `run`."""

    def __init__(
        self,
        wishes: Wishes,
        granted: Granted,
        terminal: Terminal,
        window: tuple[int, int] | None,
        first: FirstScreen,
    ) -> None:
        self._wishes = wishes
        self._terminal = terminal
        self._keeper = granted.keeper
        posix.set_blocking(self._keeper, False)
        self._output = Follower(granted.output, wishes.from_start)
        self._keys: Keys | None = None  # not before there is something to type at
        self._unsent = bytearray()
        self._display = Display(
            terminal, self._output, window, not wishes.from_start, self._ask_keeper
        )
        self._display.lines = wishes.lines
        self._display.shown = first.shown
        self._output.feed(first.said)
        self._display.idle = not first.said
        self._open = True  # the keeper has more to say
        self._held_until = 0.0
        self._helped = self._warm = False
        self._outcome: Outcome | None = None
        self._signals, self._wake = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        self._state = (False, False, False, False)

    @property
    def skipped(self) -> int:
        """How much of the output was passed over (bytes)."""
        return self._output.skipped

    @property
    def untyped(self) -> int:
        """How much of the input was not taken (bytes)."""
        return len(self._unsent) if self._open else 0

    def run(self) -> "Outcome":
        """Until it is detached, or the session has ended; the terminal is then as it was found."""
        more = b""
        try:
            self._catch_signals()
            self._terminal.raw()
            self._measure()  # again: nobody caught SIGWINCH while all this was loaded
            try:
                self._loop()
            except Gone:
                self._leave("DETACHED")
            self._hand_over()
        except Damaged as error:
            self._leave("DAMAGED", str(error))
        finally:
            if self._outcome is not None:
                more = self._display.last_lines()
            self._terminal.give_back(reset(), more)
        assert self._outcome is not None
        return self._outcome

    def _loop(self) -> None:
        busy = not self._display.idle
        while not self._is_over():
            self._watch()
            happened = self._epoll.poll(0 if busy else self._timeout())
            for fd, events in happened:
                if fd == self._keeper:
                    self._on_keeper(events)
                elif fd == 0:
                    self._on_keys(events)
                elif fd == self._signals:
                    self._on_signals()
                    break  # it may have been suspended, and what was to be read is not there now
                elif events & ~select.EPOLLOUT:
                    raise Gone
                else:
                    self._terminal.write()
                if self._is_over():
                    return
            if self._held_until and self._held_until <= time.monotonic():
                self._held_until = 0.0
                self._act(self._known_keys().flush())
            busy = (self._display.dirty or not self._display.idle) and self._show()
            if not busy and not self._warm and self._display.idle and not self._display.asked:
                self._prepare()

    def _is_over(self) -> bool:
        """Whether to leave; what the session has still said at its end is shown first."""
        if self._outcome is None:
            return False
        return self._outcome.kind == "detached" or not (self._terminal.rest or self._display.dirty)

    def _prepare(self) -> None:
        """Have what is needed later: the files may be gone by then, after a removal."""
        self._warm = True
        self._known_keys()
        from . import leaving, view  # noqa: F401

    def _watch(self) -> None:
        types = len(self._unsent) <= _TYPED_AHEAD or self._outcome is not None
        draws = bool(self._terminal.rest)
        listens = self._open and self._display.idle and not draws
        sends = self._open and bool(self._unsent)
        state = types, draws, listens, sends
        if state == self._state:
            return
        self._state = state
        wanted = {self._signals: select.EPOLLIN}
        if types:
            wanted[0] = select.EPOLLIN
        if draws:
            wanted[self._terminal.out] = select.EPOLLOUT
        # Without either it would still tell that the keeper has hung up, again and again.
        if listens or sends:
            wanted[self._keeper] = select.EPOLLIN * listens | select.EPOLLOUT * sends
        for fd in self._watched.keys() - wanted.keys():
            self._epoll.unregister(fd)
        for fd, events in wanted.items():
            if fd not in self._watched:
                self._epoll.register(fd, events)
            elif self._watched[fd] != events:
                self._epoll.modify(fd, events)
        self._watched = wanted

    def _timeout(self) -> float:
        moments = []
        if self._held_until:
            moments.append(self._held_until)
        if self._display.dirty and not self._terminal.rest:
            moments.append(self._display.due)
        return max(0.0, min(moments) - time.monotonic()) if moments else -1

    # The keeper

    def _on_keeper(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._send()
        if not events & ~select.EPOLLOUT:
            return
        try:
            data = posix.read(self._keeper, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            if self._display.is_plain and self._output.goes_on(data):
                self._terminal.write(data[PLACED:])
                return
            self._display.idle = False
            self._output.feed(data)
        else:
            self._open = self._display.idle = False
            self._output.broke_off()

    def _send(self, more: bytes = b"") -> None:
        self._unsent += more
        try:
            sent = posix.write(self._keeper, self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)  # it has gone, and says so where it is read from
        del self._unsent[:sent]

    def _hand_over(self) -> None:
        """Whoever detaches has typed what was not taken yet: a paste would lack its end."""
        poll = select.poll()
        poll.register(self._keeper, select.POLLOUT)
        until = time.monotonic() + _LAST_TYPED
        while self._open and self._unsent:
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                break
            self._send()

    def _ask_keeper(self) -> None:
        self._send(frame(MESSAGE, b'{"op":"screen","lines":%d}' % self._display.lines))

    def _show(self) -> bool:
        """Show what there is; whether there is more that could be shown at once."""
        busy, message = self._display.show(self._outcome is not None)
        if message:
            from . import leaving

            self._outcome = leaving.of_message(message) or self._outcome
            return True
        if self._display.idle and not self._open and self._outcome is None:
            self._leave("GONE")
        return busy

    # The user's terminal

    def _on_keys(self, events: int) -> None:
        try:
            data = posix.read(0, _READ)
        except OSError:
            data = b""
        if not data:
            raise Gone
        if self._helped:
            self._helped = False
            self._display.redraw()
        keys = self._keys or self._known_keys()
        if keys.plain(data):
            self._type(DATA, data)
        else:
            self._act(keys.feed(data))
            self._held_until = time.monotonic() + _SEQUENCE if keys.holds else 0.0

    def _known_keys(self) -> "Keys":
        if self._keys is None:
            from .keys import Keys

            self._keys = Keys(self._wishes.escape)
        return self._keys

    def _type(self, kind: int, data: bytes) -> None:
        if self._open and self._outcome is None and not self._wishes.read_only:
            self._send(frame(kind, data))

    def _act(self, events: list[tuple[int, bytes]]) -> None:
        from .keys import COMMAND

        suspend = False
        for kind, data in events:
            if kind != COMMAND:
                self._type(kind, data)
            elif data == b"d":
                self._leave("DETACHED")
                return
            elif data == b"r":
                self._display.redraw()
            elif data == b"z":
                suspend = True  # after what was read with it
            else:
                self._help()
        if suspend:
            self._suspend()

    def _help(self) -> None:
        from .keys import key_name

        key = key_name(self._wishes.escape)
        text = f" {key} and: d detach  r redraw  z suspend  {key} send it "
        if self._display.window is not None:
            text = text[: self._display.window[0] - 1]
        self._terminal.write(f"\x1b7\x1b[999;1H\x1b[0;7m{text}\x1b[m\x1b[K\x1b8".encode())
        self._helped = True

    def _suspend(self) -> None:
        if is_alone():
            self._terminal.write(b"\x07")
            return
        from .leaving import SUSPENDED

        self._terminal.suspend(reset(), f"[{SUSPENDED}]\r\n".encode())
        if _ends(self._signals_read()):  # a terminal that goes away continues who it stopped
            self._leave("DETACHED")
            return
        self._held_until = 0.0
        if ends := self._known_keys().cut_off():
            self._type(DATA, ends)
        self._measure()
        self._display.suspended()

    def _leave(self, kind: str, message: str = "") -> None:
        from . import leaving

        self._outcome = leaving.Outcome(getattr(leaving, kind), message)

    # Signals

    def _catch_signals(self) -> None:
        _signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in (*_ENDING, _signal.SIGWINCH, _signal.SIGCONT, _signal.SIGTSTP):
            if _signal.getsignal(number) != _signal.SIG_IGN:  # by nohup, for one
                _signal.signal(number, lambda *_: None)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, HELD)

    def _signals_read(self) -> bytes:
        try:
            return posix.read(self._signals, 4096)
        except BlockingIOError:
            return b""

    def _on_signals(self) -> None:
        told = self._signals_read()
        if _ends(told):
            self._leave("DETACHED")
        elif _signal.SIGTSTP in told:
            self._suspend()
        elif _signal.SIGCONT in told:
            # Stopped without a word; the shell has taken its terminal, and had it since.
            self._terminal.raw()
            self._measure()
            self._display.ask()
        elif _signal.SIGWINCH in told:
            self._measure()

    def _measure(self) -> None:
        """Tell the keeper of a window that has changed; its answer may be another size, or none."""
        window = self._terminal.window()
        if window is not None and window != self._display.window:
            self._send(frame(MESSAGE, b'{"op":"window","columns":%d,"rows":%d}' % window))
            self._display.resize(window)


def _ends(signals: bytes) -> bool:
    return any(number in signals for number in _ENDING)
