"""What the API says of a session: the one JSON form that every list and every answer uses."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from ..claude.first_run import Question
from ..host import processes
from ..model.end import End
from ..model.limits import LIMITS, missing
from ..model.session import Placement, unit_name
from . import answering, footprint
from .lines import extent
from .session import Session


def brief(session: Session) -> dict[str, Any]:
    """A row of a list."""
    spec = session.spec
    return {
        "id": spec.id,
        "name": spec.name,
        "state": session.state.value,
        "state_since": session.state_since,
        "kind": spec.kind.value,
        "placement": spec.placement.value,
        "persistent": spec.persistent,
        "cwd": spec.cwd,
        "created_at": spec.created_at,
        "one_shot": spec.one_shot or None,
        "memory_bytes": footprint.memory_bytes(session),
        "end": _end(session.end) if session.end else None,
        "resumes": spec.resumes or None,
        "resumed_as": session.succession.successor or None,
        "restart": [when.value for when in spec.restart],
    }


def full(session: Session, controllers: frozenset[str], monitored: bool) -> dict[str, Any]:
    """All that is known of one session, in a placement that has these controllers."""
    spec = session.spec
    held = extent(session.output)
    scoped = spec.placement is Placement.SCOPE
    return {
        **brief(session),
        "claude_session_id": spec.claude_session_id,
        "created_by": spec.created_by,
        "declared": spec.declared or None,
        "model": spec.model or None,
        "permission_mode": spec.permission_mode,
        "allowed_tools": list(spec.allowed_tools),
        "denied_tools": list(spec.denied_tools),
        "claude_args": list(spec.claude_args),
        "deny_permissions": spec.deny_permissions,
        "turn_timeout": spec.turn_timeout,
        "env_names": list(spec.env_names),
        "unit": unit_name(spec.id) if scoped else None,
        "cgroup": str(session.cgroup) if session.cgroup else None,
        "keeper": session.keeper.to_json() if session.keeper else None,
        "claude": session.claude.to_json() if session.claude else None,
        "processes": processes.tree(footprint.pids(session)),
        "limits": _limits(session, controllers),
        "monitored": monitored,
        "output": {"first": held.first, "size": held.size, "path": str(session.output)},
        "turns": session.claude_state.turns,
        "cost_usd": session.claude_state.cost_usd,
        **session.activity.to_json(),
        "state_seconds": session.times.seconds(time.time()),
        "permissions": [answering.view(session, e) for e in session.permissions.waiting()]
        if session.live
        else [],
        "stop": session.stop_request.to_json() if session.stop_request else None,
        "asks": _questions(session.asks),
        "interrupted": session.succession.interrupted,
        "restarts": {
            "attempts": list(session.succession.attempts),
            "next_at": session.succession.due,
            "why": session.succession.due_why or session.succession.gave_up or None,
        },
    }


def will_ask(session: Session) -> list[dict[str, str]]:
    """What Claude asks at the start of a session, in its order."""
    return _questions(session.first_run.questions if session.first_run else ()) or []


def _questions(questions: tuple[Question, ...] | None) -> list[dict[str, str]] | None:
    return None if questions is None else [question.to_json() for question in questions]


def _limits(session: Session, controllers: frozenset[str]) -> dict[str, Any] | None:
    granted = session.granted
    if granted is None:
        return None
    without = missing(frozenset(LIMITS), controllers)
    return {
        "values": granted.limits.to_json(),
        "asked": sorted(granted.asked),
        "without_effect": sorted(without),
    }


def _end(end: End) -> dict[str, Any]:
    return {"reason": end.reason.value, "sentence": end.sentence, **asdict(end.facts)}
