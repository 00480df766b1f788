"""What a stop, a crash and a restart of the backend leave, and what is found again."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
import uuid
from pathlib import Path

import pytest

from tests.support.backend import ApiError, Backend, until


def counts(backend: Backend, session_id: str, text: str) -> int:
    """How many turns Claude ran for that text."""
    return backend.output(session_id).count(f'"result":"echo: {text}"'.encode())


@pytest.mark.parametrize("death", ["stop", "kill"])
def test_a_persistent_session_goes_on_and_is_found_again(persistent: Backend, death: str) -> None:
    session = persistent.run("first", name="api")
    persistent.turn(session["id"], session["prompt"])
    before = persistent.show("api")
    getattr(persistent, death)()
    os.kill(before["claude"]["pid"], 0)
    persistent.start()
    after = persistent.show("api")
    assert (after["keeper"], after["claude"]) == (before["keeper"], before["claude"])
    assert after["state"] == "idle"
    assert persistent.ask("api", "second")["text"] == "echo: second"
    assert "session adopted" in persistent.log()
    if death == "stop":
        assert "Claude sessions persisted (1)" in persistent.log()


def test_not_one_byte_is_missing_that_was_written_meanwhile(persistent: Backend) -> None:
    session = persistent.run(f"!slow 1 {'x' * 10}")
    persistent.wait(session["id"], "working,idle")
    size = 10 * 1024 * 1024
    flood = persistent.hand(session["id"], f"!flood {size}")
    persistent.kill()
    output = persistent.state / "sessions" / session["id"] / "output"
    until(lambda: output.read_bytes().count(b'"type":"result"') == 2, "both turns done", 60)
    written = output.read_bytes()
    persistent.start()
    with persistent.connection() as connection:
        connection.request("GET", f"/v1/sessions/{session['id']}/output?offset=0")
        read = connection.getresponse().read()
    assert hashlib.sha256(read).digest() == hashlib.sha256(written).digest()
    assert len(read) > size and all(json.loads(line) for line in read.splitlines())
    assert persistent.turn(session["id"], flood)["outcome"] == "success"


@pytest.mark.parametrize(
    ("text", "reason", "code", "signal_number"),
    [
        ("!exit 0", "completed", 0, None),
        ("!exit 7", "failed", 7, None),
        ("!signal 11", "killed", None, 11),
    ],
)
def test_an_end_while_no_backend_ran_is_told_truly(
    persistent: Backend, text: str, reason: str, code: int | None, signal_number: int | None
) -> None:
    session = persistent.run("!slow 1")
    persistent.wait(session["id"], "working,idle")
    persistent.hand(session["id"], text)
    persistent.kill()
    until(lambda: not persistent.leftovers(), "the session's end")
    persistent.start()
    end = persistent.show(session["id"])["end"]
    assert (end["reason"], end["exit_code"], end["signal"]) == (reason, code, signal_number)


def test_a_keeper_killed_while_no_backend_ran_makes_the_session_lost(persistent: Backend) -> None:
    session = persistent.run()
    persistent.wait(session["id"], "idle")
    keeper = persistent.show(session["id"])["keeper"]["pid"]
    persistent.kill()
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not persistent.leftovers(), "the session's end")
    persistent.start()
    assert persistent.show(session["id"])["end"]["reason"] == "lost"


def test_a_message_accepted_just_before_a_crash_runs_once(persistent: Backend) -> None:
    session = persistent.run()
    chosen = str(uuid.uuid4())
    persistent.send(session["id"], "once", chosen)
    persistent.kill()
    persistent.start()
    again = persistent.send(session["id"], "once", chosen)
    assert again["duplicate"]
    assert persistent.turn(session["id"], again)["text"] == "echo: once"
    persistent.ask(session["id"], "another")
    assert counts(persistent, session["id"], "once") == 1


def test_a_message_sent_while_the_backend_is_killed_runs_once_when_retried(
    persistent: Backend,
) -> None:
    """Kill at any instant: whatever the first attempt came to, the retry makes it one turn."""
    session = persistent.run()
    persistent.wait(session["id"], "idle")
    for attempt in range(5):
        chosen, text = str(uuid.uuid4()), f"attempt {attempt}"
        with persistent.connection() as connection:
            body = json.dumps({"text": text, "uuid": chosen})
            connection.request("POST", f"/v1/sessions/{session['id']}/messages", body=body)
            persistent.kill()
        persistent.start()
        accepted = persistent.send(session["id"], text, chosen)
        assert persistent.turn(session["id"], accepted)["outcome"] == "success"
        assert counts(persistent, session["id"], text) == 1


def test_a_start_cut_off_at_any_instant_leaves_a_session_or_nothing(persistent: Backend) -> None:
    judged: set[str] = set()
    for pause in (0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08):
        with persistent.connection() as connection:
            body = json.dumps({"cwd": str(persistent.work), "prompt": "hello"})
            connection.request("POST", "/v1/sessions", body=body)
            time.sleep(pause)  # not to wait for something: to vary where the kill strikes
            persistent.kill()
        persistent.start()
        for session in persistent.list():
            if session["id"] in judged:
                continue
            judged.add(session["id"])
            if session["state"] == "ended":
                assert session["end"]["reason"] in ("lost", "failed"), session
            else:
                assert persistent.ask(session["id"], "alive?")["text"] == "echo: alive?"
                persistent.call("POST", f"/v1/sessions/{session['id']}/kill")


@pytest.mark.parametrize("death", ["stop", "kill"])
def test_a_session_that_does_not_persist_ends_with_the_backend(
    backend: Backend, death: str
) -> None:
    session = backend.run("!doublefork sleep 1236")
    backend.turn(session["id"], session["prompt"])
    getattr(backend, death)()
    until(lambda: not backend.leftovers(), f"nothing left: {backend.leftovers()}")
    if death == "stop":
        assert "Claude sessions terminated (1)" in backend.log()
    backend.start()
    assert backend.show(session["id"])["end"]["reason"] == "backend-stopped"


@pytest.mark.parametrize("asked", ["stop", "kill", "interrupt", "messages", "limits", "persist"])
def test_what_had_ended_before_the_backend_started_is_refused_at_once(
    persistent: Backend, asked: str
) -> None:
    session = persistent.run("!exit 0")
    persistent.wait(session["id"])
    persistent.restart()
    body = {"messages": {"text": "x"}, "limits": {"limits": {"runtime": "1h"}}}.get(asked)
    body = {"on": True} if asked == "persist" else body
    with pytest.raises(ApiError) as refused:
        persistent.call("POST", f"/v1/sessions/{session['id']}/{asked}", body, timeout=10)
    assert refused.value.kind == "not-running"


def test_a_stop_that_a_crash_cut_off_is_finished_by_the_next_backend(persistent: Backend) -> None:
    session = persistent.run("!ignore-eof")
    persistent.turn(session["id"], session["prompt"])
    with persistent.connection() as connection:
        connection.request("POST", f"/v1/sessions/{session['id']}/stop?grace=30")
        stop = persistent.state / "sessions" / session["id"] / "stop"
        until(stop.exists, "the stop on disk")
        persistent.kill()
    persistent.start()
    assert persistent.wait(session["id"])["end"]["reason"] == "stopped"


def test_a_damaged_record_is_written_again_from_its_keeper(persistent: Backend) -> None:
    session = persistent.run()
    persistent.wait(session["id"], "idle")
    persistent.kill()
    directory = persistent.state / "sessions" / session["id"]
    (directory / "spec").write_text('{"version": 1, "id": ')
    persistent.start()
    assert persistent.ask(session["id"], "still there?")["outcome"] == "success"
    assert list(directory.glob("spec.damaged-*"))
    assert "damaged record" in persistent.log()


def test_a_damaged_record_without_a_keeper_is_set_aside(persistent: Backend) -> None:
    good, bad = persistent.run("!exit 0"), persistent.run("!exit 0")
    for session in (good, bad):
        persistent.wait(session["id"])
    persistent.stop()
    (persistent.state / "sessions" / bad["id"] / "spec").write_bytes(b"\0\xff")
    persistent.start()
    assert [session["id"] for session in persistent.list()] == [good["id"]]
    aside = list((persistent.state / "damaged").iterdir())
    assert len(aside) == 1 and aside[0].name.startswith(bad["id"])
    assert aside[0].name in persistent.log()


def test_a_stopped_keeper_is_shown_and_taken_up_when_it_goes_on(persistent: Backend) -> None:
    session = persistent.run()
    persistent.wait(session["id"], "idle")
    keeper = persistent.show(session["id"])["keeper"]["pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        persistent.kill()
        persistent.start()
        assert persistent.show(session["id"])["state"] == "unresponsive"
        sent = persistent.send(session["id"], "while it was stopped")
        assert sent["state"] == "queued"
    finally:
        os.kill(keeper, signal.SIGCONT)
    assert persistent.turn(session["id"], sent)["text"] == "echo: while it was stopped"
    assert persistent.wait(session["id"], "idle")


def test_a_second_backend_over_the_same_state_is_refused(persistent: Backend) -> None:
    other = Backend(persistent.root)
    other.socket = persistent.root / "other"
    other.start(ready=False)
    assert other.process is not None and other.process.wait(timeout=20) == 78
    assert "in use by another artacd" in other.log()
    assert persistent.run()["state"]


def test_looser_modes_are_mended_and_logged(backend: Backend) -> None:
    session = backend.run("!exit 0")
    backend.wait(session["id"])
    backend.stop()
    directory = Path(backend.state, "sessions", session["id"])
    directory.chmod(0o755)
    backend.state.chmod(0o755)
    backend.start()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert backend.state.stat().st_mode & 0o777 == 0o700
    assert backend.log().count("is now 0700") == 2
