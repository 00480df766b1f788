"""start --wait --stop: a session that ends with the command, whatever ends the command.

A signal that comes just before a blocking call is noted by Python and looked at after it, which may
be hours later; systemd sends only one. So the signals are blocked, and a thread waits for them.
"""

from __future__ import annotations

import os
import signal
import threading

from ..model.errors import ArtacError, ErrorKind
from .client import Client, note, session_path

INTERRUPTED = 130
_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})


class StopOnSignal:
    """From its making on: SIGINT and SIGTERM end that session, a second one this command."""

    def __init__(self, client: Client, session_id: str) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._client = client
        self._id = session_id
        self._stopping: threading.Thread | None = None
        threading.Thread(target=self._watch, daemon=True).start()

    def finish(self) -> bool:
        """End the session if no signal has done so; whether one has."""
        if self._stopping is None:
            self._stop()
            return False
        self._stopping.join()
        return True

    def _watch(self) -> None:
        signal.sigwait(_SIGNALS)
        self._stopping = threading.Thread(target=self._stop_for_signal, daemon=True)
        self._stopping.start()
        signal.sigwait(_SIGNALS)
        os._exit(INTERRUPTED)

    def _stop_for_signal(self) -> None:
        if not self._stop():
            os._exit(INTERRUPTED)  # nothing that is waited for may come any more

    def _stop(self) -> bool:
        try:
            self._client.post(session_path(self._id, "stop"))
        except ArtacError as error:
            if error.kind is not ErrorKind.NOT_RUNNING:
                note(f"session {self._id} was not stopped: {error.message}")
                return False
        return True
