"""artac exec: a prompt in a session of its own, which leaves its reply and a record, no process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.backend import ApiError, Backend, until


@contextmanager
def executing(backend: Backend, *words: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """artac exec, running; killed and waited for at the end."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = subprocess.Popen(
        [sys.executable, "-m", "artac_daemon.cli.main", "exec", *words],
        env=backend.environment(),
        cwd=backend.work,
        text=True,
        **{**pipes, **more},
    )
    try:
        yield command
    finally:
        command.kill()
        command.communicate()


def only(backend: Backend) -> dict[str, Any]:
    """The one session that there is, once there is one."""
    found = until(lambda: [s for s in backend.list() if s["state"] != "starting"], "a session")
    assert len(found) == 1
    session: dict[str, Any] = found[0]
    return session


def left(backend: Backend, mark: str) -> list[str]:
    return [line for line in backend.leftovers() if mark in line and "exec" not in line.split()]


def test_the_reply_alone_is_on_standard_output_and_nothing_stays(backend: Backend) -> None:
    done = backend.artac("exec", "--name", "job", "hello")
    assert (done.returncode, done.stdout) == (0, "echo: hello\n")
    assert done.stderr.startswith("artac: started ") and done.stderr.count("\n") == 1
    assert left(backend, "keeper") == [] and backend.list(ended=False) == []
    end = backend.show("job")["end"]
    assert (end["reason"], end["stop"]["why"]) == ("completed", "done")
    assert "its one turn was over" in backend.artac("why", "job").stdout
    assert "echo: hello" in backend.artac("logs", "job").stdout


@pytest.mark.parametrize("persist", ["false", "true"])
@pytest.mark.parametrize("how", ["!nohup sleep 1241", "!doublefork sleep 1241"])
def test_what_a_tool_left_in_the_background_is_gone_when_it_returns(
    make_backend: MakeBackend, how: str, persist: str
) -> None:
    backend = make_backend(PERSIST_CLAUDE_SESSIONS=persist).start()
    done = backend.artac("exec", how)
    assert done.returncode == 0
    assert left(backend, "sleep 1241") == []
    assert only(backend)["end"]["left_behind"] == 1


@pytest.mark.parametrize(
    ("prompt", "code", "reason", "said"),
    [
        ("!exit 7", 12, "failed", "ended before a result: failed: claude failed (exit code 7)"),
        ("!signal 9", 12, "killed", "ended before a result: killed"),
    ],
)
def test_a_session_that_ends_too_early_says_how(
    backend: Backend, prompt: str, code: int, reason: str, said: str
) -> None:
    done = backend.artac("exec", prompt, check=False)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr and only(backend)["end"]["reason"] == reason


def test_an_interrupted_turn_has_its_exit_code(backend: Backend) -> None:
    with executing(backend, "!slow 60") as command:
        session = only(backend)
        backend.wait(session["id"], "working")
        backend.call("POST", f"/v1/sessions/{session['id']}/interrupt")
        out, err = command.communicate(timeout=30)
    assert (command.returncode, out) == (11, "") and "interrupted" in err
    end = only(backend)["end"]
    assert (end["reason"], end["stop"]["why"]) == ("failed", "done")


def test_a_turn_that_takes_too_long_is_ended_and_said_so(backend: Backend) -> None:
    done = backend.artac("exec", "--timeout", "1500ms", "!tool sleep 1242", check=False)
    assert (done.returncode, done.stdout) == (8, "")
    assert "no result within 1.5s: session" in done.stderr and "was ended" in done.stderr
    assert left(backend, "sleep 1242") == []
    end = only(backend)["end"]
    assert (end["reason"], end["stop"]["limit_seconds"]) == ("timeout", 1.5)


def test_the_time_is_up_also_for_a_command_that_was_killed(persistent: Backend) -> None:
    with executing(persistent, "--timeout", "3s", "!tool sleep 1243") as command:
        persistent.wait(only(persistent)["id"], "working")
        command.kill()
    persistent.kill()
    persistent.start()
    assert persistent.wait(only(persistent)["id"])["end"]["reason"] == "timeout"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_session_with_the_command(
    persistent: Backend, number: signal.Signals
) -> None:
    with executing(persistent, "!tool sleep 1244") as command:
        session = only(persistent)
        until(lambda: left(persistent, "sleep 1244"), "the tool")
        command.send_signal(number)
        out, err = command.communicate(timeout=30)
        assert left(persistent, "sleep 1244") == []
    assert (command.returncode, out) == (128 + number, "")
    assert f"{number.name}: ending session {session['id']}" in err
    assert only(persistent)["end"]["reason"] == "stopped"


def test_a_second_signal_kills_a_session_that_does_not_play_along(backend: Backend) -> None:
    with executing(backend, "!hang") as command:
        assert command.stderr is not None
        backend.wait(only(backend)["id"], "working")
        command.send_signal(signal.SIGINT)
        assert any("ending session" in line for line in iter(command.stderr.readline, ""))
        command.send_signal(signal.SIGINT)
        assert any("killing session" in line for line in iter(command.stderr.readline, ""))
        assert command.wait(30) == 130
    assert only(backend)["end"]["stop"]["why"] == "kill"


def test_a_command_started_to_ignore_a_signal_goes_on(backend: Backend) -> None:
    def ignoring() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with executing(backend, "!slow 2 through", preexec_fn=ignoring) as command:
        backend.wait(only(backend)["id"], "working")
        command.send_signal(signal.SIGHUP)
        out, _ = command.communicate(timeout=30)
    assert (command.returncode, out) == (0, "through\n")


def test_a_killed_command_leaves_no_session(backend: Backend) -> None:
    with executing(backend, "!slow 2") as command:
        session = only(backend)
        backend.wait(session["id"], "working")
        command.kill()
    end = backend.wait(session["id"])["end"]
    assert (end["reason"], end["stop"]["by"]) == ("completed", "artac")
    until(lambda: not left(backend, "keeper"), "no keeper")


def test_it_may_outlive_the_daemon_by_its_own_wish(backend: Backend) -> None:
    with executing(backend, "--persist", "!slow 2 own wish") as command:
        backend.wait(only(backend)["id"], "working")
        backend.restart()
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (0, "own wish\n"), err


def test_it_waits_for_its_reply_over_a_crash_of_the_daemon(persistent: Backend) -> None:
    with executing(persistent, "!slow 3 late") as command:
        persistent.wait(only(persistent)["id"], "working")
        persistent.kill()
        persistent.start()
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (0, "late\n"), err
    assert left(persistent, "keeper") == [] and only(persistent)["end"]["reason"] == "completed"


def test_a_daemon_that_dies_in_the_middle_of_its_start_leaves_an_answer_and_no_session(
    persistent: Backend,
) -> None:
    with executing(persistent, "hello") as command:
        until(lambda: list(persistent.state.glob("sessions/*/spec")), "its record")
        persistent.kill()
        persistent.start()
        out, err = command.communicate(timeout=60)
    # Whether Claude had been told to go is chance; what is told has to be so.
    assert (command.returncode, out) in ((0, "echo: hello\n"), (12, ""), (7, "")), err
    assert "waiting up to" in err
    assert left(persistent, "keeper") == [] and persistent.list(ended=False) == []
    assert (command.returncode == 7) is (persistent.list() == [])


def test_one_whose_turn_was_over_while_no_daemon_ran_is_ended_by_the_next(
    persistent: Backend,
) -> None:
    with executing(persistent, "!slow 1 alone") as command:
        session = only(persistent)
        persistent.wait(session["id"], "working")
        persistent.kill()
        command.kill()
    until(lambda: b'"type":"result"' in persistent.output(session["id"]), "its result")
    persistent.start()
    assert persistent.wait(session["id"])["end"]["reason"] == "completed"


def test_its_session_ends_with_a_daemon_that_it_is_bound_to(backend: Backend) -> None:
    with executing(backend, "!slow 60") as command:
        backend.wait(only(backend)["id"], "working")
        backend.stop()
        backend.start()
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (12, "") and "backend-stopped" in err


def test_what_is_not_permitted_is_denied_and_told(backend: Backend) -> None:
    done = backend.artac("exec", "!permission Bash make test")
    assert done.returncode == 0 and "haven't granted" in done.stdout
    assert "not permitted, and denied: Bash" in done.stderr


def test_with_ask_it_waits_for_an_answer(backend: Backend) -> None:
    with executing(backend, "--ask", "!permission Bash make test") as command:
        session = only(backend)
        backend.wait(session["id"], "needs-permission")
        asked = until(lambda: backend.call("GET", "/v1/permissions")["permissions"], "the request")
        assert backend.artac("allow", asked[0]["request_id"]).returncode == 0
        out, err = command.communicate(timeout=30)
    assert (command.returncode, out) == (0, "tool said: ran make test\n")
    assert "it asks for a permission and waits" in err


def test_json_has_the_session_with_its_end_and_the_turn(backend: Backend) -> None:
    told = json.loads(backend.artac("exec", "--json", "hello").stdout)
    assert told["turn"]["text"] == "echo: hello" and told["turn"]["outcome"] == "success"
    assert told["session"]["end"]["reason"] == "completed"
    late = backend.artac("exec", "--json", "--timeout", "1s", "!slow 60", check=False)
    told = json.loads(late.stdout)
    assert late.returncode == 8 and told["turn"]["outcome"] == "interrupted"
    assert told["session"]["end"]["reason"] == "timeout"


def test_a_reader_that_goes_away_ends_nothing_early(backend: Backend) -> None:
    read, write = os.pipe()
    os.close(read)
    with executing(backend, "hello", stdout=write) as command:
        os.close(write)
        _, err = command.communicate(timeout=30)
    assert command.returncode == 141 and "Broken" not in err and "Traceback" not in err
    assert only(backend)["end"]["reason"] == "completed"
    assert left(backend, "keeper") == []


def test_the_prompt_may_come_from_standard_input_or_go_before_it(backend: Backend) -> None:
    for words, given, reply in (
        (["-"], "all of it", "echo: all of it\n"),
        (["review:", "-"], "the diff", "echo: review:\n\nthe diff\n"),
    ):
        with executing(backend, *words, stdin=subprocess.PIPE) as command:
            out, _ = command.communicate(given, timeout=30)
        assert (command.returncode, out) == (0, reply)


def test_keep_leaves_it_running_and_rm_leaves_not_even_a_record(backend: Backend) -> None:
    assert backend.artac("exec", "--keep", "--name", "stays", "hello").stdout == "echo: hello\n"
    assert backend.ask("stays", "again")["text"] == "echo: again"
    late = backend.artac("exec", "--keep", "--timeout", "1s", "!slow 60", check=False)
    assert late.returncode == 8 and "no result within 1s" in late.stderr
    assert len(backend.list(ended=False)) == 2
    assert backend.artac("exec", "--rm", "--name", "goes", "hello").stdout == "echo: hello\n"
    assert len(backend.list()) == 2


def test_messages_that_came_meanwhile_have_their_turn_before_it_ends(backend: Backend) -> None:
    with executing(backend, "!slow 6 first") as command:
        session = only(backend)
        backend.wait(session["id"], "working")
        second = backend.send(session["id"], "second")
        out, _ = command.communicate(timeout=30)
    assert out == "first\n"
    assert backend.turn(session["id"], second)["text"] == "echo: second"
    assert only(backend)["end"]["reason"] == "completed"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "PROMPT"),
        (["two", "words"], "give one PROMPT, in quotes"),
        (["-", "-"], "give one PROMPT"),
        ([" "], "empty"),
        (["--keep", "--rm", "x"], "not allowed with"),
        (["--timeout", "0", "x"], "more than 0"),
        (["--timeout", "soon", "x"], "no duration"),
        (["--queue=2d", "x"], "a day at most"),
        (["--env", "NO_SUCH_NAME", "x"], "exec: --env NO_SUCH_NAME"),
        (["--limit", "colour=red", "x"], "colour"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_starts_nothing(
    backend: Backend, words: list[str], said: str
) -> None:
    refused = backend.artac("exec", *words, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr and refused.stderr.count("\n") == 1
    assert backend.list() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"one_shot": True}, "one_shot"),
        ({"prompt": "x", "turn_timeout": 5}, "turn_timeout is for one_shot"),
        ({"prompt": "x", "one_shot": True, "turn_timeout": 0}, "turn_timeout must be seconds"),
        ({"prompt": "x", "one_shot": 1}, "one_shot must be"),
        ({"kind": "terminal", "deny_permissions": True}, "deny_permissions"),
        ({"prompt": "x", "one_shot": True, "restart": ["on-failure"]}, "restart"),
    ],
)
def test_the_api_refuses_what_makes_no_one_shot(
    backend: Backend, content: dict[str, Any], said: str
) -> None:
    with pytest.raises(ApiError) as refused:
        backend.run(**content)
    assert refused.value.kind == "usage" and said in refused.value.message


def test_its_conversation_can_be_gone_on_with_as_a_session_that_stays(backend: Backend) -> None:
    backend.artac("exec", "--name", "job", "hello")
    assert backend.artac("resume", "job").returncode == 0
    assert backend.ask("job", "again")["text"] == "echo: again"
    backend.wait("job", "idle")
    assert backend.ask("job", "and again")["text"] == "echo: and again"


def test_one_that_waits_in_the_queue_is_gone_with_its_command(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    backend.run(name="first")
    with executing(backend, "--queue", "hello") as command:
        until(lambda: backend.call("GET", "/v1/health")["queued"] == 1, "it waits")
        command.send_signal(signal.SIGTERM)
        _, err = command.communicate(timeout=30)
    assert command.returncode == 143 and "queued:" in err
    until(lambda: backend.call("GET", "/v1/health")["queued"] == 0, "nothing waits")
    assert len(backend.list()) == 1


def test_a_stop_that_somebody_asked_for_stays_theirs_when_the_time_is_up(backend: Backend) -> None:
    session = backend.run("!hang", one_shot=True, turn_timeout=2)
    backend.wait(session["id"], "working")
    backend.call("POST", f"/v1/sessions/{session['id']}/stop?grace=3")
    assert backend.show(session["id"])["end"]["stop"]["why"] == "stop"
