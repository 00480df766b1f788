"""An attach on a real terminal with a keeper that does what the test needs it to do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.pty_terminal import PtyTerminal

Start = Callable[[str], PtyTerminal]

_CLIENT = """
import os, select, signal, socket, sys, tempfile, threading
from artac_daemon.cli.asking import Granted, Wishes
from artac_daemon.cli.terminal import attachment, leaving, tty
from artac_daemon.keeper import wire

keeper, mine = socket.socketpair()
output = tempfile.TemporaryFile()
size = wire.encode({"event": "size", "columns": 80, "rows": 24, "at": 0})
class First:
    shown, said = False, size + wire.placed(wire.SCREEN, 0, b"the first screen")
attachment.is_alone = lambda: False  # as below a shell with job control
attached = attachment.Attachment(
    Wishes("x", 0x1C), Granted(b"", [mine.fileno(), output.fileno()]), tty.Terminal(), (80, 24),
    First,
)
"""
_END = """
code = leaving.tell(attached.run(), "x", "", 0, attached.untyped)
sys.exit(code)
"""

_A_KEY_WITH_THE_SIGNAL = """
def answer():
    while data := keeper.recv(65536):
        if b'"screen"' in data:
            keeper.sendall(wire.placed(wire.SCREEN, 0, b" the next screen"))
threading.Thread(target=answer, daemon=True).start()
prepare = attached._prepare
def stopped_with_a_key():
    prepare()
    os.kill(os.getpid(), signal.SIGTSTP)
    attached._terminal.write(b" a key, please")
    select.select([0], [], [])
attached._prepare = stopped_with_a_key
"""

_NOT_READ = """
keeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
"""

_READ_LATE = """
mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
leave, left = attached._leave, threading.Event()
def leaves(*words):
    leave(*words)
    left.set()
attached._leave = leaves
def read():
    left.wait()
    frames, got = wire.Frames(), b""
    while b"the end" not in got:
        got += b"".join(body for kind, body in frames.feed(keeper.recv(65536)) if kind == wire.DATA)
    os.write(1, b"whole" if len(got) == 20_007 else b"%d" % len(got))
threading.Thread(target=read).start()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    made: list[PtyTerminal] = []

    def begin(keeper: str) -> PtyTerminal:
        command = [sys.executable, "-c", _CLIENT + keeper + _END]
        made.append(PtyTerminal(command, dict(os.environ)))
        return made[-1]

    yield begin
    for terminal in made:
        terminal.close()


def test_a_key_that_comes_with_the_signal_to_stop_does_not_hang_what_follows(start: Start) -> None:
    """What it has read goes when the terminal is given to the shell: there is no key any more."""
    terminal = start(_A_KEY_WITH_THE_SIGNAL)
    terminal.shows("a key, please")
    terminal.press("k")
    terminal.shows("suspended; fg comes back")
    pid = terminal.process.pid
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    os.kill(pid, signal.SIGCONT)
    terminal.shows("the next screen")


def test_what_was_typed_before_the_detach_is_handed_over(start: Start) -> None:
    terminal = start(_READ_LATE)
    terminal.shows("the first screen")
    terminal.press("k" * 20_000 + "the end\x1cd")
    terminal.shows("whole")
    assert terminal.wait() == 0
    assert "were not taken" not in terminal.text


def test_who_detaches_is_told_what_was_not_taken(start: Start) -> None:
    terminal = start(_NOT_READ)
    terminal.shows("the first screen")
    terminal.press("k" * 300_000 + "\x1cd")
    assert terminal.wait() == 0
    assert "of what was typed were not taken" in terminal.text
    assert "detached from x" in terminal.text
