"""An attach on a real terminal with a keeper that does what the test needs it to do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

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

_SUSPENDED_IN_A_PASTE = """
def read():
    frames, got = wire.Frames(), b""
    while data := keeper.recv(65536):
        got += b"".join(body for kind, body in frames.feed(data) if kind == wire.DATA)
        if b'"screen"' in data:
            open(os.environ["TAKEN"], "wb").write(got)
            keeper.sendall(wire.placed(wire.SCREEN, 0, b" the next screen"))
threading.Thread(target=read, daemon=True).start()
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
    open(os.environ["TAKEN"], "w").write(str(len(got)))
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


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a keeper that reads late tells how much it got."""
    monkeypatch.setenv("TAKEN", str(tmp_path / "taken"))
    return tmp_path / "taken"


def test_what_was_typed_before_the_detach_is_handed_over(start: Start, taken: Path) -> None:
    terminal = start(_READ_LATE)
    terminal.shows("the first screen")
    terminal.press("k" * 20_000 + "the end\x1cd")
    assert terminal.wait() == 0
    assert taken.read_text() == "20007"
    assert "were not taken" not in terminal.text


def test_what_was_typed_before_the_window_was_closed_is_handed_over(
    start: Start, taken: Path
) -> None:
    terminal = start(_READ_LATE)
    terminal.shows("the first screen")
    terminal.press("k" * 20_000 + "the end")
    terminal.until(terminal.has_read_all, "all that was typed")
    terminal.hang_up()
    terminal.process.wait(60)
    assert taken.read_text() == "20007"


def test_who_detaches_is_told_what_was_not_taken(start: Start) -> None:
    terminal = start(_NOT_READ)
    terminal.shows("the first screen")
    terminal.press("k" * 300_000 + "\x1cd")
    assert terminal.wait() == 0
    assert "of what was typed were not taken" in terminal.text
    assert "detached from x" in terminal.text


def test_a_paste_that_comes_with_the_keys_to_suspend_is_whole_before_it_is_ended(
    start: Start, taken: Path
) -> None:
    terminal = start(_SUSPENDED_IN_A_PASTE)
    terminal.shows("the first screen")
    terminal.press("\x1cz\x1b[200~half of it")
    pid = terminal.process.pid
    assert os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])
    os.kill(pid, signal.SIGCONT)
    terminal.shows("the next screen")
    assert taken.read_bytes() == b"\x1b[200~half of it\x1b[201~"
