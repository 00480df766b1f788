"""Sessions, keepers and machines that do not behave."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.attached_client import AttachedClient
from tests.support.backend import Backend, until
from tests.support.keeper_client import KeeperClient


@pytest.fixture
def in_background() -> Iterator[Callable[[Callable[[], Any]], threading.Thread]]:
    """Runs calls beside the test; all are over when it ends."""
    threads: list[threading.Thread] = []

    def start(call: Callable[[], Any]) -> threading.Thread:
        thread = threading.Thread(target=call)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join()


def test_a_stop_does_not_wait_for_a_claude_that_does_not_read(
    backend: Backend,
) -> None:
    session = backend.run("!slow 60")
    backend.wait(session["id"], "working")
    os.kill(backend.show(session["id"])["claude"]["pid"], signal.SIGSTOP)
    filling = backend.send(session["id"], "x" * 1_000_000)  # its pipe
    end = backend.call("POST", f"/v1/sessions/{session['id']}/stop?grace=0.3")["session"]["end"]
    assert end["reason"] == "stopped"
    path = f"/v1/sessions/{session['id']}/messages/{filling['uuid']}"
    assert backend.call("GET", path)["message"]["state"] == "undelivered"


def test_a_stop_does_not_wait_for_a_stopped_keeper(backend: Backend) -> None:
    session = backend.run("!slow 60")
    backend.wait(session["id"], "working")
    os.kill(backend.show(session["id"])["keeper"]["pid"], signal.SIGSTOP)
    end = backend.call("POST", f"/v1/sessions/{session['id']}/stop?grace=0.3")["session"]["end"]
    assert end["reason"] == "stopped"
    until(lambda: not backend.leftovers()[1:], "nothing but artacd is left")


def test_a_session_that_is_stopped_while_it_starts_leaves_nothing(
    persistent: Backend, in_background: Any
) -> None:
    for _ in range(5):
        started = in_background(lambda: persistent.run())
        session = until(lambda: persistent.list(ended=False), "the session that starts")[0]
        persistent.call("POST", f"/v1/sessions/{session['id']}/stop?grace=1")
        started.join()
        assert persistent.show(session["id"])["end"]["reason"] == "stopped"
        assert persistent.leftovers()[1:] == []


def test_an_end_in_the_midst_of_its_adoption_is_told_truly(persistent: Backend) -> None:
    silent, ending = persistent.run(), persistent.run()
    for session in (silent, ending):
        persistent.wait(session["id"], "idle")
    keeper = persistent.show(silent["id"])["keeper"]["pid"]
    claude = persistent.show(ending["id"])["claude"]["pid"]
    greeted = persistent.show(ending["id"])["keeper"]["pid"]
    persistent.kill()
    os.kill(keeper, signal.SIGSTOP)  # makes the start wait, with the other keeper greeted already
    try:
        until(lambda: _sockets(greeted) == 1, "its keeper has nobody to speak to")
        persistent.start(ready=False)
        until(lambda: _sockets(greeted) == 2, "the backend greets its keeper")
        os.kill(claude, signal.SIGKILL)
        persistent.wait_notified("READY=1")
        end = persistent.wait(ending["id"])["end"]
        assert (end["reason"], end["signal"]) == ("killed", 9)
    finally:
        os.kill(keeper, signal.SIGCONT)


def _sockets(pid: int) -> int:
    """How many sockets a process has: a keeper has the one it listens on and one for each peer."""
    number = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            number += os.readlink(entry.path).startswith("socket:")
    return number


def test_a_stray_file_among_the_sessions_stops_no_start(backend: Backend) -> None:
    backend.stop()
    (backend.state / "sessions" / "zzzzzz").write_text("not a session")
    backend.start()
    assert backend.list() == []


def test_a_service_manager_that_does_not_read_stops_nothing(backend: Backend) -> None:
    """Nobody reads the notify socket after READY=1 here; its queue holds ten."""
    for _ in range(15):
        session = backend.run("!exit 0")
        backend.wait(session["id"])


def test_requests_that_make_no_sense_do_not_end_a_keeper(backend: Backend) -> None:
    session = backend.run()
    backend.wait(session["id"], "idle")
    with KeeperClient(backend.state / "sessions" / session["id"]) as keeper:
        for request in (
            {"op": "signal", "number": 999},
            {"op": "resize", "columns": 80, "rows": 24},
            {"op": "resize", "columns": -1, "rows": "x"},
            {"op": "write"},
            {"op": "launch"},
            {"op": "nonsense"},
        ):
            assert "error" in keeper.ask(request)
    assert backend.ask(session["id"], "still there?")["text"] == "echo: still there?"


def test_the_end_of_input_while_others_connect_does_not_end_a_keeper(backend: Backend) -> None:
    """The descriptor of the closed input is the next one to be given out."""
    session = backend.run("!ignore-eof")
    backend.turn(session["id"], session["prompt"])
    directory = backend.state / "sessions" / session["id"]
    with KeeperClient(directory) as keeper:
        keeper.ask({"op": "write", "key": "", "line": "\n" * 60000})
        keeper.ask({"op": "close-input"})
        with KeeperClient(directory) as other:
            assert "error" in other.ask({"op": "nonsense"})


def fill(backend: Backend) -> Path:
    filler = backend.state / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(backend.state).free == 0
    return filler


def test_a_terminal_goes_on_with_a_full_disk(small_disk: Backend) -> None:
    name = small_disk.run(kind="terminal", size=[80, 24])["id"]
    with AttachedClient(small_disk, name, columns=80, rows=24) as client:
        client.until(lambda: client.screens, "the screen")
        client.types(b"!flood 5000\r")
        client.shows(b"you said: !flood")
        filler = fill(small_disk)
        client.types(b"!flood 5000\r")  # what is left of the file's last block is filled, too
        client.types(b"nowhere to write it\r")
        client.until(
            lambda: any(b"you said: nowhere to write it" in screen for _, screen in client.screens),
            "the screen that is in no file",
        )
        filler.unlink()
        before = len(client.output)
        client.types(b"there is room again\r")
        answered = b"you said: there is room again\r\n> "
        client.until(lambda: answered in client.output[before:], "output")
        held = small_disk.output(name)
        assert held.endswith(bytes(client.output[-20:])) and b"nowhere" not in held


def test_a_full_disk_does_not_make_an_end_untrue(small_disk: Backend) -> None:
    session = small_disk.run()
    small_disk.wait(session["id"], "idle")
    filler = fill(small_disk)
    os.kill(small_disk.show(session["id"])["claude"]["pid"], signal.SIGKILL)
    end = small_disk.wait(session["id"])["end"]
    assert (end["reason"], end["signal"]) == ("killed", 9)
    filler.unlink()
