"""Who is at the other end of the API's socket, as the kernel says, and what they may do."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from dataclasses import dataclass
from enum import Enum
from functools import cache

from ..model.errors import ArtacError, ErrorKind

# SO_PEERGROUPS (Linux 4.13) has no name in the socket module.
_SO_PEERGROUPS = 59
# getsockopt() of the socket module takes no larger buffer: 256 groups. Of a peer with more, only
# the primary one counts, so too many groups may cost access and never give any.
_LONGEST = 1024


class Access(Enum):
    """What a route needs of its caller."""

    USE = "use"  # the account itself, root, or a member of api_group
    OWN = "own"  # the account itself or root


@dataclass(frozen=True)
class Peer:
    """A connected process, at the time it connected."""

    pid: int
    uid: int
    groups: frozenset[int]

    def __str__(self) -> str:
        try:
            name = _own_name() if self.uid == os.geteuid() else pwd.getpwuid(self.uid).pw_name
            return f"{name} (uid {self.uid})"
        except KeyError:
            return f"uid {self.uid}"


@cache
def _own_name() -> str:
    """The name of our account, which usermod and userdel leave alone while it has processes."""
    return pwd.getpwuid(os.geteuid()).pw_name


def peer_of(connection: socket.socket) -> Peer:
    """The peer of a connected AF_UNIX socket (SO_PEERCRED, SO_PEERGROUPS)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("iII", credentials)
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _LONGEST)
    except OSError:
        raw = b""
    groups = struct.unpack(f"{len(raw) // 4}I", raw)
    return Peer(pid, uid, frozenset((gid, *groups)))


def group_id(name: str) -> int | None:
    """The gid of the group whose members may use the API; None where none is named."""
    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ArtacError(ErrorKind.CONFIG, f"api_group: there is no group {name!r}") from None


def check(peer: Peer, needed: Access, api_gid: int | None) -> None:
    """ArtacError(DENIED) unless that peer may do what needs this access."""
    if peer.uid in (0, os.geteuid()):
        return
    if needed is Access.USE and api_gid is not None and api_gid in peer.groups:
        return
    raise ArtacError(
        ErrorKind.DENIED,
        f"{peer} may not do this: it is for uid {os.geteuid()} and root"
        + (" (and members of api_group use the API)" if api_gid is not None else ""),
    )
