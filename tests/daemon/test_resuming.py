"""`artac resume`: an ended session's conversation goes on in a new one, and nobody else has it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.conftest import MakeBackend
from tests.support.attached_terminal import PARSED, AttachedTerminal
from tests.support.backend import STANDIN, ApiError, Backend, until


def said(backend: Backend, text: str, **content: Any) -> dict[str, Any]:
    """A session with one turn behind it."""
    session = backend.run(text, **content)
    backend.turn(session["id"], session["prompt"])
    return session


def resume(backend: Backend, ref: str, **content: Any) -> dict[str, Any]:
    answer: dict[str, Any] = backend.call("POST", f"/v1/sessions/{ref}/resume", content)
    return answer


def transcripts(backend: Backend) -> list[Path]:
    return list(backend.home.rglob("*.jsonl"))


def holds(backend: Backend, text: bytes) -> bool:
    return any(text in path.read_bytes() for path in transcripts(backend))


def words(backend: Backend, session: str) -> list[str]:
    pid = backend.show(session)["claude"]["pid"]
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")


@pytest.mark.parametrize("end", ["stop", "kill", "crash"])
def test_a_session_goes_on_with_its_conversation_and_settings(backend: Backend, end: str) -> None:
    old = said(
        backend,
        "remember the blue door",
        name="api",
        model="haiku",
        permission_mode="acceptEdits",
        allowed_tools=["Read"],
        claude_args=["--add-dir", "/tmp"],
        limits={"runtime": "2h"},
        restart=["on-boot"],
    )
    # Claude writes it down somewhat later, and with what it had to say.
    until(lambda: holds(backend, b"echo: "), "the transcript")
    if end == "crash":
        os.kill(backend.show("api")["claude"]["pid"], signal.SIGKILL)
    else:
        backend.call("POST", f"/v1/sessions/api/{end}")
    before = backend.wait(old["id"])
    told = backend.artac("resume", "api")
    new = backend.show("api")
    assert told.stdout == f"resumed {old['id']} as {new['id']} (api)\n" and told.stderr == ""
    assert new["id"] != old["id"] and new["resumes"] == old["id"]
    was = backend.show(old["id"])
    assert was["resumed_as"] == new["id"] and was["end"] == before["end"]
    kept = (
        *("claude_session_id", "cwd", "model", "permission_mode", "allowed_tools", "claude_args"),
        *("kind", "restart"),
    )
    assert {key: new[key] for key in kept} == {key: was[key] for key in kept}
    assert new["limits"]["values"]["runtime_max"] == "2h"
    assert "--resume" in words(backend, new["id"])
    assert backend.ask("api", "recall")["text"] == 'you said first: "remember the blue door"'
    with pytest.raises(ApiError, match=rf"has ended \(\w+\); resumed as {new['id']}: you cannot"):
        backend.send(old["id"], "hello")
    shown = backend.artac("status", "api").stdout
    assert "resumes:" in shown and old["id"] in shown
    assert "resumed as:" in backend.artac("status", old["id"]).stdout


def test_what_was_cut_off_is_told_and_not_run_again(backend: Backend) -> None:
    mark = backend.work / "ran"
    tool = f"!tool date >>{mark}; exec sleep 1411"
    session = backend.run(tool, name="api")
    until(mark.exists, "the tool runs")
    backend.wait("api", "working")
    until(lambda: backend.show("api")["tool"], "the tool is told")
    until(lambda: holds(backend, b"1411"), "it is in the transcript")
    os.kill(backend.show("api")["claude"]["pid"], signal.SIGKILL)
    backend.wait(session["id"])
    told = backend.artac("resume", "api")
    assert 'of "!tool date' in told.stderr and "Bash" in told.stderr
    assert "it is not run again by itself" in told.stderr
    new = backend.wait("api", "idle")
    cut = backend.show("api")["interrupted"]
    assert cut["message"].startswith("!tool date") and cut["tool"].startswith("Bash: date")
    assert backend.ask("api", "and now?")["text"] == "echo: and now?"
    assert mark.read_text().count("\n") == 1
    backend.restart()
    assert backend.show(new["id"])["interrupted"] == cut


def test_messages_that_claude_never_began_with_go_to_the_new_session_once(
    backend: Backend,
) -> None:
    session = said(backend, "hello", name="api")
    until(lambda: holds(backend, b"echo: hello"), "the transcript")
    claude = backend.show("api")["claude"]["pid"]
    os.kill(claude, signal.SIGSTOP)
    first, second = (backend.send("api", text) for text in ("the first", "the second"))
    os.kill(claude, signal.SIGKILL)
    backend.wait(session["id"])
    listed = backend.call("GET", f"/v1/sessions/{session['id']}/messages")["messages"]
    assert [row["uuid"] for row in listed] == [first["uuid"], second["uuid"]]
    assert {row["state"] for row in listed} == {"undelivered"}
    told = backend.artac("resume", "api")
    new = backend.show("api")["id"]
    assert "2 messages that Claude had not begun with go to it" in told.stderr
    for sent, text in ((first, "the first"), (second, "the second")):
        assert text in backend.turn(new, sent)["text"]
    backend.wait("api", "idle")
    assert backend.show("api")["turns"] <= 2
    # Resumed once more, it has nothing left to be handed down.
    backend.call("POST", "/v1/sessions/api/stop")
    assert "not begun with" not in backend.artac("resume", "api").stderr


def test_continue_interrupted_runs_the_turn_again(backend: Backend) -> None:
    mark = backend.work / "ran"
    session = backend.run(f"!tool echo x >>{mark}; exec sleep 1412", name="api")
    until(mark.exists, "the tool runs")
    until(lambda: holds(backend, b"1412"), "it is in the transcript")
    os.kill(backend.show("api")["claude"]["pid"], signal.SIGKILL)
    backend.wait(session["id"])
    told = backend.artac("resume", "api", "--continue-interrupted")
    assert "it is run again" in told.stderr
    until(lambda: mark.read_text().count("\n") == 2, "the tool runs again")


def test_the_environment_does_not_make_claude_run_a_turn_again(make_backend: MakeBackend) -> None:
    backend = make_backend(CLAUDE_CODE_RESUME_INTERRUPTED_TURN="1").start()
    session = backend.run("!env CLAUDE_CODE_RESUME_INTERRUPTED_TURN")
    answer = backend.turn(session["id"], session["prompt"])["text"]
    assert answer == "CLAUDE_CODE_RESUME_INTERRUPTED_TURN=(unset)"


def test_one_in_which_nothing_was_said_begins_anew(backend: Backend) -> None:
    session = backend.run(name="api")
    backend.wait("api", "idle")
    backend.call("POST", "/v1/sessions/api/stop")
    told = backend.artac("resume", "api")
    assert "begins anew" in told.stderr
    new = backend.show("api")
    assert new["resumes"] == session["id"]
    assert "--session-id" in words(backend, "api")
    assert backend.ask("api", "hello")["text"] == "echo: hello"


def test_variables_are_to_be_given_again(backend: Backend) -> None:
    session = said(backend, "hello", name="api", env={"TOKEN": "s3cret"})
    backend.call("POST", "/v1/sessions/api/stop")
    refused = backend.artac("resume", "api", check=False)
    assert refused.returncode == 2
    assert "--env TOKEN" in refused.stderr and "--without-env" in refused.stderr
    backend.artac("resume", "api", "--env", "TOKEN=other")
    assert backend.ask("api", "!env TOKEN")["text"] == "TOKEN=other"
    backend.call("POST", "/v1/sessions/api/stop")
    backend.artac("resume", "api", "--without-env")
    assert backend.ask("api", "!env TOKEN")["text"] == "TOKEN=(unset)"
    assert b"s3cret" not in b"".join(
        path.read_bytes() for path in backend.state.rglob("*") if path.is_file()
    )
    # By the oldest one's id too: the last of them is meant.
    backend.call("POST", "/v1/sessions/api/stop")
    last = backend.show("api")["id"]
    assert resume(backend, session["id"])["resumed"] == last


def test_a_missing_transcript_is_named(backend: Backend) -> None:
    said(backend, "hello", name="api")
    backend.call("POST", "/v1/sessions/api/stop")
    (file,) = transcripts(backend)
    file.unlink()
    refused = backend.artac("resume", "api", check=False)
    assert refused.returncode == 6 and refused.stderr.count("\n") == 1
    assert "its transcript is gone" in refused.stderr and "cleanupPeriodDays" in refused.stderr
    assert len(backend.list()) == 1


def test_a_working_directory_that_is_gone_is_named(backend: Backend) -> None:
    place = backend.root / "gone"
    place.mkdir()
    said(backend, "hello", name="api", cwd=str(place))
    backend.call("POST", "/v1/sessions/api/stop")
    place.rmdir()
    refused = backend.artac("resume", "api", check=False)
    assert refused.returncode == 6 and str(place) in refused.stderr
    place.symlink_to(backend.work)
    assert "is now" in backend.artac("resume", "api", check=False).stderr


def test_one_that_runs_is_not_resumed(backend: Backend) -> None:
    said(backend, "hello", name="api")
    refused = backend.artac("resume", "api", check=False)
    assert refused.returncode == 6 and "runs" in refused.stderr


def test_its_name_is_anothers_by_now(backend: Backend) -> None:
    old = said(backend, "hello", name="api")
    backend.call("POST", "/v1/sessions/api/stop")
    backend.run(name="api")
    new = resume(backend, old["id"])["session"]
    assert new["name"] == new["id"]
    backend.call("POST", f"/v1/sessions/{new['id']}/stop")
    with pytest.raises(ApiError, match="under the name 'api'"):
        resume(backend, old["id"], name="api")
    assert resume(backend, old["id"], name="api-2")["session"]["name"] == "api-2"


def claude(backend: Backend, *options: str) -> subprocess.Popen[bytes]:
    """A stand-in that nobody of artac's has started."""
    stream = ["-p", "--input-format", "stream-json", "--output-format", "stream-json"]
    return subprocess.Popen(
        [str(STANDIN), *stream, *options],
        env={"HOME": str(backend.home), "PATH": os.environ["PATH"]},
        cwd=backend.work,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )


def test_a_foreign_claude_that_has_it_is_named(backend: Backend) -> None:
    said(backend, "hello", name="api")
    backend.call("POST", "/v1/sessions/api/stop")
    conversation = backend.show("api")["claude_session_id"]
    with claude(backend, "--resume", conversation) as foreign:
        refused = backend.artac("resume", "api", check=False)
        assert refused.returncode == 6
        assert f"process {foreign.pid} has its conversation" in refused.stderr
        assert foreign.stdin is not None
        foreign.stdin.close()
    with claude(backend, "--resume", conversation, "--fork-session") as forks:
        assert resume(backend, "api")["session"]["name"] == "api"
        assert forks.stdin is not None
        forks.stdin.close()


def test_one_in_claudes_registry_is_named_and_a_stale_entry_is_not(backend: Backend) -> None:
    said(backend, "hello", name="api")
    backend.call("POST", "/v1/sessions/api/stop")
    registry = backend.home / ".claude" / "sessions"
    registry.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["/bin/sleep", "1413"]) as process:
        started = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()[19]
        entry = {"pid": process.pid, "sessionId": backend.show("api")["claude_session_id"]}
        file = registry / f"{process.pid}.json"
        file.write_text(json.dumps({**entry, "procStart": started}))
        with pytest.raises(ApiError, match=f"process {process.pid} has its conversation"):
            resume(backend, "api")
        file.write_text(json.dumps({**entry, "procStart": str(int(started) - 1)}))
        assert resume(backend, "api")["session"]["name"] == "api"
        process.kill()


def share(one: Backend, other: Backend, session: str) -> None:
    """Have the other backend know that ended session, with the same home and directory."""
    target = other.state / "sessions" / session
    target.mkdir(mode=0o700, parents=True)
    for name in ("spec", "end", "output"):
        (target / name).write_bytes((one.state / "sessions" / session / name).read_bytes())
    other.home = one.home


def test_of_two_backends_one_gets_a_conversation_and_the_other_is_told_who(
    make_backend: MakeBackend,
) -> None:
    one, other = make_backend().start(), make_backend()
    session = said(one, "hello", name="api")
    one.call("POST", "/v1/sessions/api/stop")
    share(one, other, session["id"])
    other.start()
    results: list[str] = []

    def compete(backend: Backend) -> None:
        try:
            results.append(resume(backend, "api")["session"]["id"])
        except ApiError as error:
            assert (error.status, error.kind) == (409, "conflict")
            results.append(error.message)

    for _ in range(5):
        results.clear()
        threads = [threading.Thread(target=compete, args=(each,)) for each in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(" " in result for result in results) == [False, True], results
        winner = next(result for result in results if " " not in result)
        for backend in (one, other):
            for live in backend.list(ended=False):
                assert live["id"] == winner
                backend.call("POST", f"/v1/sessions/{winner}/stop")
    # What was lost has left nothing, and no lock stays.
    assert not list((one.home / ".claude" / "artac").iterdir())


def test_the_lock_is_told_by_its_holder_where_nothing_else_shows_it(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend().start()
    said(backend, "hello", name="api")
    backend.call("POST", "/v1/sessions/api/stop")
    lock = backend.home / ".claude" / "artac" / f"{backend.show('api')['claude_session_id']}.lock"
    hold = (
        "import sys, time; from artac_daemon.keeper.conversation import take; "
        "take(sys.argv[1], {'session': 'x2x2x2', 'state': '/s', 'pid': 7}); print(flush=True); "
        "time.sleep(600)"
    )
    import sys

    with subprocess.Popen([sys.executable, "-c", hold, str(lock)], stdout=subprocess.PIPE) as held:
        assert held.stdout is not None and held.stdout.readline() == b"\n"
        refused = backend.artac("resume", "api", check=False)
        assert refused.returncode == 6
        assert "in use by session x2x2x2 of the artac in /s (keeper pid 7)" in refused.stderr
        held.kill()
    assert len(backend.list()) == 1
    assert resume(backend, "api")["session"]["name"] == "api"


def test_what_it_left_is_to_be_ended_first(persistent: Backend) -> None:
    said(persistent, "!doublefork sleep 1414", name="api")
    shown = persistent.show("api")
    persistent.kill()
    os.kill(shown["keeper"]["pid"], signal.SIGKILL)
    until(lambda: not any("claude" in line for line in persistent.leftovers()), "Claude's end")
    persistent.start()
    assert persistent.show("api")["end"]["reason"] == "lost"
    refused = persistent.artac("resume", "api", check=False)
    assert refused.returncode == 6 and f"artac reap {shown['id']}" in refused.stderr
    persistent.artac("reap", shown["id"], "--yes")
    assert resume(persistent, "api")["session"]["name"] == "api"


def test_the_lock_of_a_killed_keeper_is_removed_by_the_next_backend(persistent: Backend) -> None:
    said(persistent, "hello", name="gone")
    said(persistent, "hello", name="kept")
    pid = persistent.show("gone")["keeper"]["pid"]
    persistent.kill()
    os.kill(pid, signal.SIGKILL)
    persistent.start()
    kept = persistent.show("kept")["claude_session_id"]
    locks = list((persistent.home / ".claude" / "artac").iterdir())
    assert [lock.name for lock in locks] == [f"{kept}.lock"]


def test_a_resume_that_is_cut_off_is_one_session_or_none(persistent: Backend) -> None:
    said(persistent, "hello", name="api")
    persistent.call("POST", "/v1/sessions/api/stop")
    ref = persistent.show("api")["id"]
    for pause in (0.0, 0.02, 0.05, 0.08, 0.12, 0.2):
        with persistent.connection() as connection:
            connection.request("POST", f"/v1/sessions/{ref}/resume", body="{}")
            time.sleep(pause)  # not to wait for something: to vary where the kill strikes
            persistent.kill()
        persistent.start()
        live = persistent.list(ended=False)
        assert len(live) <= 1
        if not live:
            live = [resume(persistent, ref)["session"]]
        assert persistent.ask(live[0]["id"], "recall")["text"] == 'you said first: "hello"'
        persistent.call("POST", f"/v1/sessions/{live[0]['id']}/stop")
        for session in persistent.list():
            assert session["end"]["reason"] in ("stopped", "failed", "lost")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({"kind": "adopted"}, "kind must be headless or terminal"),
        ({"without_env": "yes"}, "without_env must be true or false"),
        ({"prompt": "x"}, "unknown key 'prompt'"),
        ({"env": {"ARTAC_X": "1"}}, "is not a variable that a session may be given"),
    ],
)
def test_a_wrong_request_is_refused(backend: Backend, body: dict[str, Any], what: str) -> None:
    backend.run("!exit 0", name="api")
    backend.wait("api")
    with pytest.raises(ApiError, match=what):
        resume(backend, "api", **body)


def test_a_terminal_one_is_attached_to_and_detach_stays_out(backend: Backend) -> None:
    backend.run(kind="terminal", name="tui")
    backend.wait("tui", "idle")
    backend.call("POST", "/v1/sessions/tui/stop")
    terminal = AttachedTerminal(backend, "resume", "tui", command=PARSED)
    try:
        terminal.shows("stand-in for claude")
        terminal.press("hello\r")
        terminal.shows("you said: hello")
        assert terminal.detach() == 0
    finally:
        terminal.close()
    backend.call("POST", "/v1/sessions/tui/stop")
    # It has said something by now, and this stand-in keeps no transcript on a terminal.
    assert "transcript is gone" in backend.artac("resume", "tui", check=False).stderr
    backend.run(kind="terminal", name="out")
    backend.wait("out", "idle")
    backend.call("POST", "/v1/sessions/out/stop")
    assert backend.artac("resume", "-d", "out").stdout.startswith("resumed ")
    assert backend.wait("out", "idle")["kind"] == "terminal"
    backend.call("POST", "/v1/sessions/out/stop")
    backend.artac("resume", "--headless", "out")
    assert backend.ask("out", "hello")["text"] == "echo: hello"


def test_a_conversation_of_an_adopted_process_is_not_known(backend: Backend) -> None:
    session = backend.run("!exit 0", name="api")
    backend.wait("api")
    backend.stop()
    spec = backend.state / "sessions" / session["id"] / "spec"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "kind": "adopted"}))
    backend.start()
    with pytest.raises(ApiError, match="it was adopted"):
        resume(backend, "api")


def test_of_two_who_wait_in_line_for_one_conversation_the_first_has_it(
    make_backend: MakeBackend,
) -> None:
    backend = make_backend(ARTAC_MAX_SESSIONS="1").start()
    old = said(backend, "remember the blue door", name="api")
    until(lambda: holds(backend, b"echo: "), "the transcript")
    backend.call("POST", "/v1/sessions/api/stop")
    backend.run(name="other")
    told: list[str] = []

    def take() -> None:
        try:
            told.append(resume(backend, old["id"], queue=30)["session"]["id"])
        except ApiError as error:
            told.append(error.message)

    def queued(number: int) -> None:
        until(lambda: backend.call("GET", "/v1/health")["queued"] == number, f"{number} wait")

    threads = [threading.Thread(target=take) for _ in range(2)]
    for number, thread in enumerate(threads, 1):
        thread.start()
        queued(number)
    backend.call("POST", "/v1/sessions/other/stop")
    queued(1)
    new = until(lambda: backend.show(old["id"])["resumed_as"], "it is resumed")
    backend.call("POST", f"/v1/sessions/{new}/stop")
    for thread in threads:
        thread.join(30)
    assert told[0] == new and f"has been resumed as {new} meanwhile" in told[1]
    assert backend.show(old["id"])["resumed_as"] == new
