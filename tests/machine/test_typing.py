"""Messages typed into the real Claude Code on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.backend import until
from tests.support.way import CLAUDE_ENVIRONMENT, Way


@pytest.fixture
def way(system: Way) -> Iterator[Way]:
    """The machine's own artac, and a Claude that asks nothing first."""
    key = CLAUDE_ENVIRONMENT["ANTHROPIC_API_KEY"]
    answered = {
        "hasCompletedOnboarding": True,
        "customApiKeyResponses": {"approved": [key[-20:]]},
        "projects": {str(system.work): {"hasTrustDialogAccepted": True}},
    }
    home = system.machine.home("artac")
    system.machine.run(
        ["sh", "-c", "cat >.claude.json"], user="artac", input=json.dumps(answered), cwd=home
    )
    system.configure()
    system.start()
    yield system


def started(way: Way) -> str:
    session = str(way.run("--terminal")["id"])
    way.wait_prompt(session)
    return session


def send(way: Way, session: str, text: str) -> dict[str, Any]:
    sent = way.artac("send", "--json", session, "-", input=text)
    found: dict[str, Any] = json.loads(sent.stdout)
    return found


def refused(way: Way, session: str, text: str) -> str:
    """What is said of a message that is not typed."""
    sent = way.artac("send", session, text, check=False)
    assert sent.returncode == 6, sent
    return sent.stderr


def press(way: Way, session: str, keys: str) -> None:
    """Type into a session, past the backend."""
    directory = way.state / "sessions" / session
    command = ["python3", "-m", "tests.support.keeper_client", str(directory), keys]
    way.machine.run(command, user=way.account, cwd="/opt/artac-tests")


def screen(way: Way, session: str) -> str:
    return str(way.artac("screen", session).stdout)


def prompts(way: Way, session: str) -> list[str]:
    """What Claude's hooks told of; of a long paste without the tags that some versions add."""
    noted = way.machine.read_bytes(str(way.state / "sessions" / session / "hooks"))
    told = map(json.loads, noted.splitlines())
    heads = [one["prompt_head"] for one in told if one["hook_event_name"] == "UserPromptSubmit"]
    return [head.partition('">\n')[2] if "<pasted_content" in head else head for head in heads]


def test_a_message_is_a_message_whatever_is_in_it(way: Way) -> None:
    session = started(way)
    texts = [
        "hello",
        "\n".join(f"line {number}" for number in range(20)),
        "\"quoted\" 'it' $HOME `date` ünïcode 日本語 🙂",
        "!touch typed\n!touch typed",
        "# a heading\n\n- and a list",
        "it ends in \\",
        "one\x1b[201~\r/exit\r",
    ]
    for text in texts:
        assert send(way, session, text)["delivery"] == "taken", text
        way.wait(session, "idle")
    wanted = [text.replace("\x1b", "\ufffd").replace("\r", "\n").strip()[:200] for text in texts]
    assert [prompt.strip()[:200] for prompt in prompts(way, session)] == wanted
    # Commands of Claude's own are none here, and neither is the way out.
    others = ("/help me", "/exit", "word " * 10000)
    for text in others:
        assert send(way, session, text)["delivery"] == "taken", text
        way.wait(session, "idle")
    assert [prompt.split()[0] for prompt in prompts(way, session)[-3:]] == [
        "/help",
        "/exit",
        "word",
    ]
    assert way.artac("send", session, "exit", check=False).returncode == 2
    assert way.machine.ns("test", "-e", str(way.work / "typed"), check=False).returncode == 1


def test_a_message_to_a_claude_at_work_waits_for_its_turn(way: Way) -> None:
    session = started(way)
    send(way, session, "slow: 30 alpha beta")
    sent = send(way, session, "and then")
    assert sent["delivery"] == "queued"
    again = way.artac("send", "--json", "--uuid", sent["uuid"], session, "and then")
    assert json.loads(again.stdout)["duplicate"]
    until(lambda: "echo: and then" in screen(way, session), "the second turn")
    way.wait(session, "idle")
    assert prompts(way, session) == ["slow: 30 alpha beta", "and then"]


def test_nothing_typed_answers_a_dialog(way: Way) -> None:
    session = started(way)
    send(way, session, "tool: sh -c 'date > granted'")
    # On its way to the dialog: either is right, and neither an answer.
    way.artac("send", session, "at once", check=False)
    until(lambda: "1. Yes" in screen(way, session), "the dialog")
    way.wait(session, "needs-permission")
    assert "waits for an answer" in refused(way, session, "never")
    assert "1. Yes" in screen(way, session)
    press(way, session, "\x1b")
    way.wait(session, "idle")
    assert way.machine.ns("test", "-e", str(way.work / "granted"), check=False).returncode == 1
    assert "never" not in screen(way, session)


def test_what_somebody_is_typing_is_left_alone(way: Way) -> None:
    session = started(way)
    press(way, session, "half a sent")
    until(lambda: "half a sent" in screen(way, session), "what was typed")
    assert "half a sent" in refused(way, session, "never")
    assert "never" not in screen(way, session) and "half a sent" in screen(way, session)
    press(way, session, "\x15")
    until(lambda: "half a sent" not in screen(way, session), "it to be deleted")
    assert send(way, session, "now")["delivery"] == "taken"
