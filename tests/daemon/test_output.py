"""Reading what a session wrote: by offset, to the end, bounded, and by readers that do not read."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.daemon.lines import extent
from tests.support.backend import ApiError, Backend, until

MEGABYTE = 1024 * 1024
MakeBackend = Callable[..., Backend]


@dataclass(frozen=True)
class Event:
    """One server-sent event, as its standard reads it."""

    kind: str
    offset: int
    data: str


def parse(stream: bytes) -> list[Event]:
    found = []
    for block in stream.decode().split("\n\n")[:-1]:
        fields = dict(line.partition(": ")[::2] for line in block.split("\n"))
        found.append(Event(fields.get("event", ""), int(fields["id"]), fields["data"]))
    return found


def get(
    backend: Backend, path: str, headers: dict[str, str] | None = None
) -> tuple[dict[str, str], bytes]:
    """The headers and the whole body of an answer that is no error."""
    with backend.connection() as connection:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        return dict(response.getheaders()), body


def output(backend: Backend, ref: str, query: str = "") -> tuple[int, int, bytes]:
    """Where the answer starts, how much of it was dropped, and the bytes."""
    headers, body = get(backend, f"/v1/sessions/{ref}/output?{query}")
    return int(headers["Artac-Offset"]), int(headers["Artac-Dropped"]), body


def events(backend: Backend, ref: str, query: str = "", **headers: str) -> list[Event]:
    return parse(get(backend, f"/v1/sessions/{ref}/events?{query}", headers)[1])


def end(backend: Backend, ref: str) -> None:
    backend.call("POST", f"/v1/sessions/{ref}/stop")


@contextmanager
def stuck(backend: Backend, path: str) -> Iterator[socket.socket]:
    """A client that asks for something and never reads the answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(str(backend.socket))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: artac\r\n\r\n".encode())
        assert client.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"
        yield client


@pytest.fixture
def session(backend: Backend) -> dict[str, Any]:
    """A session that has answered two messages and is idle."""
    started = backend.run("first")
    backend.turn(started["id"], started["prompt"])
    backend.ask(started["id"], "second")
    backend.wait(started["id"], "idle")
    return started


@pytest.fixture
def bounded(make_backend: MakeBackend) -> Backend:
    return make_backend(ARTAC_OUTPUT_MAX="1M").start()


# By offset


def test_output_comes_from_the_offset_that_was_asked_for(
    backend: Backend, session: dict[str, Any]
) -> None:
    end(backend, session["id"])
    written = backend.output(session["id"])
    size = len(written)
    assert output(backend, session["id"]) == (0, 0, written)
    assert output(backend, session["id"], "offset=7") == (7, 0, written[7:])
    assert output(backend, session["id"], "offset=-7") == (size - 7, 0, written[-7:])
    assert output(backend, session["id"], f"offset=-{size + 5}") == (0, 0, written)
    assert output(backend, session["id"], f"offset={size}") == (size, 0, b"")
    with pytest.raises(ApiError) as refused:
        backend.call("GET", f"/v1/sessions/{session['id']}/output?offset={size + 1}")
    assert refused.value.kind == "usage" and str(size) in refused.value.message


def test_stderr_is_a_stream_of_its_own(backend: Backend) -> None:
    session = backend.run("!stderr something is wrong")
    backend.turn(session["id"], session["prompt"])
    assert output(backend, session["id"], "stream=stderr")[2] == b"something is wrong\n"
    assert b"something is wrong\n" not in output(backend, session["id"])[2]


def test_events_are_the_whole_lines_with_the_offsets_behind_them(
    backend: Backend, session: dict[str, Any]
) -> None:
    end(backend, session["id"])
    written = backend.output(session["id"])
    lines, behind = written.decode().splitlines(), []
    for line in written.splitlines(keepends=True):
        behind.append((behind[-1] if behind else 0) + len(line))
    *told, last = events(backend, session["id"])
    assert told == [Event("", at, line) for at, line in zip(behind, lines, strict=True)]
    assert (last.kind, last.offset) == ("end", len(written))
    assert json.loads(last.data)["reason"] == "stopped"


def test_a_reader_comes_back_with_its_last_event_and_misses_and_repeats_nothing(
    backend: Backend, session: dict[str, Any]
) -> None:
    end(backend, session["id"])
    told = events(backend, session["id"])
    for number, event in enumerate(told[:-1]):
        header = {"Last-Event-ID": str(event.offset)}
        assert events(backend, session["id"], **header) == told[number + 1 :]
        assert events(backend, session["id"], f"offset={event.offset}") == told[number + 1 :]
    # In the middle of a line: from the next one on.
    assert events(backend, session["id"], f"offset={told[0].offset - 3}") == told[1:]


# To the end


@pytest.mark.parametrize("what", ["output", "events"])
def test_following_tells_what_comes_until_the_session_has_ended(
    backend: Backend, session: dict[str, Any], what: str
) -> None:
    ref = session["id"]
    with backend.connection() as connection:
        connection.request("GET", f"/v1/sessions/{ref}/{what}?follow=1&offset=0")
        response = connection.getresponse()
        got = response.read1()
        backend.ask(ref, "while it is followed")
        while b"while it is followed" not in got:
            got += response.read1()
        end(backend, ref)
        got += response.read()
    if what == "output":
        assert got == backend.output(ref)
    else:
        told = parse(got)
        assert "".join(event.data + "\n" for event in told[:-1]).encode() == backend.output(ref)
        assert told[-1].kind == "end"


def test_without_following_the_answer_ends_where_the_output_does(
    backend: Backend, session: dict[str, Any]
) -> None:
    told = events(backend, session["id"])
    assert told and all(event.kind == "" for event in told)
    assert output(backend, session["id"])[2] == backend.output(session["id"])


# Bounded


def flood(backend: Backend, ref: str, megabytes: int) -> None:
    done = backend.turn(ref, backend.send(ref, f"!flood {megabytes * MEGABYTE}"), wait=60)
    assert done["outcome"] == "success"


def held(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_output_is_bounded_on_disk_and_offsets_do_not_change(bounded: Backend) -> None:
    session = bounded.run("before")
    bounded.turn(session["id"], session["prompt"])
    path = bounded.state / "sessions" / session["id"] / "output"
    flood(bounded, session["id"], 8)
    until(lambda: held(path) <= MEGABYTE + 65536, f"at most a megabyte held, not {held(path)}")
    size, first = path.stat().st_size, extent(path).first
    assert size > 8 * MEGABYTE and first > 7 * MEGABYTE
    shown = bounded.show(session["id"])["output"]
    assert (shown["first"], shown["size"]) == (first, size)
    answer = bounded.ask(session["id"], "after")
    start, dropped, body = output(bounded, session["id"])
    assert (start, dropped) == (first, first)
    assert start + len(body) == path.stat().st_size
    assert output(bounded, session["id"], f"offset={size}")[2] == body[size - start :]
    assert b'"result":"echo: after"' in body[size - start : answer["offset"] - start]


def test_a_reader_of_events_is_told_what_was_dropped(bounded: Backend) -> None:
    session = bounded.run("before")
    ref = session["id"]
    bounded.turn(ref, session["prompt"])
    flood(bounded, ref, 4)
    path = bounded.state / "sessions" / ref / "output"
    until(lambda: extent(path).first, "a dropped head")
    end(bounded, ref)
    first, size = extent(path).first, extent(path).size
    note, *told = events(bounded, ref, "offset=100")
    assert (note.kind, json.loads(note.data)) == ("dropped", {"bytes": first - 100})
    assert first <= note.offset < told[0].offset
    assert all(json.loads(event.data) for event in told)
    assert told[-1].kind == "end" and told[-1].offset == size
    # From what was told last on, nothing is dropped.
    assert events(bounded, ref, f"offset={told[0].offset}") == told[1:]


def test_a_turn_whose_output_was_dropped_is_not_guessed(bounded: Backend) -> None:
    session = bounded.run("before")
    bounded.turn(session["id"], session["prompt"])
    flood(bounded, session["id"], 4)
    path = bounded.state / "sessions" / session["id"] / "output"
    until(lambda: extent(path).first, "a dropped head")
    with pytest.raises(ApiError) as refused:
        bounded.turn(session["id"], session["prompt"])
    assert refused.value.status == 404 and "dropped" in refused.value.message


# Readers


@pytest.mark.parametrize("what", ["output", "events"])
def test_a_reader_that_never_reads_holds_up_nobody(backend: Backend, what: str) -> None:
    session = backend.run()
    ref = session["id"]
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(stuck(backend, f"/v1/sessions/{ref}/{what}?follow=1&offset=0"))
        flood(backend, ref, 8)
        assert output(backend, ref)[2] == backend.output(ref)
        assert backend.ask(ref, "and now")["text"] == "echo: and now"
        stopped = backend.call("POST", f"/v1/sessions/{ref}/stop")["session"]
        assert stopped["end"]["reason"] == "stopped" and stopped["end"]["exit_code"] == 0
        assert backend.stop() == 0
    backend.start()


def test_a_stuck_reader_that_was_overtaken_is_told_where_it_may_come_back(
    bounded: Backend,
) -> None:
    ref = bounded.run()["id"]
    with stuck(bounded, f"/v1/sessions/{ref}/events?follow=1&offset=0") as client:
        flood(bounded, ref, 8)
        path = bounded.state / "sessions" / ref / "output"
        until(lambda: extent(path).first > 7 * MEGABYTE, "a dropped head")
        end(bounded, ref)
        client.settimeout(60)
        got = bytearray()
        while not got.endswith(b"0\r\n\r\n") and (data := client.recv(MEGABYTE)):
            got += data
    told = parse(_unchunked(bytes(got).partition(b"\r\n\r\n")[2]))
    assert [event.kind for event in told if event.kind] == ["dropped", "end"]
    # Every line is one that was written, and the gap is where it was told.
    place = [event.kind for event in told].index("dropped")
    assert all(json.loads(event.data) for event in told)
    missing = json.loads(told[place].data)["bytes"]
    assert 0 < missing <= extent(path).first
    # Who loses the connection just after it was told of the gap comes back to what follows.
    again = events(bounded, ref, **{"Last-Event-ID": str(told[place].offset)})
    assert again == told[place + 1 :]


def _unchunked(data: bytes) -> bytes:
    found = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        length = int(size, 16)
        found, data = found + rest[:length], rest[length + 2 :]
        if not length:
            break
    return found


def test_max_readers_is_a_bound_that_is_free_again_when_readers_go(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(ARTAC_MAX_READERS="2").start()
    ref = backend.run()["id"]
    follow = f"/v1/sessions/{ref}/events?follow=1"
    with stuck(backend, follow), stuck(backend, follow):
        for path in ("output", "events", "wait?for=idle&wait=1"):
            with pytest.raises(ApiError) as refused:
                backend.call("GET", f"/v1/sessions/{ref}/{path}")
            assert (refused.value.status, refused.value.kind) == (429, "limit")
            assert "max_readers" in refused.value.message
        # What does not last needs no slot.
        assert backend.show(ref)["id"] == ref
    until(lambda: _may_read(backend, ref), "a free slot")


def test_a_client_that_said_too_much_and_left_gives_its_slot_back(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(ARTAC_MAX_READERS="1").start()
    ref = backend.run()["id"]
    backend.wait(ref, "idle")
    with stuck(backend, f"/v1/sessions/{ref}/events?follow=1") as client:
        client.sendall(b"GET /v1/health HTTP/1.1\r\nHost: artac\r\n\r\n")
    until(lambda: _may_read(backend, ref), "a free slot")


def _may_read(backend: Backend, ref: str) -> bool:
    try:
        output(backend, ref)
    except AssertionError as problem:
        assert "max_readers" in str(problem)
        return False
    return True


# What is no request


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/", 404, "not-found"),
        ("GET", "/v2/health", 404, "not-found"),
        ("GET", "/v1/sessions/nobody", 404, "not-found"),
        ("GET", "/v1/sessions/nobody/output", 404, "not-found"),
        ("GET", "/v1/sessions/..%2f..%2fetc/output", 404, "not-found"),
        ("GET", "/v1/sessions/%00/output", 404, "not-found"),
        ("GET", "/v1/sessions/a%0Ab%1B[31m", 404, "not-found"),
        ("GET", "/v1/no%0Asuch%1B[31m", 404, "not-found"),
        ("PUT", "/v1/health", 400, "usage"),
        ("POST", "/v1/health%0A", 404, "not-found"),
        ("DELETE", "/v1/sessions", 400, "usage"),
        ("GET", "/v1/sessions?al=1", 400, "usage"),
        ("GET", "/v1/sessions?all=maybe", 400, "usage"),
        ("POST", "/v1/prune?keep=-1", 400, "usage"),
        ("POST", "/v1/sessions", 400, "usage"),
    ],
)
def test_what_is_no_request_gets_an_error_of_one_form_and_one_line(
    backend: Backend, method: str, path: str, status: int, kind: str
) -> None:
    with pytest.raises(ApiError) as refused:
        backend.call(method, path)
    assert (refused.value.status, refused.value.kind) == (status, kind)
    assert refused.value.message.isprintable(), refused.value.message


@pytest.mark.parametrize(
    "query", ["output?offset=x", "output?folow=1", "output?stream=../spec", "events?follow=2",
              "wait?for=sleeping", "wait?wait=-1", "turns/nothing", "stop?grace=forever"],
)  # fmt: skip
def test_a_wrong_query_is_refused_by_name(
    backend: Backend, session: dict[str, Any], query: str
) -> None:
    method = "POST" if query.startswith("stop") else "GET"
    with pytest.raises(ApiError) as refused:
        backend.call(method, f"/v1/sessions/{session['id']}/{query}")
    assert refused.value.kind == "usage"
    assert backend.show(session["id"])["state"] == "idle"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[]", b"1" * 5000, b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(backend: Backend, body: bytes) -> None:
    with backend.connection() as connection:
        connection.request("POST", "/v1/sessions", body=body)
        response = connection.getresponse()
        error = json.loads(response.read())["error"]
    assert (response.status, error["kind"]) == (400, "usage")
    assert error["message"].isprintable()


# Large ones


def test_a_message_of_three_megabytes_is_one_turn(backend: Backend) -> None:
    ref = backend.run()["id"]
    text = "x" * (3 * MEGABYTE)
    assert backend.ask(ref, text)["text"] == f"echo: {text}"
    assert backend.ask(ref, "still there?")["text"] == "echo: still there?"


@pytest.mark.parametrize("told", [True, False], ids=["length told", "chunked"])
def test_a_body_larger_than_max_request_is_refused_and_the_next_one_is_not(
    make_backend: MakeBackend, told: bool
) -> None:
    backend = make_backend(ARTAC_MAX_REQUEST="64K").start()
    ref = backend.run()["id"]
    body = json.dumps({"text": "x" * 70_000, "uuid": str(uuid.uuid4())}).encode()
    with backend.connection() as connection:
        path = f"/v1/sessions/{ref}/messages"
        if told:
            connection.request("POST", path, body=body)
        else:
            pieces = (body[start : start + 9000] for start in range(0, len(body), 9000))
            connection.request("POST", path, body=pieces, encode_chunked=True)
        response = connection.getresponse()
        error = json.loads(response.read())["error"]
    assert (response.status, error["kind"]) == (429, "limit")
    assert "65536" in error["message"]
    assert backend.ask(ref, "x" * 60_000)["outcome"] == "success"
    assert backend.show(ref)["turns"] == 1


# Many at once


def test_many_followers_of_one_flood_all_get_every_byte(backend: Backend) -> None:
    ref = backend.run()["id"]
    got: list[bytes] = []

    def follow() -> None:
        got.append(output(backend, ref, "follow=1")[2])

    followers = [threading.Thread(target=follow) for _ in range(8)]
    for follower in followers:
        follower.start()
    flood(backend, ref, 2)
    end(backend, ref)
    for follower in followers:
        follower.join()
    assert got == [backend.output(ref)] * len(followers)
