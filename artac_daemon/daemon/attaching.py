"""Handing a client the keeper of a terminal session: from then on the two speak alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import Any

from aiohttp import web

from ..keeper import sizes as keeper_sizes
from ..keeper import wire
from ..model.errors import ArtacError, ErrorKind
from ..model.refusals import gone, refusal, silent
from ..model.session import AttachRequest, Identity, Kind, State
from . import link as links
from .session import ANSWER_LIMIT, Session

# The first keeper that has a screen to show.
_SINCE = (1, 2)
_LAST_SCREEN = "screen"
# In a request: the client reads the keeper's reply itself, and need not wait for us to have it. In
# the answer: it has to.
REPLY, KEEPER = "Artac-Reply", "keeper"


async def attach(session: Session, asked: AttachRequest, who: str, early: bool) -> socket.socket:
    """A connection to the session's keeper that is a client of its terminal; nothing is read yet.

    `early`: the keeper's reply is not waited for, and for the client to read.

    ArtacError(USAGE) for a session without a terminal, (NOT_RUNNING), (UNAVAILABLE).
    """
    _check(session)
    request = {"op": "attach", "who": who, **vars(asked)}
    if early:
        return _ask_early(session, request)
    peer, reply = await become_client(session, request)
    if "error" in reply:
        peer.close()
        raise refusal(reply)
    return peer


async def become_client(
    session: Session, request: dict[str, Any]
) -> tuple[socket.socket, dict[str, Any]]:
    """A connection to the session's keeper and its reply to that; nothing beyond it is read.

    ArtacError(NOT_RUNNING), (UNAVAILABLE).
    """
    peer = _dial(session)
    try:
        return peer, await asyncio.wait_for(_ask(peer, request), ANSWER_LIMIT)
    except TimeoutError:
        peer.close()
        raise silent(session.spec.id) from None
    except (OSError, EOFError):
        peer.close()
        raise gone(session.spec.id) from None
    except BaseException:
        peer.close()
        raise


def _ask_early(session: Session, request: dict[str, Any]) -> socket.socket:
    peer = _dial(session)
    try:
        # A new connection has room for so little.
        peer.sendall(wire.encode({**request, "id": 1}))
    except OSError:
        peer.close()
        raise gone(session.spec.id) from None
    return peer


def hand_over(request: web.Request, session: Session, keeper: socket.socket, early: bool) -> None:
    """Answer with the keeper's connection and the output file, and leave the client alone."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    fields = {
        "Connection": "Upgrade",
        "Upgrade": "artac-attach",
        "Artac-Session": session.spec.id,
        "Artac-Name": session.spec.name,
    }
    if early:
        fields[REPLY] = KEEPER
    lines = [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""])
    output = os.open(session.output, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as client:
            # A new connection has room for so little; a client that has gone is seen as such.
            socket.send_fds(client, [head.encode()], [keeper.fileno(), output])
    except BlockingIOError:
        raise ConnectionResetError("the client does not read") from None
    finally:
        os.close(output)


async def screen(session: Session) -> dict[str, Any]:
    """What a session's terminal shows, or showed when its program ended."""
    session.must_have(Kind.TERMINAL, "see the screen of")
    if session.live:
        _must_have_model(session, "be shown")
        return dict((await session.request("read-screen"))["screen"])
    try:
        return dict(json.loads((session.directory / _LAST_SCREEN).read_bytes()))
    except (OSError, ValueError, TypeError):
        raise ArtacError(
            ErrorKind.NOT_RUNNING,
            f"session {session.spec.id} has ended and its last screen was not kept: "
            f"artac logs {session.spec.id} has what it wrote",
        ) from None


def sizes(session: Session) -> list[tuple[int, int, int]]:
    """The sizes that a session's terminal had: offset of the output, columns, rows; oldest first.

    None for a session of a keeper that did not note them.
    """
    session.must_have(Kind.TERMINAL, "tell the sizes of")
    try:
        return keeper_sizes.read((session.directory / keeper_sizes.SIZES).read_text("ascii"))
    except (OSError, ValueError):
        return []


def _check(session: Session) -> None:
    session.must_live("attach to")
    session.must_have(Kind.TERMINAL, "attach to")
    _must_answer(session)
    _must_have_model(session, "be attached to")


def _must_answer(session: Session) -> Identity:
    if session.state is State.UNRESPONSIVE or session.keeper is None:
        raise ArtacError(ErrorKind.UNAVAILABLE, f"the keeper of {session.spec.id} is silent")
    return session.keeper


def _must_have_model(session: Session, what: str) -> None:
    if session.protocol < _SINCE:
        raise ArtacError(
            ErrorKind.CONFLICT,
            f"session {session.spec.id} was started by an older artac, whose terminals cannot "
            f"{what}: artac logs -f {session.spec.id} shows what it says",
        )


def _dial(session: Session) -> socket.socket:
    """A connection to the session's keeper; ArtacError(NOT_RUNNING), (UNAVAILABLE)."""
    keeper = _must_answer(session)
    try:
        peer, pid = links.dial(session.directory)
    except OSError:
        raise gone(session.spec.id) from None
    if pid != keeper.pid:
        peer.close()
        raise ArtacError(ErrorKind.FAILED, f"pid {pid} answers, not the session's keeper")
    return peer


async def _ask(peer: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    """The keeper's reply. Not a byte beyond it is read: those are the client's."""
    await asyncio.get_running_loop().sock_sendall(peer, wire.encode({**request, "id": 1}))
    while (reply := await _message(peer)).get("reply") != 1:
        continue
    return reply


async def _message(peer: socket.socket) -> dict[str, Any]:
    frames = wire.Frames()
    head = await _exactly(peer, wire.HEADER)
    body = await _exactly(peer, wire.length(head))
    [(_, content)] = frames.feed(head + body)
    return wire.message(content)


async def _exactly(peer: socket.socket, size: int) -> bytes:
    loop, data = asyncio.get_running_loop(), b""
    while len(data) < size:
        more = await loop.sock_recv(peer, size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
