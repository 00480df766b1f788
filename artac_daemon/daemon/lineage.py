"""Sessions that have had one conversation after each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .session import Session


def connect(sessions: Iterable[Session]) -> None:
    """Note with each what came after it: a backend may have died before it could."""
    table = {session.spec.id: session for session in sessions}
    for session in sorted(table.values(), key=lambda session: session.spec.created_at):
        before = table.get(session.spec.resumes)
        if before is not None:
            before.succession.successor = session.spec.id


def latest(session: Session, table: Mapping[str, Session]) -> Session:
    """The last one that has had the conversation of that session."""
    seen = {session.spec.id}
    while (after := table.get(session.succession.successor)) and after.spec.id not in seen:
        session = after
        seen.add(session.spec.id)
    return session
