"""events without a session: the life of all of them, for scripts that are to miss nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ..client.reading import life as read
from ..model.errors import ArtacError
from .client import PATIENCE, Client, ConnectionLost, NoDaemon


def life(client: Client, cursor: str | None, follow: bool) -> Iterator[list[bytes]]:
    """JSON lines behind a cursor (None: all that are there, "now": from now on), as they come.

    Following goes on over a restart of the daemon. The error of one that does not come back has the
    cursor in it.
    """
    try:
        for batch in client.read_along(read(cursor, follow, PATIENCE)):
            cursor = str(batch[-1].offset)
            yield [event.data for event in batch if event.kind != "start"]
    except (ConnectionLost, NoDaemon) as error:
        if not follow or not cursor or cursor == "now":
            raise
        resume = f"{error.message}; to go on: --cursor {cursor}"
        raise ArtacError(error.kind, resume) from None
