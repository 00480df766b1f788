"""What each route does. The table at the end is the API."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from ..claude import stream
from ..model.errors import ArtacError, ErrorKind
from ..model.session import State
from . import (
    adopting,
    consumption,
    ending,
    metrics_page,
    moving,
    processes,
    reaping,
    requests,
    streams,
    views,
)
from .access import Access
from .api import Route, answer, body, by, context
from .lines import extent
from .session import Session
from .turns import turn
from .why import explain

# What a client's wait may last in one request; it may ask again.
_LONGEST_WAIT = 3600.0
_MOST_LINES = 1000


async def health(request: web.Request) -> web.StreamResponse:
    return answer(context(request).health())


async def config(request: web.Request) -> web.StreamResponse:
    return answer(context(request).config())


async def doctor(request: web.Request) -> web.StreamResponse:
    return answer({"checks": await context(request).doctor()})


async def list_sessions(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("all",))
    sessions = context(request).sessions
    ended_too = requests.flag("all", query.get("all", "0"))
    shown = sessions.all() if ended_too else sessions.live()
    return answer({"sessions": [views.brief(session) for session in shown]})


async def run(request: web.Request) -> web.StreamResponse:
    wanted = requests.launch(await body(request))
    session = await context(request).sessions.run(
        wanted, by(request), partial(streams.while_connected, request)
    )
    prompt = {"uuid": wanted.prompt_uuid, "offset": 0} if wanted.prompt is not None else None
    return answer({"session": views.brief(session), "prompt": prompt}, status=201)


async def show(request: web.Request) -> web.StreamResponse:
    return answer({"session": await _full(request, _session(request))})


async def why(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("lines",))
    wanted = requests.offset("lines", query.get("lines", "10"))
    if not 0 <= wanted <= _MOST_LINES:
        raise ArtacError(ErrorKind.USAGE, f"lines must be from 0 to {_MOST_LINES}")
    try:
        session = _session(request)
    except ArtacError as error:
        # Not a session any more, but somebody who asks why it is gone is to hear it.
        aside = context(request).sessions.store.aside(request.match_info["ref"])
        if error.kind is not ErrorKind.NOT_FOUND or aside is None:
            raise
        raise ArtacError(
            ErrorKind.NOT_FOUND,
            f"the record of session {request.match_info['ref']} was damaged, so nothing can be "
            f"told of it: what there is was set aside as {aside}",
        ) from None
    return answer({"session": await _full(request, session), **await explain(session, wanted)})


async def remove(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("force",))
    session = _session(request)
    if session.live and requests.flag("force", query.get("force", "0")):
        await ending.kill(session, context(request).sessions.store, by(request))
    await context(request).sessions.remove(session)
    return answer({"removed": [session.spec.id]})


async def prune(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("keep",))
    keep = requests.offset("keep", query.get("keep", "0"))
    if keep < 0:
        raise ArtacError(ErrorKind.USAGE, "keep must not be negative")
    return answer({"removed": await context(request).sessions.prune(keep)})


async def send(request: web.Request) -> web.StreamResponse:
    text, chosen = requests.message(await body(request))
    session = _session(request)
    accepted = await session.send(text, chosen or stream.new_uuid())
    return answer({**accepted, "session": session.spec.id}, status=202)


async def show_turn(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("offset", "wait"))
    session = _session(request)
    message_uuid = requests.message_uuid("uuid", request.match_info["uuid"])
    seconds = min(_LONGEST_WAIT, requests.seconds("wait", query.get("wait", "0")))
    offset = session.messages.accepted_at(message_uuid)
    if "offset" in query:
        offset = requests.offset("offset", query["offset"])
    elif offset is None:
        offset = extent(session.output).first
    async with streams.reader_slot(request):
        found = await streams.while_connected(
            request, turn(session, message_uuid, max(0, offset), seconds)
        )
    return answer(
        {
            "uuid": found.uuid,
            "outcome": found.outcome,
            "text": found.text,
            "cost_usd": found.cost_usd,
            "offset": found.offset,
        }
    )


async def interrupt(request: web.Request) -> web.StreamResponse:
    session = _session(request)
    await session.interrupt()
    return answer({"session": views.brief(session)})


async def stop(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("grace",))
    session = _session(request)
    configured = context(request).sessions.settings.stop_grace
    grace = requests.seconds("grace", query["grace"]) if "grace" in query else configured
    await ending.stop(session, context(request).sessions.store, by(request), "stop", grace)
    return answer({"session": views.brief(session)})


async def kill(request: web.Request) -> web.StreamResponse:
    session = _session(request)
    await ending.kill(session, context(request).sessions.store, by(request))
    return answer({"session": views.brief(session)})


async def limit(request: web.Request) -> web.StreamResponse:
    changes, force = requests.limits(await body(request))
    session, sessions = _session(request), context(request).sessions
    await sessions.limiting.change(session, sessions.store, changes, force)
    return answer({"session": await _full(request, session)})


async def persist(request: web.Request) -> web.StreamResponse:
    on = requests.switch(await body(request))
    session = _session(request)
    moved = await moving.persist(context(request).sessions, session, on)
    return answer({"moved": moved, "session": views.brief(session)})


async def adopt(request: web.Request) -> web.StreamResponse:
    pid, name = requests.adoption(await body(request))
    adopted = await adopting.adopt(context(request).sessions, pid, name, by(request))
    return answer({"session": views.brief(adopted.session), "outside": adopted.outside}, status=201)


async def wait(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("for", "wait"))
    session = _session(request)
    states = requests.states("for", query.get("for", State.ENDED.value))
    seconds = min(_LONGEST_WAIT, requests.seconds("wait", query.get("wait", "0")))
    async with streams.reader_slot(request):
        reached = await streams.while_connected(request, session.wait_for(states, seconds))
    return answer({"reached": reached, "session": views.brief(session)})


async def list_processes(request: web.Request) -> web.StreamResponse:
    query = requests.query(request.query, ("session", "foreign", "pss"))
    sessions = context(request).sessions
    foreign = requests.flag("foreign", query.get("foreign", "1"))
    pss = requests.flag("pss", query.get("pss", "0"))
    only = sessions.find(query["session"]) if "session" in query else None
    return answer(await processes.view(sessions, only, foreign, pss))


async def reap(request: web.Request) -> web.StreamResponse:
    wanted, confirmed = requests.reap(await body(request))
    sessions = context(request).sessions
    if wanted.session:
        wanted = replace(wanted, session=sessions.find(wanted.session).spec.id)
    if confirmed is None:
        return answer({"processes": await reaping.show(sessions, wanted)})
    return answer({"processes": await reaping.reap(sessions, wanted, confirmed, by(request))})


async def show_usage(request: web.Request) -> web.StreamResponse:
    return answer(await consumption.sample(context(request).sessions.live()))


async def drain(request: web.Request) -> web.StreamResponse:
    return answer({"ended": await context(request).drain(by(request))})


async def _full(request: web.Request, session: Session) -> dict[str, Any]:
    sessions = context(request).sessions
    present = await sessions.limiting.present(session.spec.placement)
    return views.full(session, present, sessions.care.has(session.spec.id))


def _session(request: web.Request) -> Session:
    return context(request).sessions.find(request.match_info["ref"])


_ONE = "/v1/sessions/{ref}"

ROUTES = (
    Route("GET", "/metrics", Access.USE, metrics_page.metrics),
    Route("GET", "/v1/health", Access.USE, health),
    Route("GET", "/v1/config", Access.USE, config),
    Route("GET", "/v1/doctor", Access.USE, doctor),
    Route("GET", "/v1/usage", Access.USE, show_usage),
    Route("POST", "/v1/drain", Access.OWN, drain),
    Route("POST", "/v1/prune", Access.USE, prune),
    Route("GET", "/v1/processes", Access.USE, list_processes),
    Route("POST", "/v1/reap", Access.USE, reap),
    Route("GET", "/v1/events", Access.USE, streams.life),
    Route("GET", "/v1/sessions", Access.USE, list_sessions),
    Route("POST", "/v1/sessions", Access.USE, run),
    Route("GET", _ONE, Access.USE, show),
    Route("GET", _ONE + "/why", Access.USE, why),
    Route("DELETE", _ONE, Access.USE, remove),
    Route("POST", _ONE + "/messages", Access.USE, send),
    Route("GET", _ONE + "/turns/{uuid}", Access.USE, show_turn),
    Route("POST", _ONE + "/interrupt", Access.USE, interrupt),
    Route("POST", _ONE + "/stop", Access.USE, stop),
    Route("POST", _ONE + "/kill", Access.USE, kill),
    Route("POST", _ONE + "/limits", Access.USE, limit),
    Route("POST", _ONE + "/persist", Access.USE, persist),
    Route("POST", "/v1/adopt", Access.USE, adopt),
    Route("GET", _ONE + "/wait", Access.USE, wait),
    Route("GET", _ONE + "/output", Access.USE, streams.output),
    Route("GET", _ONE + "/events", Access.USE, streams.events),
)
