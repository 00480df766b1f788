"""One journal entry with fields, in journald's native protocol (systemd, JOURNAL_NATIVE_PROTOCOL).

Standard library only: the keeper logs a session's end while no backend runs.
"""

from __future__ import annotations

import socket
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
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(encode(fields), SOCKET)
    except OSError:
        return False
    return True
