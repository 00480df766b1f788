"""A message to a terminal session: typed, submitted, and seen to be taken; or nothing is typed."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest

from tests.support.backend import ApiError, Backend, until
from tests.support.keeper_client import KeeperClient


def start(backend: Backend, **env: str) -> str:
    """A terminal session with an input box; idle."""
    session: str = backend.run(kind="terminal", env={"STANDIN_BOX": "1", **env})["id"]
    backend.wait(session, "idle")
    return session


def press(backend: Backend, session: str, keys: str) -> None:
    with KeeperClient(backend.state / "sessions" / session) as keeper:
        assert keeper.ask({"op": "write", "key": "", "line": keys})["result"] == "written"


def prompts(backend: Backend, session: str) -> list[str]:
    """What the program told to have been given."""
    lines = (backend.state / "sessions" / session / "hooks").read_bytes().splitlines()
    told = [json.loads(line) for line in lines]
    return [one["prompt_head"] for one in told if one["hook_event_name"] == "UserPromptSubmit"]


def screen(backend: Backend, session: str) -> str:
    shown = backend.call("GET", f"/v1/sessions/{session}/screen")["screen"]
    return "\n".join(shown["text"])


def refused(backend: Backend, session: str, text: str = "never") -> ApiError:
    with pytest.raises(ApiError) as found:
        backend.send(session, text)
    return found.value


def test_a_message_is_submitted_and_its_turn_has_begun(backend: Backend) -> None:
    session = start(backend)
    accepted = backend.send(session, "hello there")
    assert accepted["delivery"] == "taken" and not accepted["duplicate"]
    assert prompts(backend, session) == ["hello there"]
    assert backend.show(session)["state"] == "working"  # so a wait for its end waits
    backend.wait(session, "idle")


TEXTS = {
    "lines": "\n".join(f"line {number}" for number in range(12)),
    "unicode": "\"quoted\" 'it' ünïcode 日本語 🙂",
    "command": "!touch made\n!touch made",
    "control": "one\x1b[201~\rtwo\x07",
    "backslash": "it ends in \\",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_message_is_one_message_whatever_is_in_it(backend: Backend, text: str) -> None:
    session = start(backend)
    assert backend.send(session, text)["delivery"] == "taken"
    backend.wait(session, "idle")
    wanted = text.replace("\x1b", "\ufffd").replace("\x07", "\ufffd").replace("\r", "\n")
    assert prompts(backend, session) == [wanted.strip()]


def test_the_same_message_twice_is_typed_once(backend: Backend) -> None:
    session, chosen = start(backend), str(uuid.uuid4())
    assert not backend.send(session, "once", chosen)["duplicate"]
    backend.wait(session, "idle")
    again = backend.send(session, "once", chosen)
    assert again["duplicate"] and again["delivery"] == "taken"
    assert prompts(backend, session) == ["once"]


def test_the_same_message_to_another_backend_is_typed_once(persistent: Backend) -> None:
    session, chosen = start(persistent), str(uuid.uuid4())
    persistent.send(session, "once", chosen)
    persistent.wait(session, "idle")
    persistent.kill()
    persistent.start()
    persistent.wait(session, "idle")
    again = persistent.send(session, "once", chosen)
    assert again["duplicate"] and again["delivery"] == "typed"
    persistent.send(session, "twice")
    assert prompts(persistent, session) == ["once", "twice"]


def test_an_enter_that_is_swallowed_is_pressed_again(backend: Backend) -> None:
    session = start(backend, STANDIN_SWALLOWS="1")
    assert backend.send(session, "hello")["delivery"] == "taken"
    assert prompts(backend, session) == ["hello"]


def test_a_message_that_is_not_taken_is_said_to_stand_there(backend: Backend) -> None:
    session, chosen = start(backend, STANDIN_SWALLOWS="2"), str(uuid.uuid4())
    with pytest.raises(ApiError) as found:
        backend.send(session, "hello", chosen)
    assert found.value.kind == "timeout" and "stands in the input box" in found.value.message
    assert prompts(backend, session) == [] and "hello" in screen(backend, session)
    # The same message again goes on from there.
    accepted = backend.send(session, "hello", chosen)
    assert accepted["duplicate"] and accepted["delivery"] == "taken"
    assert prompts(backend, session) == ["hello"]


@pytest.mark.parametrize("version", ["2.1.330", "2.1.197"])
def test_while_it_works_a_message_is_queued(backend: Backend, version: str) -> None:
    session = start(backend, STANDIN_VERSION=version)
    backend.send(session, "slow 8")
    assert backend.send(session, "and then")["delivery"] == "queued"
    assert "done" not in screen(backend, session)
    backend.wait(session, "idle")
    until(lambda: screen(backend, session).count("done") == 2, "both turns")


def test_messages_of_many_are_typed_one_by_one(backend: Backend) -> None:
    session = start(backend)
    texts = {f"message {number}" for number in range(5)}
    accepted: list[Any] = []
    senders = [
        threading.Thread(target=lambda text=text: accepted.append(backend.send(session, text)))
        for text in texts
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(accepted) == 5
    backend.wait(session, "idle")
    assert set(prompts(backend, session)) == texts


def test_nothing_is_typed_into_a_dialog(backend: Backend) -> None:
    session = start(backend)
    backend.send(session, "permission date")
    backend.wait(session, "needs-permission")
    found = refused(backend, session)
    assert found.kind == "conflict" and "waits for an answer" in found.message
    assert "1. Yes" in screen(backend, session)
    assert "never" not in screen(backend, session)


def test_a_dialog_that_no_state_tells_of_is_seen_on_the_screen(backend: Backend) -> None:
    session = start(backend)
    press(backend, session, "permission date\r")
    backend.wait(session, "needs-permission")
    entry = backend.home / f".claude/sessions/{backend.show(session)['claude']['pid']}.json"
    until(lambda: '"waiting"' in entry.read_text(), "its last word")
    entry.write_text(json.dumps({**json.loads(entry.read_text()), "status": "busy"}))
    backend.wait(session, "working")
    found = refused(backend, session)
    assert found.kind == "conflict" and "no input box" in found.message
    assert "1. Yes" in screen(backend, session)


def test_what_somebody_is_typing_is_left_alone(backend: Backend) -> None:
    session = start(backend)
    press(backend, session, "half a sent")
    until(lambda: "half" in screen(backend, session), "what was typed")
    found = refused(backend, session)
    assert found.kind == "conflict" and "half a sent" in found.message
    assert prompts(backend, session) == [] and "never" not in screen(backend, session)
    press(backend, session, "\x15")
    until(lambda: "half" not in screen(backend, session), "it to be deleted")
    assert backend.send(session, "now")["delivery"] == "taken"


def test_what_would_end_claude_is_no_message(backend: Backend) -> None:
    found = refused(backend, start(backend), " exit ")
    assert found.kind == "usage" and "artac stop" in found.message


def test_without_hooks_nothing_is_typed(backend: Backend) -> None:
    settings = ["--settings", '{"disableAllHooks": true}']
    started = backend.run(kind="terminal", env={"STANDIN_BOX": "1"}, claude_args=settings)
    backend.wait(started["id"], "idle")
    found = refused(backend, started["id"])
    assert found.kind == "conflict" and "hooks" in found.message


def test_a_session_that_ends_meanwhile_is_told(backend: Backend) -> None:
    session = start(backend, STANDIN_SWALLOWS="9")
    found: list[ApiError] = []
    sender = threading.Thread(target=lambda: found.append(refused(backend, session, "hello")))
    sender.start()
    until(lambda: "hello" in screen(backend, session), "the message")
    backend.call("POST", f"/v1/sessions/{session}/kill")
    sender.join()
    assert found[0].kind == "not-running"


def test_the_command_tells_what_became_of_it(backend: Backend) -> None:
    session = start(backend)
    sent = backend.artac("send", session, "hello")
    assert sent.stdout.startswith(f"taken by {session} as ")
    backend.wait(session, "idle")
    waited = backend.artac("send", "--wait", session, "never", check=False)
    assert waited.returncode == 2 and "artac wait" in waited.stderr
    with pytest.raises(ApiError):
        backend.call("GET", f"/v1/sessions/{session}/turns/{uuid.uuid4()}")
    assert prompts(backend, session) == ["hello"]
