"""Every method of the Python client, for threads and for asyncio, and what a death of the backend
in the middle of it leaves."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.client import (
    ArtacError,
    AsyncClient,
    Client,
    ErrorKind,
    NoDaemon,
    NotAdmitted,
    Turn,
)
from tests.daemon.conftest import MakeBackend
from tests.daemon.test_backend_death import counts
from tests.support import either_client
from tests.support.backend import Backend, until


@pytest.fixture(params=either_client.FLAVOURS)
def make_client(request: pytest.FixtureRequest) -> Iterator[Callable[[Backend], Client]]:
    made: list[Client] = []

    def make(backend: Backend) -> Client:
        made.append(either_client.make(request.param, backend.socket))
        return made[-1]

    yield make
    for client in made:
        either_client.end(client)


@pytest.fixture
def client(backend: Backend, make_client: Callable[[Backend], Client]) -> Client:
    return make_client(backend)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def kind(error: pytest.ExceptionInfo[ArtacError]) -> ErrorKind:
    return error.value.kind


def test_a_session_from_its_start_to_its_removal(backend: Backend, client: Client) -> None:
    cursor = client.cursor()
    session = client.run(
        "first",
        cwd=backend.work,
        name="api",
        model="opus",
        env={"X": "y"},
        limits={"runtime": "1h"},
    )
    assert (session.name, session.cwd, session.live) == ("api", str(backend.work), True)
    assert session.prompt_uuid
    turn = client.turn("api", session.prompt_uuid, 20)
    assert (turn.ok, turn.text) == (True, "echo: first")
    accepted = client.send("api", "!env X")
    assert accepted.session == session.id and not accepted.duplicate
    assert client.send("api", "!env X", uuid=accepted.uuid).duplicate
    assert client.turn("api", accepted.uuid, 20).text == "X=y"
    assert client.ask("api", "third", 20).text == "echo: third"
    assert client.wait("api", "idle", 20).state == "idle"
    shown = client.session("api")
    assert (shown.turns, shown.model, shown.raw["limits"]["asked"]) == (3, "opus", ["runtime_max"])
    assert [other.id for other in client.sessions()] == [session.id]
    told = [event.raw["result"] for event in client.claude_events("api") if event.type == "result"]
    assert told == ["echo: first", "X=y", "echo: third"]
    assert b"".join(part.data for part in client.output("api")) == backend.output(session.id)
    assert client.health().sessions == {"idle": 1}
    stopped = client.stop("api", grace=5)
    assert stopped.end is not None and stopped.end.reason == "stopped"
    assert client.sessions() == [] and [s.id for s in client.sessions(all=True)] == [session.id]
    client.rm("api")
    assert client.sessions(all=True) == []
    happened = [event.event for event in client.events(cursor) if event.session == session.id]
    turning_points = ["started", "stop-asked", "ended", "removed"]
    assert [name for name in happened if name in turning_points] == turning_points


def test_messages_are_taken_back_and_conversations_taken_up(
    backend: Backend, client: Client
) -> None:
    session = client.run("!slow 60", cwd=backend.work, name="api", restart=["on-boot"])
    until(lambda: not client.messages("api"), "its prompt is taken up")
    waiting, other = client.send("api", "never mind"), client.send("api", "and you?")
    assert [message.uuid for message in client.messages("api")] == [waiting.uuid, other.uuid]
    assert client.cancel("api", waiting.uuid).state == "cancelled"
    assert [message.head for message in client.messages("api")] == ["and you?"]
    with pytest.raises(ArtacError) as begun:
        client.cancel("api", session.prompt_uuid)
    assert kind(begun) is ErrorKind.CONFLICT
    with pytest.raises(ArtacError) as runs:
        client.resume("api")
    assert kind(runs) is ErrorKind.CONFLICT
    client.kill("api")
    again = client.resume("api")
    assert (again.raw["resumes"], again.name, again.id != session.id) == (session.id, "api", True)
    assert client.turn("api", other.uuid, 20).text == "echo: and you?"
    assert again.raw["restart"] == ["on-boot"]
    states = {message.uuid: message.state for message in client.messages("api", all=True)}
    assert states[other.uuid] == "answered" and waiting.uuid not in states


def test_what_is_declared_is_started_once(backend: Backend, client: Client) -> None:
    with pytest.raises(ArtacError) as missing:
        client.start("nightly")
    assert kind(missing) is ErrorKind.NOT_FOUND
    backend.artac("run", "--save", "nightly", "--dry-run", "hello")
    backend.artac("run", "--save", "nightly", "hello")
    backend.artac("stop", "nightly")
    session = client.start("nightly")
    assert client.turn(session.id, session.prompt_uuid, 20).text == "echo: hello"
    assert client.start("nightly").id == session.id


def test_interrupt_and_kill(backend: Backend, client: Client) -> None:
    session = client.run("!slow 60", cwd=backend.work)
    client.wait(session.id, ("working",), 20)
    assert client.interrupt(session.id).id == session.id
    assert client.turn(session.id, session.prompt_uuid, 20).outcome == "interrupted"
    killed = client.kill(session.id)
    assert killed.end is not None and killed.end.reason == "killed"


def test_permissions_are_answered(backend: Backend, client: Client) -> None:
    session = client.run("!permission Bash touch it", cwd=backend.work)
    client.wait(session.id, "needs-permission", 20)
    (asked,) = client.permissions(session.id)
    assert (asked.tool, asked.input, asked.outcome) == ("Bash", {"command": "touch it"}, None)
    assert client.session(session.id).permissions == (asked,)
    assert client.allow(asked, always=[1]).outcome == "allowed"
    assert client.turn(session.id, session.prompt_uuid, 20).text == "tool said: ran touch it"
    refused = client.send(session.id, "!permission Edit file")
    (asked,) = until(lambda: client.permissions(), "the request")
    assert client.deny(asked.request[:4], "not today").outcome == "denied"
    assert client.turn(session.id, refused.uuid, 20).text == "tool said: not today"
    assert [known.outcome for known in client.permissions(all=True)] == ["allowed", "denied"]
    with pytest.raises(ArtacError) as again:
        client.allow(asked)
    assert kind(again) is ErrorKind.CONFLICT


def test_the_screen_of_a_terminal(backend: Backend, client: Client) -> None:
    session = client.run(kind="terminal", cwd=backend.work, size=(60, 20))
    shown = until(lambda: (s := client.screen(session.id)).text[0] and s, "something to see")
    assert (shown.columns, shown.rows, len(shown.text)) == (60, 20, 20)
    with pytest.raises(ArtacError, match="nothing was sent"):
        client.ask(session.id, "hello")
    with pytest.raises(ArtacError, match="without a prompt there is no turn"):
        client.turn(session.id, session.prompt_uuid)
    client.rm(session.id, force=True)
    assert client.sessions(all=True) == []


def test_following_ends_with_the_session(
    backend: Backend, client: Client, pool: ThreadPoolExecutor
) -> None:
    session = client.run("hello", cwd=backend.work)
    follower = Client(backend.socket)
    following = pool.submit(lambda: list(follower.output(session.id, follow=True)))
    lines = client.claude_events(session.id, follow=True)
    assert next(lines).offset > 0
    follower.kill(session.id)
    assert [event.type for event in lines][-1:] != [""]
    assert b"".join(part.data for part in following.result(20)) == backend.output(session.id)


def test_errors(make_backend: MakeBackend, make_client: Callable[[Backend], Client]) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1")
    client = make_client(backend)
    with pytest.raises(NoDaemon) as absent:
        client.sessions()
    assert kind(absent) is ErrorKind.UNAVAILABLE
    backend.start()
    for wrong in (lambda: client.session("nobody"), lambda: client.ask("nobody", "hello")):
        with pytest.raises(ArtacError, match="there is no session 'nobody'") as missing:
            wrong()
        assert kind(missing) is ErrorKind.NOT_FOUND
    with pytest.raises(ArtacError) as unreadable:
        next(client.output("nobody", follow=True))
    assert kind(unreadable) is ErrorKind.NOT_FOUND
    with pytest.raises(ArtacError, match="No such file") as wrong_cwd:
        client.run(cwd=backend.work / "none")
    assert kind(wrong_cwd) is ErrorKind.USAGE
    session = client.run(cwd=backend.work)
    with pytest.raises(NotAdmitted, match="max_sessions") as full:
        client.run(cwd=backend.work)
    assert kind(full) is ErrorKind.LIMIT
    with pytest.raises(ArtacError) as running:
        client.rm(session.id)
    assert kind(running) is ErrorKind.CONFLICT
    client.kill(session.id)
    with pytest.raises(ArtacError) as ended:
        client.send(session.id, "hello")
    assert kind(ended) is ErrorKind.NOT_RUNNING


def during(backend: Backend, future: Future[Any]) -> Any:
    """What comes of it when the backend is killed and started again meanwhile."""
    assert not future.done()
    backend.kill()
    backend.start()
    return future.result(40)


def test_ask_outlives_its_backend(
    persistent: Backend, make_client: Callable[[Backend], Client], pool: ThreadPoolExecutor
) -> None:
    client = make_client(persistent)
    session = client.run(cwd=persistent.work)
    client.wait(session.id, "idle", 20)
    asking: Future[Turn] = pool.submit(client.ask, session.id, "!slow 6 slowly", 60)
    persistent.wait(session.id, "working")
    assert during(persistent, asking).text == "slowly"
    assert persistent.output(session.id).count(b'"result":"slowly"') == 1


def test_a_message_is_one_message_whenever_its_backend_is_killed(
    persistent: Backend, make_client: Callable[[Backend], Client], pool: ThreadPoolExecutor
) -> None:
    client = make_client(persistent)
    session = client.run(cwd=persistent.work)
    client.wait(session.id, "idle", 20)
    for attempt in range(5):
        text = f"attempt {attempt}"
        asking: Future[Turn] = pool.submit(client.ask, session.id, text, 60)
        persistent.kill()
        persistent.start()
        assert asking.result(40).ok
        assert counts(persistent, session.id, text) == 1


def test_events_over_a_death_come_once_and_all(
    persistent: Backend, make_client: Callable[[Backend], Client], pool: ThreadPoolExecutor
) -> None:
    client = make_client(persistent)
    before = client.run("one", cwd=persistent.work, name="before")
    told = []

    def follow() -> None:
        for event in client.events(follow=True):
            told.append(event)
            if event.event == "ended" and event.name == "after":
                return

    following = pool.submit(follow)
    until(lambda: any(e.event == "started" for e in told), "the first events")
    persistent.kill()
    persistent.start()
    other = Client(persistent.socket)
    other.wait(before.id, "idle", 20)
    other.kill(other.run("two", cwd=persistent.work, name="after").id)
    following.result(40)
    everything = list(other.events())
    assert told == everything[: len(told)] and len(everything) - len(told) < 3
    assert len({event.cursor for event in told}) == len(told)


def test_output_over_a_death_comes_once_and_all(
    persistent: Backend, make_client: Callable[[Backend], Client], pool: ThreadPoolExecutor
) -> None:
    client = make_client(persistent)
    session = client.run("!flood 3000000", cwd=persistent.work)
    got = threading.Event()

    def follow() -> bytes:
        data = bytearray()
        for part in client.output(session.id, follow=True):
            assert part.offset == len(data) and not part.dropped
            data += part.data
            got.set()
        return bytes(data)

    following = pool.submit(follow)
    assert got.wait(20)
    persistent.kill()
    persistent.start()
    other = Client(persistent.socket)
    assert other.ask(session.id, "more", 20).ok
    other.stop(session.id)
    assert following.result(40) == persistent.output(session.id)


def test_an_answer_outlives_its_backend(
    persistent: Backend, make_client: Callable[[Backend], Client]
) -> None:
    client = make_client(persistent)
    session = client.run("!permission Read it", cwd=persistent.work)
    client.wait(session.id, "needs-permission", 20)
    (asked,) = client.permissions()
    persistent.kill()
    # It comes back while the client waits for it.
    threading.Timer(0.3, persistent.start).start()
    assert client.allow(asked).outcome == "allowed"
    assert client.turn(session.id, session.prompt_uuid, 20).text == "tool said: ran it"


def test_a_backend_that_does_not_come_back_is_not_waited_for_for_ever(
    persistent: Backend,
) -> None:
    for flavour in either_client.FLAVOURS:
        persistent.start() if persistent.process is None or persistent.process.poll() else None
        client = either_client.make(flavour, persistent.socket, patience=0.3)
        client.health()
        persistent.kill()
        with pytest.raises(NoDaemon):
            client.wait("api")
        either_client.end(client)


def sockets() -> list[str]:
    """The sockets that this process has open."""
    return sorted(
        link
        for entry in Path("/proc/self/fd").iterdir()
        if (link := _target(entry)).startswith("socket:")
    )


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except FileNotFoundError:
        return ""


def test_a_cancelled_task_leaves_no_connection(backend: Backend) -> None:
    async def story() -> None:
        client = AsyncClient(backend.socket)
        session = await client.run(cwd=backend.work)
        await client.wait(session.id, "idle", 20)
        held = sockets()

        async def follow() -> None:
            async for _ in client.events(follow=True):
                pass

        chosen = str(uuid.uuid4())
        tasks = [
            asyncio.create_task(client.ask(session.id, "!slow 8 slowly", uuid=chosen)),
            asyncio.create_task(client.wait(session.id)),
            asyncio.create_task(follow()),
        ]
        await client.wait(session.id, "working", 20)
        while len(sockets()) < len(held) + 3:
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in done] == [asyncio.CancelledError] * 3
        assert sockets() == held
        # What it had asked for goes on.
        assert (await client.turn(session.id, chosen, 20)).text == "slowly"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.wait(session.id)
        async with aclosing(client.events(follow=True)) as events:
            await anext(events)
        assert sockets() == held

    asyncio.run(story())


def test_a_for_that_is_left_leaves_no_connection(backend: Backend) -> None:
    client = Client(backend.socket)
    session = client.run("hello", cwd=backend.work)
    held = sockets()
    for _ in client.output(session.id, follow=True):
        break
    assert sockets() == held


def test_many_at_once(backend: Backend, pool: ThreadPoolExecutor) -> None:
    client = Client(backend.socket)
    session = client.run(cwd=backend.work)
    client.wait(session.id, "idle", 20)
    asked = [pool.submit(client.ask, session.id, f"thread {n}", 30) for n in range(4)]
    assert all(future.result(40).ok for future in asked)

    async def tasks() -> list[Turn]:
        shared = AsyncClient(backend.socket)
        return await asyncio.gather(*(shared.ask(session.id, f"task {n}", 30) for n in range(8)))

    assert all(turn.ok for turn in asyncio.run(tasks()))
    said = backend.output(session.id)
    for number in range(8):
        assert f"task {number}".encode() in said
