"""Who is at a session's terminal: what becomes of what they type, and whose terminal answers."""

from __future__ import annotations

import os
import pty
import signal
import socket
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from artac_daemon.keeper import wire
from artac_daemon.keeper.attaching import Attaching
from artac_daemon.keeper.claude_input import ClaudeInput
from artac_daemon.keeper.link import Link
from artac_daemon.keeper.loop import Loop

SIZE = (80, 24)
ANSWER = b"\x1b[?62c"


class Session:
    """A terminal of that size, what a keeper does about it, and the program's end of it."""

    def __init__(self, directory: Path) -> None:
        control, self.program = pty.openpty()
        tty.setraw(self.program)
        for fd in (control, self.program):
            os.set_blocking(fd, False)
        output = os.open(directory / "output", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self.loop = Loop()
        self.attaching = Attaching(self.loop)
        self.attaching.open(control, output, SIZE, ClaudeInput(self.loop, os.dup(control)))
        self.closed = False
        self._clients: list[socket.socket] = []

    def attach(self, **wishes: object) -> socket.socket:
        """A client's socket, once the keeper has heard its request."""
        mine, its = socket.socketpair()
        mine.setblocking(False)
        self._clients.append(mine)
        link = Link(self.loop, its, self._said, self._left)
        handler = self.attaching.handler("attach")
        assert handler is not None
        columns, rows = SIZE
        handler(
            link, {"id": 1, "who": "me", "columns": columns, "rows": rows, "lines": 0, **wishes}
        )
        return mine

    def _said(self, link: Link, message: dict[str, object]) -> None:
        self.attaching.said(link, message)

    def _left(self, link: Link) -> None:
        self.closed = True
        self.attaching.left(link)

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Let the keeper go on until then; a minute at most."""

        def looked() -> None:
            if condition():
                self.loop.stop()
            self.loop.after("look", 0.0, looked)

        self.loop.after("look", 0.0, looked)
        self.loop.after("too long", 60.0, self.loop.stop)
        self.loop._running = True
        self.loop.run()
        assert condition()

    def typed(self) -> bytes:
        """What the program can read now."""
        try:
            return os.read(self.program, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.chdir(tmp_path)  # a keeper's is the session's directory
    session = Session(tmp_path)
    yield session
    session.close()
    signal.set_wakeup_fd(-1)


def test_a_paste_is_read_to_its_end_though_its_client_has_gone(session: Session) -> None:
    """Without its end a program takes all that anybody types for more of the paste."""
    client = session.attach()
    # More than a keeper takes of what nobody reads, and no more than its socket holds besides.
    paste = b"\x1b[200~" + b"x" * 360_000 + b"\x1b[201~"
    pieces = [wire.frame(wire.DATA, paste[at : at + 4096]) for at in range(0, len(paste), 4096)]
    rest = b"".join(pieces)

    def sent() -> bool:
        nonlocal rest
        try:
            rest = rest[client.send(rest) :]
        except BlockingIOError:
            pass
        return not rest

    session.run_until(sent)
    client.close()
    session.run_until(lambda: session.closed)
    later = session.attach()
    later.send(wire.frame(wire.DATA, b"later"))
    got = bytearray()

    def read() -> bool:
        got.extend(session.typed())
        return got.endswith(b"later")

    session.run_until(read)
    assert bytes(got) == paste + b"later"


@pytest.mark.parametrize("stolen", [False, True], ids=["gone", "stolen"])
def test_a_paste_that_is_cut_off_ends_when_its_client_leaves(
    session: Session, stolen: bool
) -> None:
    client = session.attach()
    for typed in (b"\x1b[200~whole\x1b[201~", b"\x1b[20", b"0~half of it"):
        client.send(wire.frame(wire.DATA, typed))
    got = bytearray()

    def read() -> bool:
        got.extend(session.typed())
        return b"half of it" in got

    session.run_until(read)
    if not stolen:
        client.close()
        session.run_until(lambda: session.closed)
    later = session.attach(steal=stolen)
    later.send(wire.frame(wire.DATA, b"later"))

    def read_later() -> bool:
        got.extend(session.typed())
        return got.endswith(b"later")

    session.run_until(read_later)
    assert bytes(got) == b"\x1b[200~whole\x1b[201~\x1b[200~half of it\x1b[201~later"


def test_who_steals_gets_in_where_nobody_else_does(session: Session) -> None:
    everybody = [session.attach() for _ in range(48)]
    refused = wire.Frames().feed(session.attach().recv(4096))
    assert wire.message(refused[0][1]) == {"reply": 1, "error": "clients"}
    thief = session.attach(steal=True)
    assert wire.message(wire.Frames().feed(thief.recv(65536))[0][1]) == {"reply": 1}
    for client in everybody:
        assert b'"detached"' in client.recv(65536)
        assert client.recv(1) == b""


@pytest.mark.parametrize(
    "first",
    [{"columns": 60, "rows": 20, "ignore_size": True}, {"read_only": True}],
    ids=["a picture", "read-only"],
)
def test_a_terminal_that_is_asked_answers(session: Session, first: dict[str, object]) -> None:
    session.attach(**first)
    asked, later = session.attach(), session.attach()
    for client in (asked, later):
        client.send(wire.frame(wire.REPORT, ANSWER))
    asked.send(wire.frame(wire.DATA, b"."))
    later.send(wire.frame(wire.DATA, b"."))
    got = bytearray()

    def read() -> bool:
        got.extend(session.typed())
        return got.count(b".") == 2

    session.run_until(read)
    assert got.count(ANSWER) == 1


def test_where_nobody_is_asked_one_of_them_tells(session: Session) -> None:
    """Of another colour of its window, for one, which a terminal tells by itself."""
    wide, high = session.attach(columns=100, rows=20), session.attach(columns=80, rows=40)
    for client in (wide, high):
        client.send(wire.frame(wire.REPORT, ANSWER) + wire.frame(wire.DATA, b"."))
    got = bytearray()

    def read() -> bool:
        got.extend(session.typed())
        return got.count(b".") == 2

    session.run_until(read)
    assert got.count(ANSWER) == 1
