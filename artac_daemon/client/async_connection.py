"""Requests to the daemon over asyncio, one connection for each: `connection` without threads."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from ..model.errors import ArtacError
from . import failures, http1, steps
from .http1 import Broken, Reader
from .steps import Ask, Procedure, Reading, Step

T = TypeVar("T")

_PIECE = 256 * 1024
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1


class AsyncConnections:
    """Talks to the first of those sockets that a daemon listens on, and to that one only."""

    def __init__(self, candidates: Sequence[str]) -> None:
        self.candidates = list(candidates)
        self.met = False  # whether a daemon was there before

    async def carry_out(self, procedure: Procedure[T]) -> T:
        """Do all its steps; what it comes to."""
        held = _Held()
        try:
            step = procedure.send(None)
            while True:
                try:
                    given = await self._do(step, held)
                except ArtacError as error:
                    step = procedure.throw(error)
                else:
                    step = procedure.send(given)
        except StopIteration as end:
            result: T = end.value
            return result
        finally:
            held.close()
            procedure.close()

    async def read_along(self, reading: Reading) -> AsyncGenerator[Any, None]:
        """Do all its steps; what it gives on the way."""
        held = _Held()
        try:
            try:
                step = reading.send(None)
            except StopIteration:
                return
            while True:
                try:
                    given: Any = None
                    if isinstance(step, steps.Give):
                        yield step.item
                    else:
                        given = await self._do(step, held)
                except ArtacError as error:
                    failed: ArtacError | None = error
                else:
                    failed = None
                # Out of an async generator a StopIteration would come as a RuntimeError.
                try:
                    step = reading.throw(failed) if failed else reading.send(given)
                except StopIteration:
                    return
        finally:
            held.close()
            reading.close()

    async def _do(self, step: Step, held: _Held) -> Any:
        if isinstance(step, Ask):
            with await self._begin(step) as exchange:
                return await exchange.answer()
        if isinstance(step, steps.Open):
            held.close()
            held.exchange = await self._begin(Ask("GET", step.target))
            return await held.exchange.head()
        if isinstance(step, steps.Read):
            assert held.exchange is not None
            return await held.exchange.next_piece()
        if isinstance(step, steps.Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, steps.Knock):
            return await self._knock(step.seconds)
        if isinstance(step, steps.Known):
            return self.met
        if isinstance(step, steps.Note):
            return None
        raise TypeError(f"{step!r} is for who reads along")

    async def _knock(self, seconds: float) -> bool:
        connection = await self._try([])
        if connection is None:
            return False
        try:
            with _Exchange(connection, Ask("GET", "/v1/health", seconds=seconds)) as exchange:
                await exchange.send()
                await exchange.answer()
        except ArtacError as error:
            return failures.still_there(error)
        return True

    async def _begin(self, asked: Ask) -> _Exchange:
        tried: list[tuple[str, OSError]] = []
        connection = await self._try(tried)
        if connection is None:
            # It asks systemd, which may take seconds.
            raise await asyncio.to_thread(failures.no_daemon, tried)
        exchange = _Exchange(connection, asked)
        try:
            await exchange.send()
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def _try(self, tried: list[tuple[str, OSError]]) -> socket.socket | None:
        for path in self.candidates:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.setblocking(False)
            try:
                await _connect(connection, path)
            except OSError as error:
                connection.close()
                tried.append((path, error))
                continue
            except BaseException:
                connection.close()
                raise
            self.candidates = [path]
            self.met = True
            return connection
        return None


class _Exchange:
    """One request and its answer, over a connection that is connected."""

    def __init__(self, connection: socket.socket, asked: Ask) -> None:
        self._connection = connection
        self._asked = asked
        self._reader = Reader()
        self._parts: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    async def send(self) -> None:
        asked = self._asked
        raw = None if asked.body is None else json.dumps(asked.body).encode()
        data = http1.request(asked.method, asked.target, raw)
        try:
            await asyncio.get_running_loop().sock_sendall(self._connection, data)
        except OSError:
            # A refusal of a body that is too large comes before all of it was taken.
            pass

    async def head(self) -> dict[str, str]:
        """The head of an answer that is no error."""
        try:
            while not self._reader.status:
                self._parts += await self._more()
            if self._reader.status >= 400:
                raise failures.refusal(self._reader.status, await self._rest())
        except Broken:
            raise failures.broke(self._what) from None
        except TimeoutError:
            raise failures.silent(self._what) from None
        return self._reader.headers

    async def answer(self) -> dict[str, Any]:
        """The JSON object that is the answer."""
        await self.head()
        try:
            return failures.content(await self._rest(), self._what)
        except Broken:
            raise failures.broke(self._what) from None
        except TimeoutError:
            raise failures.silent(self._what) from None

    async def next_piece(self) -> bytes | None:
        """The next piece of the body; None where it is complete."""
        try:
            return await self._piece()
        except Broken as error:
            raise failures.broken_off(error) from None

    @property
    def _what(self) -> str:
        return http1.what(self._asked.method, self._asked.target)

    async def _rest(self) -> bytes:
        pieces = []
        while (piece := await self._piece()) is not None:
            pieces.append(piece)
        return b"".join(pieces)

    async def _piece(self) -> bytes | None:
        while not self._parts:
            if self._reader.complete:
                return None
            self._parts += await self._more()
        found, self._parts = b"".join(self._parts), []
        return found

    async def _more(self) -> list[bytes]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._asked.seconds):
                data = await loop.sock_recv(self._connection, _PIECE)
        except TimeoutError:
            raise
        except OSError as error:
            raise Broken(error.strerror or str(error)) from None
        return self._reader.feed(data)


class _Held:
    """The long answer that a procedure has open."""

    def __init__(self) -> None:
        self.exchange: _Exchange | None = None

    def close(self) -> None:
        if self.exchange is not None:
            self.exchange.close()


async def _connect(connection: socket.socket, path: str) -> None:
    # Where a listener's queue is full the kernel says EAGAIN, and nothing ever tells that there is
    # room; asyncio would take it for a connection under way, and then for one that is made.
    pause = _FIRST_PAUSE
    while True:
        try:
            return connection.connect(path)
        except BlockingIOError:
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
