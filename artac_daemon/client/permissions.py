"""Permission requests: which one is meant, and answering it exactly once."""

from __future__ import annotations

from typing import Any

from ..model.errors import ArtacError, ErrorKind
from .coming_back import outlast, persist
from .connection import QUICK
from .failures import ConnectionLost
from .steps import Ask, Procedure
from .targets import session_path, with_query


def listed(
    reference: str | None, everything: bool, patience: float
) -> Procedure[list[dict[str, Any]]]:
    """What waits for an answer, of one session or of all; `everything`: what was settled, too."""
    target = with_query("/v1/permissions", session=reference, all=1 if everything else None)
    found = yield from persist(Ask("GET", target, seconds=QUICK), patience, repeatable=True)
    permissions: list[dict[str, Any]] = found["permissions"]
    return permissions


def answer(
    session_id: str, request_id: str, body: dict[str, Any], patience: float
) -> Procedure[dict[str, Any]]:
    """Answer a request. One answered so before, its confirmation lost, is no conflict."""
    asked = Ask("POST", session_path(session_id, "permissions", request_id), body)
    try:
        return _settled((yield from persist(asked, patience, repeatable=False)))
    except ConnectionLost as lost:
        yield from outlast(lost, patience)
    try:
        return _settled((yield from persist(asked, patience, repeatable=False)))
    except ArtacError as error:
        if error.kind is not ErrorKind.CONFLICT:
            raise
        wanted = "allowed" if body["answer"] == "allow" else "denied"
        known = yield from listed(session_id, True, patience)
        for settled in known:
            meant = request_id in (settled["request"], settled["request_id"])
            if meant and settled["outcome"] == wanted:
                return settled
        raise


def _settled(answer: dict[str, Any]) -> dict[str, Any]:
    permission: dict[str, Any] = answer["permission"]
    return permission


def find(known: list[dict[str, Any]], reference: str) -> dict[str, Any]:
    """The one that is meant by its id, the start of that, or Claude's own id for it."""
    exact = [a for a in known if reference in (a["request"], a["request_id"])]
    found = exact or [a for a in known if reference and a["request"].startswith(reference)]
    if len(found) > 1:
        found = [asked for asked in found if asked["outcome"] is None]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(asked["request"] for asked in found)
        raise ArtacError(
            ErrorKind.CONFLICT, f"{reference!r} means several requests ({ids}): say more"
        )
    raise ArtacError(
        ErrorKind.NOT_FOUND,
        f"there is no permission request {reference!r}; `artac permissions` lists those that wait",
    )
