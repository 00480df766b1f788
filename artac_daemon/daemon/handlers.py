"""What each route does. The table at the end is the API."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import Any

from aiohttp import web

from ..claude import stream
from ..model.errors import ArtacError, ErrorKind
from ..model.session import Kind, State
from . import (
    adopting,
    answering,
    attaching,
    consumption,
    declared_api,
    departure,
    ending,
    fields,
    metrics_page,
    moving,
    piping,
    processes,
    reaping,
    requests,
    resuming,
    sending,
    streams,
    typist,
    views,
)
from .access import Access
from .api import Route, answer, body, by, context, peer
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
    query = fields.query(request.query, ("all",))
    sessions = context(request).sessions
    ended_too = fields.flag("all", query.get("all", "0"))
    shown = sessions.all() if ended_too else sessions.live()
    return answer({"sessions": [views.brief(session) for session in shown]})


async def run(request: web.Request) -> web.StreamResponse:
    wanted = requests.launch(await body(request))
    session = await context(request).sessions.run(
        wanted, by(request), partial(streams.while_connected, request)
    )
    prompt = {"uuid": wanted.prompt_uuid, "offset": 0} if wanted.prompt is not None else None
    content = {"session": views.brief(session), "prompt": prompt}
    return answer({**content, "will_ask": views.will_ask(session)}, status=201)


async def resume(request: web.Request) -> web.StreamResponse:
    wanted = requests.resume(await body(request))
    resumed = await resuming.resume(
        context(request).sessions,
        _session(request),
        wanted,
        by(request),
        partial(streams.while_connected, request),
    )
    session = resumed.session
    content = {"session": views.brief(session), "resumed": resumed.before.spec.id}
    told = {
        "interrupted": session.succession.interrupted,
        "anew": session.succession.anew,
        "handed_down": resumed.handed_down,
    }
    return answer({**content, **told, "will_ask": views.will_ask(session)}, status=201)


async def change_restarts(request: web.Request) -> web.StreamResponse:
    policy = requests.restart(await body(request))
    session = _session(request)
    theirs = {Kind.ADOPTED: "was adopted", Kind.PIPED: "belongs to its program"}
    if policy and (why := theirs.get(session.spec.kind)):
        what = f"session {session.spec.id} {why}: artac cannot resume it"
        raise ArtacError(ErrorKind.CONFLICT, what)
    async with session.placing:  # its record is written once more where it is moved
        context(request).restarter.change(session, policy)
    return answer({"session": await _full(request, session)})


async def show(request: web.Request) -> web.StreamResponse:
    return answer({"session": await _full(request, _session(request))})


async def why(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("lines",))
    wanted = fields.offset("lines", query.get("lines", "10"))
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
    query = fields.query(request.query, ("force",))
    session = _session(request)
    if session.live and fields.flag("force", query.get("force", "0")):
        await ending.kill(session, context(request).sessions.store, by(request))
    await context(request).sessions.remove(session)
    return answer({"removed": [session.spec.id]})


async def prune(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("keep",))
    keep = fields.offset("keep", query.get("keep", "0"))
    if keep < 0:
        raise ArtacError(ErrorKind.USAGE, "keep must not be negative")
    return answer({"removed": await context(request).sessions.prune(keep)})


async def send(request: web.Request) -> web.StreamResponse:
    text, chosen = requests.message(await body(request))
    session = _session(request)
    message_uuid = chosen or stream.new_uuid()
    if session.spec.kind is Kind.TERMINAL:
        accepted = await typist.send(session, text, message_uuid)
    else:
        accepted = await sending.send(session, text, message_uuid, by(request))
    return answer({**accepted, "session": session.spec.id}, status=202)


async def list_messages(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("all",))
    everything = fields.flag("all", query.get("all", "0"))
    return answer({"messages": sending.listed(_session(request), everything)})


async def show_message(request: web.Request) -> web.StreamResponse:
    message_uuid = fields.message_uuid("uuid", request.match_info["uuid"])
    return answer({"message": sending.show(_session(request), message_uuid)})


async def cancel_message(request: web.Request) -> web.StreamResponse:
    message_uuid = fields.message_uuid("uuid", request.match_info["uuid"])
    session = _session(request)
    cancelled = await sending.cancel(session, message_uuid, by(request))
    return answer({"message": sending.view(session, cancelled)})


async def show_turn(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("offset", "wait"))
    session = _session(request)
    message_uuid = fields.message_uuid("uuid", request.match_info["uuid"])
    typist.refuse_turns(session)
    seconds = min(_LONGEST_WAIT, fields.seconds("wait", query.get("wait", "0")))
    known = session.messages.find(message_uuid)
    offset = known.offset if known is not None else extent(session.output).first
    if "offset" in query:
        asked = fields.offset("offset", query["offset"])
        offset = asked if known is None else min(asked, offset)
    async with streams.reader_slot(request):
        found = await streams.while_connected(
            request, turn(session, message_uuid, max(0, offset), seconds)
        )
    return answer(
        {
            "uuid": found.uuid,
            "outcome": found.outcome,
            "message": found.message,
            "text": found.text,
            "cost_usd": found.cost_usd,
            "denied": list(found.denied),
            "offset": found.offset,
        }
    )


async def interrupt(request: web.Request) -> web.StreamResponse:
    session = _session(request)
    await session.interrupt()
    return answer({"session": views.brief(session)})


async def list_permissions(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("session", "all"))
    sessions = context(request).sessions
    everything = fields.flag("all", query.get("all", "0"))
    looked_at = [sessions.find(query["session"])] if "session" in query else sessions.live()
    return answer({"permissions": await answering.listed(looked_at, everything)})


async def answer_permission(request: web.Request) -> web.StreamResponse:
    reply = requests.permission(await body(request))
    session, asked = _session(request), request.match_info["request"]
    entry = await answering.answer(session, asked, reply, by(request))
    return answer({"permission": answering.view(session, entry)})


async def stop(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("grace",))
    session = _session(request)
    configured = context(request).sessions.settings.stop_grace
    grace = fields.seconds("grace", query["grace"]) if "grace" in query else configured
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


async def attach(request: web.Request) -> web.StreamResponse:
    asked = requests.attach(await body(request))
    session = _session(request)
    early = request.headers.get(attaching.REPLY) == attaching.KEEPER
    with await attaching.attach(session, asked, by(request), early) as keeper:
        attaching.hand_over(request, session, keeper, early)
    # It has its answer. aiohttp is to close the connection and not to write one of its own.
    raise ConnectionResetError


async def pipe(request: web.Request) -> web.StreamResponse:
    asked, sessions = requests.pipe(await body(request)), context(request).sessions
    session = piping.returns(asked, sessions.find)
    new = session is None
    if session is None:
        same_account = peer(request).uid == os.geteuid()
        wanted = piping.launch(asked, same_account)
        piping.check_conversation(sessions.live(), wanted)
        session = await sessions.run(wanted, by(request), partial(streams.while_connected, request))
    try:
        granted = await piping.connect(session, asked, by(request))
        with granted.keeper:
            piping.hand_over(request, session, granted)
    except BaseException:
        if new and session.live:  # nobody will ever speak to it
            await ending.kill(session, sessions.store, "artac")
        raise
    # As with `attach`.
    raise ConnectionResetError


async def show_screen(request: web.Request) -> web.StreamResponse:
    return answer({"screen": await attaching.screen(_session(request))})


async def show_sizes(request: web.Request) -> web.StreamResponse:
    return answer({"sizes": attaching.sizes(_session(request))})


async def adopt(request: web.Request) -> web.StreamResponse:
    pid, name = requests.adoption(await body(request))
    adopted = await adopting.adopt(context(request).sessions, pid, name, by(request))
    return answer({"session": views.brief(adopted.session), "outside": adopted.outside}, status=201)


async def wait(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("for", "wait", "gone"))
    session = _session(request)
    states = fields.states("for", query.get("for", State.ENDED.value))
    gone = fields.flag("gone", query.get("gone", "0"))
    seconds = min(_LONGEST_WAIT, fields.seconds("wait", query.get("wait", "0")))
    until = departure.gone(session, states, seconds) if gone else session.wait_for(states, seconds)
    async with streams.reader_slot(request):
        reached = await streams.while_connected(request, until)
    return answer({"reached": reached, "session": views.brief(session)})


async def list_processes(request: web.Request) -> web.StreamResponse:
    query = fields.query(request.query, ("session", "foreign", "pss"))
    sessions = context(request).sessions
    foreign = fields.flag("foreign", query.get("foreign", "1"))
    pss = fields.flag("pss", query.get("pss", "0"))
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

# aiohttp before 3.9 tries them one after the other: first what somebody waits for at a terminal.
ROUTES = (
    Route("POST", _ONE + "/attach", Access.USE, attach),
    Route("POST", "/v1/pipe", Access.USE, pipe),
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
    Route("GET", "/v1/declared", Access.USE, declared_api.list_declared),
    Route("PUT", "/v1/declared/{name}", Access.USE, declared_api.save),
    Route("POST", "/v1/declared/{name}/start", Access.USE, declared_api.start),
    Route("GET", _ONE, Access.USE, show),
    Route("GET", _ONE + "/why", Access.USE, why),
    Route("DELETE", _ONE, Access.USE, remove),
    Route("POST", _ONE + "/resume", Access.USE, resume),
    Route("POST", _ONE + "/restarts", Access.USE, change_restarts),
    Route("POST", _ONE + "/messages", Access.USE, send),
    Route("GET", _ONE + "/messages", Access.USE, list_messages),
    Route("GET", _ONE + "/messages/{uuid}", Access.USE, show_message),
    Route("DELETE", _ONE + "/messages/{uuid}", Access.USE, cancel_message),
    Route("GET", _ONE + "/turns/{uuid}", Access.USE, show_turn),
    Route("POST", _ONE + "/interrupt", Access.USE, interrupt),
    Route("GET", "/v1/permissions", Access.USE, list_permissions),
    Route("POST", _ONE + "/permissions/{request}", Access.USE, answer_permission),
    Route("POST", _ONE + "/stop", Access.USE, stop),
    Route("POST", _ONE + "/kill", Access.USE, kill),
    Route("POST", _ONE + "/limits", Access.USE, limit),
    Route("POST", _ONE + "/persist", Access.USE, persist),
    Route("GET", _ONE + "/screen", Access.USE, show_screen),
    Route("GET", _ONE + "/sizes", Access.USE, show_sizes),
    Route("POST", "/v1/adopt", Access.USE, adopt),
    Route("GET", _ONE + "/wait", Access.USE, wait),
    Route("GET", _ONE + "/output", Access.USE, streams.output),
    Route("GET", _ONE + "/events", Access.USE, streams.events),
)
