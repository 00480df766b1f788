"""A descriptor of the program's, written to without ever waiting for it, and without changing it.

Its O_NONBLOCK belongs to whoever else has it open, a terminal's shell for one.
"""

import _socket
import fcntl
import posix
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_KIND, _FIFO, _SOCKET = 0o170000, 0o010000, 0o140000
_FIONREAD, _TIOCOUTQ = 0x541B, 0x5411


class Gone(Exception):
    """Nobody reads it any more."""


class Outlet:
    """Standard output or standard error."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._write: Callable[[bytes], int] = lambda data: posix.write(fd, data)
        self._unread = 0  # the request that tells how much was not read, if there is one
        kind = posix.fstat(fd).st_mode & _KIND
        if kind == _FIFO:
            self._unread = _FIONREAD
            try:
                flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC
                self.fd = posix.open(f"/proc/self/fd/{fd}", flags)
            except OSError:
                self._write = self._carefully  # it is another account's
            else:
                self._write = lambda data: posix.write(self.fd, data)
        elif kind == _SOCKET:
            self._unread = _TIOCOUTQ
            peer = _socket.socket(fileno=posix.dup(fd))
            self._write = lambda data: peer.send(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL)

    @property
    def can_break(self) -> bool:
        """Whether there is a reader whose end can be seen."""
        return bool(self._unread)

    def is_broken(self) -> bool:
        """Whether its reader has gone by now."""
        if not self._unread:
            return False
        end = select.poll()
        end.register(self.fd, 0)
        return bool(end.poll(0))

    def write(self, data: bytes) -> int:
        """How much of it was taken now; Gone when it never will be."""
        try:
            return self._write(data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            raise Gone from None

    def _carefully(self, data: bytes) -> int:
        """A pipe that can be written to at all takes a page at once."""
        room = select.poll()
        room.register(self.fd, select.POLLOUT)
        return posix.write(self.fd, data[:4096]) if room.poll(0) else 0

    def unread(self) -> int:
        """How much its reader has not taken yet (bytes); of a socket, some number above 0."""
        if not self._unread:
            return 0
        try:
            answer = fcntl.ioctl(self.fd, self._unread, b"\0\0\0\0")
        except OSError:
            return 0
        return int.from_bytes(answer, "little", signed=True)
