"""The keeper's process: descriptors and signals set right, then the loop."""

from __future__ import annotations

import _socket
import os
import signal
from collections.abc import Callable

from .loop import Loop
from .session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .attaching import Attaching
    from .piping import Piping


def main(argv: list[str]) -> None:
    """Keep the session of that id; a second argument says who is at it: `terminal` or `piped`."""
    # Before anything else: the files are replaced by an upgrade, or taken away.
    at_it: Callable[[Loop], Attaching | Piping] | None = None
    if argv[2:] == ["terminal"]:
        at_it = _attaching()
    elif argv[2:] == ["piped"]:
        at_it = _piping()
    os.umask(0o077)
    launcher = _socket.socket(fileno=os.dup(0))
    _settle_descriptors()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    loop = Loop()
    Session(loop, argv[1], launcher, at_it(loop) if at_it else None)
    loop.run()


def _attaching() -> Callable[[Loop], Attaching]:
    """Only for who needs it: with the screen model it is a tenth of a keeper's memory."""
    from .attaching import Attaching

    return Attaching


def _piping() -> Callable[[Loop], Piping]:
    from .piping import Piping

    return Piping


def _settle_descriptors() -> None:
    """Let go of the backend's terminal and journal; our own last words go to a private file."""
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open("keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    for source, target in ((null, 0), (null, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
