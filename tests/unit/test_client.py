"""The Python client, against a server that says exactly what a test wants."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import artac_daemon.client as package
from artac_daemon.client import (
    ArtacError,
    AsyncClient,
    Client,
    ConnectionLost,
    ErrorKind,
    NoDaemon,
    NotAdmitted,
    Session,
)
from tests.support import cache, either_client
from tests.unit.test_cli_client import Server, answer, chunked

UUID = "123e4567-e89b-12d3-a456-426614174000"
SESSION = {
    "id": "k3f9q2", "name": "api", "state": "idle", "state_since": 5.0, "kind": "headless",
    "placement": "scope", "persistent": True, "cwd": "/w", "created_at": 4.0, "memory_bytes": None,
    "end": None,
}  # fmt: skip
END = {"reason": "stopped", "sentence": "stopped", "at": 6.0, "exit_code": 0, "signal": None}
ENDED = {**SESSION, "state": "ended", "end": END}
PERMISSION = {
    "session": "k3f9q2", "name": "api", "request": "h7kq2m", "request_id": "r1", "tool": "Read",
    "input": {"file_path": "/x"}, "blocked_path": None, "suggestions": [], "since": 5.0,
    "outcome": None, "by": "",
}  # fmt: skip
ALLOWED = {**PERMISSION, "outcome": "allowed", "by": "uid 0"}
BACK = [answer({})]
LOST: list[bytes] = []


def error(kind: str, status: int, **more: str) -> list[bytes]:
    return [answer({"error": {"kind": kind, "message": "no", **more}}, status)]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers = []

    def start(*answers: list[bytes]) -> Server:
        servers.append(Server(tmp_path / "s", list(answers)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(params=either_client.FLAVOURS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    made = either_client.make(request.param, tmp_path / "s")
    yield made
    either_client.end(made)


def lines(server: Server) -> list[str]:
    return [" ".join(request.decode().split(" ", 2)[:2]) for request in server.requests]


def public(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if not name.startswith("_")}


def test_both_clients_have_the_same_methods() -> None:
    assert public(Client).keys() == public(AsyncClient).keys()
    for name, method in public(Client).items():
        other = public(AsyncClient)[name]
        assert inspect.signature(method).parameters == inspect.signature(other).parameters, name
        assert method.__doc__ == other.__doc__ and method.__doc__, name
        told, told_async = (get_type_hints(m)["return"] for m in (method, other))
        if inspect.iscoroutinefunction(other):
            assert told == told_async, name
        else:
            assert told.__args__[:2] == told_async.__args__, name
            assert told_async.__name__ == "AsyncGenerator", name
    assert (
        inspect.signature(Client.__init__).parameters
        == inspect.signature(AsyncClient.__init__).parameters
    )


def test_the_page_has_every_method() -> None:
    page = (cache.PROJECT / "docs/python-client.md").read_text()
    table = page.partition("## Methods")[2].partition("## Errors")[0]
    for name, method in public(Client).items():
        assert f"`{name}(" in table, name
        row = next(line for line in table.splitlines() if f"`{name}(" in line)
        for parameter in list(inspect.signature(method).parameters)[2:]:
            if name not in ("ask", "turn"):  # what the example needs is enough
                assert parameter in row, (name, parameter)


def test_names_are_imported_when_they_are_asked_for() -> None:
    code = (
        f"import sys; sys.path.append({str(cache.PROJECT)!r})\n"
        "import artac_daemon.client\nprint(*sys.modules)\n"
        "for name in dir(artac_daemon.client): getattr(artac_daemon.client, name)\n"
        "from artac_daemon.client import *"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"asyncio", "dataclasses", "typing", "json", "artac_daemon.client.sync"}
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = package.Clint  # type: ignore[attr-defined]


def test_a_newer_daemon_may_say_more(serve: Callable[..., Server], client: Client) -> None:
    told = {**SESSION, "state": "dreaming", "colour": "green", "end": {**END, "more": 1}}
    serve([answer({"sessions": [told], "page": 1})])
    (session,) = client.sessions()
    assert (session.state, session.raw["colour"], session.model) == ("dreaming", "green", None)
    assert session.end is not None and session.end.raw["more"] == 1 and not session.live


def test_what_a_start_asks_for(serve: Callable[..., Server], client: Client) -> None:
    server = serve([answer({"session": SESSION}, 201)], [answer({"session": SESSION}, 201)])
    session = client.run(
        "hi", cwd=Path("/w"), name="api", allowed_tools=["Read"], limits={"memory": "3G"}, queue=0
    )
    body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert body == {
        "cwd": "/w", "prompt": "hi", "prompt_uuid": session.prompt_uuid, "name": "api",
        "allowed_tools": ["Read"], "limits": {"memory": "3G"}, "queue": 0,
    }  # fmt: skip
    assert client.run(kind="terminal", size=(80, 24)).prompt_uuid == ""
    body = json.loads(server.requests[1].partition(b"\r\n\r\n")[2])
    assert body == {"cwd": str(Path.cwd()), "kind": "terminal", "size": [80, 24]}


def test_errors_are_of_their_kind(serve: Callable[..., Server], client: Client) -> None:
    serve(error("not-found", 404), error("limit", 429, admission="full"), [answer("?", 500)])
    with pytest.raises(ArtacError, match="no") as missing:
        client.session("x")
    assert missing.value.kind is ErrorKind.NOT_FOUND
    with pytest.raises(NotAdmitted) as refused:
        client.run()
    assert refused.value.reason == "full"
    with pytest.raises(ArtacError, match="status 500"):
        client.sessions()
    with pytest.raises(ArtacError, match="no session's id or name"):
        client.stop("..")


def test_nobody_there_is_not_waited_for(client: Client) -> None:
    with pytest.raises(NoDaemon, match="no artac daemon answers") as caught:
        client.sessions()
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    with pytest.raises(NoDaemon):
        next(iter(client.events(follow=True)))


def test_a_question_whose_answer_was_lost_is_asked_again(
    serve: Callable[..., Server], client: Client
) -> None:
    server = serve(LOST, BACK, [answer({"sessions": [SESSION]})])
    assert [session.id for session in client.sessions()] == ["k3f9q2"]
    assert lines(server) == ["GET /v1/sessions", "GET /v1/health", "GET /v1/sessions"]


def test_what_could_be_done_twice_is_not_asked_twice(
    serve: Callable[..., Server], client: Client
) -> None:
    server = serve(LOST, LOST)
    with pytest.raises(ConnectionLost):
        client.run("hi")
    with pytest.raises(ConnectionLost):
        client.interrupt("api")
    assert len(server.requests) == 2


def test_a_daemon_that_every_request_ends_is_not_asked_for_ever(
    serve: Callable[..., Server], client: Client
) -> None:
    server = serve(*[LOST, BACK] * 5)
    with pytest.raises(ConnectionLost):
        client.send("api", "poison", uuid=UUID)
    assert lines(server).count("POST /v1/sessions/api/messages") == 5


def test_without_patience_nothing_is_asked_again(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(LOST)
    with pytest.raises(ConnectionLost), Client(tmp_path / "s", patience=0) as impatient:
        impatient.sessions()
    assert len(server.requests) == 1


def test_a_message_whose_answer_was_lost_is_the_same_message(
    serve: Callable[..., Server], client: Client
) -> None:
    accepted = {"uuid": UUID, "offset": 9, "duplicate": True, "session": "k3f9q2"}
    server = serve(LOST, BACK, [answer(accepted, 202)])
    sent = client.send("api", "hello")
    bodies = [json.loads(server.requests[at].partition(b"\r\n\r\n")[2]) for at in (0, 2)]
    assert sent.duplicate and bodies[0] == bodies[1]


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_an_end_that_was_asked_for_and_confirmed_to_nobody(
    serve: Callable[..., Server], client: Client, way: str
) -> None:
    shown = [answer({"session": SESSION})]
    server = serve(shown, LOST, BACK, error("not-running", 409), [answer({"session": ENDED})])
    session: Session = getattr(client, way)("api")
    assert session.end is not None and session.end.reason == "stopped"
    assert lines(server)[1] == f"POST /v1/sessions/k3f9q2/{way}"


def test_a_removal_that_was_confirmed_to_nobody(
    serve: Callable[..., Server], client: Client
) -> None:
    serve([answer({"session": ENDED})], LOST, BACK, error("not-found", 404))
    client.rm("api")


def test_an_answer_that_was_confirmed_to_nobody(
    serve: Callable[..., Server], client: Client
) -> None:
    listed = [answer({"permissions": [PERMISSION]})]
    settled = [answer({"permissions": [ALLOWED]})]
    server = serve(listed, LOST, BACK, error("conflict", 409), settled)
    assert client.allow("h7").outcome == "allowed"
    assert lines(server)[1] == "POST /v1/sessions/k3f9q2/permissions/r1"


def test_a_request_that_somebody_else_answered_otherwise_is_a_conflict(
    serve: Callable[..., Server], client: Client
) -> None:
    listed = [answer({"permissions": [PERMISSION]})]
    settled = [answer({"permissions": [ALLOWED]})]
    serve(listed, LOST, BACK, error("conflict", 409), settled)
    with pytest.raises(ArtacError) as caught:
        client.deny("h7", "no")
    assert caught.value.kind is ErrorKind.CONFLICT


def sse(at: int, data: object, kind: str = "") -> bytes:
    named = f"event: {kind}\n" if kind else ""
    return f"{named}id: {at}\ndata: {json.dumps(data)}\n\n".encode()


def test_events_over_a_cut_come_once(serve: Callable[..., Server], client: Client) -> None:
    def happened(number: int) -> bytes:
        return sse(number, {"event": f"e{number}", "cursor": str(number), "at": 1.0})

    gone = sse(25, {"event": "dropped", "bytes": 5, "cursor": "25"}, "dropped")
    start = sse(5, {"cursor": "5"}, "start")
    server = serve(
        chunked(start + happened(10) + happened(20) + b"id: 30\nda", end=False),
        BACK,
        chunked(sse(20, {"cursor": "20"}, "start") + gone + happened(30)),
        chunked(sse(30, {"cursor": "30"}, "start") + happened(40)),
    )
    events = client.events("now", follow=True)
    assert [next(events).event for _ in range(5)] == ["e10", "e20", "dropped", "e30", "e40"]
    events.close()
    asked = [line for line in lines(server) if "events" in line]
    assert asked == [f"GET /v1/events?cursor={cursor}&follow=1" for cursor in ("now", "20", "30")]


def test_the_cursor_of_now(serve: Callable[..., Server], client: Client) -> None:
    serve(chunked(end=False), BACK, chunked(sse(5, {"cursor": "5"}, "start")))
    assert client.cursor() == "5"


def test_output_says_what_is_no_longer_there(serve: Callable[..., Server], client: Client) -> None:
    head = b"Artac-Offset: 12\r\nArtac-Dropped: 5\r\n"
    serve([answer({"session": SESSION})], chunked(b"ab", b"cd", head=head))
    parts = list(client.output("api", offset=7))
    assert (parts[0].offset, parts[0].dropped) == (12, 5)
    assert b"".join(part.data for part in parts) == b"abcd" and parts[-1].end == 16


def test_claude_events_of_every_form(serve: Callable[..., Server], client: Client) -> None:
    sent = sse(5, {"bytes": 5}, "dropped") + sse(9, {"type": "result"}) + b"id: 12\ndata: {no\n\n"
    serve([answer({"session": SESSION})], chunked(sent + sse(12, END, "end")))
    found = list(client.claude_events("api"))
    assert [(e.offset, e.type, e.dropped) for e in found] == [
        (5, "", 5),
        (9, "result", 0),
        (12, "", 0),
    ]
    assert found[2].line == "{no" and found[2].raw == {}


def test_ask_sends_nothing_into_a_terminal(serve: Callable[..., Server], client: Client) -> None:
    server = serve([answer({"session": {**SESSION, "kind": "terminal"}})])
    with pytest.raises(ArtacError, match="nothing was sent"):
        client.ask("api", "hello")
    assert len(server.requests) == 1


def test_times_that_are_over(serve: Callable[..., Server], client: Client) -> None:
    queued = [answer({"message": {"state": "queued"}})]
    serve([answer({"reached": False, "session": SESSION})], error("timeout", 504), queued)
    with pytest.raises(ArtacError, match="is idle after 0s, not working") as caught:
        client.wait("api", ("working",), 0)
    assert caught.value.kind is ErrorKind.TIMEOUT
    with pytest.raises(
        ArtacError, match="no result within 0s; the message is still queued"
    ) as caught:
        client.turn("api", UUID, 0)
    assert caught.value.kind is ErrorKind.TIMEOUT


def test_a_full_queue_of_connections_is_waited_out(tmp_path: Path) -> None:
    """asyncio's own would take EAGAIN for a connection under way, and then for one that is made."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(0)

        async def many() -> list[object]:
            client = AsyncClient(tmp_path / "s", patience=0)
            asks = [asyncio.create_task(client.sessions()) for _ in range(8)]
            await asyncio.sleep(0.05)  # not to wait for something: to let the queue be full
            serving = asyncio.to_thread(serve_all)
            return [*(await asyncio.gather(*asks, serving))][:-1]

        def serve_all() -> None:
            for _ in range(8):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer({"sessions": []}))

        assert asyncio.run(many()) == [[]] * 8


def test_a_silent_daemon_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artac_daemon.client.operations.QUICK", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        for flavour in either_client.FLAVOURS:
            client = either_client.make(flavour, tmp_path / "s")
            with pytest.raises(ArtacError, match="does not answer") as caught:
                client.health()
            assert caught.value.kind is ErrorKind.TIMEOUT
            either_client.end(client)


EXAMPLE = """
from artac_daemon.client import AsyncClient, Client, Session, Turn

def ask(client: Client) -> str:
    session: Session = client.run("x", cwd="/", limits={"memory": "3G"})
    turn: Turn = client.ask(session.id, "y", timeout=5)
    for event in client.events(follow=True):
        print(event.cursor + event.event)
    return turn.text

async def ask_too(client: AsyncClient) -> bytes:
    async with client:
        session = await client.session("x")
        async for part in client.output(session.id, follow=True):
            return part.data
    return b""
"""
WRONG = """
from artac_daemon.client import AsyncClient, Client

def ask(client: Client) -> int:
    client.run(prompt=5)
    client.ask("x")
    return client.ask("x", "y").text

async def ask_too(client: AsyncClient) -> None:
    client.session("x").name
"""


def test_types_hold_and_mistakes_are_found(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "example.py").write_text(EXAMPLE)
    page = (cache.PROJECT / "docs/python-client.md").read_text()
    first, orchestrator, errors = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    (tmp_path / "first_example.py").write_text(first + errors)
    (tmp_path / "second_example.py").write_text(orchestrator)
    (tmp_path / "wrong.py").write_text(WRONG)
    # As an installed package, of which mypy believes the types only for its marker.
    site = tmp_path / "site"
    site.mkdir()
    (site / "artac_daemon").symlink_to(cache.PROJECT / "artac_daemon")
    command = [
        sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"),
        "example.py", "first_example.py", "second_example.py", "wrong.py",
    ]  # fmt: skip
    environ = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert "example.py" not in done.stdout, done.stdout
    found = [line for line in done.stdout.splitlines() if ": error: " in line]
    assert len(found) == 4, done.stdout


def test_threads_may_share_a_client(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(*[[answer({"session": {**SESSION, "turns": n}})] for n in range(16)])
    client = Client(tmp_path / "s")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.session("api").turns, range(16)))
    assert sorted(found) == list(range(16)) and len(server.requests) == 16
