"""Why a session ended, or what it is doing: the verdict with all that speaks for it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from ..host import cgroups, processes, unit_state
from ..model.errors import ArtacError
from ..model.session import Identity, Kind, Placement, State, unit_name
from . import attaching, evidence, last_words
from .lines import extent
from .session import Session


async def explain(session: Session, lines: int) -> dict[str, Any]:
    """The answer to `why`, with so many of the last lines of output and standard error."""
    found = await _look(session)
    end = found.end
    output, errors = await asyncio.gather(
        _last_output(session, lines),
        asyncio.to_thread(last_words.last_lines, session.directory / "stderr", lines),
    )
    return {
        "verdict": {
            "state": found.state.value,
            "since": found.since,
            "reason": end.reason.value if end else None,
            "sentence": evidence.sentence(found),
        },
        "evidence": [asdict(item) for item in evidence.evidence(found)],
        "last_output": output,
        "last_stderr": errors,
    }


async def _last_output(session: Session, lines: int) -> list[str]:
    """Of a terminal what it shows, or showed last: its output is no text."""
    if session.spec.kind is Kind.TERMINAL and session.state is not State.UNRESPONSIVE:
        try:
            rows = [str(row) for row in (await attaching.screen(session))["text"]]
        except ArtacError:
            rows = []
        while rows and not rows[-1]:
            rows.pop()
        if rows:
            return rows[-lines:] if lines else []
    return await asyncio.to_thread(last_words.last_lines, session.output, lines)


async def _look(session: Session) -> evidence.Circumstances:
    spec = session.spec
    unit = await _unit(session)
    turn = None
    if spec.kind is Kind.HEADLESS:
        turn = await asyncio.to_thread(last_words.last_turn, session.output)
    live = session.live
    return evidence.Circumstances(
        placement=spec.placement,
        state=session.state,
        since=session.state_since,
        end=session.end,
        stop=session.stop_request,
        unit=unit,
        booted_at=processes.booted_at(),
        same_boot=spec.boot_id == processes.boot_id(),
        output=extent(session.output),
        written_at=_written_at(session),
        turn=turn,
        keeper=_keeper(session) if live else "",
        claude=_process(session.claude) if live else "",
        frozen=live and session.cgroup is not None and cgroups.frozen(session.cgroup),
    )


async def _unit(session: Session) -> unit_state.UnitState | None:
    """Its scope; the daemon's own service where it lives in that."""
    placement = session.spec.placement
    if placement is Placement.SCOPE:
        return await unit_state.ask(unit_name(session.spec.id), user_manager=True)
    if placement is Placement.DETACHED:
        return None
    own = cgroups.of_process("self").split("/")
    service = next((part for part in reversed(own) if part.endswith(".service")), "")
    if not service:
        return None
    above = own[: own.index(service)]
    return await unit_state.ask(service, any(part.startswith("user@") for part in above))


def _keeper(session: Session) -> str:
    said = _process(session.keeper)
    if said and session.state is State.UNRESPONSIVE:
        said += "; it does not answer this daemon"
    return said


def _process(identity: Identity | None) -> str:
    if identity is None:  # it is just starting, or its keeper has not told yet
        return ""
    return f"pid {identity.pid}, {processes.run_state(identity)}"


def _written_at(session: Session) -> float | None:
    try:
        return session.output.stat().st_mtime
    except FileNotFoundError:
        return None
