"""What systemd is told about the backend (sd_notify(3)), through the sdnotify library."""

from __future__ import annotations

import os

import sdnotify


class Notifier:
    """Does nothing where nobody listens: started by hand, or in a container without systemd."""

    def __init__(self) -> None:
        self._notifier = sdnotify.SystemdNotifier()
        if self._notifier.socket is not None:
            # A service manager that is not reading must not stop the event loop.
            self._notifier.socket.setblocking(False)

    def ready(self, status: str) -> None:
        self._send("READY=1", _status(status))

    def status(self, status: str) -> None:
        self._send(_status(status))

    def reloading(self) -> None:
        self._send("RELOADING=1")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", _status(status))

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for that much more time from now on, for a start or a stop under way."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def _send(self, *lines: str) -> None:
        self._notifier.notify("\n".join(lines))


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, half of WatchdogSec=; None in a unit without it."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    owner = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdigit() or owner != str(os.getpid()):
        return None
    return int(microseconds) / 2_000_000


def _status(text: str) -> str:
    # sdnotify encodes latin-1 and swallows the error: anything else would be lost without a word.
    return "STATUS=" + text.encode("ascii", "replace").decode()
