"""What a client reads does not depend on where the bytes of it were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artac_daemon.client.event_stream import EventReader
from artac_daemon.client.http1 import Broken, Reader

HEAD = b"HTTP/1.1 200 OK\r\nArtac-Offset: 7\r\n"
chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=4)


def in_chunks(parts: list[bytes]) -> bytes:
    sent = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in parts)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + sent + b"0\r\nTrailer: x\r\n\r\n"


def with_length(parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def unbounded(parts: list[bytes]) -> bytes:
    return HEAD + b"\r\n" + b"".join(parts)


def read(*pieces: bytes) -> tuple[int, dict[str, str], bytes, bool]:
    reader = Reader()
    body = b"".join(part for piece in pieces for part in reader.feed(piece))
    return reader.status, reader.headers, body, reader.complete


@given(chunks)
def test_an_answer_cut_at_every_byte_is_the_same(parts: list[bytes]) -> None:
    for raw in (in_chunks(parts), with_length(parts)):
        whole = read(raw)
        assert whole[0] == 200 and whole[1]["artac-offset"] == "7"
        assert whole[2] == b"".join(parts) and whole[3]
        assert read(*(bytes([byte]) for byte in raw)) == whole
        for at in range(1, len(raw)):
            assert read(raw[:at], raw[at:]) == whole


@given(chunks)
def test_an_answer_that_ends_at_any_byte_before_its_last_is_broken(parts: list[bytes]) -> None:
    for raw in (in_chunks(parts), with_length(parts)):
        for at in range(len(raw)):
            with pytest.raises(Broken):
                read(*([raw[:at]] if at else []), b"")


@given(chunks)
def test_an_answer_without_a_length_ends_with_its_connection(parts: list[bytes]) -> None:
    raw = unbounded(parts)
    for at in range(1, len(raw)):
        assert not read(raw[:at], raw[at:])[3]
        assert read(raw[:at], raw[at:], b"")[2:] == (b"".join(parts), True)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_comes_is_an_answer_or_broken(first: bytes, second: bytes) -> None:
    for head in (b"", HEAD + b"Transfer-Encoding: chunked\r\n\r\n"):
        reader = Reader()
        try:
            for piece in (head + first + b"x", second, b""):
                reader.feed(piece)
        except Broken:
            continue
        assert reader.complete


texts = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(st.sampled_from(["", "end"]), st.integers(0, 10**12), texts), max_size=4))
def test_events_cut_at_every_byte_are_the_same(sent: list[tuple[str, int, str]]) -> None:
    raw = "".join(
        (f"event: {kind}\n" if kind else "") + f"id: {at}\ndata: {text}\n\n"
        for kind, at, text in sent
    ).encode()
    wanted = [(kind, at, text.encode()) for kind, at, text in sent]
    for at in range(len(raw) + 1):
        reader = EventReader()
        assert [tuple(e) for e in reader.feed(raw[:at]) + reader.feed(raw[at:])] == wanted
    reader = EventReader()
    assert [tuple(e) for byte in raw for e in reader.feed(bytes([byte]))] == wanted
