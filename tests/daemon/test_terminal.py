"""A session's terminal as its clients have it, on the keeper's own socket."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from artac_daemon.keeper.input import MAX_WAITING
from artac_daemon.keeper.wire import MAX_FRAME
from tests.support.attached_client import AttachedClient
from tests.support.backend import ApiError, Backend, until
from tests.support.keeper_client import KeeperClient


def start(backend: Backend, columns: int = 80, rows: int = 24) -> str:
    session = backend.run(kind="terminal", size=[columns, rows])
    until(lambda: b"> " in backend.output(session["id"]), "its prompt")
    return str(session["id"])


def test_who_attaches_gets_the_screen_then_all_that_comes(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=80, rows=24) as client:
        client.until(lambda: client.screens, "the screen")
        assert client.told[0] == {"event": "size", "columns": 80, "rows": 24, "at": client.position}
        assert b"stand-in for claude" in client.screens[0][1]
        begun = client.position
        client.types("grüße\r".encode())
        client.shows("you said: grüße".encode())
        assert backend.output(name)[begun:].startswith(client.output)


def test_who_started_it_gets_every_byte_from_the_first_on(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=80, rows=24, from_start=True) as client:
        client.shows(b"> ")
        assert not client.screens
        assert backend.output(name).startswith(client.output)


def test_it_does_not_notice_what_becomes_of_the_backend(persistent: Backend) -> None:
    name = start(persistent)
    with AttachedClient(persistent, name, columns=80, rows=24) as client:
        persistent.kill()
        client.types(b"while it is dead\r")
        client.shows(b"you said: while it is dead")
        persistent.start()
        client.types(b"while it is back\r")
        client.shows(b"you said: while it is back")
        persistent.stop()
        client.types(b"while it is stopped\r")
        client.shows(b"you said: while it is stopped")
        persistent.start()


def test_the_smallest_window_rules(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=120, rows=40) as large:
        large.shows(b"size: 120x40")
        with AttachedClient(backend, name, columns=90, rows=50) as narrow:
            narrow.shows(b"size: 90x40")
            with AttachedClient(backend, name, columns=20, rows=5, ignore_size=True) as third:
                third.until(lambda: third.screens, "the screen")
                assert third.events("size")[-1]["columns"] == 90
            large.asks(op="window", columns=70, rows=30)
            narrow.shows(b"size: 70x30")
        large.asks(op="window", columns=100, rows=30)
        large.shows(b"size: 100x30")
    until(lambda: b"size: 100x30" in backend.output(name), "the size that the last one left")
    with AttachedClient(backend, name) as without:
        without.until(lambda: without.screens, "the screen")
        assert without.events("size")[-1]["columns"] == 100


def test_the_screen_is_of_the_size_that_was_told_before_it(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=50, rows=12) as client:
        client.until(lambda: client.screens, "the screen")
        assert client.events("size")[-1]["rows"] == 12
        assert client.screens[0][1].count(b"\r\n") == 11


def test_one_that_steals_is_alone(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=80, rows=24) as robbed:
        robbed.until(lambda: robbed.screens, "the screen")
        with AttachedClient(backend, name, columns=80, rows=24, steal=True) as thief:
            robbed.wait_closed()
            assert robbed.events("detached")[0]["why"] == "stolen"
            thief.types(b"mine\r")
            thief.shows(b"you said: mine")


def test_one_that_only_reads_types_nothing(backend: Backend) -> None:
    name = start(backend)
    with (
        AttachedClient(backend, name, columns=80, rows=24, read_only=True) as reader,
        AttachedClient(backend, name, columns=80, rows=24) as writer,
    ):
        reader.types(b"/exit\r")
        reader.reports(b"/exit\r")
        writer.types(b"still here\r")
        reader.shows(b"you said: still here")
        assert b"/exit" not in reader.output


def test_a_question_of_the_program_is_answered_once(backend: Backend) -> None:
    name = start(backend)
    with (
        AttachedClient(backend, name, read_only=True) as reader,
        AttachedClient(backend, name) as leading,
        AttachedClient(backend, name) as other,
    ):
        for client in (reader, leading, other):
            client.until(lambda c=client: c.screens, "the screen")
        other.reports(b"other")
        other.types(b"+")
        leading.shows(b"+")
        leading.reports(b"leading")
        leading.types(b"\r")
        leading.shows(b"you said: +leading")


def test_a_client_may_ask_nothing_else_of_the_keeper(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=80, rows=24) as client:
        client.asks(op="kill-tree", id=7)
        client.asks(op="signal", id=8, number=int(signal.SIGKILL))
        client.asks(op="stop-asked", id=9, by="somebody", why="stop", at=0)
        client.types(b"alive\r")
        client.shows(b"you said: alive")
    assert backend.show(name)["stop"] is None


@pytest.mark.parametrize(
    "message",
    [{"op": "window", "columns": 0, "rows": 5}, {"op": "window"}, {"op": "screen"}, {}],
)
def test_what_is_not_understood_changes_nothing(backend: Backend, message: dict[str, int]) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=80, rows=24) as client:
        client.asks(**message)
        client.types(b"alive\r")
        client.shows(b"you said: alive")
        assert client.events("size")[-1]["columns"] == 80


def test_a_client_that_is_no_client_is_sent_away(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=80, rows=24) as client:
        client.keeper.sendall(b"\x02" + (MAX_FRAME + 1).to_bytes(4, "big"))
        client.wait_closed()
    assert backend.show(name)["state"] != "ended"


def test_one_that_does_not_read_holds_nobody_up(backend: Backend) -> None:
    name = start(backend)
    size = 20_000_000
    with (
        AttachedClient(backend, name, columns=80, rows=24) as stopped,
        AttachedClient(backend, name, columns=80, rows=24) as other,
    ):
        other.until(lambda: other.screens, "the screen")
        begun = other.position
        other.types(b"!flood %d\r" % size)
        other.until(lambda: len(other.output) >= size, "the flood")
        other.shows(b"you said: !flood")
        assert [row["id"] for row in backend.list()] == [name]
        assert backend.output(name)[begun : other.position] == bytes(other.output)
        # It comes back, and has missed nothing.
        stopped.until(lambda: stopped.position == other.position, "the rest")
        assert backend.output(name).endswith(bytes(stopped.output))
        assert len(stopped.output) >= size


def test_nobody_at_all_holds_a_flood_up(backend: Backend) -> None:
    name = start(backend)
    with KeeperClient(backend.state / "sessions" / name) as keeper:
        keeper.ask({"op": "write", "line": "!flood 30000000\r", "key": ""})
    until(lambda: len(backend.output(name)) > 30_000_000, "the flood in the file", 60)
    until(lambda: backend.output(name).endswith(b"> "), "its end")
    screen = backend.call("GET", f"/v1/sessions/{name}/screen")["screen"]
    assert screen["text"][-1] == "you said: !flood 30000000" or ">" in screen["text"][-1]
    pid = backend.show(name)["keeper"]["pid"]
    assert resident(pid) < 40_000_000


def test_a_megabyte_is_typed_whole_and_in_order(backend: Backend) -> None:
    name = start(backend)
    text = b"".join(b"%07d " % number for number in range(131_072))
    with AttachedClient(backend, name, columns=80, rows=24) as client:
        client.until(lambda: client.screens, "the screen")
        for at in range(0, len(text), 65536):
            client.types(text[at : at + 65536])
        client.types(b"\r")
        client.shows(b"you said: " + text + b"\r\n")


def test_characters_may_be_cut_anywhere(backend: Backend) -> None:
    name = start(backend)
    text = "größe 5 € 漢字 🙂"
    with AttachedClient(backend, name, columns=80, rows=24) as client:
        client.until(lambda: client.screens, "the screen")
        for byte in f"{text}\r".encode():
            client.types(bytes([byte]))
        client.shows(f"you said: {text}".encode())
    screen = backend.call("GET", f"/v1/sessions/{name}/screen")["screen"]
    assert f"you said: {text}" in screen["text"]


def test_the_end_comes_after_the_last_byte(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name, columns=80, rows=24) as client:
        client.until(lambda: client.screens, "the screen")
        client.types(b"!flood 3000000\r")
        client.types(b"!exit 7\r")
        client.until(lambda: client.events("ended"), "its end")
        assert client.events("ended")[0]["end"]["exit_code"] == 7
        assert client.events("ended")[0]["at"] == client.position
        assert backend.output(name).endswith(bytes(client.output))
        client.wait_closed()
    backend.wait(name)


def test_what_cannot_be_attached_to_says_so(backend: Backend) -> None:
    headless = backend.run()["id"]
    with pytest.raises(ApiError, match="is a headless session: you cannot attach to it"):
        AttachedClient(backend, headless)
    name = start(backend)
    backend.call("POST", f"/v1/sessions/{name}/kill")
    with pytest.raises(ApiError, match="has ended") as ended:
        AttachedClient(backend, name)
    assert ended.value.kind == "not-running"
    with pytest.raises(ApiError, match="columns and rows"):
        AttachedClient(backend, start(backend), columns=0, rows=24)


def test_a_stopped_keeper_is_told(backend: Backend) -> None:
    name = start(backend)
    pid = backend.show(name)["keeper"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ApiError, match="does not answer"):
            AttachedClient(backend, name)
    finally:
        os.kill(pid, signal.SIGCONT)
    with AttachedClient(backend, name) as client:
        client.until(lambda: client.screens, "the screen")


def test_too_many_clients_are_refused_and_take_nothing_away(backend: Backend) -> None:
    name = start(backend)
    clients = []
    try:
        with pytest.raises(ApiError):
            for _ in range(100):
                clients.append(AttachedClient(backend, name))
        clients[0].types(b"alive\r")
        clients[-1].shows(b"you said: alive")
        assert backend.show(name)["state"] != "ended"
    finally:
        for client in clients:
            client.__exit__(None, None, None)


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_ended_session_shows_its_last_screen(backend: Backend) -> None:
    name = start(backend)
    with AttachedClient(backend, name) as client:
        client.types(b"the last word\r")
        client.shows(b"you said: the last word")
    shown = backend.call("GET", f"/v1/sessions/{name}/screen")["screen"]
    backend.call("POST", f"/v1/sessions/{name}/stop")
    ended = backend.artac("screen", name)
    assert "you said: the last word\n" in ended.stdout
    assert ended.stdout.splitlines()[0] == shown["text"][0]
    (backend.state / "sessions" / name / "screen").unlink()
    without = backend.artac("screen", name, check=False)
    assert without.returncode == 3 and f"artac logs {name}" in without.stderr


def test_only_a_terminal_has_a_screen(backend: Backend) -> None:
    refused = backend.artac("screen", backend.run()["id"], check=False)
    assert refused.returncode == 2
    assert "is a headless session: you cannot see the screen of it" in refused.stderr


def test_what_nobody_reads_costs_no_more_than_it_may(backend: Backend) -> None:
    """A program that reads nothing, and clients that type all the same."""
    name = start(backend)
    program = backend.show(name)["claude"]["pid"]
    os.kill(program, signal.SIGSTOP)
    keeper = backend.show(name)["keeper"]["pid"]
    with AttachedClient(backend, name) as client:
        client.until(lambda: client.screens, "the screen")
        client.keeper.settimeout(20)
        with contextlib.suppress(ConnectionError):
            client.types(bytes(MAX_FRAME))
        client.wait_closed()
    assert resident(keeper) < 40_000_000
    os.kill(program, signal.SIGCONT)
    assert backend.show(name)["state"] != "ended"


def test_what_is_typed_when_too_much_waits_already_is_dropped(backend: Backend) -> None:
    name = start(backend)
    program = backend.show(name)["claude"]["pid"]
    with (
        AttachedClient(backend, name) as client,
        KeeperClient(backend.state / "sessions" / name) as keeper,
    ):
        client.until(lambda: client.screens, "the screen")
        os.kill(program, signal.SIGSTOP)
        try:
            waiting = "x" * (MAX_WAITING // 4 - 5000)
            for _ in range(4):
                keeper.tell({"op": "write", "line": waiting, "key": ""})
            assert keeper.ask({"op": "write", "line": "y" * 50_000, "key": ""})["error"] == "full"
            client.types(b"z" * 100_000)
            client.asks(op="screen", lines=0)
            client.until(lambda: len(client.screens) == 2, "the screen")
        finally:
            backend.call("POST", f"/v1/sessions/{name}/kill")


def test_clients_leave_room_for_the_backend(persistent: Backend) -> None:
    name = start(persistent)
    clients = []
    try:
        with pytest.raises(ApiError, match="all the clients") as refused:
            for _ in range(100):
                clients.append(AttachedClient(persistent, name))
        assert refused.value.kind == "limit"
        persistent.kill()
        persistent.start()
        assert persistent.show(name)["state"] != "unresponsive"
        persistent.call("POST", f"/v1/sessions/{name}/kill")
    finally:
        for client in clients:
            client.__exit__(None, None, None)
