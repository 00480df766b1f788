"""What a person wants of an attach, and the request for it, which is made without `client`.

`socket` alone takes longer to import than the daemon to answer.
"""

import _socket
import posix
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

# As client.QUICK, in milliseconds: a daemon that answers at all takes a few.
_PATIENCE = 30_000
_HEAD = 65536

LINES = 2000
ESCAPE = "ctrl-\\"
_FLAGS = ("--read-only", "--ignore-size", "--steal")

Failures = list[tuple[str, OSError]]


class Wishes:
    """How to attach to which session. `escape` is a control character, or -1."""

    def __init__(self, session: str, escape: int) -> None:
        self.session = session
        self.escape = escape
        self.read_only = False
        self.ignore_size = False
        self.steal = False
        self.lines = LINES
        self.from_start = False


class Request:
    """One that has been sent; ArtacError when there is nobody to send it to."""

    def __init__(
        self, paths: "Iterable[str]", wishes: Wishes, window: tuple[int, int] | None
    ) -> None:
        self._session = wishes.session
        self._connection = connect(paths)
        columns, rows = window or ("null", "null")
        body = (
            f'{{"columns":{columns},"rows":{rows},"lines":{wishes.lines},'
            f'"read_only":{_json(wishes.read_only)},"ignore_size":{_json(wishes.ignore_size)},'
            f'"steal":{_json(wishes.steal)},"from_start":{_json(wishes.from_start)}}}'
        )
        head = (
            f"POST /v1/sessions/{_quoted(wishes.session)}/attach HTTP/1.1\r\nHost: artac\r\n"
            "Connection: close\r\nContent-Type: application/json\r\nArtac-Reply: keeper\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        try:
            self._connection.sendall((head + body).encode("ascii"))
        except OSError:
            broken()

    def granted(self) -> "Granted":
        """The keeper's connection and the output file; ArtacError with why they are refused."""
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN)
        if not poll.poll(_PATIENCE):
            refuse("TIMEOUT", "the daemon does not answer; it may be stopped or overloaded")
        try:
            data, ancillary, _, _ = self._connection.recvmsg(
                _HEAD, _socket.CMSG_SPACE(8), _socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            broken()
        given = descriptors(ancillary)
        if not data.startswith(b"HTTP/1.1 101 ") or len(given) != 2:
            tell(self._connection, data)
        self._connection.close()
        return Granted(data, given)


class Granted:
    """What an attach gave: two descriptors, and which session it is.

    `early`: the keeper has yet to say whether it takes us in.
    """

    def __init__(self, head: bytes, descriptors: list[int]) -> None:
        self.keeper, self.output = descriptors
        self.session = field(head, b"artac-session")
        self.name = field(head, b"artac-name")
        self.early = field(head, b"artac-reply") == "keeper"


def quick(words: list[str], default_escape: int) -> Wishes | None:
    """The wishes in those words; None where a parser has to look at them."""
    session = ""
    flags = []
    for word in words:
        if word in _FLAGS:
            flags.append(word)
        elif session or not _is_plain(word):
            return None
        else:
            session = word
    if not session:
        return None
    wishes = Wishes(session, default_escape)
    wishes.read_only = "--read-only" in flags
    wishes.ignore_size = "--ignore-size" in flags
    wishes.steal = "--steal" in flags
    return wishes


def candidates() -> "Iterator[str]":
    """Where to look for the daemon, as `client.sockets` does without an option."""
    from ..client_sockets import client_sockets

    environ = {}
    for name in ("ARTAC_SOCKET", "XDG_RUNTIME_DIR", "HOME", "XDG_STATE_HOME"):
        if value := posix.environ.get(name.encode()):
            environ[name] = value.decode(sys.getfilesystemencoding(), "surrogateescape")
    return client_sockets(environ)


def connect(paths: "Iterable[str]") -> _socket.socket:
    """A connection to the first of those that listens; ArtacError when none does."""
    failures: Failures = []
    for path in paths:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        try:
            connection.connect(path)
            return connection
        except OSError as error:
            connection.close()
            failures.append((path, error))
    from ..client.absence import explain
    from ..model.errors import ArtacError

    raise ArtacError(*explain(failures))


def _json(value: bool) -> str:
    return "true" if value else "false"


def _quoted(session: str) -> str:
    if session.isascii() and session.isalnum():
        return session
    from .client import session_path

    return session_path(session).rpartition("/")[2]


def descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """Those that came with an answer."""
    found = []
    for level, kind, data in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            found += [
                int.from_bytes(data[at : at + 4], sys.byteorder) for at in range(0, len(data), 4)
            ]
    return found


def field(head: bytes, name: bytes) -> str:
    """A field of an answer's head, by its name in small letters; "" where it has none."""
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.lower() == name:
            return value.strip().decode("latin-1")
    return ""


def refuse(kind: str, message: str) -> "NoReturn":
    """Raise an ArtacError of the kind of that name."""
    from ..model.errors import ArtacError, ErrorKind

    raise ArtacError(ErrorKind[kind], message)


def broken(asked: str = "attach") -> "NoReturn":
    """Raise what is to be told of a daemon that broke off."""
    refuse("UNAVAILABLE", f"the connection to the daemon broke ({asked}); it may be stopping")


def tell(connection: _socket.socket, begun: bytes, asked: str = "attach") -> "NoReturn":
    """Raise what an answer says that grants nothing."""
    from .client import Call

    Call(_Begun(connection, begun), asked).answer()  # type: ignore[arg-type]
    refuse("FAILED", "the daemon's answer is not understood")


class _Begun:
    """A connection of whose answer some has been read already."""

    def __init__(self, connection: _socket.socket, begun: bytes) -> None:
        self._connection = connection
        self._begun = begun
        self.close = connection.close

    def recv(self, size: int) -> bytes:
        begun, self._begun = self._begun, b""
        return begun or self._connection.recv(size)


def _is_plain(word: str) -> bool:
    """Whether it can be nothing but a session, and stand in a path as it is."""
    letters = word.replace("-", "").replace("_", "").replace(".", "")
    return word.isascii() and word[:1].isalnum() and letters.isalnum()
