"""The stand-in's events against those measured on the real CLI, 2.1.197 and 2.1.330."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

STANDIN = Path(__file__).resolve().parents[1] / "support" / "standin_claude.py"
FLAGS = "-p --input-format stream-json --output-format stream-json --verbose"
Event = dict[str, Any]


class Cli:
    def __init__(self, home: Path, version: str, *options: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "STANDIN_VERSION": version,
            "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
        }
        self.process = subprocess.Popen(
            [STANDIN, *FLAGS.split(), "--replay-user-messages", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=home,
        )

    def send(self, *events: Event) -> None:
        assert self.process.stdin
        self.process.stdin.write("".join(json.dumps(e) + "\n" for e in events).encode())
        self.process.stdin.flush()

    def until(self, found: Callable[[Event], bool]) -> list[Event]:
        assert self.process.stdout
        events: list[Event] = []
        for line in self.process.stdout:
            events.append(json.loads(line))
            if found(events[-1]):
                return events
        raise AssertionError(f"ended after {[shape(e) for e in events]}")

    def turn(self, *events: Event) -> list[Event]:
        self.send(*events)
        return self.until(lambda e: e.get("state") == "idle")

    def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(5)


Start = Callable[..., Cli]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Cli] = []

    def run(version: str, *options: str) -> Cli:
        started.append(Cli(tmp_path, version, *options))
        return started[-1]

    yield run
    for cli in started:
        cli.process.kill()
        cli.process.wait()
        assert cli.process.stdin and cli.process.stdout
        cli.process.stdin.close()
        cli.process.stdout.close()


def prompt(text: str, uuid: str) -> Event:
    return {"type": "user", "message": {"role": "user", "content": text}, "uuid": uuid}


def control(subtype: str) -> Event:
    request = {"subtype": subtype}
    return {"type": "control_request", "request_id": "r", "request": request}


def shape(event: Event) -> str:
    kind: str = event["type"]
    if event.get("isReplay"):
        own = "own" if "timestamp" in event else "bare"
        return f"replay {event['uuid']} {own}"
    if kind == "command_lifecycle":
        return f"{event['command_uuid']} {event['state']}"
    return event.get("state") or event.get("subtype") or kind


def test_initialize_answers_and_writes_nothing(start: Start, tmp_path: Path) -> None:
    cli = start("2.1.197")
    cli.send(control("initialize"))
    response = cli.until(lambda e: True)[0]["response"]
    assert (response["subtype"], response["request_id"]) == ("success", "r")
    assert {"commands", "models", "account", "pid"} <= response["response"].keys()
    assert cli.end() == 0
    assert not list(tmp_path.rglob("*.jsonl"))


def test_one_message_2_1_197(start: Start) -> None:
    events = start("2.1.197").turn(prompt("hello", "A"))
    assert [shape(e) for e in events] == [
        "running", "init", "replay A own", "assistant", "success", "idle",
    ]  # fmt: skip
    result = events[4]
    assert (result["result"], result["is_error"]) == ("echo: hello", False)
    assert result["terminal_reason"] == "completed"
    assert "user_message_uuids" not in result


def test_one_message_2_1_330(start: Start) -> None:
    events = start("2.1.330").turn(prompt("hello", "A"))
    assert [shape(e) for e in events] == [
        "running", "A queued", "A started", "init", "replay A own",
        "assistant", "success", "A completed", "idle",
    ]  # fmt: skip
    assert events[6]["user_message_uuids"] == ["A"]


def test_queued_messages_become_one_turn(start: Start) -> None:
    cli = start("2.1.197")
    events = cli.turn(prompt("!slow 0.2 x", "A"), prompt("q1", "B"), prompt("q2", "C"))
    assert [shape(e) for e in events] == [
        "running", "init", "replay A own", "assistant", "success",
        "replay B bare", "init", "replay C own", "assistant", "success", "idle",
    ]  # fmt: skip
    assert events[-2]["result"] == "echo: q1\nq2"


def test_message_sent_while_a_tool_runs_joins_its_turn(start: Start, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    cli = start("2.1.330")
    cli.send(prompt("!tool read line < go; echo $line", "A"))
    cli.until(lambda e: e["type"] == "assistant")
    cli.send(prompt("q1", "B"))
    cli.until(lambda e: shape(e) == "B queued")
    (tmp_path / "go").write_text("went\n")
    events = cli.until(lambda e: e.get("state") == "idle")
    assert [shape(e) for e in events] == [
        "user", "replay B own", "B started", "assistant", "B completed",
        "success", "A completed", "idle",
    ]  # fmt: skip
    assert events[5]["user_message_uuids"] == ["A", "B"]
    assert events[5]["result"] == "tool said: went"


def test_interrupt(start: Start) -> None:
    cli = start("2.1.330")
    cli.send(prompt("!slow 60 x", "A"))
    cli.until(lambda e: e.get("subtype") == "init")
    events = cli.turn(control("interrupt"))
    assert [shape(e) for e in events] == [
        "control_response", "replay A own", "user", "error_during_execution",
        "A cancelled", "idle",
    ]  # fmt: skip
    assert events[0]["response"]["response"] == {"still_queued": []}
    assert (events[3]["is_error"], events[3]["terminal_reason"]) == (True, "aborted_streaming")
    cli.send(control("interrupt"))
    assert shape(cli.until(lambda e: True)[0]) == "control_response"
    assert cli.end() == 1


def test_same_uuid_again_is_no_turn_even_after_resume(start: Start) -> None:
    session = "11111111-1111-4111-8111-111111111111"
    cli = start("2.1.330", "--session-id", session)
    cli.turn(prompt("hello", "A"))
    assert [shape(e) for e in cli.turn(prompt("hello", "A"))] == ["replay A bare", "idle"]
    assert cli.end() == 0
    cli = start("2.1.330", "--resume", session)
    assert [shape(e) for e in cli.turn(prompt("hello", "A"))] == ["replay A bare", "idle"]
    assert cli.turn(prompt("recall", "B"))[-3]["result"] == 'you said first: "hello"'
    assert start("2.1.330", "--session-id", session).process.wait(5) == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)]
)
def test_ends_by_signal(start: Start, number: int, code: int) -> None:
    cli = start("2.1.330")
    cli.send(prompt("!slow 60 x", "A"))
    cli.until(lambda e: e.get("subtype") == "init")
    cli.process.send_signal(number)
    assert cli.process.wait(5) == code


@pytest.mark.parametrize(("text", "code"), [("!exit 7", 7), ("!signal 9", -9)])
def test_ends_on_request(start: Start, text: str, code: int) -> None:
    cli = start("2.1.330")
    cli.send(prompt(text, "A"))
    assert cli.process.wait(5) == code


def test_flood_is_whole_lines_of_the_size_asked_for(start: Start) -> None:
    cli = start("2.1.330")
    cli.send(prompt("!flood 1000000", "A"))
    assert cli.process.stdout
    sizes = []
    for line in cli.process.stdout:
        event = json.loads(line)
        if event["type"] == "stream_event":
            sizes.append(len(line))
        if event["type"] == "result":
            break
    assert sum(sizes) == 1000000


def test_a_line_that_is_no_json_is_the_end(start: Start) -> None:
    cli = start("2.1.330")
    assert cli.process.stdin
    cli.process.stdin.write(b"hello\n")
    cli.process.stdin.flush()
    assert cli.process.wait(5) == 1
