"""What an ended session's files tell of the turn that was cut off."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artac_daemon.claude import conversation
from artac_daemon.daemon import past
from artac_daemon.model.session import Kind, Placement, SessionSpec

SPEC = SessionSpec(
    "k3f9q2", "api", Kind.HEADLESS, Placement.SCOPE, True, "/srv", "c0ffee", 1.5, "boot"
)


def replay(text: Any) -> dict[str, Any]:
    message = {"role": "user", "content": text}
    return {"type": "user", "message": message, "uuid": "u", "isReplay": True}


def state(name: str) -> dict[str, Any]:
    return {"type": "system", "subtype": "session_state_changed", "state": name}


def tool(name: str, number: str, **given: str) -> dict[str, Any]:
    block = {"type": "tool_use", "id": number, "name": name, "input": given}
    return {"type": "assistant", "message": {"role": "assistant", "content": [block]}}


def done(number: str) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": number, "content": "x"}
    return {"type": "user", "message": {"role": "user", "content": [block]}}


RESULT = {"type": "result", "subtype": "success", "is_error": False, "result": "fine"}
RUNNING, IDLE = state("running"), state("idle")


def headless(place: Path, *events: dict[str, Any], cut: str = "") -> past.Past:
    lines = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    (place / "output").write_text(lines + cut)
    return past.of(place, SPEC, 7.0)


@pytest.mark.parametrize(
    ("events", "said", "message", "tool_told"),
    [
        ([], False, None, None),
        ([RUNNING, replay("hi"), RESULT, IDLE], True, None, None),
        ([RUNNING, replay("fix\n it ")], True, "fix it", None),
        ([RUNNING, replay([{"type": "text", "text": "fix it"}])], True, "fix it", None),
        ([RUNNING, replay("x"), tool("Bash", "t1", command="make")], True, "x", "Bash: make"),
        (
            [RUNNING, replay("x"), tool("Bash", "t1", command="make"), done("t1")],
            True,
            "x",
            None,
        ),
        ([RUNNING, replay("x"), RESULT, RUNNING, replay("y")], True, "y", None),
        ([RUNNING, replay("x"), state("requires_action")], True, "x", None),
    ],
)
def test_what_a_headless_one_tells(
    tmp_path: Path,
    events: list[dict[str, Any]],
    said: bool,
    message: str | None,
    tool_told: str | None,
) -> None:
    found = headless(tmp_path, *events, cut='{"type":"assist')
    assert found.said is said
    if message is None:
        assert found.interrupted is None
    else:
        assert found.interrupted == {"message": message, "tool": tool_told, "at": 7.0}


def test_a_long_turn_is_found_behind_much_output(tmp_path: Path) -> None:
    piece = {"type": "stream_event", "pad": "x" * 1000}
    found = headless(tmp_path, RUNNING, replay("long ago"), *[piece] * 2000)
    assert found.interrupted is not None and found.interrupted["message"] == "long ago"


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    found = headless(tmp_path, RUNNING, replay("word " * 1000))
    assert found.interrupted is not None
    assert len(found.interrupted["message"]) == 200 and found.interrupted["message"][-1] == "…"


def hooked(place: Path, *events: dict[str, Any]) -> past.Past:
    (place / "hooks").write_text("".join(json.dumps({"at": 1.0, **e}) + "\n" for e in events))
    return past.of(place, replace(SPEC, kind=Kind.TERMINAL), 7.0)


def hook(name: str, **more: str) -> dict[str, Any]:
    return {"hook_event_name": name, "session_id": "c0ffee", **more}


def test_a_terminal_tells_by_its_hooks(tmp_path: Path) -> None:
    start, prompt = hook("SessionStart"), hook("UserPromptSubmit", prompt_head="fix it")
    assert hooked(tmp_path, start) == past.Past("c0ffee", False, None)
    assert hooked(tmp_path, start, prompt, hook("Stop")) == past.Past("c0ffee", True, None)
    cut = {"message": "fix it", "tool": None, "at": 7.0}
    assert hooked(tmp_path, start, prompt) == past.Past("c0ffee", True, cut)
    # /clear begins another conversation, in which nothing is said yet.
    cleared = {**start, "session_id": "decade", "source": "clear"}
    assert hooked(tmp_path, start, prompt, hook("Stop"), cleared) == past.Past(
        "decade", False, None
    )
    assert past.of(tmp_path / "nowhere", SPEC, 7.0) == past.Past("c0ffee", False, None)


def test_a_transcript_is_looked_for_by_directory(tmp_path: Path) -> None:
    config = str(tmp_path)
    here = tmp_path / "projects" / "-srv-my-app-v2" / "c0ffee.jsonl"
    assert not conversation.transcript(config, "/srv/my.app_v2", "c0ffee").there
    here.parent.mkdir(parents=True)
    here.write_text("{}\n")
    found = conversation.transcript(config, "/srv/my.app_v2", "c0ffee")
    assert found.there and found.path == str(here)
    other = conversation.transcript(config, "/srv", "c0ffee")
    assert (other.there, other.elsewhere) == (False, str(here))
    long = "/" + "x" * 300
    cut = tmp_path / "projects" / ("-" + "x" * 199 + "-1a2b3c")
    cut.mkdir()
    here.rename(cut / "c0ffee.jsonl")
    assert conversation.transcript(config, long, "c0ffee").there


@pytest.mark.parametrize(
    ("words", "takes"),
    [
        ("claude --resume c0ffee", True),
        ("claude --resume=c0ffee", True),
        ("node cli.js -r c0ffee -p", True),
        ("claude --session-id c0ffee", True),
        ("claude --resume other", False),
        ("claude --resume c0ffee --fork-session", False),
        ("vim c0ffee.jsonl", False),
        ("claude c0ffee", False),
        ("", False),
    ],
)
def test_a_command_line_that_takes_a_conversation(words: str, takes: bool) -> None:
    assert conversation.takes(tuple(words.split()), "c0ffee") is takes


def test_damaged_entries_of_the_registry_are_passed_over(tmp_path: Path) -> None:
    registry = tmp_path / "sessions"
    registry.mkdir()
    whole = {"pid": 7, "procStart": "41", "sessionId": "c0ffee"}
    for name, content in {
        "7.json": json.dumps(whole),
        "8.json": "{",
        "9.json": "[]",
        "10.json": json.dumps({**whole, "sessionId": "other"}),
        "11.json": json.dumps({"sessionId": "c0ffee"}),
        "12.txt": json.dumps(whole),
    }.items():
        (registry / name).write_text(content)
    (registry / "13.json").symlink_to(registry / "7.json")
    found = conversation.registered(str(tmp_path), "c0ffee")
    assert found == [conversation.Registered(7, 41)]
