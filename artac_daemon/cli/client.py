"""The command's own side of the client: options, words for the person at the terminal.

The rest is `artac_daemon.client`; what many verbs need of it has its name here, too.
"""

from __future__ import annotations

import os
import sys

from ..client.call import Call
from ..client.connection import PATIENCE, QUICK, Connections, account, usual_sockets
from ..client.failures import ConnectionLost, NoDaemon
from ..client.targets import session_path, with_query

# typing's own would cost every command the import of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from ..model.errors import ArtacError

__all__ = (
    "PATIENCE",
    "QUICK",
    "Call",
    "Client",
    "ConnectionLost",
    "NoDaemon",
    "account",
    "note",
    "session_path",
    "sockets",
    "with_query",
)


def note(text: str) -> None:
    """Tell the person at the terminal something that is no result."""
    from .escapes import harmless

    print(f"artac: {harmless(text)}", file=sys.stderr, flush=True)


def sockets(options: Namespace) -> list[str]:
    """Where to look for the daemon, in order."""
    if asked := options.socket or os.environ.get("ARTAC_SOCKET"):
        return [asked]
    return usual_sockets()


class Client(Connections):
    """The connections of a command; what they wait for is told on standard error."""

    @classmethod
    def of(cls, options: Namespace) -> Client:
        """The client that a command's options and environment ask for."""
        return cls(sockets(options))

    def note(self, text: str) -> None:
        note(text)

    def outlast(self, lost: ArtacError, seconds: float = PATIENCE) -> None:
        """Wait for a daemon that went away to answer again; raises `lost` when it does not."""
        from ..client.coming_back import outlast

        self.carry_out(outlast(lost, seconds))
