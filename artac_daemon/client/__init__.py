"""A client of artac: `Client`, and `AsyncClient` for asyncio. See docs/python-client.md.

The command `artac` uses what is below them, and is not to wait for their imports: a name is
imported when it is asked for.
"""

from __future__ import annotations

# typing's own would cost every command the import of typing.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..model.errors import ArtacError as ArtacError
    from ..model.errors import ErrorKind as ErrorKind
    from ..model.errors import NotAdmitted as NotAdmitted
    from .aio import AsyncClient as AsyncClient
    from .failures import ConnectionLost as ConnectionLost
    from .failures import NoDaemon as NoDaemon
    from .results import Accepted as Accepted
    from .results import End as End
    from .results import Health as Health
    from .results import Message as Message
    from .results import Permission as Permission
    from .results import Screen as Screen
    from .results import Session as Session
    from .results import Turn as Turn
    from .streamed import ClaudeEvent as ClaudeEvent
    from .streamed import Event as Event
    from .streamed import Output as Output
    from .sync import Client as Client

_FOUND_IN = {
    "Client": "sync",
    "AsyncClient": "aio",
    "ConnectionLost": "failures",
    "NoDaemon": "failures",
    **dict.fromkeys(("ArtacError", "ErrorKind", "NotAdmitted"), "errors"),
    **dict.fromkeys(("ClaudeEvent", "Event", "Output"), "streamed"),
    **dict.fromkeys(
        ("Accepted", "End", "Health", "Message", "Permission", "Screen", "Session", "Turn"),
        "results",
    ),
}


def __getattr__(name: str) -> object:
    if name not in _FOUND_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    room = "..model" if _FOUND_IN[name] == "errors" else ""
    found: object = getattr(import_module(f"{room}.{_FOUND_IN[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_FOUND_IN})
