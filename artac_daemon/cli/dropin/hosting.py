"""A hosted session in the place of a child: asking for it, and being its pipes until it ends."""

import _socket
import json
import os
import posix
import sys

from ...claude.invocation import Invocation
from ..asking import broken, candidates, connect, descriptors, refuse, tell
from ..terminal.frames import MESSAGE, frame
from .granted import Granted
from .relay import Relay

_HEAD = 65536
_ASKED = "artac-claude"


def host(words: list[str], asked: Invocation) -> int:
    """Start a session, or come back to one, and pass on what goes in and out; the exit code."""
    granted = _ask(words)
    _be_there(granted)
    _tell_session(granted.session)
    # Claude on a terminal would not read what is typed there either, but for lines of events.
    silent = os.isatty(0) and not granted.lines
    return Relay(granted, asked.tells, silent).run()


def _ask(words: list[str]) -> Granted:
    body = json.dumps(_request(words)).encode()
    connection = connect(candidates())
    head = (
        "POST /v1/pipe HTTP/1.1\r\nHost: artac\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    try:
        connection.sendall(head.encode() + body)
    except OSError:
        pass  # a refusal of what is too large comes before all of it was taken
    try:
        data, ancillary, _, _ = connection.recvmsg(
            _HEAD, _socket.CMSG_SPACE(4 * 4), _socket.MSG_CMSG_CLOEXEC
        )
    except OSError:
        broken(_ASKED)
    if not data:
        broken(_ASKED)
    given = descriptors(ancillary)
    if not data.startswith(b"HTTP/1.1 101 ") or len(given) != 4:
        tell(connection, data, _ASKED)
    connection.close()
    return Granted(data, given)


def _be_there(granted: Granted) -> None:
    """Its keeper ends a session that no program has spoken to: nobody would know of it."""
    try:
        posix.write(granted.keeper, frame(MESSAGE, b'{"op":"taken","at":%d}' % granted.at))
    except BrokenPipeError:
        pass  # it has ended: what is to be said of that can be read still


def _request(words: list[str]) -> dict[str, object]:
    environ = os.environ
    try:
        cwd = os.getcwd()
    except OSError:
        refuse("FAILED", "the current directory is gone")
    for word in words:
        if not _is_text(word):
            refuse("USAGE", "an argument is not UTF-8")
    return {
        "cwd": cwd,
        "args": words,
        "env": {name: environ[name] for name in environ if _goes_along(name, environ[name])},
        "name": environ.get("ARTAC_SESSION_NAME", ""),
        "session": environ.get("ARTAC_SESSION", ""),
        "inherited": environ.get("ARTAC_NAME", ""),
        "steal": environ.get("ARTAC_STEAL", "") not in ("", "0"),
    }


def _goes_along(name: str, value: str) -> bool:
    plain = name.isascii() and name.replace("_", "a").isalnum() and not name[0].isdigit()
    return plain and not name.startswith("ARTAC_") and _is_text(value)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8, as surrogates
        return False
    return True


def _tell_session(session: str) -> None:
    """Write the session's id where the program wants to have it."""
    path = os.environ.get("ARTAC_SESSION_FILE")
    if not path:
        return
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{session}\n")
    except OSError as error:
        print(f"artac-claude: ARTAC_SESSION_FILE: {error}", file=sys.stderr, flush=True)
