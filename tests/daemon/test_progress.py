"""What a session is at is known from its own words, and how long it was at what."""

from __future__ import annotations

import pytest

from tests.daemon.test_metrics import scrape, value
from tests.support.backend import Backend, until


def test_a_failing_api_is_a_state_that_ends_with_the_next_word(backend: Backend) -> None:
    session = backend.run("!retry 6 here at last", name="api")
    backend.wait("api", "retrying")
    retry = backend.show("api")["retry"]
    assert retry["sentence"] == "the API answered 529 (overloaded), attempt 1 of 10"
    assert retry["until"] == pytest.approx(backend.show("api")["state_since"] + 6, abs=4)
    assert backend.turn("api", session["prompt"])["text"] == "here at last"
    backend.wait("api", "idle")
    shown = backend.show("api")
    assert shown["retry"] is None and shown["state_seconds"]["retrying"] >= 3


def test_a_retry_can_be_interrupted(backend: Backend) -> None:
    session = backend.run("!retry 600 never", name="api")
    backend.wait("api", "retrying")
    backend.call("POST", "/v1/sessions/api/interrupt")
    assert backend.turn("api", session["prompt"])["outcome"] == "interrupted"
    backend.wait("api", "idle")


def test_the_status_tells_what_claude_told(backend: Backend) -> None:
    fresh = backend.run(name="api")
    backend.wait("api", "idle")
    fresh = backend.show("api")
    told = ("model_in_use", "tokens", "context", "tool", "last_message", "retry")
    assert {key: fresh[key] for key in told} == dict.fromkeys(told)
    backend.send("api", "!tool sleep 1000")
    tool = until(lambda: backend.show("api")["tool"], "the tool")
    assert (tool["name"], tool["input"], tool["running"]) == ("Bash", "sleep 1000", 1)
    backend.call("POST", "/v1/sessions/api/interrupt")
    backend.wait("api", "idle")
    assert backend.show("api")["tool"] is None
    backend.ask("api", "hello")
    backend.wait("api", "idle")
    shown = backend.show("api")
    assert shown["model_in_use"] == "standin" and shown["last_message"] == "echo: hello"
    assert shown["tokens"] == {"input": 10, "output": 5, "cache_read": 100, "cache_creation": 0}
    assert shown["context"] == {"tokens": 2, "window": 200000}


def test_times_go_on_over_a_restart_and_what_nobody_saw_is_unknown(persistent: Backend) -> None:
    session = persistent.run("!slow 1 done", name="api")
    persistent.turn("api", session["prompt"])
    persistent.wait("api", "idle")
    before = persistent.show("api")["state_seconds"]
    assert before["working"] >= 0.5
    persistent.restart()
    after = persistent.show("api")["state_seconds"]
    assert after["working"] == pytest.approx(before["working"], abs=0.5)
    # It was idle before and after, so it was meanwhile.
    assert after["idle"] > before["idle"] and "unknown" not in after
    # What an earlier backend saw is none of this one's counter.
    assert value(scrape(persistent), "artac_state_seconds_total", state="working") == 0

    persistent.send("api", "!slow 600 late")
    persistent.wait("api", "working")
    persistent.kill()
    claude = persistent.state / "sessions" / session["id"] / "output"
    size = claude.stat().st_size
    persistent.start()
    persistent.call("POST", "/v1/sessions/api/interrupt")
    until(lambda: claude.stat().st_size > size, "the end of the turn")
    persistent.wait("api", "idle")
    assert "unknown" not in persistent.show("api")["state_seconds"]


def test_a_state_that_changed_while_nobody_looked_is_not_guessed(persistent: Backend) -> None:
    session = persistent.run("!slow 4 done", name="api")
    persistent.wait("api", "working")
    persistent.kill()
    output = persistent.state / "sessions" / session["id"] / "output"
    until(lambda: b'"state":"idle"' in output.read_bytes(), "the end of the turn")
    persistent.start()
    persistent.wait("api", "idle")
    assert persistent.show("api")["state_seconds"]["unknown"] > 0.3


def test_the_counter_of_states_only_grows(backend: Backend) -> None:
    session = backend.run("!slow 1 done", name="api")
    backend.turn("api", session["prompt"])
    first = value(scrape(backend), "artac_state_seconds_total", state="working")
    assert first >= 0.5
    backend.call("POST", "/v1/sessions/api/kill")
    backend.call("DELETE", "/v1/sessions/api")
    assert value(scrape(backend), "artac_state_seconds_total", state="working") >= first
