"""The API: HTTP and JSON on an AF_UNIX socket. One table says every route and who may use it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from ..model.errors import ArtacError, ErrorKind, NotAdmitted
from . import access
from .access import Access
from .declared import Declared
from .metrics import Metrics
from .restarting import Restarter
from .sessions import Sessions

log = logging.getLogger("artac.api")

# How long requests under way may take to finish when the backend stops (seconds).
_LEAVE = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    needs: Access
    handler: Handler


@dataclass
class Context:
    """What the handlers work on."""

    sessions: Sessions
    health: Callable[[], dict[str, Any]]
    config: Callable[[], dict[str, Any]]
    doctor: Callable[[], Awaitable[list[dict[str, Any]]]]
    drain: Callable[[str], Awaitable[int]]
    metrics: Metrics
    declared: Declared
    restarter: Restarter
    api_gid: int | None = None
    readers: int = 0
    streams: set[asyncio.Task[Any]] = field(default_factory=set)


CONTEXT: web.AppKey[Context] | str = (
    web.AppKey("context", Context) if hasattr(web, "AppKey") else "context"  # aiohttp 3.8 has none
)


def context(request: web.Request) -> Context:
    """What this request's handler works on."""
    found: Context = request.app[CONTEXT]
    return found


def peer(request: web.Request) -> access.Peer:
    """Who asks."""
    transport = request.transport
    if transport is None:
        raise ArtacError(ErrorKind.DENIED, "the client has gone")
    return access.peer_of(transport.get_extra_info("socket"))


def by(request: web.Request) -> str:
    """Who asks, in words, for records and the log."""
    return str(peer(request))


async def body(request: web.Request) -> object:
    """The request's JSON; ArtacError(USAGE) for what is none, (LIMIT) for too much."""
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        limit = context(request).sessions.settings.max_request
        raise ArtacError(ErrorKind.LIMIT, f"the request is larger than {limit} bytes") from None
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ArtacError(ErrorKind.USAGE, f"the request's body is not JSON: {error}") from None


def answer(content: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.json_response(content, status=status)


def failure(error: ArtacError) -> web.Response:
    """An error in the form that every error has."""
    told = {"kind": error.kind.wire, "message": error.message}
    if isinstance(error, NotAdmitted):
        told["admission"] = error.reason
    return web.json_response({"error": told}, status=error.kind.http_status)


def application(routes: tuple[Route, ...], served: Context, max_request: int) -> web.Application:
    """The application with those routes; access is checked before a handler is called."""
    app = web.Application(client_max_size=max_request, middlewares=[_errors])
    app[CONTEXT] = served
    for route in routes:
        app.router.add_route(route.method, route.path, _guarded(route))
    return app


def _guarded(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        access.check(peer(request), route.needs, context(request).api_gid)
        return await route.handler(request)

    return handle


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ArtacError as error:
        return failure(error)
    except web.HTTPException as error:
        kinds = {404: ErrorKind.NOT_FOUND, 413: ErrorKind.LIMIT}
        kind = kinds.get(error.status, ErrorKind.USAGE)
        where = f"{request.method} {request.path}"
        return failure(ArtacError(kind, f"{where}: {error.reason.lower()}"))
    except ConnectionError:
        # The client has gone, or is to see that this answer is not whole; nobody reads this one.
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return failure(
            ArtacError(
                ErrorKind.FAILED, "the backend failed; its log says how: journalctl -t artacd"
            )
        )


def bind(path: Path, api_gid: int | None) -> socket.socket:
    """The API's listening socket: 0600, or 0660 for the group that may use it.

    ArtacError(CONFIG) when the path cannot be had. A socket that is left from a killed backend is
    replaced; the state directory's lock has made sure that its owner is gone.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_socket():
            path.unlink()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        previous = os.umask(0o177)
        try:
            server.bind(str(path))
        finally:
            os.umask(previous)
        if api_gid is not None:
            os.chown(path, -1, api_gid)
            os.chmod(path, 0o660)
    except OSError as error:
        raise ArtacError(ErrorKind.CONFIG, f"socket {path}: {error.strerror}") from None
    return server


class Server:
    """The API while it is served."""

    def __init__(self, app: web.Application, served: Context) -> None:
        self._served = served
        # The socket's file mode and the access check are the protection; an access log of local
        # commands would only repeat what the sessions' own log says.
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, listener: socket.socket) -> None:
        await self._runner.setup()
        await web.SockSite(self._runner, listener, backlog=1024).start()

    async def stop(self) -> None:
        """Close the listener and let go of those who follow something."""
        for task in list(self._served.streams):
            task.cancel()
        try:
            # The place of aiohttp's own shutdown_timeout differs between 3.8 and later ones.
            await asyncio.wait_for(self._runner.cleanup(), _LEAVE)
        except TimeoutError:
            log.info("clients were still being answered")
