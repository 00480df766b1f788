"""What the lines of Claude's output make of the messages it was given, in both versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.claude import stream
from artac_daemon.daemon.message_hearing import Hearing, cancel_id
from artac_daemon.daemon.message_scan import Undelivered, undelivered
from artac_daemon.host import message_log
from artac_daemon.model.message import Ledger, MessageState, accepted, moved


def replay(uuid: str) -> dict[str, Any]:
    return {"type": "user", "isReplay": True, "uuid": uuid, "message": {}}


def lifecycle(uuid: str, state: str) -> dict[str, Any]:
    return {"type": "command_lifecycle", "command_uuid": uuid, "state": state}


def result(*uuids: str, old: bool = False, **more: Any) -> dict[str, Any]:
    named = {} if old else {"user_message_uuids": list(uuids)}
    return {"type": "result", "subtype": "success", "result": "done", **named, **more}


def answer(uuid: str, **response: Any) -> dict[str, Any]:
    told = {"subtype": "success", "request_id": cancel_id(uuid), "response": response}
    return {"type": "control_response", "response": told}


IDLE = {"type": "system", "subtype": "session_state_changed", "state": "idle"}
INIT = {"type": "system", "subtype": "init", "model": "m"}


def states(texts: str, *events: dict[str, Any]) -> str:
    """The states, each by its first letters, that delivered messages a, b, c … come to."""
    ledger = Ledger()
    for at, text in enumerate(texts.split()):
        uuid = "abcdef"[at]
        ledger.take(accepted(uuid, text, 0.0, "", 0))
        ledger.take(moved(uuid, MessageState.DELIVERED, 0.0))
    hearing = Hearing(ledger)
    for offset, event in enumerate(events):
        hearing.hear(stream.read(json.dumps(event, separators=(",", ":")).encode()), offset, 1.0)
    return " ".join(m.state.value[:4] + (f":{m.outcome}" if m.outcome else "") for m in ledger)


@pytest.mark.parametrize(
    ("texts", "events", "expected"),
    [
        ("x", [lifecycle("a", "queued")], "deli"),
        ("x", [lifecycle("a", "started")], "take"),
        ("x", [{**INIT, "user_message_uuids": ["a"]}], "take"),
        ("x", [replay("a")], "take"),
        ("x y", [replay("a"), replay("b"), result("a", "b")], "answ:success answ:success"),
        ("x y", [replay("a"), result("a")], "answ:success deli"),
        ("x", [result("a", terminal_reason="aborted_tools"), lifecycle("a", "cancelled")],
         "answ:interrupted"),
        ("x y", [replay("a"), result(old=True), replay("b")], "answ:success take"),
        # 2.1.197 replays none of its own commands: a result without a replay is of the first one.
        ("x /cost y", [INIT, replay("a"), result(old=True), INIT, result(old=True)],
         "answ:success answ:success deli"),
        ("x y", [result(old=True)], "deli deli"),
        ("x y z", [replay("a"), INIT, replay("b"), result(old=True)],
         "answ:success answ:success deli"),
        ("x y", [INIT], "take deli"),
        ("x y", [{**INIT, "user_message_uuids": ["b"]}], "deli take"),
        # 2.1.330 has turns without a message, after a task in the background.
        ("/cost", [lifecycle("z", "started"), result(old=True)], "deli"),
        # Taking back.
        ("x y", [lifecycle("a", "cancelled"), answer("a", cancelled=True)], "canc deli"),
        ("x", [answer("a", cancelled=True), replay("a")], "canc"),
        ("x", [lifecycle("a", "queued"), answer("a", cancelled=False), lifecycle("a", "cancelled")],
         "canc"),
        ("x", [answer("a", cancelled=False), replay("a"), result(old=True), IDLE], "answ:success"),
        ("x", [answer("a", cancelled=False), IDLE], "canc"),
        ("x", [lifecycle("a", "started"), answer("a", cancelled=False), IDLE], "take"),
        ("x", [lifecycle("a", "cancelled")], "deli"),  # by a stop: nobody's wish but the stop's
    ],
)  # fmt: skip
def test_what_is_told(texts: str, events: list[dict[str, Any]], expected: str) -> None:
    assert states(texts, *events) == expected


def test_claude_may_begin_with_a_message_before_its_keeper_says_that_it_is_written() -> None:
    ledger = Ledger()
    for uuid in "ab":
        ledger.take(accepted(uuid, "x", 0.0, "", 0))
    hearing = Hearing(ledger)
    hearing.hear(stream.read(json.dumps(INIT, separators=(",", ":")).encode()), 0, 1.0)
    assert [m.state for m in ledger] == [MessageState.QUEUED, MessageState.QUEUED]
    hearing.on_its_way = "a"
    hearing.hear(stream.read(json.dumps(INIT, separators=(",", ":")).encode()), 1, 1.0)
    assert not ledger.take(moved("a", MessageState.DELIVERED, 2.0))
    assert [m.state for m in ledger] == [MessageState.TAKEN, MessageState.QUEUED]


def test_undelivered_is_what_claude_never_began_with(tmp_path: Path) -> None:
    notes = [accepted(uuid, f"text {uuid}", 1.0, "alice", 0) for uuid in "abcde"]
    notes.append(moved("d", MessageState.CANCELLED, 2.0, by="alice"))
    message_log.append(tmp_path / "messages", notes, durable=True)
    lines = [replay("a"), result("a"), lifecycle("b", "started"), lifecycle("c", "cancelled")]
    output = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "output").write_text(output)
    assert undelivered(tmp_path) == [
        Undelivered("c", "text c", 1.0, "alice"),
        Undelivered("e", "text e", 1.0, "alice"),
    ]
    assert undelivered(tmp_path / "nowhere") == []
