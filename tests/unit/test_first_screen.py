"""What an attach shows before the rest of it is loaded."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator

import pytest

from artac_daemon.cli.asking import Granted
from artac_daemon.cli.terminal.first_screen import HELD, FirstScreen
from artac_daemon.keeper import wire
from artac_daemon.model.errors import ArtacError, ErrorKind

HELLO = wire.encode({"event": "hello", "protocol": [1, 3]})
REPLY = wire.encode({"reply": 1})
SIZE = wire.encode({"event": "size", "columns": 80, "rows": 24, "at": 0})
SCREEN = wire.placed(wire.SCREEN, 7, b"what it shows")
ENDED = wire.encode({"event": "ended", "end": {}, "at": 7})


class Terminal:
    """Stands for the user's."""

    def __init__(self) -> None:
        self.done: list[bytes] = []

    def raw(self) -> None:
        self.done.append(b"raw")

    def write(self, more: bytes = b"") -> None:
        self.done.append(more)


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def first(said: bytes, early: bool = True) -> FirstScreen:
    """Of a keeper that says that, and then breaks off."""
    keeper, client = socket.socketpair()
    with keeper:
        keeper.sendall(said)
    reply = b"Artac-Reply: keeper\r\n" if early else b""
    head = b"HTTP/1.1 101 x\r\nArtac-Session: abcdef\r\n" + reply + b"\r\n"
    return FirstScreen(Granted(head, [client.detach(), -1]))


@pytest.mark.parametrize("window", [(80, 24), None])
def test_a_screen_that_fits_is_shown_on_a_raw_terminal(window: tuple[int, int] | None) -> None:
    terminal = Terminal()
    found = first(HELLO + REPLY + SIZE + SCREEN + ENDED)
    found.show(terminal, window)  # type: ignore[arg-type]
    assert terminal.done == [b"raw", b"\rwhat it shows"]
    # All of it is gone through again; an end that it is to hear of waits until somebody listens.
    assert found.shown and found.said == SIZE + SCREEN + ENDED
    assert set(HELD) <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(SIZE + SCREEN, id="another size"),
        pytest.param(SCREEN, id="no size"),
        pytest.param(SIZE + ENDED, id="over"),
        pytest.param(SIZE, id="broken off"),
        pytest.param(SIZE + b"\x09 no protocol", id="damaged"),
        pytest.param(SIZE + SIZE + SCREEN, id="a size that changes"),
    ],
)
def test_whatever_else_it_says_is_left_to_the_rest(said: bytes) -> None:
    terminal = Terminal()
    found = first(HELLO + REPLY + said)
    found.show(terminal, (100, 30))  # type: ignore[arg-type]
    assert not found.shown and not terminal.done
    assert said.startswith(found.said)


def test_a_daemon_that_has_had_the_reply_is_not_asked_for_one() -> None:
    terminal = Terminal()
    first(SIZE + SCREEN, early=False).show(terminal, (80, 24))  # type: ignore[arg-type]
    assert terminal.done == [b"raw", b"\rwhat it shows"]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (HELLO + wire.encode({"reply": 1, "error": "clients"}), ErrorKind.LIMIT),
        (HELLO, ErrorKind.NOT_RUNNING),
        (b"", ErrorKind.NOT_RUNNING),
        (b"no protocol at all", ErrorKind.FAILED),
    ],
)
def test_who_is_not_taken_in_is_told_why(said: bytes, kind: ErrorKind) -> None:
    with pytest.raises(ArtacError) as refused:
        first(said)
    assert refused.value.kind is kind
