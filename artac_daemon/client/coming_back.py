"""A daemon that goes away while somebody is at it: waiting for it, and asking again."""

from __future__ import annotations

import time
from typing import Any

from ..model.errors import ArtacError
from .connection import PATIENCE
from .failures import ConnectionLost, NoDaemon
from .steps import Ask, Knock, Known, Note, Pause, Procedure

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
# A request that ends the daemon each time it is made is not to be made for ever.
_TRIES = 5


def outlast(lost: ArtacError, seconds: float = PATIENCE) -> Procedure[None]:
    """Wait for a daemon that went away to answer again; raises `lost` when it does not."""
    if seconds <= 0:
        raise lost
    yield Note(f"the daemon is gone; waiting up to {seconds:g}s for it to come back")
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        yield Pause(pause)
        if (yield Knock(max(0.1, deadline - time.monotonic()))):
            break
        if time.monotonic() + pause >= deadline:
            raise lost
        pause = min(_LONGEST_PAUSE, pause * 2)
    yield Note("the daemon is back")


def persist(asked: Ask, patience: float, repeatable: bool) -> Procedure[dict[str, Any]]:
    """The answer to a request, if need be of a daemon that is back.

    One that reached nobody is made again in any case; one whose answer was lost only where it is
    `repeatable`: where doing it twice is as good as doing it once.
    """
    tries = 0
    while True:
        tries += 1
        try:
            answer: dict[str, Any] = yield asked
            return answer
        except NoDaemon as absent:
            if tries == _TRIES or not (yield Known()):
                raise
            lost: ArtacError = absent
        except ConnectionLost as broken:
            if tries == _TRIES or not repeatable:
                raise
            lost = broken
        yield from outlast(lost, patience)
