"""The keeper's process: descriptors and signals set right, then the loop."""

from __future__ import annotations

import os
import signal
import socket

from .loop import Loop
from .session import Session


def main(argv: list[str]) -> None:
    """Keep the session whose id is the one argument."""
    os.umask(0o077)
    launcher = socket.socket(fileno=os.dup(0))
    _settle_descriptors()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    loop = Loop()
    Session(loop, argv[1], launcher)
    loop.run()


def _settle_descriptors() -> None:
    """Let go of the backend's terminal and journal; our own last words go to a private file."""
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open("keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    for source, target in ((null, 0), (null, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
