"""The client for threads: each method returns when it is done."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from . import operations
from .connection import PATIENCE, Connections, usual_sockets
from .results import Accepted, Health, Message, Permission, Screen, Session, Turn
from .steps import Procedure
from .streamed import ClaudeEvent, Event, Output

T = TypeVar("T")


class Client:
    """Talks to the daemon, over a connection of its own for each request; threads may share it.

    `socket` is the daemon's; else it is $ARTAC_SOCKET, or the first of the usual places where one
    listens. A daemon that is away for a restart is waited for up to `patience` seconds.
    Every error is an ArtacError.
    """

    def __init__(
        self, socket: str | os.PathLike[str] | None = None, *, patience: float = PATIENCE
    ) -> None:
        self.patience = patience
        self._connections = Connections(usual_sockets() if socket is None else [os.fspath(socket)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """There is nothing to close: no connection lasts longer than its request."""

    def health(self) -> Health:
        """The daemon: what it is, and how many sessions are in which state."""
        return self._do(operations.health())

    def sessions(self, *, all: bool = False) -> list[Session]:
        """The sessions that run, oldest first; `all`: ended ones too."""
        return self._do(operations.sessions(all, self.patience))

    def session(self, reference: str) -> Session:
        """All about one session."""
        return self._do(operations.session(reference, self.patience))

    def run(
        self,
        prompt: str | None = None,
        *,
        cwd: str | os.PathLike[str] | None = None,
        name: str | None = None,
        kind: str | None = None,
        model: str | None = None,
        permission_mode: str | None = None,
        allowed_tools: Sequence[str] = (),
        claude_args: Sequence[str] = (),
        limits: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        size: Sequence[int] | None = None,
        queue: float | None = None,
        restart: Sequence[str] = (),
        persist: bool | None = None,
    ) -> Session:
        """Start a session, in this process's directory unless `cwd` says otherwise.

        The keys are those of `POST /v1/sessions`. NotAdmitted when none may start now; `queue`
        waits so many seconds for that. ConnectionLost: whether it was started is not known.
        """
        return self._do(
            operations.run(
                self.patience,
                cwd=cwd,
                prompt=prompt,
                name=name,
                kind=kind,
                model=model,
                permission_mode=permission_mode,
                allowed_tools=allowed_tools,
                claude_args=claude_args,
                limits=limits,
                env=env,
                size=size if size is None else list(size),
                queue=queue,
                restart=restart,
                persist=persist,
            )
        )

    def start(
        self, name: str, *, env: Mapping[str, str] | None = None, queue: float | None = None
    ) -> Session:
        """Start what a file in sessions.d describes, unless it runs: then that session is given.

        NotAdmitted and ConnectionLost as with `run`.
        """
        return self._do(operations.start(name, env, queue, self.patience))

    def resume(
        self,
        reference: str,
        *,
        name: str | None = None,
        kind: str | None = None,
        env: Mapping[str, str] | None = None,
        without_env: bool = False,
        continue_interrupted: bool = False,
        queue: float | None = None,
    ) -> Session:
        """Take up the conversation of an ended session in a new one.

        The keys are those of `POST /v1/sessions/REF/resume`. ArtacError(CONFLICT) says why it
        cannot be. NotAdmitted and ConnectionLost as with `run`.
        """
        body: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "env": dict(env or {}),
            "without_env": without_env,
            "continue_interrupted": continue_interrupted,
            "queue": queue,
        }
        return self._do(operations.resume(reference, body, self.patience))

    def messages(self, reference: str, *, all: bool = False) -> list[Message]:
        """The messages that Claude has not begun with, in order; `all`: the others too."""
        return self._do(operations.messages(reference, all, self.patience))

    def cancel(self, reference: str, uuid: str) -> Message:
        """Take a message back. ArtacError(CONFLICT): Claude has begun with it."""
        return self._do(operations.cancel(reference, uuid, self.patience))

    def send(self, reference: str, text: str, *, uuid: str | None = None) -> Accepted:
        """Send a message. Sent twice with the same uuid, by whomever, it is one message.

        ConnectionLost: whether it was accepted is not known; send it again with its uuid.
        """
        return self._do(operations.send(reference, text, uuid, self.patience))

    def turn(
        self,
        reference: str,
        uuid: str,
        timeout: float | None = None,
        *,
        offset: int | None = None,
    ) -> Turn:
        """How the turn of a message went, once it has a result.

        `offset` is where in the output to look from. ArtacError(TIMEOUT) when it has none within
        `timeout` seconds: it goes on.
        """
        return self._do(operations.turn(reference, uuid, timeout, offset, self.patience))

    def ask(
        self, reference: str, text: str, timeout: float | None = None, *, uuid: str | None = None
    ) -> Turn:
        """Send a message and wait for how its turn went. For headless sessions."""
        return self._do(operations.ask(reference, text, timeout, uuid, self.patience))

    def interrupt(self, reference: str) -> Session:
        """End the turn that is under way; the session goes on."""
        return self._do(operations.interrupt(reference, self.patience))

    def stop(self, reference: str, *, grace: float | None = None) -> Session:
        """End a session in order, and wait for that. `grace`: seconds for each step."""
        return self._do(operations.stop(reference, grace, self.patience))

    def kill(self, reference: str) -> Session:
        """End a session at once."""
        return self._do(operations.kill(reference, self.patience))

    def wait(
        self,
        reference: str,
        states: str | Iterable[str] = "ended",
        timeout: float | None = None,
    ) -> Session:
        """The session, once it is in one of those states, or has ended: look at its state.

        ArtacError(TIMEOUT) when it is in none within `timeout` seconds.
        """
        return self._do(operations.wait(reference, states, timeout, self.patience))

    def permissions(self, reference: str | None = None, *, all: bool = False) -> list[Permission]:
        """What waits for an answer, oldest first; `all`: the latest that were settled, too."""
        return self._do(operations.permissions(reference, all, self.patience))

    def allow(
        self, request: Permission | str, *, always: Sequence[int] | Literal["all"] | None = None
    ) -> Permission:
        """Let Claude do what it asks for. `always`: suggestions to take over, from 1 on."""
        body: dict[str, Any] = {"answer": "allow"}
        if always is not None:
            body["always"] = always if always == "all" else list(always)
        return self._do(operations.answer(request, body, self.patience))

    def deny(
        self, request: Permission | str, reason: str = "", *, interrupt: bool = False
    ) -> Permission:
        """Refuse it; the model is told the reason. `interrupt`: end the turn instead."""
        body = {"answer": "deny", "reason": reason, "interrupt": interrupt}
        return self._do(operations.answer(request, body, self.patience))

    def answer(self, request: Permission | str, answers: Sequence[str]) -> Permission:
        """Answer the questions that Claude asks by a tool, in their order: labels, or any words."""
        body = {"answer": "allow", "answers": list(answers)}
        return self._do(operations.answer(request, body, self.patience))

    def screen(self, reference: str) -> Screen:
        """What a terminal session shows now."""
        return self._do(operations.screen(reference, self.patience))

    def rm(self, reference: str, *, force: bool = False) -> None:
        """Forget an ended session and its output. `force`: kill it first if it runs."""
        return self._do(operations.remove(reference, force, self.patience))

    def cursor(self) -> str:
        """Where `events` is now: take it first, then start something, then follow from here."""
        return self._do(operations.cursor(self.patience))

    # Those that last. A break of `for` leaves them; their connection is then closed.

    def output(
        self, reference: str, *, follow: bool = False, offset: int = 0, stream: str = "output"
    ) -> Generator[Output, None, None]:
        """The bytes of `output` or `stderr`; following, until the session has ended.

        A negative offset counts from the end.
        """
        return self._along(operations.output(reference, stream, offset, follow, self.patience))

    def claude_events(
        self, reference: str, *, follow: bool = False, offset: int = 0
    ) -> Generator[ClaudeEvent, None, None]:
        """Claude's own events, the lines of a headless session's output."""
        return self._along(operations.claude_events(reference, offset, follow, self.patience))

    def events(
        self, cursor: str | None = None, *, follow: bool = False
    ) -> Generator[Event, None, None]:
        """What happens to all sessions, behind a cursor; None: all that is kept, "now": from now.

        Following goes on for ever, over restarts of the daemon; no event is lost or comes twice.
        """
        return self._along(operations.events(cursor, follow, self.patience))

    def _do(self, procedure: Procedure[T]) -> T:
        return self._connections.carry_out(procedure)

    def _along(self, stream: operations.Stream[T]) -> Generator[T, None, None]:
        with closing(self._connections.read_along(stream.reading)) as given:
            for part in given:
                yield from stream.unpack(part)
