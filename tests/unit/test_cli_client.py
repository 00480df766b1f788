"""artac's own HTTP client, against a server that says exactly what a test wants."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from artac_daemon.cli import follow, main, turns
from artac_daemon.cli.client import Client, ConnectionLost, NoDaemon, session_path, with_query
from artac_daemon.client.call import Response
from artac_daemon.model.errors import ArtacError, ErrorKind

UUID = "123e4567-e89b-12d3-a456-426614174000"
Script = list[list[bytes]]


class Server:
    """Answers each connection with the next of its answers, in the pieces given, and closes."""

    def __init__(self, path: Path, answers: Script) -> None:
        self.requests: list[bytes] = []
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for pieces in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(_whole_request(connection))
                for piece in pieces:
                    connection.sendall(piece)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()


def _whole_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(content: object, status: int = 200) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


def chunked(*chunks: bytes, end: bool = True, head: bytes = b"") -> list[bytes]:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + head + b"\r\n"
    pieces = [start, *(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)]
    return [*pieces, b"0\r\n\r\n"] if end else pieces


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers = []

    def start(*answers: list[bytes]) -> Server:
        servers.append(Server(tmp_path / "s", list(answers)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client([str(tmp_path / "nobody"), str(tmp_path / "s")])


def test_an_answer_in_any_pieces(serve: Callable[..., Server], client: Client) -> None:
    whole = answer({"a": "ü" * 1000})
    bytewise = [bytes([byte]) for byte in whole]
    in_chunks = b"".join(chunked(b'{"a"', b":[1,", b"2]}"))
    server = serve([whole], bytewise, [bytes([byte]) for byte in in_chunks])
    assert client.get("/v1/x") == {"a": "ü" * 1000}
    assert client.get("/v1/x") == {"a": "ü" * 1000}
    assert client.get("/v1/x") == {"a": [1, 2]}
    assert server.requests[0].startswith(b"GET /v1/x HTTP/1.1\r\n")


def test_chunk_extensions_trailers_and_unbounded_bodies() -> None:
    for raw, body in (
        (b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n", b"abc"),
        (b"\r\nabc", b"abc"),
        (b"Content-Length: 0\r\n\r\n", b""),
    ):
        near, far = socket.socketpair()
        with near, far:
            far.sendall(b"HTTP/1.1 200 OK\r\n" + raw)
            far.shutdown(socket.SHUT_WR)
            assert Response(near).read() == body


def test_a_cut_answer_is_never_taken_for_a_whole_one(
    serve: Callable[..., Server], client: Client
) -> None:
    whole = answer({"a": 1})
    serve(
        [whole[:-1]],
        [whole[:10]],
        [],
        chunked(b'{"a":1}', end=False),
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
        [b"SSH-2.0\r\n\r\n"],
    )
    for _ in range(6):
        with pytest.raises(ConnectionLost):
            client.get("/v1/x")


def test_errors_keep_their_kind(serve: Callable[..., Server], client: Client) -> None:
    told = {"error": {"kind": "not-found", "message": "no such session"}}
    serve(
        [answer(told, 404)], [answer("?", 500)], [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n?"]
    )
    with pytest.raises(ArtacError, match="no such session") as caught:
        client.get("/v1/x")
    assert caught.value.kind is ErrorKind.NOT_FOUND
    with pytest.raises(ArtacError, match="status 500"):
        client.get("/v1/x")
    with pytest.raises(ArtacError, match="not JSON"):
        client.get("/v1/x")


def test_a_refused_large_body_gives_the_refusal(
    serve: Callable[..., Server], client: Client, tmp_path: Path
) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    told = {"error": {"kind": "limit", "message": "too large"}}

    def refuse() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(answer(told, 413))

    thread = threading.Thread(target=refuse)
    thread.start()
    with pytest.raises(ArtacError) as caught:
        client.post("/v1/x", {"text": "x" * 10_000_000})
    thread.join()
    listener.close()
    assert caught.value.message == "too large" or isinstance(caught.value, ConnectionLost)


def test_nobody_there(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NoDaemon, match=r"no artac daemon answers; .*nobody") as caught:
        client.get("/v1/x")
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    with pytest.raises(NoDaemon, match="nobody listens"):
        client.get("/v1/x")


def test_a_stopped_daemon_is_not_waited_for_for_ever(client: Client, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        with pytest.raises(ArtacError, match="does not answer") as caught:
            client.get("/v1/x", 0.05)
    assert caught.value.kind is ErrorKind.TIMEOUT


def test_paths() -> None:
    assert session_path("a b/ü", "stop") == "/v1/sessions/a%20b%2F%C3%BC/stop"
    assert with_query("/x", a=1, b=None, c="ü&") == "/x?a=1&c=%C3%BC%26"
    for nothing in ("", ".", ".."):
        with pytest.raises(ArtacError):
            session_path(nothing)


def test_a_message_whose_answer_was_lost_is_sent_again_as_the_same_one(
    serve: Callable[..., Server], client: Client
) -> None:
    accepted = {"uuid": UUID, "offset": 900, "duplicate": True, "session": "k3f9q2"}
    full = {"session": {"output": {"first": 4096, "size": 9000}}}
    server = serve([], [answer({})], [answer(accepted)], [answer(full)])
    assert turns.hand_over(client, "api", "hello", UUID) == accepted
    bodies = [json.loads(server.requests[at].partition(b"\r\n\r\n")[2]) for at in (0, 2)]
    assert bodies == [{"text": "hello", "uuid": UUID}] * 2
    # Accepted the first time: its turn may have begun before what the second daemon told.
    assert turns.offset_of(client, accepted) == 4096


def test_a_message_that_stays_unknown_is_told_so(
    serve: Callable[..., Server], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_RETRY", 0.0)
    serve([])
    with pytest.raises(ArtacError, match=f"artac send --uuid {UUID} api TEXT") as caught:
        turns.hand_over(client, "api", "hello", UUID)
    assert caught.value.kind is ErrorKind.UNAVAILABLE


def test_a_message_that_is_not_taken_in_time_can_be_gone_on_with(
    serve: Callable[..., Server], client: Client
) -> None:
    told = {"error": {"kind": "timeout", "message": "the message was typed, not submitted"}}
    serve([answer(told, 504)])
    with pytest.raises(ArtacError, match=f"submitted.*artac send --uuid {UUID} api TEXT") as caught:
        turns.hand_over(client, "api", "hello", UUID)
    assert caught.value.kind is ErrorKind.TIMEOUT


def test_following_over_a_cut_gives_every_event_once(
    serve: Callable[..., Server], client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    def event(offset: int, data: bytes, kind: bytes = b"") -> bytes:
        named = b"event: %s\n" % kind if kind else b""
        return b"%sid: %d\ndata: %s\n\n" % (named, offset, data)

    server = serve(
        chunked(event(10, b'{"n":1}') + event(20, b'{"n":2}') + b"id: 30\nda", end=False),
        [answer({})],
        chunked(event(25, b'{"bytes":5}', b"dropped"), event(30, b'{"n":3}')),
        [answer({"reached": False, "session": {"end": None}})],
        chunked(event(40, b'{"n":4}'), event(40, b'{"reason":"stopped"}', b"end")),
    )
    batches = follow.events(client, "k3f9q2", 0, follow=True)
    assert [event.data for batch in batches for event in batch] == [
        b'{"n":%d}' % number for number in (1, 2, 3, 4)
    ]
    asked = [request.split(b" ")[1] for request in server.requests if b"/events" in request]
    assert [target.partition(b"?")[2] for target in asked] == [
        b"offset=0&follow=1", b"offset=20&follow=1", b"offset=30&follow=1"
    ]  # fmt: skip
    noted = capsys.readouterr().err
    assert "5 bytes of output before offset 25 are no longer there" in noted
    assert "the daemon is back" in noted


def test_following_bytes_over_a_cut(serve: Callable[..., Server], client: Client) -> None:
    server = serve(
        chunked(b"ab", b"cd", end=False, head=b"Artac-Offset: 7\r\nArtac-Dropped: 0\r\n"),
        [answer({})],
        chunked(b"ef", head=b"Artac-Offset: 11\r\nArtac-Dropped: 0\r\n"),
        [answer({"reached": True, "session": {"end": {"reason": "completed"}}})],
    )
    assert b"".join(follow.output(client, "x", "output", 7, follow=True)) == b"abcdef"
    assert b"offset=11&follow=1" in server.requests[2]


def test_without_following_a_cut_is_an_error(serve: Callable[..., Server], client: Client) -> None:
    serve(chunked(b"ab", end=False))
    with pytest.raises(ConnectionLost):
        list(follow.output(client, "x", "output", 0, follow=False))


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("success", 0), ("failed", 10), ("interrupted", 11), ("session-ended", 12)],
)
def test_send_wait_exits_by_the_outcome(
    serve: Callable[..., Server], tmp_path: Path, outcome: str, code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    accepted = {"uuid": UUID, "offset": 5, "duplicate": False, "session": "k3f9q2"}
    result = {"uuid": UUID, "outcome": outcome, "text": "said", "cost_usd": None, "offset": 9}
    asked = {"session": {"id": "k3f9q2", "kind": "headless"}}
    serve([answer(asked)], [answer(accepted, 202)], [answer(result)])
    socket_option = ["--socket", str(tmp_path / "s")]
    assert main.main([*socket_option, "send", "api", "hi", "--wait", "--uuid", UUID]) == code
    assert capsys.readouterr().out == ("said\n" if code == 0 else "")


def test_wait_gives_up_in_time(
    serve: Callable[..., Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = {"id": "k3f9q2", "state": "working", "end": None}
    serve([answer({"reached": False, "session": session})])
    words = ["wait", "api", "--for", "idle", "--timeout", "0s", "--socket", str(tmp_path / "s")]
    assert main.main(words) == ErrorKind.TIMEOUT.exit_code
    assert "is working after 0s, not idle" in capsys.readouterr().err


def test_drain_without_a_daemon_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["--socket", str(tmp_path / "s"), "drain"]) == 0
    assert "nothing drained" in capsys.readouterr().err
