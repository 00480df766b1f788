"""The states of the real Claude Code on a terminal, also across a restart of the backend."""

from __future__ import annotations

import json

import pytest

from tests.machine.ways import answer_first_questions
from tests.support.backend import until
from tests.support.way import Way


@pytest.fixture
def persistent(system: Way) -> Way:
    """The machine's own artac with persistent sessions, and a Claude that asks nothing first."""
    answer_first_questions(system)
    system.machine.linger("artac")
    system.configure(PERSIST_CLAUDE_SESSIONS="true")
    system.start()
    return system


def press(way: Way, session: str, keys: str) -> None:
    """Type into a session, past the backend."""
    directory = way.state / "sessions" / session
    command = ["python3", "-m", "tests.support.keeper_client", str(directory), keys]
    way.machine.run(command, user=way.account, cwd="/opt/artac-tests")


def ask(way: Way, session: str, text: str) -> None:
    """A prompt; the program takes a line break that comes with the text for pasted."""
    press(way, session, text)
    until(lambda: text.split()[-1].encode() in way.output(session), "the text on its screen")
    press(way, session, "\r")


def states(way: Way, session: str) -> list[str]:
    listed = way.artac("events").stdout.splitlines()
    events = [json.loads(line) for line in listed]
    return [
        event["new"]
        for event in events
        if event.get("event") == "state" and event.get("session") == session
    ]


def test_each_state_is_told_across_restarts(persistent: Way) -> None:
    session = str(persistent.run("--terminal", "--name", "tty")["id"])
    persistent.wait_prompt(session)
    ask(persistent, session, "slow: 4 hello")
    until(lambda: states(persistent, session)[-3:] == ["idle", "working", "idle"], "the first turn")

    # A command that asks for permission; approved while no backend runs, and one before it.
    ask(persistent, session, "tool: sh -c 'date > made; sleep 600'")
    persistent.wait(session, "needs-permission")
    assert "needs-permission" in persistent.artac("ls").stdout
    persistent.crash()
    persistent.wait(session, "needs-permission")
    persistent.stop()
    press(persistent, session, "1")
    made = str(persistent.work / "made")
    until(lambda: persistent.machine.ns("test", "-e", made, check=False).returncode == 0, made)
    persistent.start()
    persistent.wait(session, "working")

    # An interrupt, of which no hook tells.
    persistent.artac("interrupt", session)
    persistent.wait(session, "idle")

    # A refusal, of which none tells either.
    ask(persistent, session, "tool: sh -c 'date > unmade'")
    persistent.wait(session, "needs-permission")
    press(persistent, session, "\x1b")
    persistent.wait(session, "idle")

    ask(persistent, session, "/exit")
    persistent.wait(session, "ended")
    assert persistent.status(session)["end"]["reason"] == "completed"


def test_its_permission_mode_is_the_one_that_artac_says(persistent: Way) -> None:
    session = str(persistent.run("--terminal")["id"])
    persistent.wait_prompt(session)
    assert persistent.status(session)["permission_mode"] == "default"
    ask(persistent, session, "hello")
    noted = persistent.state / "sessions" / session / "hooks"
    until(lambda: b"UserPromptSubmit" in persistent.machine.read_bytes(str(noted)), "the prompt")
    events = map(json.loads, persistent.machine.read_bytes(str(noted)).splitlines())
    prompt = next(event for event in events if event["hook_event_name"] == "UserPromptSubmit")
    assert (prompt["permission_mode"], prompt["prompt_head"]) == ("default", "hello")


def test_a_stop_in_the_middle_of_an_answer_keeps_what_was_said(persistent: Way) -> None:
    session = str(persistent.run("--terminal")["id"])
    persistent.wait_prompt(session)
    ask(persistent, session, "slow: 60 alpha")
    persistent.wait(session, "working")
    # Before there is an answer, an interrupt takes the prompt back instead.
    until(lambda: "●".encode() in persistent.output(session), "the bullet of an answer")
    persistent.artac("stop", session)
    assert persistent.status(session)["end"]["reason"] == "stopped"
    noted = persistent.machine.read_bytes(str(persistent.state / "sessions" / session / "hooks"))
    transcript = json.loads(noted.splitlines()[0])["transcript_path"]
    assert b"[Request interrupted by user]" in persistent.machine.read_bytes(transcript)


def test_its_log_has_a_long_conversation_whole_once_and_in_order(persistent: Way) -> None:
    session = str(persistent.run("--terminal")["id"])
    persistent.wait_prompt(session)
    said = [f"turn-{number:02d}" for number in range(20)]
    noted = str(persistent.state / "sessions" / session / "hooks")

    def ended() -> int:
        """Turns that have ended; a short one may be over before the backend looks for its state."""
        told = map(json.loads, persistent.machine.read_bytes(noted).splitlines())
        return [one["hook_event_name"] for one in told].count("Stop")

    for turn, text in enumerate(said, 1):
        ask(persistent, session, text)
        until(lambda n=turn: ended() >= n, f"the end of {text}")
    # The end of a turn is told with its hook; its answer may be drawn after that.
    until(lambda: f"● echo: {said[-1]}" in persistent.artac("logs", session).stdout, "the last")
    shown = [line.strip() for line in persistent.artac("logs", session).stdout.splitlines()]
    assert len([line for line in shown if line]) >= 60
    told = [line for line in shown if "turn-" in line]
    assert told == [line for text in said for line in (f"❯ {text}", f"● echo: {text}")]
    assert not [line for line in shown if "? for shortcuts" in line]
