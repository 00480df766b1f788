"""Both Python clients behind one face, for tests of what holds for either."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any, cast

from artac_daemon.client import AsyncClient, Client

FLAVOURS = ("threads", "asyncio")


class _Waiting:
    """An AsyncClient whose methods return when they are done, in a loop of its own."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._runner = asyncio.Runner()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*given: Any, **named: Any) -> Any:
            result = method(*given, **named)
            if inspect.isasyncgen(result):
                return self._along(result)
            return self._runner.run(result)

        return call

    def _along(self, given: AsyncGenerator[Any, None]) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._runner.run(anext(given))  # type: ignore[arg-type]
                except StopAsyncIteration:
                    return
        finally:
            self._runner.run(given.aclose())  # type: ignore[arg-type]

    def close(self) -> None:
        self._runner.close()


def make(flavour: str, socket: object, patience: float = 30.0) -> Client:
    """A client of that flavour; `end` it."""
    if flavour == "threads":
        return Client(str(socket), patience=patience)
    return cast(Client, _Waiting(AsyncClient(str(socket), patience=patience)))


def end(client: Client) -> None:
    """Nothing of it is left."""
    if isinstance(client, _Waiting):
        client.close()
