"""What a request is for: paths and queries of the API."""

from __future__ import annotations

from ..model.errors import ArtacError, ErrorKind
from .http1 import quote


def session_path(reference: str, *rest: str) -> str:
    """The API's path of a session, given by id, name, or the start of an id."""
    if not reference.strip("."):
        raise ArtacError(ErrorKind.USAGE, f"{reference!r} is no session's id or name")
    return "/".join(("/v1/sessions", quote(reference), *map(quote, rest)))


def with_query(path: str, **values: str | int | float | None) -> str:
    """The path with a query of those values that are not None."""
    words = [f"{key}={quote(str(value))}" for key, value in values.items() if value is not None]
    return f"{path}?{'&'.join(words)}" if words else path
