"""Between a program's pipes and a session: output from its file, input to its keeper."""

import _signal  # type: ignore[import-not-found]
import posix
import select
import time

from ..terminal.frames import DATA, MAX_FRAME, MESSAGE, Damaged, Frames, frame
from .outlet import Gone, Outlet
from .source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .granted import Granted

_READ = 65536
# What the keeper has not taken of the input (bytes): beyond it the program is not read from.
_AHEAD = 128 * 1024
# How often in a row output is passed on before others get their turn.
_BURST = 16
# How long a program that ends its input may take to be seen as dead, not as done (seconds).
_DYING = 0.1
# After output was passed on, when to look whether it was read: first, and at most (seconds).
_LOOK, _LONGEST_LOOK = 0.01, 5.0
_SIGNALS = (_signal.SIGHUP, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGTERM)

_PROGRAM_GONE, _CONFLICT, _LIMIT, _FAILED = 141, 6, 9, 1


class Relay:
    """One program at one session. `tells`: the output is lines. `silent`: there is no input."""

    def __init__(self, granted: "Granted", tells: bool, silent: bool) -> None:
        self._keeper = granted.keeper
        posix.set_blocking(self._keeper, False)
        self._growth = granted.growth
        self._lines, self._persistent, self._tells = granted.lines, granted.persistent, tells
        self._session = granted.session
        self._frames = Frames()
        self._unsent = bytearray()
        self._rest = bytearray()  # of the input: a line that has no end yet
        self._reads = True
        self._ends_at = 0.0  # when to say that the input has ended
        self._code: int | None = None
        self._output = Source(granted.output, granted.at)
        # A program that comes back has had what was before; not all of it, for it was not kept.
        self._errors = Source(granted.errors, 0)
        if granted.at:
            self._errors.at = posix.fstat(granted.errors).st_size
        self._out, self._err = Outlet(1), Outlet(2)
        self._blocked: set[int] = set()
        self._taken = granted.at
        self._look_at, self._look = 0.0, _LOOK
        self._signals, self._wake = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        self._epoll = select.epoll()
        self._watched: dict[int, int] = {}
        self._always = False  # the input is a file, which is always ready
        if silent:
            self._end_input()

    def run(self) -> int:
        """Until the session has ended, or the program; the exit code."""
        self._catch_signals()
        try:
            self._loop()
        except Gone:
            self._note_taken()
            self._flush()
            return _PROGRAM_GONE
        assert self._code is not None
        return self._code

    def _loop(self) -> None:
        more = True
        while True:
            more = self._copy() if not self._blocked else False
            if self._code is not None and self._output.done and self._errors.done:
                self._tell_dropped()
                return
            self._watch()
            ready = self._always and self._wants_input()
            happened = self._epoll.poll(0 if more or ready else self._timeout())
            # As a child would: it hears of a signal before an end of input that came with it.
            for fd, events in sorted(happened, key=lambda event: event[0] != self._signals):
                self._on_event(fd, events)
            if ready:
                self._on_input()
            self._on_time()

    def _on_event(self, fd: int, events: int) -> None:
        if fd == self._growth:
            posix.read(fd, _READ)
        elif fd == self._keeper:
            self._on_keeper(events)
        elif fd == self._signals:
            self._on_signals()
        elif fd == self._out.fd:
            if events & ~select.EPOLLOUT:
                raise Gone
            self._blocked.discard(fd)
        elif fd == self._err.fd:
            self._blocked.discard(fd)
        elif fd == 0:
            self._on_input()

    # Output

    def _copy(self) -> bool:
        """Pass on what there is; whether there may be more."""
        for _ in range(_BURST):
            wrote = self._pass(self._output, self._out)
            try:
                wrote |= self._pass(self._errors, self._err)
            except Gone:  # a program may close that and live
                self._errors.at = max(self._errors.at, self._errors.end or 0)
                self._err = _Nowhere()
            if not wrote:
                return False
        return True

    def _pass(self, source: Source, outlet: Outlet) -> bool:
        if outlet.fd in self._blocked:
            return False
        data = source.read()
        if source.end is not None:
            data = data[: max(0, source.end - source.at)]
        if not data:
            return False
        written = outlet.write(data)
        source.at += written
        if written < len(data):
            self._blocked.add(outlet.fd)
        if source is self._output:
            self._look_at, self._look = time.monotonic() + _LOOK, _LOOK
        return written > 0

    def _note_taken(self) -> None:
        """Tell the keeper where the output goes on for who comes next."""
        unread = self._out.unread()
        at = max(0, self._output.at - unread)
        if self._tells:
            at = self._output.line_start(at)
        if at > self._taken:
            self._taken = at
            self._tell(b'{"op":"taken","at":%d}' % at)

    # Input

    def _wants_input(self) -> bool:
        return self._reads and len(self._unsent) <= _AHEAD and self._code is None

    def _on_input(self) -> None:
        try:
            data = posix.read(0, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._input_over()
        elif not self._lines:
            self._send(data)
        else:
            cut = data.rfind(b"\n") + 1
            if cut:
                self._send(bytes(self._rest) + data[:cut])
                self._rest.clear()
            self._rest += data[cut:]
            if len(self._rest) > MAX_FRAME - _READ:
                from .telling import note

                note("a line of the program's is longer than 64 MB, which is not passed on")
                self._code = _LIMIT
                self._output.end, self._errors.end = self._output.at, self._errors.at

    def _input_over(self) -> None:
        """The program has closed it, or is dead: then its end of the output closes too."""
        self._reads = False
        if self._persistent and self._out.can_break:
            self._ends_at = time.monotonic() + _DYING
        else:
            self._end_input()

    def _end_input(self) -> None:
        self._reads, self._ends_at = False, 0.0
        if self._rest and _is_whole(bytes(self._rest)):
            self._send(bytes(self._rest) + b"\n")
        self._rest.clear()
        self._tell(b'{"op":"end"}')

    def _send(self, data: bytes) -> None:
        """In frames that the keeper takes, each of whole lines if lines they are."""
        self._unsent += frame(DATA, data)
        self._flush()

    # The keeper

    def _tell(self, message: bytes) -> None:
        self._unsent += frame(MESSAGE, message)
        self._flush()

    def _flush(self) -> None:
        try:
            sent = posix.write(self._keeper, self._unsent)
        except BlockingIOError:
            return
        except OSError:
            sent = len(self._unsent)  # it has gone, and says so where it is read from
        del self._unsent[:sent]

    def _on_keeper(self, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush()
        if not events & ~select.EPOLLOUT:
            return
        try:
            data = posix.read(self._keeper, _READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if self._code is None:
                self._over("its keeper is gone, so how it ended is not known", _FAILED)
            self._epoll.unregister(self._keeper)
            self._watched.pop(self._keeper, None)
            self._keeper = -1
            return
        self._frames.feed(data)
        try:
            while (found := self._frames.next()) is not None:
                if found[0] == MESSAGE:
                    self._hear(found[1])
        except Damaged as error:
            self._over(f"its keeper is not understood: {error}", _FAILED)

    def _hear(self, message: bytes) -> None:
        import json

        told = json.loads(message)
        if told.get("event") == "ended":
            self._code = _exit_code(told["end"])
            self._output.end, self._errors.end = int(told["at"]), int(told["errors"])
        elif told.get("event") == "detached":
            self._over(f"taken over by another program of {told.get('by')}", _CONFLICT)

    def _over(self, why: str, code: int) -> None:
        from .telling import note

        note(f"session {self._session}: {why}")
        self._code, self._reads = code, False
        if code == _CONFLICT:
            self._output.end, self._errors.end = self._output.at, self._errors.at
            return
        for source in (self._output, self._errors):
            source.end = source.size()

    def _tell_dropped(self) -> None:
        if self._output.dropped:
            from .telling import note

            note(
                f"{self._output.dropped} bytes of output were dropped before the program read "
                "them: output_max bounds what is kept"
            )

    # Waiting

    def _watch(self) -> None:
        wanted = {self._signals: select.EPOLLIN, self._growth: select.EPOLLIN}
        if self._keeper >= 0:
            wanted[self._keeper] = select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0)
        if self._wants_input() and not self._always:
            wanted[0] = select.EPOLLIN
        if self._out.can_break or self._out.fd in self._blocked:
            wanted[self._out.fd] = select.EPOLLOUT if self._out.fd in self._blocked else 0
        if self._err.fd in self._blocked:
            wanted[self._err.fd] = select.EPOLLOUT
        if wanted == self._watched:
            return
        for fd in self._watched.keys() - wanted.keys():
            self._epoll.unregister(fd)
        for fd, events in wanted.items():
            if fd not in self._watched:
                self._register(fd, events)
            elif self._watched[fd] != events:
                self._epoll.modify(fd, events)
        self._watched = wanted if not self._always else {k: v for k, v in wanted.items() if k}

    def _register(self, fd: int, events: int) -> None:
        try:
            self._epoll.register(fd, events)
        except PermissionError:  # a file
            if fd == 0:
                self._always = True

    def _timeout(self) -> float:
        moments = [moment for moment in (self._ends_at, self._look_at) if moment]
        return max(0.0, min(moments) - time.monotonic()) if moments else -1

    def _on_time(self) -> None:
        now = time.monotonic()
        if self._ends_at and self._ends_at <= now:
            self._end_input()
        if self._look_at and self._look_at <= now and self._keeper >= 0:
            self._note_taken()
            self._look *= 2
            behind = self._taken < self._output.at and self._look <= _LONGEST_LOOK
            self._look_at = now + self._look if behind else 0.0

    def _catch_signals(self) -> None:
        _signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for number in _SIGNALS:
            if _signal.getsignal(number) != _signal.SIG_IGN:  # by nohup, for one
                _signal.signal(number, lambda *_: None)
        _signal.signal(_signal.SIGPIPE, _signal.SIG_IGN)

    def _on_signals(self) -> None:
        # A service manager sends one to what a dead program has left: it is not the program's.
        if self._out.is_broken():
            raise Gone
        for number in posix.read(self._signals, 256):
            if number in _SIGNALS:
                self._tell(b'{"op":"signal","number":%d}' % number)


class _Nowhere(Outlet):
    """In the place of a standard error that nobody reads any more."""

    def __init__(self) -> None:
        self.fd = -1

    @property
    def can_break(self) -> bool:
        return False

    def write(self, data: bytes) -> int:
        return len(data)


def _is_whole(line: bytes) -> bool:
    """Whether a last line without an end is one all the same."""
    import json

    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _exit_code(end: "dict[str, object]") -> int:
    code, number = end.get("exit_code"), end.get("signal")
    if isinstance(code, int):
        return code
    return 128 + number if isinstance(number, int) else _FAILED
