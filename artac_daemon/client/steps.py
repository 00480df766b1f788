"""What a procedure of the client wants done by whoever carries it out.

A procedure is a generator and does no I/O: it yields steps, is sent what they gave, and has the
ArtacError thrown into it by which they failed. So one text serves threads and asyncio alike.
`connection.Connections` and `aio.AsyncConnections` carry them out.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

T = TypeVar("T")


class Step:
    """Any of those below."""

    __slots__ = ()


class Ask(Step):
    """A request; gives the JSON object that is its answer. `seconds` bounds each wait for it."""

    __slots__ = ("body", "method", "seconds", "target")

    def __init__(
        self,
        method: str,
        target: str,
        body: dict[str, Any] | None = None,
        seconds: float | None = None,
    ) -> None:
        self.method, self.target, self.body, self.seconds = method, target, body, seconds


class Open(Step):
    """A request whose answer lasts; gives its headers. One is open at a time."""

    __slots__ = ("target",)

    def __init__(self, target: str) -> None:
        self.target = target


class Read(Step):
    """The next bytes of what was opened; None at its end."""

    __slots__ = ()


class Pause(Step):
    """So many seconds."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Knock(Step):
    """Whether a daemon answers, within so many seconds; without a word on why none does."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Known(Step):
    """Whether a daemon has been met before; if not, there is none to wait for."""

    __slots__ = ()


class Note(Step):
    """A word for a person who waits."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Give(Step):
    """Something for whoever reads along."""

    __slots__ = ("item",)

    def __init__(self, item: Any) -> None:
        self.item = item


# One that comes to a result, and one that gives things on its way.
Procedure = Generator[Step, Any, T]
Reading = Generator[Step, Any, None]
