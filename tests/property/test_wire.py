"""The frames between keeper and backend: any messages, cut anywhere; any junk."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from artac_daemon.keeper import wire
from artac_daemon.keeper.wire import DATA, MAX_FRAME, MESSAGE, Decoder, WireError, encode

HEADER = struct.Struct(">BI")
SMALL = 256

texts = st.text(st.characters(codec=None), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
messages = st.lists(st.dictionaries(texts, values, max_size=5), max_size=6)
cuts = st.lists(st.integers(1, 64), min_size=1, max_size=20)
# Junk that gets past the first byte: headers with a fitting or a wrong length before any body.
frames = st.builds(
    lambda kind, body, more: HEADER.pack(kind, max(0, len(body) + more)) + body,
    st.sampled_from([MESSAGE, MESSAGE, DATA, 0, 5, 255]),
    st.binary(max_size=40) | values.map(json.dumps).map(str.encode),
    st.sampled_from([0, 0, 0, -1, 1, 1000]),
)
junk = st.lists(frames | st.binary(max_size=40), max_size=6).map(b"".join)


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """The data, cut into pieces of these sizes in turn."""
    start = number = 0
    while start < len(data):
        size = sizes[number % len(sizes)]
        yield data[start : start + size]
        start, number = start + size, number + 1


def frame(body: bytes, kind: int = MESSAGE) -> bytes:
    return HEADER.pack(kind, len(body)) + body


@given(messages, cuts)
def test_messages_arrive_as_they_were_sent_however_they_are_cut(
    sent: list[dict[str, Any]], sizes: list[int]
) -> None:
    decoder, got = Decoder(), []
    for piece in pieces(b"".join(map(encode, sent)), sizes):
        got += decoder.feed(piece)
    assert got == sent


@given(messages, st.binary(max_size=40), cuts)
def test_a_terminals_bytes_between_messages_change_nothing(
    sent: list[dict[str, Any]], data: bytes, sizes: list[int]
) -> None:
    decoder, got = Decoder(), []
    stream = b"".join(frame(data, DATA) + encode(message) for message in sent)
    for piece in pieces(stream, sizes):
        got += decoder.feed(piece)
    assert got == sent


@given(junk, cuts)
def test_junk_is_refused_or_understood_and_never_held_without_bound(
    data: bytes, sizes: list[int]
) -> None:
    decoder = Decoder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "MAX_FRAME", SMALL)
        try:
            for piece in pieces(data, sizes):
                assert all(isinstance(message, dict) for message in decoder.feed(piece))
                assert len(decoder._frames.rest) < HEADER.size + SMALL
        except WireError as error:
            assert str(error)


@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"1" * 5000)
@example(b"[]")
def test_a_message_that_is_no_object_is_refused(body: bytes) -> None:
    try:
        found = Decoder().feed(frame(body))
    except WireError:
        return
    assert [json.loads(body)] == found and isinstance(found[0], dict)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'], ids=["lists", "objects"])
def test_a_message_nested_too_deep_is_refused(opening: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().feed(frame(opening * 100_000))


@pytest.mark.parametrize("kind", [0, 5, 71, 255])
def test_another_protocol_is_refused_at_its_first_bytes(kind: int) -> None:
    with pytest.raises(WireError):
        Decoder().feed(bytes([kind]) + b"ET / HTTP/1.1\r\n")


@pytest.mark.parametrize("kind", [MESSAGE, DATA])
def test_a_frame_that_says_it_is_too_long_is_refused_before_it_comes(kind: int) -> None:
    with pytest.raises(WireError):
        Decoder().feed(HEADER.pack(kind, MAX_FRAME + 1))
    assert Decoder().feed(HEADER.pack(kind, MAX_FRAME)) == []


def test_a_message_that_the_other_side_would_refuse_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME", SMALL)
    fits = {"line": "x" * (SMALL - len('{"line":""}'))}
    assert Decoder().feed(encode(fits)) == [fits]
    with pytest.raises(WireError, match=str(SMALL)):
        encode({"line": fits["line"] + "x"})
