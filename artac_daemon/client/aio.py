"""The client for asyncio: each method is awaited, or iterated over with `async for`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

from . import operations
from .async_connection import AsyncConnections
from .connection import PATIENCE, usual_sockets
from .results import Accepted, Health, Message, Permission, Screen, Session, Turn
from .steps import Procedure
from .streamed import ClaudeEvent, Event, Output
from .sync import Client

T = TypeVar("T")


class AsyncClient:
    """As `Client`, for asyncio; tasks may share it. A cancelled one leaves no connection behind."""

    def __init__(
        self, socket: str | os.PathLike[str] | None = None, *, patience: float = PATIENCE
    ) -> None:
        self.patience = patience
        self._connections = AsyncConnections(
            usual_sockets() if socket is None else [os.fspath(socket)]
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """There is nothing to close: no connection lasts longer than its request."""

    async def health(self) -> Health:
        return await self._do(operations.health())

    async def sessions(self, *, all: bool = False) -> list[Session]:
        return await self._do(operations.sessions(all, self.patience))

    async def session(self, reference: str) -> Session:
        return await self._do(operations.session(reference, self.patience))

    async def run(
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
        return await self._do(
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

    async def start(
        self, name: str, *, env: Mapping[str, str] | None = None, queue: float | None = None
    ) -> Session:
        return await self._do(operations.start(name, env, queue, self.patience))

    async def resume(
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
        body: dict[str, Any] = {
            "name": name,
            "kind": kind,
            "env": dict(env or {}),
            "without_env": without_env,
            "continue_interrupted": continue_interrupted,
            "queue": queue,
        }
        return await self._do(operations.resume(reference, body, self.patience))

    async def messages(self, reference: str, *, all: bool = False) -> list[Message]:
        return await self._do(operations.messages(reference, all, self.patience))

    async def cancel(self, reference: str, uuid: str) -> Message:
        return await self._do(operations.cancel(reference, uuid, self.patience))

    async def send(self, reference: str, text: str, *, uuid: str | None = None) -> Accepted:
        return await self._do(operations.send(reference, text, uuid, self.patience))

    async def turn(
        self,
        reference: str,
        uuid: str,
        timeout: float | None = None,
        *,
        offset: int | None = None,
    ) -> Turn:
        return await self._do(operations.turn(reference, uuid, timeout, offset, self.patience))

    async def ask(
        self, reference: str, text: str, timeout: float | None = None, *, uuid: str | None = None
    ) -> Turn:
        return await self._do(operations.ask(reference, text, timeout, uuid, self.patience))

    async def interrupt(self, reference: str) -> Session:
        return await self._do(operations.interrupt(reference, self.patience))

    async def stop(self, reference: str, *, grace: float | None = None) -> Session:
        return await self._do(operations.stop(reference, grace, self.patience))

    async def kill(self, reference: str) -> Session:
        return await self._do(operations.kill(reference, self.patience))

    async def wait(
        self,
        reference: str,
        states: str | Iterable[str] = "ended",
        timeout: float | None = None,
    ) -> Session:
        return await self._do(operations.wait(reference, states, timeout, self.patience))

    async def permissions(
        self, reference: str | None = None, *, all: bool = False
    ) -> list[Permission]:
        return await self._do(operations.permissions(reference, all, self.patience))

    async def allow(
        self, request: Permission | str, *, always: Sequence[int] | Literal["all"] | None = None
    ) -> Permission:
        body: dict[str, Any] = {"answer": "allow"}
        if always is not None:
            body["always"] = always if always == "all" else list(always)
        return await self._do(operations.answer(request, body, self.patience))

    async def deny(
        self, request: Permission | str, reason: str = "", *, interrupt: bool = False
    ) -> Permission:
        body = {"answer": "deny", "reason": reason, "interrupt": interrupt}
        return await self._do(operations.answer(request, body, self.patience))

    async def answer(self, request: Permission | str, answers: Sequence[str]) -> Permission:
        body = {"answer": "allow", "answers": list(answers)}
        return await self._do(operations.answer(request, body, self.patience))

    async def screen(self, reference: str) -> Screen:
        return await self._do(operations.screen(reference, self.patience))

    async def rm(self, reference: str, *, force: bool = False) -> None:
        return await self._do(operations.remove(reference, force, self.patience))

    async def cursor(self) -> str:
        return await self._do(operations.cursor(self.patience))

    # Those that last. Who breaks off an `async for` closes them: contextlib.aclosing does.

    def output(
        self, reference: str, *, follow: bool = False, offset: int = 0, stream: str = "output"
    ) -> AsyncGenerator[Output, None]:
        return self._along(operations.output(reference, stream, offset, follow, self.patience))

    def claude_events(
        self, reference: str, *, follow: bool = False, offset: int = 0
    ) -> AsyncGenerator[ClaudeEvent, None]:
        return self._along(operations.claude_events(reference, offset, follow, self.patience))

    def events(
        self, cursor: str | None = None, *, follow: bool = False
    ) -> AsyncGenerator[Event, None]:
        return self._along(operations.events(cursor, follow, self.patience))

    async def _do(self, procedure: Procedure[T]) -> T:
        return await self._connections.carry_out(procedure)

    async def _along(self, stream: operations.Stream[T]) -> AsyncGenerator[T, None]:
        async with aclosing(self._connections.read_along(stream.reading)) as given:
            async for part in given:
                for item in stream.unpack(part):
                    yield item


# What they do is told once, in `Client`.
for _name, _method in vars(AsyncClient).items():
    if not _name.startswith("_"):
        _method.__doc__ = getattr(Client, _name).__doc__
