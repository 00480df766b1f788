"""events without a session: the life of all of them, for scripts that are to miss nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..model.errors import ArtacError
from .client import Client, ConnectionLost, NoDaemon, with_query
from .follow import event_batches

# Before asking again for a stream that the daemon ended.
_PAUSE = 0.5


def life(client: Client, cursor: str | None, follow: bool) -> Iterator[list[bytes]]:
    """JSON lines behind a cursor (None: all that are there, "now": from now on), as they come.

    Following goes on over a restart of the daemon. The error of one that does not come back has the
    cursor in it.
    """
    while True:
        lost: ArtacError | None = None
        try:
            target = with_query("/v1/events", cursor=cursor, follow=int(follow))
            for batch in event_batches(client, target):
                cursor = str(batch[-1].offset)
                yield [event.data for event in batch if event.kind != "start"]
        except (ConnectionLost, NoDaemon) as error:
            lost = error
        if lost is None and not follow:
            return
        try:
            _go_on(client, follow, lost)
        except (ConnectionLost, NoDaemon) as error:
            if not cursor or cursor == "now":
                raise
            resume = f"{error.message}; to go on: --cursor {cursor}"
            raise ArtacError(error.kind, resume) from None


def _go_on(client: Client, follow: bool, lost: ArtacError | None) -> None:
    if lost is None:
        time.sleep(_PAUSE)
    elif follow and client.met:
        client.outlast(lost)
    else:
        raise lost
