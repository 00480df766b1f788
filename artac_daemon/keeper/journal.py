"""One journal entry with fields, in journald's native protocol (systemd, JOURNAL_NATIVE_PROTOCOL).

Standard library only: the keeper logs a session's end while no backend runs.
"""

from __future__ import annotations

import _socket
import struct
from collections.abc import Mapping

SOCKET = "/run/systemd/journal/socket"

# MESSAGE_IDs of what a keeper has to say; systemd/catalog/artac.catalog explains them.
ENDED_UNSEEN = "6db56ebd72504e1e8c0153b823743a6e"
END_NOT_WRITTEN = "4c41d1241b504ddfa97c480285f3ee5f"


def encode(fields: Mapping[str, str]) -> bytes:
    """The fields as one datagram; a value with a line break takes the length-prefixed form."""
    parts = []
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


def send(fields: Mapping[str, str]) -> bool:
    """Whether journald took the entry; False where none runs or it is not keeping up."""
    try:
        sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    except OSError:
        return False
    try:
        sender.setblocking(False)
        sender.sendto(encode(fields), SOCKET)
    except OSError:
        return False
    finally:
        sender.close()
    return True


class SessionJournal:
    """The journal entries of one session's keeper."""

    def __init__(self, session_id: str) -> None:
        self.session = session_id
        self.name = ""

    def log(
        self,
        priority: int,
        message: str,
        event: str = "keeper",
        more: Mapping[str, str] | None = None,
    ) -> None:
        """One entry; priorities are syslog's."""
        send(
            {
                "MESSAGE": message,
                "PRIORITY": str(priority),
                "SYSLOG_IDENTIFIER": "artac-keeper",
                "ARTAC_SESSION": self.session,
                "ARTAC_NAME": self.name,
                "ARTAC_EVENT": event,
                **(more or {}),
            }
        )
