"""What is asked of a keeper that has a terminal, by backends and by the clients attached to it."""

from __future__ import annotations

from collections.abc import Callable

from . import record
from .attached import Attached, size_in
from .claude_input import ClaudeInput
from .link import Link
from .loop import Loop
from .terminal import SessionTerminal

# In the session's directory, once it has ended.
SCREEN = "screen"

# Fewer than connections: the backend has to get in, and needs some of them for itself.
_MOST_CLIENTS = 48

Handler = Callable[[Link, dict[str, object]], None]


class Attaching:
    """The session's terminal once it is there, and the links that are clients of it."""

    piped = False
    met = True  # whoever wants to may attach

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._terminal: SessionTerminal | None = None
        self._input: ClaudeInput | None = None
        self._clients: dict[Link, Attached] = {}

    @property
    def is_open(self) -> bool:
        """Whether a program has been started on it."""
        return self._terminal is not None

    def open(self, control: int, output: int, size: tuple[int, int], into: ClaudeInput) -> None:
        """A program was started: the master side of its terminal, and the file of its output."""
        self._terminal = SessionTerminal(self._loop, control, output, size)
        self._input = into

    def begin(
        self,
        into: ClaudeInput,
        lines: bool,
        left: Callable[[int | None], None],
        tell: Callable[[dict[str, object]], None],
    ) -> None:
        raise ValueError("this keeper was not started for a program")

    def handler(self, op: str) -> Handler | None:
        """What a backend may ask."""
        if self._terminal is None:
            return None
        return {
            "attach": self._attach,
            "read-screen": self._read_screen,
            "resize": self._resize,
        }.get(op)

    def said(self, link: Link, message: dict[str, object]) -> None:
        """What a client may ask; ValueError, KeyError or TypeError when it is not understood."""
        client = self._clients[link]
        assert self._terminal is not None
        if message.get("op") == "window":
            self._terminal.window(client, *size_in(message))
        elif message.get("op") == "screen":
            self._terminal.show(client, int(str(message["lines"])))

    def launcher_left(self) -> None:
        """The backend that started the session is gone."""

    def left(self, link: Link) -> None:
        """A connection is closed."""
        client = self._clients.pop(link, None)
        if client is not None and self._terminal is not None:
            client.ends_paste()
            self._terminal.left(client)

    def finish(self) -> None:
        """The program has ended: take in what it has written, and keep what it showed last."""
        if self._terminal is None:
            return
        self._terminal.finish()
        try:
            record.write(".", SCREEN, self._terminal.last_screen(), durable=False)
        except OSError:
            return  # a full disk: the output has it all the same

    def facts(self) -> dict[str, object]:
        """What belongs to the end."""
        return {}

    def ended(self, end: dict[str, object]) -> None:
        """Tell every client of the end, after the last byte."""
        if self._terminal is not None:
            self._terminal.ended(end)

    def _attach(self, link: Link, message: dict[str, object]) -> None:
        assert self._terminal is not None and self._input is not None
        steal = bool(message.get("steal"))
        if len(self._clients) >= _MOST_CLIENTS and not steal:
            link.send({"reply": message["id"], "error": "clients"})
            return
        client = Attached(link, message, self._input)
        link.becomes_terminal(
            client.types,
            lambda data: self._reported(client, data),
            lambda: self._drained(client),
            to_its_end=True,
        )
        self._clients[link] = client
        link.send({"reply": message["id"]})
        self._terminal.attach(client, steal)

    def _reported(self, client: Attached, data: bytes) -> None:
        # Several terminals give several answers, and the program asked one.
        if self._terminal is not None and self._terminal.leads(client):
            client.types(data)

    def _drained(self, client: Attached) -> None:
        if self._terminal is not None:
            self._terminal.drained(client)

    def _read_screen(self, link: Link, message: dict[str, object]) -> None:
        assert self._terminal is not None
        number = message["id"]
        self._terminal.screen(lambda screen: link.send({"reply": number, "screen": screen}))

    def _resize(self, link: Link, message: dict[str, object]) -> None:
        assert self._terminal is not None
        self._terminal.resize(*size_in(message))
        link.send({"reply": message["id"]})
