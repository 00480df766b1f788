"""The page of metrics: on the API's socket, and on a loopback port of its own if one is set."""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web

from ..model.errors import ArtacError, ErrorKind
from ..model.exposition import CONTENT_TYPE
from ..model.listen_address import split
from . import api, fields

_LEAVE = 1.0


async def metrics(request: web.Request) -> web.StreamResponse:
    """What Prometheus scrapes."""
    fields.query(request.query, ())
    return await _page(api.context(request))


async def _page(served: api.Context) -> web.Response:
    page = await served.metrics.page(served.readers)
    return web.Response(body=page.encode(), headers={"Content-Type": CONTENT_TYPE})


def bind(address: str) -> socket.socket | None:
    """The socket of `metrics_listen`; None for "". ArtacError(CONFIG) where it cannot be had."""
    if not address:
        return None
    host, port = split(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ArtacError(
            ErrorKind.CONFIG,
            f"metrics_listen: {address}: {error.strerror}; choose another port, or end what has it",
        ) from None


class Listener:
    """Serves the page to every local user, and nothing else of the API."""

    def __init__(self, served: api.Context) -> None:
        async def page(_: web.Request) -> web.Response:
            return await _page(served)

        app = web.Application()
        app.router.add_get("/metrics", page)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, listener: socket.socket) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        try:
            await asyncio.wait_for(self._runner.cleanup(), _LEAVE)
        except TimeoutError:
            return  # a scrape that takes nothing is no reason to stay
