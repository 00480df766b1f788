"""artac-claude in the place of claude: what a program sees of it, with the stand-in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.backend import STANDIN, Backend, until
from tests.support.dropin import LINES, Program, launcher, run
from tests.support.pty_terminal import PtyTerminal


def _plain(backend: Backend, *words: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    """The same with claude itself."""
    return subprocess.run(
        [str(STANDIN), *words],
        env=backend.environment(),
        cwd=backend.work,
        input=given,
        capture_output=True,
        timeout=60,
    )


def _gone(backend: Backend, ref: str = "prog") -> dict[str, object]:
    return dict(backend.wait(ref)["end"])


def test_two_turns_and_what_artac_shows_of_them(backend: Backend) -> None:
    program = Program(backend, ARTAC_SESSION_NAME="prog")
    program.ask("one")
    assert b"echo: one" in b"".join(program.until(b'"type":"result"'))
    [row] = backend.list()
    assert (row["name"], row["kind"]) == ("prog", "piped")
    backend.wait("prog", "idle")
    program.ask("two")
    assert b"echo: two" in b"".join(program.until(b'"type":"result"'))
    code, _, errors = program.end()
    assert (code, errors) == (0, b"")
    assert _gone(backend)["reason"] == "completed"


def test_a_text_session_writes_the_same_bytes(backend: Backend) -> None:
    ours, plain = run(backend, "-p", "hello"), _plain(backend, "-p", "hello", given=b"")
    assert (ours.returncode, ours.stdout, ours.stderr) == (0, plain.stdout, plain.stderr)
    assert b"echo: hello" in ours.stdout


def test_its_log_is_as_readable_as_that_of_others(backend: Backend) -> None:
    program = Program(backend, ARTAC_SESSION_NAME="prog")
    program.ask("one")
    program.until(b'"type":"result"')
    assert "echo: one" in backend.artac("logs", "prog").stdout.splitlines()
    why = backend.artac("why", "prog").stdout
    assert "  echo: one" in why.splitlines() and '"type"' not in why
    told = backend.artac("events", "prog").stdout
    assert "echo: one" in told and all(json.loads(line) for line in told.splitlines())
    refused = backend.artac("restarts", "prog", "on-failure", check=False)
    assert refused.returncode == 6 and "belongs to its program" in refused.stderr
    program.end()
    run(backend, "-p", "hello", ARTAC_SESSION_NAME="text")
    assert backend.artac("logs", "text").stdout == "echo: hello\n"
    assert "  echo: hello" in backend.artac("why", "text").stdout.splitlines()
    refused = backend.artac("events", "text", check=False)
    assert refused.returncode == 2 and "prints text and has no events" in refused.stderr


def test_an_exit_code_and_errors_are_claudes(backend: Backend) -> None:
    given = b"this is no JSON\n"
    ours, plain = run(backend, *LINES, given=given), _plain(backend, *LINES, given=given)
    assert ours.returncode == plain.returncode == 1
    assert ours.stderr == plain.stderr and b"Error parsing" in ours.stderr


def test_a_signal_goes_to_claude_and_its_code_comes_back(backend: Backend) -> None:
    program = Program(backend)
    program.ask("one")
    program.until(b'"type":"result"')
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(20) == 143
    program.die()


def test_claude_killed_by_a_signal_is_128_and_its_number(backend: Backend) -> None:
    program = Program(backend, ARTAC_SESSION_NAME="prog")
    program.ask("one")
    program.until(b'"type":"result"')
    os.kill(backend.show("prog")["claude"]["pid"], signal.SIGKILL)
    assert program.end()[0] == 137


def test_sigterm_in_the_middle_of_a_tool_leaves_nothing(backend: Backend) -> None:
    program = Program(backend, ARTAC_SESSION_NAME="prog")
    program.ask("!tool sh -c 'touch begun; exec sleep 300'")
    until(lambda: (backend.work / "begun").exists(), "the tool")
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(20) == 143
    program.die()
    assert not [line for line in backend.leftovers() if "sleep 300" in line]


def test_a_long_line_comes_through_whole(backend: Backend) -> None:
    program = Program(backend)
    program.ask("x" * 3_000_000)
    [line] = [line for line in program.until(b'"type":"result"') if b"echo: xxx" in line][:1]
    assert len(line) > 3_000_000 and json.loads(line)
    assert program.end()[0] == 0


def test_a_program_that_reads_late_gets_all_of_it(backend: Backend) -> None:
    program = Program(backend, ARTAC_SESSION_NAME="prog")
    for number in range(8):
        program.ask(f"{number}" + "y" * 200_000)
        until(backend.list, "the session")
        until(lambda n=number: backend.show("prog")["turns"] > n, "an answer")
    program.stdin.close()
    backend.wait("prog")
    out = program.stdout.read()
    assert out == backend.output(backend.show("prog")["id"])
    assert program.process.wait(20) == 0


def test_the_last_line_needs_no_end_and_half_a_one_is_dropped(backend: Backend) -> None:
    whole = b'{"type":"user","message":{"role":"user","content":"unended"}}'
    done = run(backend, *LINES, given=whole)
    assert done.returncode == 0 and b"echo: unended" in done.stdout
    done = run(backend, *LINES, given=whole + b"\n" + whole[:20])
    assert done.returncode == 0 and b"echo: unended" in done.stdout
    assert b"Error parsing" not in done.stderr


def test_a_program_that_is_killed_takes_its_session_along(backend: Backend) -> None:
    program = Program(backend, ARTAC_SESSION_NAME="prog")
    program.ask("!tool sh -c 'touch begun; exec sleep 300'")
    until(lambda: (backend.work / "begun").exists(), "the tool")
    program.process.kill()  # artac-claude itself: nothing is said any more
    program.die()
    end = _gone(backend)
    assert end["reason"] == "stopped"
    assert "program" in str(end["sentence"])
    assert not [line for line in backend.leftovers() if "sleep 300" in line]


def test_a_killed_backend_is_not_noticed(persistent: Backend) -> None:
    program = Program(persistent, ARTAC_SESSION_NAME="prog")
    program.ask("one")
    program.until(b'"type":"result"')
    persistent.kill()
    program.ask("two")
    assert b"echo: two" in b"".join(program.until(b'"type":"result"'))
    persistent.start()
    persistent.wait("prog", "idle")
    program.ask("three")
    assert b"echo: three" in b"".join(program.until(b'"type":"result"'))
    assert program.end()[0] == 0
    assert _gone(persistent)["reason"] == "completed"


@pytest.mark.parametrize("step", ["spec", "output"])
def test_a_daemon_that_dies_before_it_hands_the_session_over_leaves_none(
    persistent: Backend, step: str
) -> None:
    program = Program(persistent, ("-p",), ARTAC_SESSION_NAME="prog")
    until(lambda: list(persistent.state.glob(f"sessions/*/{step}")), "the start")
    persistent.kill()
    # Whether it was in time to hand it over is chance; nothing may be left that nobody knows of.
    out, errors = program.process.communicate(b"hello", timeout=60)
    persistent.start()
    told = (program.process.returncode, out)
    assert told in ((0, b"echo: hello\n"), (7, b"")), errors
    until(lambda: not persistent.list(ended=False), "its end")


def test_one_that_says_nothing_before_its_answer_is_at_work_again_once_its_keeper_goes_on(
    persistent: Backend,
) -> None:
    told = persistent.root / "told"
    program = Program(persistent, ("-p",), ARTAC_SESSION_NAME="prog", ARTAC_SESSION_FILE=str(told))
    until(told.exists, "the session")
    keeper = persistent.show("prog")["keeper"]["pid"]
    os.kill(keeper, signal.SIGSTOP)
    try:
        persistent.kill()
        persistent.start()
        assert persistent.show("prog")["state"] == "unresponsive"
    finally:
        os.kill(keeper, signal.SIGCONT)
    persistent.wait("prog", "working")
    program.say(b"hello")
    assert program.end()[:2] == (0, b"echo: hello\n")
    assert _gone(persistent)["reason"] == "completed"


@pytest.mark.parametrize("killed", ["program", "artac-claude"])
def test_a_program_comes_back_and_gets_what_it_missed(persistent: Backend, killed: str) -> None:
    first = Program(persistent, ARTAC_SESSION_NAME="prog")
    first.ask("one")
    seen = first.until(b'"state":"completed"')
    first.ask("!slow 1 meanwhile")
    seen += first.until(b'"subtype":"init"')
    if killed == "artac-claude":
        time.sleep(2)  # what was read is noted some time after, and that is what is promised
        first.process.kill()
    first.die()
    persistent.wait("prog", "idle")
    second = Program(persistent, ARTAC_SESSION="prog")
    second.ask("again")
    missed = second.until(b"echo: again")
    missed += second.until(b'"state":"completed"')
    assert second.end()[0] == 0
    output = persistent.output(persistent.show("prog")["id"])
    assert b"".join(seen + missed) == output[: len(b"".join(seen + missed))]
    assert b"meanwhile" in b"".join(missed)


def test_a_signal_after_the_programs_death_is_not_the_programs(persistent: Backend) -> None:
    program = Program(persistent, ARTAC_SESSION_NAME="prog")
    program.ask("one")
    program.until(b'"type":"result"')
    # As a service manager does that finds more of a service than its program.
    program.process.send_signal(signal.SIGSTOP)
    program.process.send_signal(signal.SIGTERM)
    for end in (program.stdin, program.stdout, program.stderr):
        end.close()
    program.process.send_signal(signal.SIGCONT)
    assert program.process.wait(20) == 141
    second = Program(persistent, ARTAC_SESSION="prog")
    second.ask("two")
    second.until(b"echo: two")
    assert second.end()[0] == 0


def test_what_a_program_did_not_read_comes_again(persistent: Backend) -> None:
    first = Program(persistent, ARTAC_SESSION_NAME="prog")
    first.ask("one")
    until(lambda: [row for row in persistent.list() if row["state"] == "idle"], "the turn")
    until(lambda: persistent.show("prog")["turns"] == 1, "the turn")
    first.die()  # without having read a byte
    second = Program(persistent, ARTAC_SESSION="prog")
    assert b"echo: one" in b"".join(second.until(b'"type":"result"'))
    assert second.end()[0] == 0


def test_who_comes_back_to_what_has_ended_gets_the_rest_and_the_code(persistent: Backend) -> None:
    first = Program(persistent, ARTAC_SESSION_NAME="prog")
    first.ask("!slow 1 last words")
    first.until(b'"subtype":"init"')
    first.die()
    until(lambda: persistent.show("prog")["turns"] == 1, "the turn")
    os.kill(persistent.show("prog")["claude"]["pid"], signal.SIGTERM)
    persistent.wait("prog")
    done = run(persistent, *LINES, ARTAC_SESSION="prog")
    assert b"last words" in done.stdout and b'"init"' not in done.stdout
    assert done.returncode == 143


def test_one_program_at_a_time_unless_it_is_taken(persistent: Backend) -> None:
    first = Program(persistent, ARTAC_SESSION_NAME="prog")
    first.ask("one")
    first.until(b'"type":"result"')
    refused = run(persistent, *LINES, ARTAC_SESSION="prog")
    assert refused.returncode == 6
    assert b"has its program already" in refused.stderr and refused.stderr.count(b"\n") == 1
    second = Program(persistent, ARTAC_SESSION="prog", ARTAC_STEAL="1")
    assert first.process.wait(20) == 6
    assert b"taken over" in first.stderr.read()
    first.die()
    second.ask("two")
    assert b"echo: two" in b"".join(second.until(b'"type":"result"'))
    assert second.end()[0] == 0


def test_a_program_within_a_session_gets_a_session_of_its_own(backend: Backend) -> None:
    outer = Program(backend, ARTAC_SESSION_NAME="outer")
    outer.ask("one")
    outer.until(b'"type":"result"')
    inherited = {"ARTAC_SESSION": backend.show("outer")["id"], "ARTAC_NAME": "outer"}
    inner = run(backend, "-p", "within", **inherited)
    assert inner.returncode == 0 and b"echo: within" in inner.stdout
    assert outer.end()[0] == 0


def test_its_id_is_told_where_the_program_wants_it(backend: Backend) -> None:
    path = backend.root / "id"
    assert run(backend, "-p", "hello", ARTAC_SESSION_FILE=str(path)).returncode == 0
    assert backend.wait(path.read_text().strip())["state"] == "ended"


def test_what_is_no_session_is_run_at_once_also_without_a_daemon(backend: Backend) -> None:
    version = subprocess.run([str(STANDIN), "--version"], capture_output=True, text=True).stdout
    assert run(backend, "-v").stdout.decode() == version
    assert not backend.list()
    backend.stop()
    done = run(backend, "-v", CLAUDE_CODE_PATH=str(STANDIN))
    assert (done.returncode, done.stdout.decode()) == (0, version)


def test_without_a_daemon_nothing_is_run(backend: Backend) -> None:
    backend.stop()
    done = run(backend, "-p", "hello")
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"no artac daemon answers" in done.stderr and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dangerously-skip-permissions"], b"do not skip permissions"),
        (["--permission-mode", "bypassPermissions"], b"only a directory's policy"),
        (["--permission-mode=bypassPermissions"], b"only a directory's policy"),
        (["--bg"], b"artac is its host"),
    ],
)
def test_what_cannot_be_hosted_is_refused(backend: Backend, words: list[str], said: bytes) -> None:
    done = run(backend, "-p", *words, "hello")
    assert done.returncode in (2, 5) and done.stderr.count(b"\n") == 1
    assert said.split()[-1] in done.stderr
    assert not backend.list()


def test_limits_refuse_with_one_line(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    program = Program(backend)
    program.ask("one")
    program.until(b'"type":"result"')
    done = run(backend, "-p", "hello")
    assert done.returncode == 9 and done.stderr.count(b"\n") == 1
    assert program.end()[0] == 0


def test_a_directory_outside_the_allowed_roots_is_refused(make_backend: MakeBackend) -> None:
    backend = make_backend(ARTAC_ALLOWED_ROOTS="/usr").start()
    done = run(backend, "-p", "hello")
    assert done.returncode == 5 and b"allowed_roots" in done.stderr


def test_a_conversation_that_runs_is_not_taken_up_twice(backend: Backend) -> None:
    chosen = "12345678-1234-4234-8234-123456789abc"
    program = Program(backend, [*LINES, "--session-id", chosen])
    program.ask("one")
    program.until(b'"type":"result"')
    done = run(backend, *LINES, f"--resume={chosen}")
    assert done.returncode == 6 and chosen.encode() in done.stderr
    assert program.end()[0] == 0


def test_the_programs_environment_is_claudes(backend: Backend) -> None:
    program = Program(
        backend, ARTAC_SESSION_NAME="prog", MINE="a value", CLAUDE_CODE_ENTRYPOINT="x"
    )
    program.ask("one")
    program.until(b'"type":"result"')
    pid = backend.show("prog")["claude"]["pid"]
    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"MINE=a value" in environ and b"CLAUDE_CODE_ENTRYPOINT=x" in environ
    assert not [word for word in environ if word.startswith(b"ARTAC_STATE_DIRECTORY")]
    assert program.end()[0] == 0
    refused = backend.artac("resume", "prog", check=False)
    assert refused.returncode == 6 and "its program alone" in refused.stderr
    record = (backend.state / "sessions" / backend.show("prog")["id"] / "spec").read_text()
    assert "MINE" not in record and "a value" not in record


def test_others_cannot_speak_to_it_and_artac_can_end_it(backend: Backend) -> None:
    program = Program(backend, ARTAC_SESSION_NAME="prog")
    program.ask("!tool sh -c 'touch begun; exec sleep 300'")
    until(lambda: (backend.work / "begun").exists(), "the tool")
    for words in (["send", "prog", "hi"], ["interrupt", "prog"]):
        refused = backend.artac(*words, check=False)
        assert refused.returncode == 2 and "program" in refused.stderr
    backend.artac("stop", "prog")
    out, _ = program.process.communicate(timeout=30)
    assert b'"type":"result"' in out  # in order: the turn was ended
    assert _gone(backend)["reason"] == "stopped"
    assert not [line for line in backend.leftovers() if "sleep 300" in line]


def test_what_it_asks_is_listed_and_answered_by_the_program(backend: Backend) -> None:
    words = [*LINES, "--permission-prompt-tool", "stdio"]
    program = Program(backend, words, ARTAC_SESSION_NAME="prog")
    program.ask("!permission Bash touch asked-for")
    request = json.loads(program.until(b"can_use_tool")[-1])
    backend.wait("prog", "needs-permission")
    assert "touch asked-for" in backend.artac("permissions").stdout
    [waiting] = backend.call("GET", "/v1/permissions")["permissions"]
    refused = backend.artac("allow", waiting["request"], check=False)
    assert refused.returncode == 2 and "program" in refused.stderr
    answer = {"behavior": "allow", "updatedInput": request["request"]["input"]}
    told = {"subtype": "success", "request_id": request["request_id"], "response": answer}
    program.say(json.dumps({"type": "control_response", "response": told}).encode())
    until(lambda: "allowed" in backend.artac("permissions", "--all").stdout, "the answer")
    program.until(b'"type":"result"')
    backend.wait("prog", "idle")
    assert not backend.call("GET", "/v1/permissions")["permissions"]
    assert program.end()[0] == 0


def test_on_a_terminal_it_is_a_terminal_session(backend: Backend) -> None:
    env = {**backend.environment(), "TERM": "xterm", "ARTAC_SESSION_NAME": "prog"}
    command = ["sh", "-c", f"cd {backend.work} && exec {launcher(backend)}"]
    terminal = PtyTerminal(command, env)
    try:
        terminal.shows("stand-in for claude")
        assert backend.show("prog")["kind"] == "terminal"
        backend.artac("kill", "prog")
    finally:
        terminal.close()
