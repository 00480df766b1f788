"""The routes of declared sessions."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web

from . import requests, streams, views
from .api import answer, body, by, context
from .declared import Row


async def list_declared(request: web.Request) -> web.StreamResponse:
    declared = context(request).declared
    rows = [_row(row) for row in await declared.rows()]
    return answer({"directory": str(declared.directory), "declared": rows})


async def save(request: web.Request) -> web.StreamResponse:
    wanted = requests.save(await body(request))
    path, text = await context(request).declared.save(request.match_info["name"], wanted)
    written = not wanted.dry_run
    content = {"path": str(path), "text": text, "written": written}
    return answer(content, status=201 if written else 200)


async def start(request: web.Request) -> web.StreamResponse:
    added = requests.start(await body(request))
    started = await context(request).declared.start(
        request.match_info["name"], added, by(request), partial(streams.while_connected, request)
    )
    uuid = started.prompt_uuid
    content = {
        "session": views.brief(started.session),
        "started": started.now,
        "prompt": {"uuid": uuid, "offset": 0} if uuid else None,
        "will_ask": views.will_ask(started.session) if started.now else [],
    }
    return answer(content, status=201 if started.now else 200)


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "path": row.path,
        "problem": row.problem or None,
        "start": row.declaration.start.value if row.declaration else None,
        "session": views.brief(row.session) if row.session else None,
    }
