"""What Claude asks for waits to be answered, once, over the death of the backend."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.daemon.test_metrics import scrape, value
from tests.support.backend import ApiError, Backend, until

MakeBackend = Callable[..., Backend]
Asked = dict[str, Any]


@pytest.fixture(params=["2.1.197", "2.1.330"])
def claude(request: pytest.FixtureRequest, make_backend: MakeBackend) -> Backend:
    """A backend whose sessions live on, with each version of Claude in turn."""
    return make_backend(PERSIST_CLAUDE_SESSIONS="true", STANDIN_VERSION=request.param).start()


def pending(backend: Backend, ref: str = "", everything: bool = False) -> list[Asked]:
    query = f"all={int(everything)}" + (f"&session={ref}" if ref else "")
    found: list[Asked] = backend.call("GET", f"/v1/permissions?{query}")["permissions"]
    return found


def ask(backend: Backend, what: str = "Bash touch it", **content: Any) -> Asked:
    """A session that asks for that; the request, with the prompt's turn beside it."""
    session = backend.run(f"!permission {what}", **content)
    backend.wait(session["id"], "needs-permission")
    (asked,) = pending(backend, session["id"])
    return {**asked, "prompt": session["prompt"]}


def answer(backend: Backend, asked: Asked, **content: Any) -> Asked:
    path = f"/v1/sessions/{asked['session']}/permissions/{asked['request']}"
    found: Asked = backend.call("POST", path, content)["permission"]
    return found


def refused(backend: Backend, asked: Asked, kind: str, **content: Any) -> str:
    with pytest.raises(ApiError) as error:
        answer(backend, asked, **content)
    assert error.value.kind == kind, error.value
    assert len(error.value.message.splitlines()) == 1
    return error.value.message


def repeated(backend: Backend, asked: Asked) -> list[dict[str, Any]]:
    """The answers that have reached Claude, as it repeats them."""
    lines = map(json.loads, backend.output(asked["session"]).splitlines())
    return [
        line["response"]["response"]
        for line in lines
        if line["type"] == "control_response"
        and line["response"]["request_id"] == asked["request_id"]
    ]


def test_a_request_is_shown_as_claude_made_it(backend: Backend) -> None:
    asked = ask(backend, "Bash touch it", name="api")
    assert (asked["name"], asked["tool"], asked["input"]) == (
        "api",
        "Bash",
        {"command": "touch it"},
    )
    assert [item["type"] for item in asked["suggestions"]] == ["addRules", "setMode", "setMode"]
    assert asked["outcome"] is None and asked["since"] <= backend.show("api")["state_since"] + 5
    assert len(asked["request"]) == 6
    assert backend.show("api")["permissions"] == [
        {key: value for key, value in asked.items() if key != "prompt"}
    ]
    other = ask(backend, "Edit file")
    assert [item["session"] for item in pending(backend)] == [asked["session"], other["session"]]


def test_what_is_allowed_is_done(claude: Backend) -> None:
    asked = ask(claude)
    settled = answer(claude, asked, answer="allow")
    assert settled["outcome"] == "allowed" and "uid" in settled["by"]
    assert claude.turn(asked["session"], asked["prompt"])["text"] == "tool said: ran touch it"
    claude.wait(asked["session"], "idle")
    assert pending(claude) == []


def test_what_is_denied_is_not_done_and_claude_hears_why(claude: Backend) -> None:
    asked = ask(claude)
    answer(claude, asked, answer="deny", reason="not today")
    assert claude.turn(asked["session"], asked["prompt"])["text"] == "tool said: not today"


COLOUR = {
    "question": "Which colour?",
    "options": [{"label": "red", "description": "as a rose"}, {"label": "blue"}],
}
SIZES = {
    "question": "Which sizes?",
    "multiSelect": True,
    "options": [{"label": "S"}, {"label": "2", "description": "two"}],
}


def question(backend: Backend, *asked: object) -> Asked:
    return ask(backend, f"AskUserQuestion {json.dumps({'questions': asked})}", name="api")


def test_a_question_is_shown_and_answered_by_numbers_or_words(claude: Backend) -> None:
    asked = question(claude, COLOUR, SIZES)
    shown = claude.artac("permissions").stdout.splitlines()[1:]
    assert [line for line in shown if "--always" not in line] == [
        "  asks: Which colour?",
        "    1: red (as a rose)",
        "    2: blue",
        "  asks: Which sizes? (several: 1,2)",
        "    1: S",
        "    2: 2 (two)",
    ]
    for words, said in (
        (["allow", asked["request"]], "is a question"),
        (["answer", asked["request"], "1"], "asks 2 questions, and you have given 1"),
        (["answer", asked["request"], "3", "1"], "no option 3, only 1 to 2"),
        (["answer", asked["request"], "1", "1,9"], "no option 9"),
    ):
        done = claude.artac(*words, check=False)
        assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1
    assert repeated(claude, asked) == []
    done = claude.artac("answer", asked["request"], "2", "1,2")
    assert done.stdout.splitlines() == [
        f"answered {asked['request']}: Which colour? blue",
        f"answered {asked['request']}: Which sizes? S, 2",
    ]
    told = 'answered: "Which colour?"="blue", "Which sizes?"="S, 2"'
    assert claude.turn("api", asked["prompt"])["text"] == f"tool said: {told}"
    again = claude.artac("answer", asked["request"], "2", "2", check=False)
    assert again.returncode == 6 and "already" in again.stderr
    assert "? asks: Which colour?" in claude.artac("logs", "api").stdout


def test_a_question_may_be_answered_in_words_of_ones_own(claude: Backend) -> None:
    asked = question(claude, COLOUR)
    claude.artac("answer", asked["request"][:4], "neither: green")
    assert 'colour?"="neither: green"' in claude.turn("api", asked["prompt"])["text"]


def test_a_question_is_not_answered_by_halves(claude: Backend) -> None:
    asked = question(claude, COLOUR, SIZES)
    for content, said in (
        ({"answers": ["red"]}, "asks 2 questions, and 1 are answered"),
        ({"answers": ["red", " "]}, "must not be empty"),
        ({"answers": "red"}, "answers"),
        ({"answer": "deny", "answers": ["red", "S"]}, "for allow"),
    ):
        assert said in refused(claude, asked, "usage", **{"answer": "allow", **content})
    answer(claude, asked, answer="deny", reason="ask somebody else")
    assert claude.turn("api", asked["prompt"])["text"] == "tool said: ask somebody else"


def test_what_is_no_question_cannot_be_answered_with_words(claude: Backend) -> None:
    asked = ask(claude)
    done = claude.artac("answer", asked["request"], "yes", check=False)
    assert done.returncode == 2 and "is no question" in done.stderr
    assert "0 questions" in refused(claude, asked, "usage", answer="allow", answers=["yes"])
    assert len(pending(claude)) == 1


def test_a_denial_can_end_the_turn(claude: Backend) -> None:
    asked = ask(claude)
    answer(claude, asked, answer="deny", interrupt=True)
    assert claude.turn(asked["session"], asked["prompt"])["outcome"] == "interrupted"
    claude.wait(asked["session"], "idle")


@pytest.mark.parametrize("always", [[1], "all"])
def test_what_is_always_allowed_is_asked_no_more(claude: Backend, always: object) -> None:
    session = claude.run("hello", name="api")
    claude.turn(session["id"], session["prompt"])
    first = claude.send("api", "!permission Bash one")
    claude.wait("api", "needs-permission")
    (asked,) = pending(claude)
    if always == "all":
        # Among all of them is one that would end all asking.
        assert "bypassPermissions" in refused(claude, asked, "denied", answer="allow", always="all")
        assert repeated(claude, asked) == [] and len(pending(claude)) == 1
        always = [1, 2]
    answer(claude, asked, answer="allow", always=always)
    assert claude.turn("api", first)["text"] == "tool said: ran one"
    (told,) = repeated(claude, asked)
    assert {item["destination"] for item in told["updatedPermissions"]} == {
        "localSettings",
        "session",
    }
    assert claude.ask("api", "!permission Bash two")["text"] == "tool said: ran two"


def test_an_answer_is_given_once(claude: Backend) -> None:
    asked = ask(claude)
    answer(claude, asked, answer="allow")
    claude.turn(asked["session"], asked["prompt"])
    assert "was allowed by" in refused(claude, asked, "conflict", answer="deny")
    assert len(repeated(claude, asked)) == 1
    missing = {**asked, "request": "zzzzzz"}
    assert "artac permissions" in refused(claude, missing, "not-found", answer="allow")
    (shown,) = pending(claude, everything=True)
    assert shown["outcome"] == "allowed"


def test_an_interrupt_takes_the_request_back(claude: Backend) -> None:
    asked = ask(claude)
    claude.call("POST", f"/v1/sessions/{asked['session']}/interrupt")
    assert claude.turn(asked["session"], asked["prompt"])["outcome"] == "interrupted"
    assert pending(claude) == []
    assert "is gone" in refused(claude, asked, "not-found", answer="allow")
    assert repeated(claude, asked) == []
    assert claude.ask(asked["session"], "hello")["text"] == "echo: hello"


def test_an_ended_session_asks_nothing(backend: Backend) -> None:
    asked = ask(backend)
    backend.call("POST", f"/v1/sessions/{asked['session']}/kill")
    assert pending(backend) == []
    refused(backend, asked, "not-running", answer="allow")


def test_a_request_survives_the_backend(claude: Backend) -> None:
    asked = ask(claude)
    claude.kill()
    claude.start()
    (found,) = pending(claude)
    assert (found["request"], found["input"]) == (asked["request"], asked["input"])
    assert claude.show(asked["session"])["state"] == "needs-permission"
    answer(claude, found, answer="allow")
    assert claude.turn(asked["session"], asked["prompt"])["text"] == "tool said: ran touch it"
    claude.wait(asked["session"], "idle")
    claude.restart()
    assert pending(claude) == []


def test_claude_is_asked_where_its_output_does_not_tell(make_backend: MakeBackend) -> None:
    backend = make_backend(PERSIST_CLAUDE_SESSIONS="true", ARTAC_OUTPUT_MAX="1M").start()
    asked = ask(backend)
    backend.kill()
    # As after a flood of output: the line with the request is dropped from the front.
    output = backend.state / "sessions" / asked["session"] / "output"
    kept = output.read_bytes()
    at = kept.index(b'{"type":"control_request"')
    blank = kept[:at] + b" " * (len(kept) - at - 1) + b"\n"
    with output.open("r+b") as file:
        file.write(blank)
    backend.start()
    (found,) = until(lambda: pending(backend), "the request, from Claude itself")
    assert found["request_id"] == asked["request_id"]
    answer(backend, found, answer="allow")
    assert backend.turn(asked["session"], asked["prompt"])["text"] == "tool said: ran touch it"


def test_an_answer_of_a_killed_backend_is_not_given_again(persistent: Backend) -> None:
    """The keeper has it, and the output does not tell so yet: Claude is stopped."""
    asked = ask(persistent)
    claude = persistent.show(asked["session"])["claude"]["pid"]
    os.kill(claude, signal.SIGSTOP)
    try:
        answer(persistent, asked, answer="allow")
        persistent.kill()
        persistent.start()
        assert "already" in refused(persistent, asked, "conflict", answer="deny")
    finally:
        os.kill(claude, signal.SIGCONT)
    assert persistent.turn(asked["session"], asked["prompt"])["text"] == "tool said: ran touch it"
    assert [told["behavior"] for told in repeated(persistent, asked)] == ["allow"]


def test_the_command_lists_and_answers(backend: Backend) -> None:
    asked = ask(backend, "Bash echo \x1b[31m; rm -rf it", name="api")

    def artac(*words: str) -> tuple[int, str]:
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "artac_daemon.cli.main",
                "--socket",
                str(backend.socket),
                *words,
            ],
            env=backend.environment(),
            capture_output=True,
            text=True,
        )
        return ran.returncode, ran.stdout

    code, shown = artac("permissions", "api")
    assert code == 0 and asked["request"] in shown and "\x1b" not in shown
    assert "Bash: echo \\x1b[31m; rm -rf it" in shown
    assert "--always 1: allow Bash in localSettings" in shown
    assert artac("allow", "zzzzzz")[0] == 4
    assert artac("allow", asked["request"], "--always", "9")[0] == 2
    code, told = artac("allow", asked["request"][:4], "--always", "1")
    assert code == 0 and told.startswith(f"allowed {asked['request']}")
    assert artac("deny", asked["request"], "--reason", "too late")[0] == 6
    assert artac("permissions")[1] == ""
    listed = json.loads(artac("permissions", "--all", "--json")[1])
    assert [item["outcome"] for item in listed] == ["allowed"]


def test_a_command_that_waits_says_what_for(backend: Backend) -> None:
    waiting = subprocess.Popen(
        [sys.executable, "-m", "artac_daemon.cli.main", "run", "--wait", "!permission Bash it"],
        env=backend.environment(),
        cwd=backend.work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert waiting.stderr is not None
        told = [waiting.stderr.readline(), waiting.stderr.readline()]
        (asked,) = pending(backend)
        assert told[1] == (
            f"artac: it asks for a permission and waits: artac permissions {asked['session']}\n"
        )
        answer(backend, asked, answer="allow")
        out, _ = waiting.communicate(timeout=30)
    finally:
        waiting.kill()
        waiting.wait()
    assert (waiting.returncode, out) == (0, "tool said: ran it\n")


def test_requests_are_events_and_a_metric(backend: Backend) -> None:
    asked = ask(backend, "Bash a-secret")
    assert value(scrape(backend), "artac_permission_requests") == 1
    answer(backend, asked, answer="deny")
    backend.wait(asked["session"], "idle")
    page = scrape(backend)
    assert value(page, "artac_permission_requests") == 0
    assert value(page, "artac_state_seconds_total", state="needs-permission") > 0
    told = [json.loads(line) for line in (backend.state / "events").read_text().splitlines()]
    events = {event["event"]: event for event in told if event["event"].startswith("permission")}
    assert events["permission-asked"]["request"] == asked["request"]
    assert events["permission-settled"]["outcome"] == "denied"
    assert "a-secret" not in (backend.state / "events").read_text() + backend.log()
