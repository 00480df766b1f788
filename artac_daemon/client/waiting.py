"""Waiting for a session to be in some state, over restarts of the daemon."""

from __future__ import annotations

import time
from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .coming_back import persist
from .steps import Ask, Procedure
from .targets import session_path, with_query
from .turns import MARGIN, poll_seconds


def reach(
    reference: str, states: str, seconds: float | None, patience: float, gone: bool = False
) -> Procedure[dict[str, Any]]:
    """The session, once it is in one of those states (separated by commas) or has ended.

    `gone`: and once nothing of it is left, if it has ended. ArtacError(TIMEOUT) when it is in none
    within so many seconds; None waits for ever.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        rest = poll_seconds(deadline)
        target = with_query(
            session_path(reference, "wait"), **{"for": states}, wait=rest, gone=1 if gone else None
        )
        asked = Ask("GET", target, seconds=rest + MARGIN)
        found = yield from persist(asked, patience, repeatable=True)
        session: dict[str, Any] = found["session"]
        if found["reached"]:
            return session
        reference = session["id"]  # its name may be another's by the time of the next question
        if deadline is not None and time.monotonic() >= deadline:
            raise ArtacError(
                ErrorKind.TIMEOUT,
                f"session {reference} is {session['state']} after {seconds:g}s, not {states}",
            )
