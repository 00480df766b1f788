"""Sessions from start to end, as a client of the API sees them."""

from __future__ import annotations

import json
import os
import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.backend import ApiError, Backend, until


def test_a_session_answers_its_prompt_and_further_messages(backend: Backend) -> None:
    session = backend.run("first")
    assert backend.turn(session["id"], session["prompt"])["text"] == "echo: first"
    answer = backend.ask(session["id"], "second")
    assert (answer["outcome"], answer["text"]) == ("success", "echo: second")
    backend.wait(session["name"], "idle")
    shown = backend.show(session["name"])
    assert (shown["turns"], shown["placement"]) == (2, "detached")


def test_without_a_prompt_a_session_becomes_idle(backend: Backend) -> None:
    session = backend.run()
    backend.wait(session["id"], "idle")
    assert backend.ask(session["id"], "hello")["text"] == "echo: hello"


def test_the_same_uuid_is_one_turn_however_often_it_is_sent(backend: Backend) -> None:
    session = backend.run()
    chosen = str(uuid.uuid4())
    first = backend.send(session["id"], "once", chosen)
    assert backend.turn(session["id"], first)["text"] == "echo: once"
    again = backend.send(session["id"], "once", chosen)
    assert again["duplicate"] and not first["duplicate"]
    assert backend.turn(session["id"], again)["text"] == "echo: once"
    assert backend.show(session["id"])["turns"] == 1


def test_status_is_not_behind_what_a_turn_has_told(backend: Backend) -> None:
    session = backend.run()
    for turn in range(1, 31):
        backend.ask(session["id"], f"{turn}")
        assert backend.show(session["id"])["turns"] == turn


def test_messages_that_wait_are_merged_and_each_gets_the_result(backend: Backend) -> None:
    session = backend.run("!slow 5")
    backend.wait(session["id"], "working")
    waiting = [backend.send(session["id"], text) for text in ("one", "two")]
    results = [backend.turn(session["id"], accepted) for accepted in waiting]
    assert results[0]["offset"] == results[1]["offset"]
    assert "one" in results[0]["text"] and "two" in results[0]["text"]


def test_interrupt_ends_the_turn_and_not_the_session(backend: Backend) -> None:
    session = backend.run("!slow 60")
    backend.wait(session["id"], "working")
    backend.call("POST", f"/v1/sessions/{session['id']}/interrupt")
    assert backend.turn(session["id"], session["prompt"])["outcome"] == "interrupted"
    assert backend.ask(session["id"], "and now")["text"] == "echo: and now"


def test_an_ended_session_tells_code_and_reason(backend: Backend) -> None:
    session = backend.run("!exit 7")
    end = backend.wait(session["id"])["end"]
    assert (end["reason"], end["exit_code"]) == ("failed", 7)
    assert backend.turn(session["id"], session["prompt"])["outcome"] == "session-ended"


def test_a_killed_claude_tells_its_signal(backend: Backend) -> None:
    session = backend.run()
    backend.wait(session["id"], "idle")
    os.kill(backend.show(session["id"])["claude"]["pid"], signal.SIGKILL)
    end = backend.wait(session["id"])["end"]
    assert (end["reason"], end["signal"]) == ("killed", 9)


def test_stop_says_who_asked_and_takes_the_whole_tree(backend: Backend) -> None:
    session = backend.run("!doublefork sleep 1234")
    backend.turn(session["id"], session["prompt"])
    assert any("sleep 1234" in line for line in backend.leftovers())
    end = backend.call("POST", f"/v1/sessions/{session['id']}/stop")["session"]["end"]
    assert end["reason"] == "stopped" and "uid" in end["stop"]["by"]
    assert end["exit_code"] == 0
    assert not any("sleep 1234" in line for line in backend.leftovers())


def test_stop_interrupts_a_turn_and_what_waits_behind_it(backend: Backend) -> None:
    session = backend.run("!slow 60")
    backend.wait(session["id"], "working")
    backend.send(session["id"], "!slow 61")
    end = backend.call("POST", f"/v1/sessions/{session['id']}/stop?grace=8")["session"]["end"]
    # Exit code 1 is Claude's own word for "the last turn was interrupted".
    assert end["reason"] == "stopped" and end["signal"] is None and end["exit_code"] in (0, 1)


@pytest.mark.parametrize("stubborn", ["!ignore-term", "!ignore-eof", "!hang"])
def test_stop_ends_a_session_that_does_not_play_along(backend: Backend, stubborn: str) -> None:
    session = backend.run("!ignore-eof")
    backend.turn(session["id"], session["prompt"])
    backend.send(session["id"], stubborn)
    end = backend.call("POST", f"/v1/sessions/{session['id']}/stop?grace=0.3")["session"]["end"]
    assert end["reason"] == "stopped"


def test_kill_ends_a_stopped_process_at_once(backend: Backend) -> None:
    session = backend.run()
    backend.wait(session["id"], "idle")
    os.kill(backend.show(session["id"])["claude"]["pid"], signal.SIGSTOP)
    end = backend.call("POST", f"/v1/sessions/{session['id']}/kill")["session"]["end"]
    assert end["reason"] == "killed" and end["stop"]["why"] == "kill"


def test_a_stop_beside_a_kill_makes_nothing_milder_of_it(backend: Backend) -> None:
    session = backend.run()["id"]
    backend.wait(session, "idle")
    os.kill(backend.show(session)["claude"]["pid"], signal.SIGSTOP)  # it takes its time to end
    with ThreadPoolExecutor() as pool:
        killing = pool.submit(backend.call, "POST", f"/v1/sessions/{session}/kill")
        until(lambda: backend.show(session)["stop"], "the kill")
        try:
            backend.call("POST", f"/v1/sessions/{session}/stop?grace=0.1")
        except ApiError as late:
            assert late.kind == "not-running"
        end = killing.result()["session"]["end"]
    assert (end["reason"], end["stop"]["why"]) == ("killed", "kill")


def test_what_claude_leaves_behind_goes_with_it_and_is_counted(backend: Backend) -> None:
    session = backend.run("!nohup sleep 1235")
    backend.turn(session["id"], session["prompt"])
    backend.send(session["id"], "!exit 0")
    end = backend.wait(session["id"])["end"]
    assert end["reason"] == "completed" and end["left_behind"] == 1
    assert not any("sleep 1235" in line for line in backend.leftovers())


def test_a_session_whose_keeper_is_killed_is_lost_and_leaves_nothing(backend: Backend) -> None:
    session = backend.run()
    backend.wait(session["id"], "idle")
    os.kill(backend.show(session["id"])["keeper"]["pid"], signal.SIGKILL)
    end = backend.wait(session["id"])["end"]
    assert end["reason"] == "lost" and "keeper was killed" in end["sentence"]


def test_a_claude_that_cannot_be_started_leaves_no_session(backend: Backend) -> None:
    broken = backend.root / "broken"
    broken.write_text("#!/nonexistent/interpreter\n")
    broken.chmod(0o755)
    backend.stop()
    backend.settings["CLAUDE_CODE_PATH"] = str(broken)
    backend.start()
    with pytest.raises(ApiError) as refused:
        backend.run("hello")
    assert "No such file or directory" in refused.value.message
    assert backend.list() == []
    assert list((backend.state / "sessions").iterdir()) == []


def test_a_terminal_session_is_logged_listed_and_stopped(backend: Backend) -> None:
    session = backend.run(kind="terminal", size=[100, 30])
    until(lambda: backend.output(session["id"]), "the terminal's output")
    backend.wait(session["id"], "idle")
    end = backend.call("POST", f"/v1/sessions/{session['id']}/stop")["session"]["end"]
    assert end["reason"] == "stopped"


def test_the_environment_of_a_session_is_the_services_without_systemds_words(
    backend: Backend,
) -> None:
    session = backend.run("!env GIVEN", env={"GIVEN": "yes"})
    assert backend.turn(session["id"], session["prompt"])["text"] == "GIVEN=yes"
    for name in ("NOTIFY_SOCKET", "ARTAC_STATE_DIRECTORY", "CLAUDE_CODE_PATH"):
        assert backend.ask(session["id"], f"!env {name}")["text"] == f"{name}=(unset)"
    spec = json.loads((backend.state / "sessions" / session["id"] / "spec").read_text())
    assert spec["env_names"] == ["GIVEN"] and "yes" not in json.dumps(spec)
    argv = Path(f"/proc/{backend.show(session['id'])['claude']['pid']}/cmdline").read_text()
    assert "GIVEN" not in argv and "yes" not in argv


def test_names_are_unique_among_the_living_and_may_be_used_again(backend: Backend) -> None:
    first = backend.run(name="api")
    with pytest.raises(ApiError) as refused:
        backend.run(name="api")
    assert refused.value.kind == "conflict" and first["id"] in refused.value.message
    backend.call("POST", "/v1/sessions/api/stop")
    second = backend.run(name="api")
    assert backend.show("api")["id"] == second["id"]
    assert backend.show(second["id"][:4])["id"] == second["id"]


def test_ended_sessions_are_removed_by_rm_prune_and_the_bound(backend: Backend) -> None:
    sessions = [backend.run("!exit 0") for _ in range(3)]
    for session in sessions:
        backend.wait(session["id"])
    running = backend.run()
    with pytest.raises(ApiError) as refused:
        backend.call("DELETE", f"/v1/sessions/{running['id']}")
    assert refused.value.kind == "conflict"
    backend.call("DELETE", f"/v1/sessions/{sessions[0]['id']}")
    assert len(backend.call("POST", "/v1/prune?keep=1")["removed"]) == 1
    assert {s["state"] for s in backend.list()} >= {"ended"} and len(backend.list()) == 2
    backend.call("DELETE", f"/v1/sessions/{running['id']}?force=1")
    assert len(list((backend.state / "sessions").iterdir())) == 1


def test_max_sessions_is_a_bound(make_backend: object) -> None:
    backend: Backend = make_backend(ARTAC_MAX_SESSIONS="1").start()  # type: ignore[operator]
    backend.run()
    with pytest.raises(ApiError) as refused:
        backend.run()
    assert refused.value.status == 429 and "max_sessions" in refused.value.message


def test_it_is_told_what_a_terminal_session_asks_before_its_prompt(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend()
    trusted = backend.work / "src"
    trusted.mkdir()
    backend.settings["ARTAC_TRUSTED_DIRECTORIES"] = str(trusted)
    (backend.home / ".claude.json").write_text('{"hasCompletedOnboarding": true}')
    backend.start()

    def asked(cwd: Path) -> list[str]:
        body = {"cwd": str(cwd), "kind": "terminal", "env": {"ANTHROPIC_API_KEY": ""}}
        started = backend.call("POST", "/v1/sessions", body)
        ref = started["session"]["id"]
        # The stand-in asks nothing: it is at its prompt, and Escape is no answer to anything.
        until(lambda: backend.call("GET", f"/v1/sessions/{ref}")["session"]["asks"] == [], "prompt")
        backend.call("POST", f"/v1/sessions/{ref}/interrupt")
        return [question["dialog"] for question in started["will_ask"]]

    assert asked(backend.work) == ["trust"]
    assert asked(trusted) == []
    content = json.loads((backend.home / ".claude.json").read_text())
    assert list(content["projects"]) == [os.path.realpath(trusted)]
    headless = backend.run()
    assert backend.call("GET", f"/v1/sessions/{headless['id']}")["session"]["asks"] is None


def test_who_asked_for_a_stop_is_told_also_when_the_backend_stops_meanwhile(
    backend: Backend,
) -> None:
    session = backend.run("!hang", name="api")
    backend.wait("api", "working")
    # It is cut off with the backend, and what is on disk is what counts.
    asked = threading.Thread(target=backend.artac, args=("stop", "api"), kwargs={"check": False})
    asked.start()
    backend.wait("api", "stopping")
    backend.restart()
    asked.join(30)
    stop = backend.show(session["id"])["end"]["stop"]
    assert stop["why"] == "stop" and "backend" not in stop["by"]
