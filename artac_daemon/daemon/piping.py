"""Sessions that a program speaks to as to a child of its own: starting one, and handing it over.

From then on the program and the session's keeper speak alone, and this backend may come and go.
"""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from ..claude import piped
from ..claude.invocation import Invocation
from ..host.growth_descriptor import growth_descriptor
from ..keeper import wire
from ..model.errors import ArtacError, ErrorKind
from ..model.refusals import refusal
from ..model.session import Kind, LaunchRequest, PipeRequest, SessionSpec
from .attaching import become_client
from .session import ANSWER_LIMIT, Session

# The first keeper that can be spoken to by a program.
_SINCE = (1, 3)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class Granted:
    """A connection to the keeper that is the program's, and what the keeper said of it."""

    keeper: socket.socket
    at: int  # where the program's next output is
    lines: bool  # Claude reads whole lines


def launch(asked: PipeRequest, same_account: bool) -> LaunchRequest:
    """The request for a new session that this one means."""
    invocation = Invocation(asked.args)
    tools = invocation.options.get("--allowedTools", "")
    return LaunchRequest(
        cwd=asked.cwd,
        kind=Kind.PIPED,
        name=asked.name,
        model=invocation.options.get("--model", ""),
        permission_mode=invocation.options.get("--permission-mode", ""),
        allowed_tools=(tools,) if tools else (),
        claude_args=asked.args,
        env=piped.of_program(asked.env, same_account),
    )


def record(spec: SessionSpec, request: LaunchRequest) -> SessionSpec:
    """What is written down of it: arguments may hold prompts and keys, so they are not."""
    invocation = Invocation(request.claude_args)
    conversation = invocation.conversation
    return replace(
        spec,
        claude_session_id=conversation if _UUID.fullmatch(conversation) else "",
        allowed_tools=() if request.allowed_tools else spec.allowed_tools,
        claude_args=(piped.TELLS,) if invocation.tells else (),
        env_names=(),
    )


def how(request: LaunchRequest) -> dict[str, Any] | None:
    """What the keeper of a piped session has to know; None for another."""
    if request.kind is not Kind.PIPED:
        return None
    return {"lines": Invocation(request.claude_args).lines}


def check_conversation(sessions: list[Session], request: LaunchRequest) -> None:
    """ArtacError(CONFLICT) when a session that runs writes to the same conversation."""
    conversation = Invocation(request.claude_args).conversation
    for session in sessions:
        if conversation and session.spec.claude_session_id == conversation:
            raise ArtacError(
                ErrorKind.CONFLICT,
                f"session {session.spec.id} has the conversation {conversation} already",
            )


def returns(asked: PipeRequest, find: Any) -> Session | None:
    """The session that a program comes back to; None where it is to have a new one.

    The environment of a session names that session, and what runs in it inherits that: the name
    beside it tells it from a wish. ArtacError for a session that cannot be come back to.
    """
    if not asked.session:
        return None
    session: Session = find(asked.session)
    if asked.inherited and session.spec.name == asked.inherited:
        return None
    if session.spec.kind is not Kind.PIPED:
        raise ArtacError(
            ErrorKind.USAGE,
            f"session {session.spec.id} is a {session.spec.kind.value} session: "
            "a program can come back only to one that a program has started",
        )
    return session


async def connect(session: Session, asked: PipeRequest, who: str) -> Granted:
    """Be the program of a session. ArtacError(CONFLICT) when there is one, (UNAVAILABLE)."""
    if not session.live:
        return _ended(session, asked)
    if session.protocol < _SINCE:
        raise ArtacError(
            ErrorKind.CONFLICT, f"session {session.spec.id} was started by an older artac"
        )
    request = {"op": "pipe", "who": who, "steal": asked.steal}
    try:
        peer, reply = await become_client(session, request)
    except ArtacError:
        if await session.ended_within(ANSWER_LIMIT):
            return _ended(session, asked)
        raise
    try:
        if reply.get("error") == "program":
            raise ArtacError(
                ErrorKind.CONFLICT,
                f"session {session.spec.id} has its program already; "
                "ARTAC_STEAL=1 takes it from that one",
            )
        if "error" in reply:
            raise refusal(reply)
        return Granted(peer, int(reply["at"]), bool(reply["lines"]))
    except BaseException:
        peer.close()
        raise


def _ended(session: Session, asked: PipeRequest) -> Granted:
    """In the place of a keeper that is gone: its last words."""
    ours, theirs = socket.socketpair()
    facts = session.end.facts.to_json() if session.end else {}
    sizes = {"at": _size(session.output), "errors": _size(session.directory / "stderr")}
    with ours:
        ours.sendall(wire.encode({"event": "ended", "end": facts, **sizes}))
    taken = 0
    try:
        # The keeper's own note of where its program was.
        taken = int(json.loads((session.directory / "end").read_bytes()).get("taken") or 0)
    except (OSError, ValueError, TypeError):
        pass  # all of it once more, rather than less
    return Granted(theirs, taken, Invocation(asked.args).lines)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def hand_over(request: web.Request, session: Session, granted: Granted) -> None:
    """Answer with all that a program needs of a session, and leave it alone.

    Four descriptors: the keeper's connection, the output, the errors, and what tells of growth.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: artac-pipe\r\n"
        f"Artac-Session: {session.spec.id}\r\nArtac-Name: {session.spec.name}\r\n"
        f"Artac-At: {granted.at}\r\nArtac-Lines: {int(granted.lines)}\r\n"
        f"Artac-Persistent: {int(session.spec.persistent)}\r\n\r\n"
    )
    errors = session.directory / "stderr"
    given = [granted.keeper.fileno()]
    try:
        for path in (session.output, errors):
            given.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        given.append(growth_descriptor((session.output, errors)))
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as client:
            socket.send_fds(client, [head.encode()], given)
    except BlockingIOError:
        raise ConnectionResetError("the client does not read") from None
    finally:
        for fd in given[1:]:
            os.close(fd)
